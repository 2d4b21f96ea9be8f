"""``python -m weights``: what the commands print, write and return."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.hub_server import OWNER
from weights import CATALOGUE, CatalogueEntry, Provenance, read_checkpoint, write_checkpoint
from weights.__main__ import main

ROOT = Path(__file__).parents[1]
REPOSITORY = "someone/some-model"
BUNDLED = "scale-recurrent-lite"


@pytest.fixture
def checkpoint(model):
    provenance = Provenance(licence="MIT", step=7, metrics={"PSNR, dB, two images": 30.25}, note="A test.")
    write_checkpoint(model, replace(read_checkpoint(model), provenance=provenance))
    return model


@pytest.fixture
def published(hub, checkpoint, monkeypatch):
    """Pushes the checkpoint as a user does and puts the printed entry into the catalogue."""
    monkeypatch.setenv("HF_TOKEN", OWNER)

    def push(capsys, *options):
        assert main(["push", str(checkpoint), "--repository", REPOSITORY, *options]) == 0
        printed = capsys.readouterr().out
        entry = CatalogueEntry(**json.loads(printed[printed.index("{\n") :]))
        monkeypatch.setitem(CATALOGUE, entry.name, entry)
        return entry

    return push


def test_a_dry_run_shows_everything_and_sends_nothing(hub, checkpoint, capsys):
    assert main(["push", str(checkpoint), "--repository", REPOSITORY, "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert hub.requests == []
    for text in (f"would be sent to {REPOSITORY}", "bytes  model.safetensors", "bytes  config.json", "model-index"):
        assert text in printed
    entry = json.loads(printed[printed.rindex("\n{\n") :])
    assert entry["revision"] is None
    assert entry["sha256"] in printed


def test_the_printed_entry_serves_the_file(hub, published, checkpoint, tmp_path, capsys):
    entry = published(capsys, "--name", "mine")
    assert main(["pull", "mine", "-o", str(tmp_path / "models")]) == 0
    path = Path(capsys.readouterr().out.strip())
    assert path == tmp_path / "models" / "mine.safetensors"
    assert path.read_bytes() == checkpoint.read_bytes()
    assert main(["pull", "mine"]) == 0
    assert Path(capsys.readouterr().out.strip()).read_bytes() == checkpoint.read_bytes()
    downloads = len(hub.downloads())
    assert main(["pull", "mine", "-o", str(tmp_path / "again")]) == 0
    assert (tmp_path / "again" / "mine.safetensors").read_bytes() == checkpoint.read_bytes()
    assert len(hub.downloads()) == downloads, "the cache has it"
    assert entry.revision == hub.repositories[REPOSITORY].head


def test_any_repository_is_pulled(hub, published, checkpoint, tmp_path, capsys):
    published(capsys)
    assert main(["pull", REPOSITORY, "-o", str(tmp_path)]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / REPOSITORY / "model.safetensors")


def test_the_bundled_file_is_copied(tmp_path, capsys):
    assert main(["pull", BUNDLED, "-o", str(tmp_path)]) == 0
    assert Path(capsys.readouterr().out.strip()).read_bytes() == CATALOGUE[BUNDLED].bundled_path.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == [f"{BUNDLED}.safetensors"]


def test_a_file_of_the_users_is_not_replaced(tmp_path, capsys):
    (tmp_path / f"{BUNDLED}.safetensors").write_bytes(b"mine")
    assert main(["pull", BUNDLED, "-o", str(tmp_path)]) == 2
    assert "error:" in capsys.readouterr().err
    assert (tmp_path / f"{BUNDLED}.safetensors").read_bytes() == b"mine"
    assert main(["pull", BUNDLED, "-o", str(tmp_path / f"{BUNDLED}.safetensors")]) == 2


def test_lists_what_there_is_and_where(hub, published, checkpoint, tmp_path, capsys):
    entry = published(capsys, "--name", "mine")
    mine = tmp_path / "own"
    write_checkpoint(mine / "own.safetensors", read_checkpoint(checkpoint))
    (mine / "broken.safetensors").write_bytes(b"no")
    hub.add("other/model", {"model.safetensors": checkpoint.read_bytes()})
    main(["pull", "mine"])
    main(["pull", "other/model"])
    foreign = Path(capsys.readouterr().out.splitlines()[-1]).with_name("foreign.safetensors")
    save_file({"a": torch.zeros(2)}, foreign, {"format": "pt"})
    asked = len(hub.requests)
    assert main(["list", "--folder", str(mine), "--json"]) == 0
    items = json.loads(capsys.readouterr().out)
    found = {(item["name"], item["source"]) for item in items}
    assert found == {
        (BUNDLED, "bundled"),
        ("mine", "cached"),
        ("mine", "on the Hub"),
        (str(mine / "own.safetensors"), "local"),
        (str(mine / "broken.safetensors"), "local"),
        (f"other/model/model.safetensors@{hub.repositories['other/model'].head}", "cached"),
    }
    assert len(hub.requests) == asked
    on_hub = next(item for item in items if item["source"] == "on the Hub")
    assert on_hub["place"] == f"{REPOSITORY}@{entry.revision}"
    assert on_hub["figures"] == {"PSNR, dB, two images": 30.25}
    assert main(["list", "--folder", str(mine)]) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0].split() == ["model", "network", "MB", "where", "figures", "file", "or", "repository"]
    assert any(line.startswith("mine ") and "PSNR 30.25" in line for line in table)
    assert any("own.safetensors" in line and "scale-recurrent" in line for line in table)
    assert any("broken.safetensors" in line and "not a checkpoint" in line for line in table)


def test_shows_a_checkpoint(checkpoint, capsys):
    assert main(["show", str(checkpoint), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    found = read_checkpoint(checkpoint)
    assert facts["config"] == found.config
    assert facts["provenance"]["step"] == 7
    assert facts["parameters"] == sum(tensor.numel() for tensor in found.state_dict.values())
    assert facts["bytes"] == checkpoint.stat().st_size
    assert main(["show", BUNDLED]) == 0
    printed = capsys.readouterr().out
    assert CATALOGUE[BUNDLED].sha256 in printed
    assert "1,396,268" in printed


def test_verifies(tmp_path, capsys):
    assert main(["verify"]) == 0
    assert "right: " in capsys.readouterr().out
    copy = tmp_path / "renamed.safetensors"
    copy.write_bytes(CATALOGUE[BUNDLED].bundled_path.read_bytes())
    assert main(["verify", str(copy)]) == 0
    damaged = tmp_path / f"{BUNDLED}.safetensors"
    damaged.write_bytes(copy.read_bytes()[:-1] + b"x")
    unknown = tmp_path / "unknown.safetensors"
    unknown.write_bytes(b"?")
    assert main(["verify", str(copy), str(damaged), str(unknown)]) == 1
    printed = capsys.readouterr().out
    assert "it is damaged or another version" in printed
    assert "unknown.safetensors is not in the catalogue" in printed
    assert main(["verify", "--folder", str(tmp_path)]) == 1
    assert main(["verify", str(tmp_path / "missing")]) == 2


def test_mistakes_are_said_in_a_line(hub, checkpoint, capsys):
    for arguments, message in (
        (["pull", "nothing"], "no weights named 'nothing'"),
        (["pull", "someone/nothing"], "no repository someone/nothing"),
        (["show", "missing.safetensors"], "no checkpoint file"),
        (["push", "missing.safetensors", "--repository", REPOSITORY], "no checkpoint file missing"),
        (["push", str(checkpoint), "--repository", REPOSITORY], "HF_TOKEN"),
    ):
        assert main(arguments) == 2
        assert message in capsys.readouterr().err


def test_the_documented_commands_in_processes_of_their_own(hub, checkpoint, tmp_path):
    """Settings from the environment, as users make them; huggingface_hub reads them when it is imported."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    environment |= {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1"}

    def run(*arguments, **more):
        command = [sys.executable, "-m", *arguments]
        return subprocess.run(
            command, cwd=ROOT, env={**environment, **more}, capture_output=True, text=True, timeout=120
        )

    pushed = run("weights", "push", str(checkpoint), "--repository", REPOSITORY, "--private", HF_TOKEN=OWNER)
    assert pushed.returncode == 0, pushed.stderr
    assert hub.repositories[REPOSITORY].head in pushed.stdout
    pulled = run("weights", "pull", REPOSITORY, HF_TOKEN=OWNER)
    assert pulled.returncode == 0, pulled.stderr
    assert str(tmp_path / "home" / "hub") in pulled.stdout
    assert "/s]" in pulled.stderr, "the progress bar tells the speed"
    output = tmp_path / "restored.png"
    restore = ("deblur", "restore", "examples/blurry.png", "-o", str(output), "--device", "cpu", "--model", REPOSITORY)
    asked = len(hub.requests)
    restored = run(*restore, HF_HUB_OFFLINE="1")
    assert restored.returncode == 0, restored.stderr
    assert output.is_file()
    assert len(hub.requests) == asked
