"""Training losses over the scales of a network."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from .options import PixelLoss, Recipe

PSNR_FLOOR = 1e-3
"""Squared error, 30 dB, below which an image counts for less and less in the ``psnr`` loss."""
PSNR_WEIGHT = 1e-2
"""Brings the gradient of the ``psnr`` loss to the order of that of ``mse`` on images of 20 to 25 dB."""
CHARBONNIER_EPSILON = 1e-3


def multi_scale_loss(restored: Sequence[Tensor], sharp: Sequence[Tensor], recipe: Recipe) -> Tensor:
    """Error at every scale, in the image and, weighted, in its Fourier spectrum.

    ``mse`` with ``half-mean`` is equation 5 of Nah et al. 2017, with ``sum`` equation 6 of Tao et al. 2018; ``l1``
    with ``sum`` is what DeepDeblur-PyTorch trains with; ``sse`` with ``sum`` is the loss of Noroozi et al. 2017, in
    which a scale counts by its number of pixels. The Fourier term is that of Cho et al. 2021, "Rethinking
    Coarse-to-Fine Approach in Single Image Deblurring" (MIMO-UNet), equation 6.

    Args:
        restored: ``(B, 3, H / 2^k, W / 2^k)`` for every scale, in [0, 1].
        sharp: The same shapes.
        recipe: Its ``pixel_loss``: ``mse`` the squared error; ``sse`` its sum over an image; ``l1`` the absolute error;
            ``charbonnier`` √(e² + ε²); ``psnr`` the logarithm of each image's squared error, so that a few hopelessly
            blurred images do not drown the others. Its ``scale_reduction`` and ``frequency_weight``.

    Returns:
        A scalar, the mean over the images.
    """
    loss = restored[0].new_zeros((), dtype=torch.float32)
    for output, target in zip(restored, sharp, strict=True):
        error = output.float() - target.float()
        loss = loss + _pixel_error(error, recipe.pixel_loss)
        if recipe.frequency_weight > 0:
            loss = loss + recipe.frequency_weight * torch.view_as_real(torch.fft.rfft2(error)).abs().mean()
    return loss / {"sum": 1, "mean": len(restored), "half-mean": 2 * len(restored)}[recipe.scale_reduction]


def _pixel_error(error: Tensor, pixel_loss: PixelLoss) -> Tensor:
    if pixel_loss == "l1":
        return error.abs().mean()
    if pixel_loss == "mse":
        return error.square().mean()
    if pixel_loss == "sse":
        return error.square().sum(dim=(1, 2, 3)).mean()
    if pixel_loss == "charbonnier":
        return (error.square() + CHARBONNIER_EPSILON**2).sqrt().mean()
    return PSNR_WEIGHT * torch.log1p(error.square().mean(dim=(1, 2, 3)) / PSNR_FLOOR).mean()


def discriminator_loss(restored: Tensor, sharp: Tensor) -> Tensor:
    """What the discriminator minimises: -log D(S) - log(1 - D(G(B))), Nah et al. 2017, equation 6.

    Args:
        restored: Logits for the restored images.
        sharp: Logits for the sharp ones, the same shape.
    """
    return (F.softplus(restored) + F.softplus(-sharp)).mean()


def generator_loss(restored: Tensor) -> Tensor:
    """What the network minimises: -log D(G(B)), as both official codes have it.

    Equation 6 of Nah et al. 2017 has log(1 - D(G(B))), which has the same minimum and hardly a gradient while the
    discriminator wins.
    """
    return F.softplus(-restored).mean()
