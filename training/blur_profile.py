"""What can be measured of the blur in pairs of blurry and sharp patches, to compare real pairs with rendered ones."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from deblur import psnr

NOISE_TO_SIGNAL = 2e-3
"""Regularisation of the kernel estimate, relative to the mean power of the sharp patch."""
KERNEL_RADIUS = 40
"""The largest offset, in pixels, at which a kernel is looked for."""
KERNEL_FLOOR = 0.15
"""What is below this part of a kernel's peak counts as noise of the estimate."""
FLAT = 2.0
"""Patches whose sharp image has a smaller mean gradient, in grey levels of 255, tell nothing of the blur."""
BANDS = 32


@dataclass(frozen=True)
class BlurProfile:
    """Measures of N patches; flat ones are left out."""

    psnr: Tensor
    """``(N,)`` PSNR of the blurry patches in dB."""
    extent: Tensor
    """``(N,)`` extent of the estimated kernels in pixels: that of a straight line with their second moment."""
    width: Tensor
    """``(N,)`` extent across their main direction, in pixels."""
    direction: Tensor
    """``(N,)`` main direction in radians from the x axis, in [0, π)."""
    contrast: Tensor
    """``(N,)`` standard deviation of the sharp patches, in grey levels of 255."""
    sharp_spectrum: Tensor
    """``(BANDS,)`` mean over patches of log10 of the gradients' power, by radial frequency up to 0.5 per pixel."""
    blurry_spectrum: Tensor
    """``(BANDS,)`` the same of the blurry patches."""
    flat: float
    """Share of patches left out."""


def profile(patches: Tensor) -> BlurProfile:
    """Measures pairs of patches.

    Args:
        patches: ``(N, 6, S, S)`` uint8, blurry above sharp; S from 96 pixels on, so that kernels fit.

    Raises:
        ValueError: The patches are too small, or all of them are flat.
    """
    if patches.ndim != 4 or patches.shape[1] != 6 or min(patches.shape[2:]) < 2 * KERNEL_RADIUS + 16:
        raise ValueError(
            f"expected patches (N, 6, S, S) with S of at least {2 * KERNEL_RADIUS + 16}, found {tuple(patches.shape)}"
        )
    values = patches.float() / 255
    blurry, sharp = values[:, :3].mean(dim=1), values[:, 3:].mean(dim=1)
    gradient = 255 * 0.5 * (sharp.diff(dim=1).abs().mean(dim=(1, 2)) + sharp.diff(dim=2).abs().mean(dim=(1, 2)))
    kept = gradient >= FLAT
    if not kept.any():
        raise ValueError(f"all of the {len(patches)} patches are flat; give images with more detail")
    values, blurry, sharp = values[kept], blurry[kept], sharp[kept]
    extent, width, direction = kernel_extent(estimate_kernels(blurry, sharp))
    return BlurProfile(
        psnr=psnr(values[:, :3], values[:, 3:]).clamp(max=60.0),
        extent=extent,
        width=width,
        direction=direction,
        contrast=255 * sharp.flatten(1).std(dim=1),
        sharp_spectrum=gradient_spectrum(sharp).mean(dim=0),
        blurry_spectrum=gradient_spectrum(blurry).mean(dim=0),
        flat=1 - float(kept.float().mean()),
    )


def estimate_kernels(blurry: Tensor, sharp: Tensor) -> Tensor:
    """The kernel of every patch that turns sharp into blurry, by regularised division of spectra.

    Args:
        blurry: ``(N, S, S)`` grey values.
        sharp: The same shape.

    Returns:
        ``(N, 2R + 1, 2R + 1)`` with R = ``KERNEL_RADIUS``, not negative, each adding up to 1.
    """
    b, s = (torch.fft.rfft2(_windowed_gradients(image)) for image in (blurry, sharp))
    power = s.abs().square().sum(dim=1)
    floor = NOISE_TO_SIGNAL * power.amax(dim=(1, 2), keepdim=True)
    ratio = (b * s.conj()).sum(dim=1) / (power + floor)
    kernel = torch.fft.fftshift(torch.fft.irfft2(ratio, s=blurry.shape[-2:]), dim=(1, 2))
    cy, cx = blurry.shape[1] // 2, blurry.shape[2] // 2
    r = KERNEL_RADIUS
    kernel = kernel[:, cy - r : cy + r + 1, cx - r : cx + r + 1]
    kernel = (kernel - KERNEL_FLOOR * kernel.amax(dim=(1, 2), keepdim=True)).clamp(min=0)
    return kernel / kernel.sum(dim=(1, 2), keepdim=True).clamp(min=1e-12)


def kernel_extent(kernels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Length, width and direction of ``(N, K, K)`` kernels that add up to 1.

    Length and width are those of an evenly weighted line, √12 times the deviation along and across the main axis.
    """
    axis = torch.arange(kernels.shape[-1], dtype=kernels.dtype)
    rows, columns = kernels.sum(dim=2), kernels.sum(dim=1)
    y, x = (weights @ axis for weights in (rows, columns))
    yy, xx = (weights @ axis.square() for weights in (rows, columns))
    xy = torch.einsum("nij,i,j->n", kernels, axis, axis)
    yy, xx, xy = yy - y * y, xx - x * x, xy - x * y
    spread = ((xx - yy).square() / 4 + xy.square()).sqrt()
    along, across = (((xx + yy) / 2 + sign * spread).clamp(min=0) for sign in (1, -1))
    direction = (0.5 * torch.atan2(2 * xy, xx - yy)) % math.pi
    return (12 * along).sqrt(), (12 * across).sqrt(), direction


def gradient_spectrum(image: Tensor) -> Tensor:
    """``(N, BANDS)`` log10 of the mean power of ``(N, S, S)`` images' gradients, by radial frequency."""
    power = torch.fft.fft2(_windowed_gradients(image)).abs().square().sum(dim=1)
    fy, fx = (torch.fft.fftfreq(side).to(image.device) for side in image.shape[1:])
    band = ((fy[:, None].square() + fx.square()).sqrt() * 2 * BANDS).long()
    sums = [power[:, band == index].mean(dim=1) for index in range(BANDS)]
    return torch.log10(torch.stack(sums, dim=1) + 1e-9)


def _windowed_gradients(image: Tensor) -> Tensor:
    """``(N, 2, S, S)`` differences in x and y under a Hann window."""
    h, w = image.shape[1:]
    window = torch.hann_window(h)[:, None] * torch.hann_window(w)
    dx = (image.roll(-1, 2) - image.roll(1, 2)) / 2
    dy = (image.roll(-1, 1) - image.roll(1, 1)) / 2
    return torch.stack((dx, dy), dim=1) * window.to(image.device)


def wasserstein(first: Tensor, second: Tensor) -> float:
    """1-Wasserstein distance of two samples, in their own unit."""
    levels = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000
    return float((first.double().quantile(levels) - second.double().quantile(levels)).abs().mean())
