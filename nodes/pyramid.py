"""DEBLUR_PYRAMID: images with every level of their pyramid."""

from dataclasses import dataclass

import torch
from comfy import model_management
from torch import Tensor

from ..deblur import build_pyramid
from ..deblur.resize import PyramidKernel


@dataclass(frozen=True)
class Pyramid:
    """What travels on a DEBLUR_PYRAMID link; shared between nodes."""

    image: Tensor
    """The images as they came, ``(B, H, W, C)``."""
    levels: tuple[Tensor, ...]
    """Finest first, ``(B, ceil(H / 2^k), ceil(W / 2^k), C)``, values in [0, 1]."""
    kernel: PyramidKernel
    """How each level was made."""


def pyramid_of(image: Tensor, levels: int, kernel: PyramidKernel) -> Pyramid:
    """Builds the pyramid frame by frame.

    Args:
        image: ``(B, H, W, C)``, any floating dtype; values outside [0, 1] are clamped in the levels.
        levels: Number of levels, the image itself included.
        kernel: See ``deblur.build_pyramid``.
    """
    device, dtype = model_management.intermediate_device(), model_management.intermediate_dtype()
    frames: list[list[Tensor]] = [[] for _ in range(levels)]
    for frame in image.split(1):
        model_management.throw_exception_if_processing_interrupted()
        pixels = frame.float().clamp(0, 1).movedim(-1, 1)
        for level, tensor in zip(frames, build_pyramid(pixels, levels, kernel), strict=True):
            level.append(tensor.clamp(0, 1).movedim(1, -1).to(device, dtype))
    return Pyramid(image, tuple(torch.cat(level) for level in frames), kernel)
