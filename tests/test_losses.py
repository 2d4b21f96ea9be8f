"""Losses by hand, the discriminator, and gradients."""

import math

import pytest
import torch

from training.discriminator import Discriminator
from training.losses import discriminator_loss, generator_loss, multi_scale_loss
from training.options import Recipe


def loss(restored, sharp, **fields):
    return float(multi_scale_loss(restored, sharp, Recipe(**fields)))


def test_pixel_errors_by_hand():
    restored = [torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 2, 2)]
    sharp = [torch.full((2, 3, 4, 4), 0.5), torch.full((2, 3, 2, 2), -0.1)]
    assert loss(restored, sharp, pixel_loss="mse") == pytest.approx(0.25 + 0.01)
    assert loss(restored, sharp, pixel_loss="l1") == pytest.approx(0.5 + 0.1)
    assert loss(restored, sharp, pixel_loss="sse") == pytest.approx(48 * 0.25 + 12 * 0.01)
    smooth = math.sqrt(0.25 + 1e-6) + math.sqrt(0.01 + 1e-6)
    assert loss(restored, sharp, pixel_loss="charbonnier") == pytest.approx(smooth)
    expected = 0.01 * (math.log(1 + 250) + math.log(1 + 10))
    assert loss(restored, sharp, pixel_loss="psnr") == pytest.approx(expected)


def test_scales_are_summed_or_averaged():
    restored, sharp = [torch.zeros(1, 3, 4, 4)] * 2, [torch.ones(1, 3, 4, 4)] * 2
    assert loss(restored, sharp, scale_reduction="sum") == pytest.approx(2)
    assert loss(restored, sharp, scale_reduction="mean") == pytest.approx(1)
    assert loss(restored, sharp, scale_reduction="half-mean") == pytest.approx(0.5)


def test_the_fourier_term_by_hand():
    """A constant error of a over H×W pixels has one coefficient, a·H·W, among H·(W/2 + 1)·2 numbers."""
    error = loss([torch.zeros(1, 3, 4, 4)], [torch.full((1, 3, 4, 4), 0.5)], frequency_weight=1.0)
    assert error == pytest.approx(0.5 + 0.5 * 16 / (4 * 3 * 2))


@pytest.mark.parametrize("kind", ["mse", "sse", "l1", "psnr"])
def test_equal_images_cost_nothing(kind):
    levels = [torch.rand(1, 3, 8, 8), torch.rand(1, 3, 4, 4)]
    assert loss(levels, levels, pixel_loss=kind, frequency_weight=0.1) == 0


def test_adversarial_losses_are_binary_cross_entropies():
    restored, sharp = torch.randn(4, 1, 1, 1), torch.randn(4, 1, 1, 1)
    entropy = torch.nn.functional.binary_cross_entropy_with_logits
    expected = entropy(restored, torch.zeros_like(restored)) + entropy(sharp, torch.ones_like(sharp))
    assert float(discriminator_loss(restored, sharp)) == pytest.approx(float(expected), rel=1e-5)
    expected = entropy(restored, torch.ones_like(restored))
    assert float(generator_loss(restored)) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize(("variant", "parameters"), [("table", 10_699_616), ("code", 10_725_216)])
def test_the_discriminator_has_the_published_size(variant, parameters):
    with torch.device("meta"):
        network = Discriminator(variant)
        verdict = network(torch.empty(2, 3, 256, 512))
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
    assert verdict.shape == (2, 1, 1, 2)
