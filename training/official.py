"""The official DeepDeblur-PyTorch, run from a checkout of its code.

https://github.com/SeungjunNah/DeepDeblur-PyTorch. Only its network and its loss are loaded, under names of their own;
its option parser, data loader and debugging tools are left alone.
"""

import contextlib
import importlib
import importlib.util
import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

NETWORK_FILE = Path("src/model/MSResNet.py")
LOSS_FILE = Path("src/loss/__init__.py")
RGB_RANGE = 255


@dataclass(frozen=True)
class Official:
    """The official network and loss with their default options, on a device."""

    network: nn.Module
    """Takes a list of levels in [0, 255], finest first, and writes to the list."""
    loss: Callable[[Any, Any], Tensor]
    """L1 on every level, with the official record of its values."""


def load_official(checkout: Path, device: torch.device, scales: int = 3) -> Official:
    """The official network, freshly initialised, and its loss.

    Raises:
        FileNotFoundError: The folder is not a checkout of DeepDeblur-PyTorch.
    """
    for file in (NETWORK_FILE, LOSS_FILE):
        if not (checkout / file).is_file():
            raise FileNotFoundError(f"no {file} in {checkout}; clone SeungjunNah/DeepDeblur-PyTorch")
    with _modules(checkout), contextlib.redirect_stdout(io.StringIO()):
        network = importlib.import_module("deepdeblur_pytorch_model.MSResNet")
        loss = importlib.import_module("deepdeblur_pytorch_loss")
        options = SimpleNamespace(
            **{"rgb_range": RGB_RANGE, "n_resblocks": 19, "n_feats": 64, "kernel_size": 5, "n_scales": scales},
            **{"loss": "1*L1", "metric": "none", "start_epoch": 1, "save_dir": "", "distributed": False},
            **{"device": device, "device_type": device.type, "dtype": torch.float32},
        )
        return Official(network.MSResNet(options).to(device), loss.Loss(options).to(device))


@contextlib.contextmanager
def _modules(checkout: Path) -> Iterator[None]:
    """Makes the two packages importable for a while, and ``utils``, of which the loss wants a debugging function."""
    model = ModuleType("deepdeblur_pytorch_model")  # its own __init__ would want more of the checkout
    model.__path__ = [str(checkout / NETWORK_FILE.parent)]
    utils = ModuleType("utils")
    utils.interact = None  # type: ignore[attr-defined]
    before = {name: sys.modules.get(name) for name in (model.__name__, "deepdeblur_pytorch_loss", "utils")}
    sys.modules |= {model.__name__: model, "utils": utils}
    try:
        spec = importlib.util.spec_from_file_location("deepdeblur_pytorch_loss", checkout / LOSS_FILE)
        assert spec is not None
        assert spec.loader is not None
        loss = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = loss
        spec.loader.exec_module(loss)
        yield
    finally:
        for name, module in before.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module
        for name in [name for name in sys.modules if name.startswith("deepdeblur_pytorch_")]:
            del sys.modules[name]
