"""The pack as ComfyUI loads it: in a fresh process, under its folder's path, with ComfyUI's own modules around."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STAND_IN = Path(__file__).with_name("stand_in")

LOADER = """
import asyncio, importlib.util, sys, types

root, stand_in, version = sys.argv[1:]
sys.path[:] = [stand_in, *(entry for entry in sys.path if entry not in ("", root))]
own = {name: types.ModuleType(name) for name in ("nodes", "execution", "server")}
sys.modules.update(own)
import comfyui_version
comfyui_version.__version__ = version

name = root.replace(".", "_x_")
spec = importlib.util.spec_from_file_location(name, root + "/__init__.py")
module = importlib.util.module_from_spec(spec)
sys.modules[name] = module
path_before, modules_before = list(sys.path), set(sys.modules)
spec.loader.exec_module(module)
imported = {entry for entry in set(sys.modules) - modules_before if not entry.startswith(name)}
assert not imported & {"torch", "comfy", "huggingface_hub"}, imported
assert not hasattr(module, "NODE_CLASS_MAPPINGS")

extension = asyncio.run(module.comfy_entrypoint())
asyncio.run(extension.on_load())
nodes = asyncio.run(extension.get_node_list())
for node in nodes:
    print(node.GET_SCHEMA().node_id)

assert sys.path == path_before, sys.path
assert all(sys.modules[key] is value for key, value in own.items())
assert not {"deblur", "weights", "training", "tests"} & set(sys.modules)
assert "huggingface_hub" not in sys.modules, "the Hub is only needed when something is downloaded"
"""


def load(version="0.18.0", root=ROOT):
    return subprocess.run(
        [sys.executable, "-I", "-B", "-c", LOADER, str(root), str(STAND_IN), version],
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("version", ["0.18.0", "0.33.0", "1.0", "0.38.1-rc2"])
def test_loads_beside_comfyuis_own_modules(version):
    process = load(version)
    assert process.returncode == 0, process.stderr
    assert len(process.stdout.split()) == 8


def test_loads_from_a_folder_with_a_dot_in_its_name(tmp_path):
    link = tmp_path / "motion.deblur-0.1"
    link.symlink_to(ROOT, target_is_directory=True)
    process = load(root=link)
    assert process.returncode == 0, process.stderr


@pytest.mark.parametrize("version", ["0.3.64", "0.17.2"])
def test_an_older_comfyui_gets_an_error_that_says_what_to_do(version):
    process = load(version)
    assert process.returncode != 0
    last = process.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: ")
    assert "need ComfyUI 0.18.0 or newer" in last
    assert version in last
    assert "Update ComfyUI" in last


def test_importing_without_comfyui_does_nothing():
    code = f"""
import importlib.util, sys
spec = importlib.util.spec_from_file_location("pack", {str(ROOT / "__init__.py")!r})
before = set(sys.modules)
spec.loader.exec_module(importlib.util.module_from_spec(spec))
assert not {{"torch", "folder_paths"}} & (set(sys.modules) - before)
"""
    process = subprocess.run([sys.executable, "-I", "-B", "-c", code], capture_output=True, text=True, timeout=60)
    assert process.returncode == 0, process.stderr
