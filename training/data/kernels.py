"""Blur by one motion kernel an image: the shift-invariant baseline, DeblurNet_SI (Noroozi et al. 2017, section 5).

The sharp image is convolved with one of 10⁵ motion kernels. Kernel k is the path of a camera that moves without
turning, drawn at sub-pixel precision; it depends on the seed and on k alone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .cutout import cut_textured
from .motion import Motion, MotionSettings, draw_extent, draw_motion
from .source import numbered_rng
from .upload import upload

STEPS_PER_PIXEL = 16


@dataclass(frozen=True)
class KernelSettings:
    """Which motion kernels there are."""

    count: int = 100_000
    """Number of kernels."""
    side: int = 41
    """Side of a kernel in pixels; odd, so that it has a pixel in the middle."""
    motion: MotionSettings = field(
        default_factory=lambda: MotionSettings(extent_max=40.0, still=0.0, roll_std=0.0, zoom_std=0.0)
    )
    """How the camera moves; of it a kernel has the translation alone."""

    def __post_init__(self) -> None:
        if self.count < 1 or self.side < 1 or self.side % 2 == 0:
            raise ValueError(f"expected at least one kernel and an odd side, found {self.count} of {self.side} pixels")


def motion_kernel(number: int, settings: KernelSettings | None = None, seed: int = 0) -> Tensor:
    """The kernel with this number.

    Its middle pixel is where the camera is in the middle of the exposure, so that a convolved image is aligned with
    the sharp one. A path that does not fit is made smaller.

    Returns:
        ``(side, side)`` float32, not negative, adding up to 1. Convolution with it is what the camera sees.

    Raises:
        IndexError: The number is not below the settings' ``count``.
    """
    settings = settings or KernelSettings()
    if not 0 <= number < settings.count:
        raise IndexError(f"expected a kernel number from 0 to {settings.count - 1}, found {number}")
    rng = numbered_rng(seed, "kernel", number)
    extent = draw_extent(settings.motion, rng)
    return draw_path(draw_motion(settings.motion, extent, (1, 1), rng), extent, settings.side)


def draw_path(motion: Motion, extent: float, side: int) -> Tensor:
    """``(side, side)`` time that a camera's translation of about ``extent`` pixels spends at every pixel.

    A camera that looks at sharp(p + d) turns a point into one at p - d, which is where this kernel has its weight.
    """
    steps = max(1, math.ceil(extent * STEPS_PER_PIXEL))
    t = (torch.arange(steps, dtype=torch.float64) + 0.5) / steps - 0.5
    path = -motion.tracks(t)[:2]
    radius = side // 2
    path = path * min(1.0, radius / max(float(path.abs().max()), 1e-9))
    x, y = (path + radius).clamp(0, side - 1)
    kernel = torch.zeros(side * side, dtype=torch.float64)
    left, top = x.floor().clamp(max=max(side - 2, 0)), y.floor().clamp(max=max(side - 2, 0))
    right, below = x - left, y - top
    for dy, dx, weight in (
        (0, 0, (1 - below) * (1 - right)),
        (0, 1, (1 - below) * right),
        (1, 0, below * (1 - right)),
        (1, 1, below * right),
    ):
        rows, columns = (top + dy).clamp(max=side - 1), (left + dx).clamp(max=side - 1)
        kernel.index_add_(0, (rows * side + columns).long(), weight)
    return (kernel / kernel.sum()).float().view(side, side)


def convolve(images: Tensor, kernels: Tensor) -> Tensor:
    """Convolves every image with its kernel where the kernel lies within the image.

    Args:
        images: ``(B, C, H, W)`` float.
        kernels: ``(B, K, K)`` on the same device, K odd and at most H and W.

    Returns:
        ``(B, C, H - K + 1, W - K + 1)``; its first pixel belongs to pixel K // 2, K // 2 of the image.
    """
    h, w = images.shape[-2:]
    k = kernels.shape[-1]
    products = torch.fft.rfft2(images) * torch.fft.rfft2(kernels, s=(h, w))[:, None]
    return torch.fft.irfft2(products, s=(h, w))[..., k - 1 :, k - 1 :]


@dataclass(frozen=True)
class KernelBlur:
    """Parts of photographs, each convolved with one motion kernel; a :class:`~training.data.source.Source`."""

    photographs: Sequence[Tensor]
    """Sharp photographs, ``(3, h, w)`` uint8 on any device."""
    settings: KernelSettings = field(default_factory=KernelSettings)
    """Which kernels there are."""
    seed: int = 0
    """Seed of the kernels and of which is taken for which part of which photograph."""
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    """Where the work is done."""

    def __post_init__(self) -> None:
        if not self.photographs:
            raise ValueError("expected at least one photograph, found none")

    def draw(self, numbers: Sequence[int], size: int) -> Tensor:
        """Pairs with these numbers; pair n depends on the seed, the photographs, the settings, the size and n alone.

        Args:
            numbers: Any numbers from 0 on.
            size: Side in pixels. Photographs are mirrored where it and the kernel go beyond them.

        Returns:
            ``(len(numbers), 6, size, size)`` uint8 on the device, blurry above sharp.
        """
        device, radius = self.device, self.settings.side // 2
        if not numbers:
            return torch.empty(0, 6, size, size, dtype=torch.uint8, device=device)
        parts, kernels = [], []
        for number in numbers:
            rng = numbered_rng(self.seed, "convolution", number)
            picture = self.photographs[int(torch.randint(len(self.photographs), (), generator=rng))]
            side = size + 2 * radius
            parts.append(upload(cut_textured(picture, (size, size), (side, side), rng)[0], device))
            kernel = int(torch.randint(self.settings.count, (), generator=rng))
            kernels.append(motion_kernel(kernel, self.settings, self.seed))
        images = torch.stack(parts)
        blurry = convolve(images.float(), upload(torch.stack(kernels), device))
        sharp = images[:, :, radius : radius + size, radius : radius + size]
        return torch.cat((blurry.round().clamp(0, 255).to(torch.uint8), sharp), dim=1)
