"""PSNR and SSIM as tensors, differentiable and on any device."""

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

K1, K2 = 0.01, 0.03
SSIM_SIGMA = 1.5
SSIM_RADIUS = 5
UNIFORM_SIDE = 7


def _check_pair(restored: Tensor, sharp: Tensor) -> None:
    if restored.shape != sharp.shape or restored.ndim != 4:
        raise ValueError(
            "expected two image batches of one shape (B, C, H, W), found "
            f"{tuple(restored.shape)} and {tuple(sharp.shape)}"
        )


def psnr(restored: Tensor, sharp: Tensor, data_range: float = 1.0) -> Tensor:
    """Peak signal-to-noise ratio over all channels and pixels, as skimage's ``peak_signal_noise_ratio``.

    Args:
        restored: ``(B, C, H, W)``.
        sharp: The same shape.
        data_range: Difference between the largest and the smallest possible value.

    Returns:
        ``(B,)`` in dB; infinite for equal images.

    Raises:
        ValueError: The shapes differ or are not batches of images.
    """
    _check_pair(restored, sharp)
    error = (restored - sharp).square().mean(dim=(1, 2, 3))
    return 10 * torch.log10(data_range**2 / error)


def ssim(
    restored: Tensor,
    sharp: Tensor,
    data_range: float = 1.0,
    window: Literal["gaussian", "uniform", "gaussian-3d"] = "gaussian",
) -> Tensor:
    """Structural similarity.

    Args:
        restored: ``(B, C, H, W)``.
        sharp: The same shape.
        data_range: Difference between the largest and the smallest possible value.
        window: ``gaussian`` is 11×11 with σ = 1.5, per channel, as Wang et al. 2004 and skimage with
            ``gaussian_weights=True, sigma=1.5, use_sample_covariance=False``. ``uniform`` is skimage's default, 7×7
            with sample covariance. ``gaussian-3d`` is what MATLAB's ``ssim`` does to an RGB array, an 11×11×11
            window with the border replicated, which the papers' figures come from; it gives higher values.

    Returns:
        ``(B,)``, at most 1.

    Raises:
        ValueError: The shapes differ, are not batches of images, or are smaller than the window.
    """
    _check_pair(restored, sharp)
    side = UNIFORM_SIDE if window == "uniform" else 2 * SSIM_RADIUS + 1
    if window != "gaussian-3d" and min(restored.shape[-2:]) < side:
        raise ValueError(f"SSIM needs at least {side}×{side} pixels, found {restored.shape[-2]}×{restored.shape[-1]}")
    line = gaussian_line() if window != "uniform" else (1 / side,) * side
    unbias = side**2 / (side**2 - 1) if window == "uniform" else 1.0
    dims = (-3, -2, -1) if window == "gaussian-3d" else (-2, -1)

    def average(image: Tensor) -> Tensor:
        if window == "gaussian-3d":
            image = F.pad(image[:, None], (SSIM_RADIUS,) * 6, mode="replicate")[:, 0]
        for dim in dims:
            image = weighted_sum(image, line, dim)
        return image

    mean_x, mean_y = average(restored), average(sharp)
    var_x = unbias * (average(restored * restored) - mean_x * mean_x)
    var_y = unbias * (average(sharp * sharp) - mean_y * mean_y)
    cov = unbias * (average(restored * sharp) - mean_x * mean_y)
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    similarity = (2 * mean_x * mean_y + c1) * (2 * cov + c2)
    similarity = similarity / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))
    return similarity.mean(dim=(1, 2, 3))


def gaussian_line() -> tuple[float, ...]:
    """One dimension of the Gaussian window of 11 pixels with σ = 1.5; its sum is 1."""
    weights = [math.exp(-0.5 * (offset / SSIM_SIGMA) ** 2) for offset in range(-SSIM_RADIUS, SSIM_RADIUS + 1)]
    return tuple(weight / sum(weights) for weight in weights)


def weighted_sum(image: Tensor, line: tuple[float, ...], dim: int) -> Tensor:
    """The image filtered along a dimension, where the whole line fits; on a CPU ten times as fast as a convolution.

    Args:
        image: Any shape, any floating dtype, any device.
        line: Weights; the result is shorter by one less than their number.
        dim: Which dimension.
    """
    size = image.shape[dim] - len(line) + 1
    total = line[0] * image.narrow(dim, 0, size)
    for offset, weight in enumerate(line[1:], start=1):
        total.add_(image.narrow(dim, offset, size), alpha=weight)
    return total
