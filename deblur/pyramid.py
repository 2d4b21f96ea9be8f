"""Image pyramids: scale 1, the finest, comes first."""

from collections.abc import Callable
from typing import get_args

from torch import Tensor

from .resize import (
    PyramidKernel,
    halve_area,
    halve_gaussian,
    halve_gaussian_torch7,
    sample_bilinear,
    sample_legacy,
)

PYRAMID_KERNELS: tuple[PyramidKernel, ...] = get_args(PyramidKernel)

_HALVE: dict[str, Callable[[Tensor], Tensor]] = {
    "gaussian": halve_gaussian,
    "gaussian-torch7": halve_gaussian_torch7,
    "area": halve_area,
}
_SAMPLE: dict[str, Callable[[Tensor, int], Tensor]] = {
    "bilinear": sample_bilinear,
    "bilinear-legacy": sample_legacy,
}


def build_pyramid(image: Tensor, levels: int, kernel: PyramidKernel = "gaussian") -> tuple[Tensor, ...]:
    """Every level of an image pyramid of ratio 0.5.

    Args:
        image: ``(B, C, H, W)``, any value range, floating dtype, any device.
        levels: Number of levels, the image itself included; at least 1.
        kernel: ``gaussian`` equals skimage's ``pyramid_gaussian`` (DeepDeblur-PyTorch); ``gaussian-torch7`` is the
            3×3 Gaussian of the torch7 code of Nah et al.; ``area`` takes means of 2×2 pixels; ``bilinear`` and
            ``bilinear-legacy`` sample every level from the full resolution, with half-pixel centres or as
            TensorFlow 1 does (SRN-Deblur).

    Returns:
        ``levels`` tensors, the finest first. Level k is ``(B, C, ceil(H / 2^k), ceil(W / 2^k))``.

    Raises:
        ValueError: Not a batch of images, no level asked for, or an unknown kernel.
    """
    if image.ndim != 4:
        raise ValueError(
            f"expected a batch of images of shape (B, C, H, W), found shape {tuple(image.shape)}; "
            "add the batch dimension with image[None]"
        )
    if not image.is_floating_point():
        raise ValueError(f"expected a floating-point image, found {image.dtype}; convert it, e.g. image.float() / 255")
    if levels < 1:
        raise ValueError(f"expected at least 1 pyramid level, found {levels}")
    if kernel in _HALVE:
        pyramid = [image]
        while len(pyramid) < levels:
            pyramid.append(_HALVE[kernel](pyramid[-1]))
        return tuple(pyramid)
    if kernel in _SAMPLE:
        return (image, *(_SAMPLE[kernel](image, 2**k) for k in range(1, levels)))
    raise ValueError(f"unknown pyramid kernel {kernel!r}; choose one of {', '.join(PYRAMID_KERNELS)}")
