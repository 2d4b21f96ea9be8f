"""Outputs against official code with the same weights; needs a checkout, so it is skipped without one."""

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch

from deblur import MultiScaleConfig, build_network, restore


@pytest.fixture
def official(monkeypatch):
    """The official ``model`` package, without running its ``__init__``."""
    package = ModuleType("deepdeblur_model")
    package.__path__ = [str(Path(os.environ["DEEPDEBLUR_ROOT"]) / "src" / "model")]
    monkeypatch.setitem(sys.modules, package.__name__, package)
    return importlib.import_module("deepdeblur_model.MSResNet")


@pytest.mark.reference
@pytest.mark.parametrize("scales", [1, 2, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_multi_scale_equals_deepdeblur_pytorch(official, scales, dtype):
    torch.manual_seed(0)
    arguments = SimpleNamespace(rgb_range=1, n_resblocks=19, n_feats=64, kernel_size=5, n_scales=scales)
    theirs = official.MSResNet(arguments).to(dtype)
    ours = build_network(MultiScaleConfig(scales=scales)).to(dtype)
    tensors = list(theirs.state_dict().values())
    ours.load_state_dict(dict(zip(ours.state_dict(), tensors, strict=True)))
    levels = ours.pyramid(torch.rand(1, 3, 64, 96, dtype=dtype))
    with torch.no_grad():
        expected = theirs(list(levels))
        outputs = ours(levels)
    for output, reference in zip(outputs, expected, strict=True):
        difference = float((output - reference).abs().max())
        assert difference < (1e-12 if dtype == torch.float64 else 2e-6), difference


@pytest.mark.reference
def test_a_network_of_the_0_to_255_range_has_biases_255_times_as_large(official):
    torch.manual_seed(0)
    arguments = SimpleNamespace(rgb_range=255, n_resblocks=3, n_feats=8, kernel_size=5, n_scales=3)
    theirs = official.MSResNet(arguments).double()
    ours = build_network(MultiScaleConfig(scales=3, blocks=3, channels=8)).double()
    tensors = zip(ours.state_dict(), theirs.state_dict().items(), strict=True)
    ours.load_state_dict({key: value / 255 if name.endswith("bias") else value for key, (name, value) in tensors})
    blurry = torch.rand(1, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        expected = theirs([level * 255 for level in ours.pyramid(blurry)])[0] / 255
    torch.testing.assert_close(restore(ours.train(False), blurry), expected.clamp(0, 1), atol=1e-12, rtol=0)
