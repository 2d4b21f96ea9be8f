"""Which package may import what: leaves stay leaves, so that the pack works under any module name."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Longest matching path first. `.` is the package itself; a name may be a top-level module or one of our packages.
ALLOWED = {
    "deblur/commands": {"torch", "numpy", "PIL", "tqdm", "weights"},
    "deblur": {"torch"},
    "weights/hub.py": {"huggingface_hub"},
    "weights/convert/tensorflow_checkpoint.py": {"tensorflow", "torch"},
    "weights": {"torch", "safetensors"},
    "nodes": {"torch", "comfy", "comfy_api", "folder_paths", "server", "deblur", "weights"},
    "training/data/video.py": {"av", "numpy", "torch"},
    "training/data/flow.py": {"cv2", "numpy", "torch"},
    "training/statistics.py": {"matplotlib", "torch", "tqdm", "deblur"},
    "training/recipe_file.py": {"tomli"},
    "training/curves.py": {"matplotlib"},
    "training": {"torch", "numpy", "PIL", "tqdm", "safetensors", "deblur", "weights"},
    "__init__.py": {"comfy_api", "comfyui_version", "folder_paths", "nodes"},
}
FILES = [path for folder in ("deblur", "weights", "nodes", "training") for path in (ROOT / folder).rglob("*.py")]


def imported(path):
    """Top-level names imported from outside the file's own package, and which of them are relative."""
    package = path.relative_to(ROOT).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], False) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield (node.module or "").split(".")[0], False
        elif isinstance(node, ast.ImportFrom):
            target = (*package[: len(package) - node.level + 1], *(node.module or "").split("."))
            if not package or target[0] != package[0]:
                yield target[0], True


@pytest.mark.parametrize("path", [*FILES, ROOT / "__init__.py"], ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_keep_to_the_table(path):
    place = path.relative_to(ROOT).as_posix()
    rule = max((key for key in ALLOWED if place == key or place.startswith(f"{key}/")), key=len)
    outside = {(name, relative) for name, relative in imported(path) if name not in sys.stdlib_module_names}
    assert {name for name, _ in outside} - {"__future__"} <= ALLOWED[rule], f"{place} may import {ALLOWED[rule]}"
    if rule in ("nodes", "__init__.py"):
        absolute = {name for name, relative in outside if name in ("deblur", "weights", "nodes") and not relative}
        assert not absolute, f"{place}: inside ComfyUI {absolute} can only be reached relatively"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nothing_changes_the_module_search_path(path):
    assert "sys.path" not in path.read_text(encoding="utf-8")
