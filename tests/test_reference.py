"""Outputs against official code with the same weights, converted; skipped without that code."""

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch

from deblur import MultiScaleConfig, build_network, config_to_dict, restore, restore_network
from weights.convert import convert, convert_deepdeblur


@pytest.fixture
def official(monkeypatch):
    """The official ``model`` package, without running its ``__init__``."""
    root = os.environ.get("DEEPDEBLUR_ROOT")
    if not root:
        pytest.skip("needs DEEPDEBLUR_ROOT=<checkout of DeepDeblur-PyTorch>")
    package = ModuleType("deepdeblur_model")
    package.__path__ = [str(Path(root) / "src" / "model")]
    monkeypatch.setitem(sys.modules, package.__name__, package)
    return importlib.import_module("deepdeblur_model.MSResNet")


@pytest.mark.reference
@pytest.mark.parametrize("value_range", [1, 255])
@pytest.mark.parametrize("scales", [1, 2, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_multi_scale_equals_deepdeblur_pytorch(official, scales, dtype, value_range):
    torch.manual_seed(0)
    arguments = SimpleNamespace(rgb_range=value_range, n_resblocks=19, n_feats=64, kernel_size=5, n_scales=scales)
    theirs = official.MSResNet(arguments).to(dtype)
    config, state_dict = convert_deepdeblur(theirs.state_dict(), value_range)
    ours = build_network(MultiScaleConfig(scales=scales)).to(dtype)
    assert config == config_to_dict(ours.config)
    ours.load_state_dict(state_dict)
    levels = ours.pyramid(torch.rand(1, 3, 64, 96, dtype=dtype))
    with torch.no_grad():
        expected = theirs([level * value_range for level in levels])
        outputs = ours(levels)
    for output, reference in zip(outputs, expected, strict=True):
        difference = float((output - reference / value_range).abs().max())
        assert difference < (1e-12 if dtype == torch.float64 else 2e-6), difference


@pytest.mark.reference
def test_a_file_that_the_official_code_saved_is_converted(official, tmp_path):
    torch.manual_seed(0)
    arguments = SimpleNamespace(rgb_range=255, n_resblocks=3, n_feats=8, kernel_size=5, n_scales=3)
    theirs = official.MSResNet(arguments)
    torch.save({"G": theirs.state_dict()}, tmp_path / "model-1.pt")
    checkpoint = convert(tmp_path / "model-1.pt")
    ours = restore_network(checkpoint.config, checkpoint.state_dict)
    blurry = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        expected = theirs([level * 255 for level in ours.pyramid(blurry)])[0] / 255
    torch.testing.assert_close(restore(ours, blurry), expected.clamp(0, 1), atol=2e-6, rtol=0)
