"""Whole-image restoration with any of the networks."""

import math
from typing import Literal, overload

import torch
from torch import Tensor

from .padding import pad_to_multiple
from .presets import Network
from .resize import PyramidKernel


def check_images(blurry: Tensor) -> None:
    """Raises ValueError unless the tensor is a non-empty batch of floating-point RGB images ``(B, 3, H, W)``."""
    if blurry.ndim != 4 or blurry.shape[1] != 3 or 0 in blurry.shape:
        raise ValueError(
            f"expected RGB images of shape (B, 3, H, W), found {tuple(blurry.shape)}; "
            "permute (B, H, W, 3) images with images.permute(0, 3, 1, 2) and take off alpha"
        )
    if not blurry.is_floating_point():
        raise ValueError(
            f"expected floating-point images in [0, 1], found {blurry.dtype}; convert them: x.float() / 255"
        )


def to_network(network: Network, blurry: Tensor) -> Tensor:
    """The images, clamped to [0, 1], padded, on the network's device and in its dtype."""
    parameter = next(network.parameters())
    blurry = blurry.to(parameter.device).clamp(0, 1)
    return pad_to_multiple(blurry, network.size_multiple, network.border).to(parameter.dtype)


@overload
def restore(
    network: Network,
    blurry: Tensor,
    *,
    all_scales: Literal[False] = False,
    pyramid_kernel: PyramidKernel | None = None,
) -> Tensor: ...
@overload
def restore(
    network: Network, blurry: Tensor, *, all_scales: Literal[True], pyramid_kernel: PyramidKernel | None = None
) -> tuple[Tensor, ...]: ...
@torch.inference_mode()
def restore(
    network: Network, blurry: Tensor, *, all_scales: bool = False, pyramid_kernel: PyramidKernel | None = None
) -> Tensor | tuple[Tensor, ...]:
    """Restores images of any size, all of the batch and the whole image at once.

    The network decides where and how precisely it is computed: ``network.to(device, dtype)`` beforehand.

    Args:
        network: In inference mode, as ``restore_network`` gives it.
        blurry: ``(B, 3, H, W)`` RGB in [0, 1] (values outside are clamped), any floating dtype, any device, any size
            from 1×1.
        all_scales: Every restored scale and not just the finest.
        pyramid_kernel: Another pyramid than the network was trained with, to see what it does.

    Returns:
        ``(B, 3, H, W)`` in [0, 1], of the input's dtype and on its device; with ``all_scales`` a tuple, finest
        first, scale k + 1 being ``ceil(H / 2^k) × ceil(W / 2^k)``.

    Raises:
        ValueError: Not a batch of floating-point RGB images.
    """
    check_images(blurry)
    outputs = network(network.pyramid(to_network(network, blurry), pyramid_kernel))
    height, width = blurry.shape[-2:]
    restored = tuple(
        output[..., : math.ceil(height / 2**k), : math.ceil(width / 2**k)].clamp(0, 1).to(blurry)
        for k, output in enumerate(outputs)
    )
    return restored if all_scales else restored[0]
