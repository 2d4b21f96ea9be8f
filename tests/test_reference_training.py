"""Losses and gradients against DeepDeblur-PyTorch with the same weights; needs a checkout."""

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch

from deblur import MultiScaleConfig, build_network
from training.discriminator import Discriminator
from training.losses import discriminator_loss, generator_loss, multi_scale_loss
from training.options import Recipe

pytestmark = pytest.mark.reference


@pytest.fixture
def official(monkeypatch):
    """Imports a module of the official code without running the ``__init__`` of its ``model`` package."""
    if not os.environ.get("DEEPDEBLUR_ROOT"):
        pytest.skip("needs DEEPDEBLUR_ROOT=<checkout of DeepDeblur-PyTorch>")
    root = Path(os.environ["DEEPDEBLUR_ROOT"]) / "src"
    model = ModuleType("model")
    model.__path__ = [str(root / "model")]
    utils = ModuleType("utils")
    utils.interact = None
    for module in (model, utils):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    for name in ("loss", "loss.metric", "loss.adversarial", "model.MSResNet", "model.discriminator"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(str(root))
    return importlib.import_module


def arguments(tmp_path, loss):
    return SimpleNamespace(
        **{"rgb_range": 1, "n_resblocks": 3, "n_feats": 8, "kernel_size": 5, "n_scales": 3, "device_type": "cpu"},
        **{"start_epoch": 1, "save_dir": str(tmp_path), "loss": loss, "metric": "none", "device": "cpu"},
        **{"dtype": torch.float64, "amp": False, "init_scale": 1024.0},
    )


@pytest.mark.parametrize(("loss", "pixel_loss"), [("1*L1", "l1"), ("1*L2", "mse")])
def test_loss_and_gradients_equal_theirs(official, tmp_path, loss, pixel_loss):
    torch.manual_seed(0)
    options = arguments(tmp_path, loss)
    theirs = official("model.MSResNet").MSResNet(options).double()
    ours = build_network(MultiScaleConfig(scales=3, blocks=3, channels=8)).double()
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
    blurry, sharp = torch.rand(2, 3, 32, 48, dtype=torch.float64), torch.rand(2, 3, 32, 48, dtype=torch.float64)
    expected = official("loss").Loss(options)(theirs(list(ours.pyramid(blurry))), list(ours.pyramid(sharp)))
    expected.backward()
    outputs = ours(ours.pyramid(blurry))
    targets = ours.pyramid(sharp)
    found = multi_scale_loss([o.double() for o in outputs], targets, Recipe(pixel_loss=pixel_loss))
    found.backward()
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=1e-6)
    for parameter, reference in zip(ours.parameters(), theirs.parameters(), strict=True):
        difference = float((parameter.grad - reference.grad).abs().max())
        assert difference <= 1e-6 * float(reference.grad.abs().max()), difference


def test_the_adversarial_losses_and_their_gradients_equal_theirs(official, tmp_path):
    torch.manual_seed(0)
    options = arguments(tmp_path, "1*ADV")
    options.n_feats = 64
    theirs = official("model.discriminator").Discriminator(options)
    ours = Discriminator("code")
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
    restored = torch.rand(1, 3, 256, 256, requires_grad=True)
    sharp = torch.rand(1, 3, 256, 256)

    class NoStep:
        """Leaves the discriminator as it is, so that gradients can be compared."""

        def zero_grad(self):
            theirs.zero_grad()

        def step(self):
            NoStep.gradients = [parameter.grad.clone() for parameter in theirs.parameters()]

        state_dict = param_groups = None

    adversarial = official("loss.adversarial").Adversarial(
        options, SimpleNamespace(model=SimpleNamespace(D=theirs)), SimpleNamespace(D=NoStep())
    )
    # Their networks see 0 to 255 as it is; ours takes the mid-grey off first, as the paper does.
    expected = adversarial(restored - 0.5, sharp - 0.5, training=True)
    (expected_gradient,) = torch.autograd.grad(expected, restored)
    verdicts = ours(torch.cat((restored.detach(), sharp)))
    discriminator_loss(*verdicts.chunk(2)).backward()
    for parameter, reference in zip(ours.parameters(), NoStep.gradients, strict=True):
        torch.testing.assert_close(parameter.grad, reference, rtol=1e-3, atol=1e-6)
    found = generator_loss(ours(restored))
    (gradient,) = torch.autograd.grad(found, restored)
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-3, atol=1e-8)
