"""What is shipped to the ComfyUI registry, and what the documents promise."""

import fnmatch
import re
import subprocess
from pathlib import Path

import pytest

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

# The registry scans the packed files as text; one match leaves the version flagged.
FLAGGED = [
    r"os\.environ",
    r"os\.getenv",
    "subprocess",
    r"os\.system",
    r"requests\.get\(",
    r"urlopen\(",
    "socket",
    r"\.eval\(",
    r"\bexec\(",
    r"compile\(",
    r"importlib\.import_module\(",
    r"\.connect\(",
    r"\.bind\(",
    r"\.send\(",
]


def tracked():
    result = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if result.returncode:
        pytest.skip("not a git checkout")
    return [name for name in result.stdout.splitlines() if (ROOT / name).is_file()]


def packed():
    """Tracked files that .comfyignore lets through."""
    patterns = (ROOT / ".comfyignore").read_text(encoding="utf-8").split()
    return [
        name
        for name in tracked()
        if not any(name.startswith(p) if p.endswith("/") else fnmatch.fnmatch(name, p) for p in patterns)
    ]


def test_requirements_are_the_projects_dependencies():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").split("\n")
    assert [line for line in lines if line] == PROJECT["project"]["dependencies"]


def test_what_comfyui_ships_is_no_dependency():
    names = {re.split(r"[<>=\[]", dependency)[0] for dependency in PROJECT["project"]["dependencies"]}
    assert not names & {"torch", "numpy", "pillow", "torchvision"}


def test_the_pack_holds_the_nodes_and_not_the_training():
    names = packed()
    assert {"__init__.py", "pyproject.toml", "requirements.txt", "nodes/extension.py", "weights/catalogue.json"} <= set(
        names
    )
    assert not [name for name in names if name.startswith(("training/", "tests/", "docs/", "examples/", ".ci/"))]


def test_nothing_in_the_pack_would_be_flagged():
    found = []
    for name in packed():
        if Path(name).suffix in (".py", ".md", ".json", ".toml", ".txt", ".js"):
            text = (ROOT / name).read_text(encoding="utf-8")
            found += [f"{name}: {pattern}" for pattern in FLAGGED if re.search(pattern, text)]
    assert found == []


def test_files_are_small_enough_to_keep_for_ever():
    assert [name for name in tracked() if (ROOT / name).stat().st_size > 50_000_000] == []


def test_links_in_the_documents_lead_somewhere():
    for document in ROOT.glob("*.md"):
        for target in re.findall(r"\]\((?!https?://)([^)#]+)\)", document.read_text(encoding="utf-8")):
            assert (ROOT / target).exists(), f"{document.name}: {target}"


def test_the_minimum_comfyui_is_the_same_everywhere():
    text = (ROOT / "__init__.py").read_text(encoding="utf-8")
    (numbers,) = re.findall(r"MINIMUM_COMFYUI = \((\d+), (\d+), (\d+)\)", text)
    assert PROJECT["tool"]["comfy"]["requires-comfyui"] == ">=" + ".".join(numbers)
