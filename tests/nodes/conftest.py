"""The pack on a stand-in for ComfyUI's modules, loaded as ComfyUI does it: by file, and never by name."""

import asyncio
import importlib
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
import torch

ROOT = Path(__file__).parents[2]
STAND_IN = Path(__file__).with_name("stand_in")
PACK_NAME = "motion_deblur_pack"


@dataclass(frozen=True)
class Pack:
    """The loaded pack. Its ``deblur`` and ``weights`` are not the ones that ``import deblur`` gives."""

    nodes: dict[str, type]
    deblur: ModuleType
    weights: ModuleType
    management: ModuleType
    progress: ModuleType
    folder_paths: ModuleType

    def module(self, name):
        return importlib.import_module(f"{PACK_NAME}.{name}")

    def run(self, node_id, **inputs):
        """What ComfyUI does with a node: execute in inference mode, first output."""
        with torch.inference_mode():
            return self.nodes[node_id].execute(**inputs)[0]

    def model(self, kind="scale-recurrent", name="tiny", seed=0, **changes):
        """A DEBLUR_MODEL with few channels and random weights."""
        configs = {
            "multi-scale": lambda **c: self.deblur.MultiScaleConfig(**{"scales": 2, "blocks": 1, "channels": 4, **c}),
            "scale-recurrent": lambda **c: self.deblur.ScaleRecurrentConfig(
                **{"scales": 2, "channels": (4, 4, 4), "blocks": 1, "kernel_size": 3, "residual_output": True, **c}
            ),
            "deblurnet": lambda **c: self.deblur.DeblurNetConfig(
                **{"channels": (4, 4, 4, 4, 4, 4), "fine_channels": 4, **c}
            ),
        }
        torch.manual_seed(seed)
        network = self.deblur.build_network(configs[kind](**changes)).train(False).requires_grad_(False)
        for parameter in network.parameters():  # no zero biases or tails, so that nothing is hidden
            parameter.data.add_(0.05 * torch.randn_like(parameter))
        patcher = self.module("nodes.model").ModelPatcher(network, torch.device("cpu"), torch.device("cpu"))
        return self.module("nodes.model").DeblurModel(name, network, patcher)

    def restored(self, model, image, **options):
        """What the core gives for ``(B, H, W, 3)`` images."""
        pixels = image.float().movedim(-1, 1)
        return self.deblur.restore(model.network, pixels, **options).movedim(1, -1)


@pytest.fixture(scope="session")
def session_pack(tmp_path_factory):
    sys.path.insert(0, str(STAND_IN))
    try:
        folder_paths = importlib.import_module("folder_paths")
        folder_paths.models_dir = str(tmp_path_factory.mktemp("models"))
        spec = importlib.util.spec_from_file_location(PACK_NAME, ROOT / "__init__.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[PACK_NAME] = module
        spec.loader.exec_module(module)
        extension = asyncio.run(module.comfy_entrypoint())
        asyncio.run(extension.on_load())
        nodes = asyncio.run(extension.get_node_list())
        return Pack(
            nodes={node.GET_SCHEMA().node_id: node for node in nodes},
            deblur=importlib.import_module(f"{PACK_NAME}.deblur"),
            weights=importlib.import_module(f"{PACK_NAME}.weights"),
            management=importlib.import_module("comfy.model_management"),
            progress=importlib.import_module("comfy.utils"),
            folder_paths=folder_paths,
        )
    finally:
        sys.path.remove(str(STAND_IN))


@pytest.fixture
def pack(session_pack):
    session_pack.management.reset()
    session_pack.progress.reported.clear()
    return session_pack


@pytest.fixture
def images():
    return torch.rand(2, 21, 30, 3, generator=torch.Generator().manual_seed(1))
