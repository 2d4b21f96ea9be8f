"""Halving and doubling of images, by the conventions that the published systems use.

All functions take and return ``(B, C, H, W)`` tensors of any floating dtype and value range.
"""

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

PyramidKernel = Literal["gaussian", "gaussian-torch7", "area", "bilinear", "bilinear-legacy"]
Doubling = Literal["bilinear", "bilinear-legacy"]

SKIMAGE_SIGMA = 2 / 3
TORCH7_MIDDLE, TORCH7_SIDE = 0.5488, 0.2256


def blur_symmetric(image: Tensor, sigma: float, radius: int) -> Tensor:
    """Gaussian blur with the image mirrored about its outer pixel edges (SciPy's ``reflect``: d c b a | a b c d)."""
    # Made on the image's device: a copy from the host would wait for everything that the device has to do.
    precision = torch.promote_types(image.dtype, torch.float32)
    offset = torch.arange(-radius, radius + 1, dtype=precision, device=image.device)
    kernel = torch.exp(-0.5 * (offset / sigma) ** 2)
    kernel = (kernel / kernel.sum()).to(image.dtype)
    for dim in (-2, -1):
        size = image.shape[dim]
        index = torch.arange(-radius, size + radius, device=image.device) % (2 * size)
        padded = image.index_select(dim, torch.where(index < size, index, 2 * size - 1 - index))
        shape = (-1, 1) if dim == -2 else (1, -1)
        weight = kernel.view(1, 1, *shape).expand(image.shape[1], 1, *kernel.view(shape).shape)
        image = F.conv2d(padded, weight, groups=image.shape[1])
    return image


def halve_gaussian(image: Tensor) -> Tensor:
    """Half the size, rounded up, exactly as one step of skimage's ``pyramid_gaussian`` with its defaults.

    Gaussian of σ = 2/3 cut off at radius 3 on the symmetrically extended image, then half-pixel bilinear resizing.
    DeepDeblur-PyTorch builds its pyramids this way.
    """
    size = tuple(math.ceil(n / 2) for n in image.shape[-2:])
    smoothed = blur_symmetric(image, SKIMAGE_SIGMA, radius=3)
    return F.interpolate(smoothed, size=size, mode="bilinear", align_corners=False)


def halve_gaussian_torch7(image: Tensor) -> Tensor:
    """Half the size, rounded up, as the torch7 code of Nah et al. does it.

    A 3×3 Gaussian of σ = 0.75 with zeros around the channel-mean-free image, then every second pixel, which shifts
    the image by half a pixel of the result.
    """
    mean = image.mean(dim=(-2, -1), keepdim=True)
    line = torch.full((3,), TORCH7_SIDE, dtype=image.dtype, device=image.device)
    line.select(0, 1).fill_(TORCH7_MIDDLE)
    weight = torch.outer(line, line).expand(image.shape[1], 1, 3, 3)
    return F.conv2d(image - mean, weight, stride=2, padding=1, groups=image.shape[1]) + mean


def halve_area(image: Tensor) -> Tensor:
    """Half the size, rounded up: means of 2×2 pixels; at an odd edge, of the pixels that are there."""
    return F.avg_pool2d(image, 2, ceil_mode=True, count_include_pad=False)


def sample_bilinear(image: Tensor, factor: int) -> Tensor:
    """The size divided by ``factor``, rounded up, with half-pixel centres and no antialiasing."""
    size = tuple(math.ceil(n / factor) for n in image.shape[-2:])
    return F.interpolate(image, size=size, mode="bilinear", align_corners=False)


def sample_legacy(image: Tensor, factor: int) -> Tensor:
    """The size divided by ``factor``, rounded up: every ``factor``-th pixel, TensorFlow 1's bilinear resizing."""
    return image[..., ::factor, ::factor]


def double(image: Tensor, method: Doubling) -> Tensor:
    """Twice the size.

    Args:
        image: ``(B, C, H, W)``.
        method: ``bilinear`` has half-pixel centres; ``bilinear-legacy`` is TensorFlow 1's resizing, which copies
            the pixels to even positions, puts the mean of both neighbours between them, and repeats the last one.

    Returns:
        ``(B, C, 2H, 2W)``.
    """
    if method == "bilinear":
        return F.interpolate(image, scale_factor=2, mode="bilinear", align_corners=False)
    for dim in (-2, -1):
        last = image.narrow(dim, image.shape[dim] - 1, 1)
        following = torch.cat((image.narrow(dim, 1, image.shape[dim] - 1), last), dim)
        after = dim + image.ndim + 1
        image = torch.stack((image, (image + following) / 2), dim=after).flatten(after - 1, after)
    return image
