"""What users and saved workflows rely on: ids, names and types are frozen; everything is explained."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FROZEN = Path(__file__).with_name("node_schemas.json")


def summary(schema):
    return {
        "inputs": {entry.id: entry.io_type + (" (optional)" if entry.optional else "") for entry in schema.inputs},
        "outputs": {entry.id: entry.io_type for entry in schema.outputs},
    }


@pytest.fixture
def schemas(pack):
    return {node_id: node.GET_SCHEMA() for node_id, node in pack.nodes.items()}


def test_ids_names_and_types_are_frozen(schemas):
    found = {node_id: summary(schema) for node_id, schema in sorted(schemas.items())}
    expected = json.loads(FROZEN.read_text(encoding="utf-8"))
    assert found == expected, (
        "The nodes' ids, input names, output names or types changed, and saved workflows rely on them. Undo it, or "
        "add rather than change (new inputs optional, at the end). If the change is meant, register a replacement for "
        "the old node (io.NodeReplace), write a line in CHANGELOG.md and put this into "
        f"{FROZEN.name}:\n{json.dumps(found, indent=2)}"
    )


def test_the_order_of_inputs_is_frozen(schemas):
    """Saved workflows keep widget values as a list, in the order of the schema."""
    expected = json.loads(FROZEN.read_text(encoding="utf-8"))
    for node_id, schema in schemas.items():
        assert [entry.id for entry in schema.inputs] == list(expected[node_id]["inputs"]), node_id


def test_everything_is_explained(schemas):
    for node_id, schema in schemas.items():
        assert re.fullmatch(r"Deblur[A-Za-z]+", node_id)
        assert schema.display_name, node_id
        assert schema.description, node_id
        assert schema.category.startswith("image/"), node_id
        assert "deblur" in schema.search_aliases, node_id
        for entry in (*schema.inputs, *schema.outputs):
            assert entry.tooltip, f"{node_id}.{entry.id}"


def test_schemas_are_new_objects_every_time(pack):
    for node in pack.nodes.values():
        first, second = node.GET_SCHEMA(), node.GET_SCHEMA()
        shared = {id(entry) for entry in (*first.inputs, *first.outputs)}
        assert not shared & {id(entry) for entry in (*second.inputs, *second.outputs)}


def test_the_tooltip_tells_the_halos_that_make_tiles_exact(pack):
    tiled = pack.module("nodes.tiled")
    found = {name: pack.deblur.finest_radius(pack.deblur.preset(name)) for name in tiled.EXACT_HALOS}
    assert found == tiled.EXACT_HALOS, f"nodes/tiled.py: EXACT_HALOS should be {found}"
    halo = next(entry for entry in tiled.DeblurTiled.GET_SCHEMA().inputs if entry.id == "halo")
    assert all(f"{radius} for {name}" in halo.tooltip for name, radius in found.items())


def test_every_node_has_a_help_page_that_names_its_inputs_and_outputs(schemas):
    pages = {page.stem: page.read_text(encoding="utf-8") for page in (ROOT / "web/docs").glob("*.md")}
    assert set(pages) == set(schemas)
    for node_id, schema in schemas.items():
        for entry in (*schema.inputs, *schema.outputs):
            assert f"**{entry.id}**" in pages[node_id], f"web/docs/{node_id}.md does not explain {entry.id}"


def test_example_workflows_fit_the_nodes(schemas):
    workflows = sorted((ROOT / "example_workflows").glob("*.json"))
    assert workflows
    for path in workflows:
        workflow = json.loads(path.read_text(encoding="utf-8"))
        nodes = {node["id"]: node for node in workflow["nodes"]}
        links = {link[0]: link for link in workflow["links"]}
        for link_id, origin, origin_slot, target, target_slot, kind in links.values():
            assert link_id in nodes[origin]["outputs"][origin_slot]["links"], path.name
            assert nodes[target]["inputs"][target_slot]["link"] == link_id, path.name
            assert kind == nodes[origin]["outputs"][origin_slot]["type"], path.name
        for node in nodes.values():
            if node["type"] not in schemas:
                continue
            schema = schemas[node["type"]]
            widgets = [entry for entry in schema.inputs if entry.io_type in ("COMBO", "INT", "FLOAT", "STRING")]
            assert len(node["widgets_values"]) == len(widgets), f"{path.name}: {node['type']}"
            names = {entry.id for entry in schema.inputs}
            assert {entry["name"] for entry in node["inputs"]} <= names, f"{path.name}: {node['type']}"
            assert [entry["name"] for entry in node["outputs"]] == [entry.id for entry in schema.outputs], path.name
        assert path.with_suffix(".jpg").stat().st_size < 100_000
