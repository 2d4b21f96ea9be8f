"""Training losses over the scales of a network."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

PixelLoss = Literal["mse", "l1", "psnr"]

PSNR_FLOOR = 1e-3
"""Squared error, 30 dB, below which an image counts for less and less in the ``psnr`` loss."""
PSNR_WEIGHT = 1e-2
"""Brings the gradient of the ``psnr`` loss to the order of that of ``mse`` on images of 20 to 25 dB."""


def multi_scale_loss(
    restored: Sequence[Tensor], sharp: Sequence[Tensor], pixel_loss: PixelLoss, frequency_weight: float
) -> Tensor:
    """Mean error at every scale, in the image and, weighted, in its Fourier spectrum.

    Mean squared error is the loss of Nah et al. 2017 and Tao et al. 2018. The Fourier term is that of Cho et al.
    2021, "Rethinking Coarse-to-Fine Approach in Single Image Deblurring" (MIMO-UNet), equation 6.

    Args:
        restored: ``(B, 3, H / 2^k, W / 2^k)`` for every scale, in [0, 1].
        sharp: The same shapes.
        pixel_loss: ``mse`` for the squared, ``l1`` for the absolute error, ``psnr`` for the logarithm of each image's
            squared error, so that a few hopelessly blurred images do not drown the others.
        frequency_weight: Weight of the Fourier term; 0 leaves it out.

    Returns:
        A scalar: the sum over the scales.
    """
    loss = restored[0].new_zeros((), dtype=torch.float32)
    for output, target in zip(restored, sharp, strict=True):
        error = output.float() - target.float()
        loss = loss + _pixel_error(error, pixel_loss)
        if frequency_weight > 0:
            loss = loss + frequency_weight * torch.view_as_real(torch.fft.rfft2(error)).abs().mean()
    return loss


def _pixel_error(error: Tensor, pixel_loss: PixelLoss) -> Tensor:
    if pixel_loss == "l1":
        return error.abs().mean()
    if pixel_loss == "mse":
        return error.square().mean()
    return PSNR_WEIGHT * torch.log1p(error.square().mean(dim=(1, 2, 3)) / PSNR_FLOOR).mean()
