"""Tiled restoration: coarse scales on the whole image, the finest scale in tiles."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .cost import finest_radius
from .presets import Network
from .resize import PyramidKernel
from .restore import check_images, to_network


@dataclass(frozen=True)
class Span:
    """A tile along one side of the image, in pixels."""

    start: int
    """First pixel of the tile."""
    stop: int
    """One past its last pixel."""
    halo_start: int
    """First pixel the network sees for it."""
    halo_stop: int
    """One past the last pixel the network sees for it."""


def spans(size: int, tile: int, halo: int) -> list[Span]:
    """Tiles of one side, without overlap, with a halo that ends at the image's edge."""
    return [
        Span(start, min(start + tile, size), max(start - halo, 0), min(start + tile + halo, size))
        for start in range(0, size, tile)
    ]


def round_up(value: int, multiple: int) -> int:
    """The next multiple, at least one."""
    return max(1, -(-value // multiple)) * multiple


@torch.inference_mode()
def restore_tiled(
    network: Network,
    blurry: Tensor,
    *,
    tile: int = 512,
    halo: int | None = None,
    pyramid_kernel: PyramidKernel | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Tensor:
    """Restores images of any size with memory for a tile's features at the finest scale.

    The coarser scales, a quarter of the pixels and less, run on the whole image, so every tile knows what surrounds
    it from afar. Tiles do not overlap: each is computed with a halo around it, and the halo is cut off, which leaves
    smaller errors than feathering. With a halo of at least ``finest_radius(network.config)`` pixels, the default, the
    result is that of ``restore``, but for rounding.

    Args:
        network: In inference mode, on the device and in the dtype to compute with.
        blurry: ``(B, 3, H, W)`` RGB in [0, 1] (values outside are clamped), any floating dtype, any device.
        tile: Side of a tile in pixels, rounded up to the network's size multiple.
        halo: Width of the halo in pixels, rounded up likewise; 0 leaves seams. None is the finest radius.
        pyramid_kernel: Another pyramid than the network was trained with, to see what it does.
        progress: Called after every tile with the number of tiles done and in all. What it raises ends the work.

    Returns:
        ``(B, 3, H, W)`` in [0, 1], of the input's dtype and on its device.

    Raises:
        ValueError: Not a batch of floating-point RGB images, a tile of no size or a negative halo.
    """
    check_images(blurry)
    halo = finest_radius(network.config) if halo is None else halo
    if tile < 1 or halo < 0:
        raise ValueError(f"expected a tile of at least 1 pixel and a halo of at least 0, found {tile} and {halo}")
    levels = network.pyramid(to_network(network, blurry), pyramid_kernel)
    _, carried = network.coarse(levels)
    level = levels[0]
    tile = round_up(tile, network.size_multiple)
    halo = round_up(halo, network.size_multiple) if halo else 0
    height, width = blurry.shape[-2:]
    rows, columns = (spans(size, tile, halo) for size in level.shape[-2:])
    restored = torch.empty_like(blurry, memory_format=torch.contiguous_format)
    for number, (row, column) in enumerate(((r, c) for r in rows for c in columns), start=1):
        part = network.finest(_crop(level, level, row, column), tuple(_crop(t, level, row, column) for t in carried))
        part = part[..., row.start - row.halo_start :, column.start - column.halo_start :]
        bottom, right = min(row.stop, height), min(column.stop, width)
        part = part[..., : bottom - row.start, : right - column.start]
        restored[..., row.start : bottom, column.start : right] = part.clamp(0, 1).to(restored)
        if progress is not None:
            progress(number, len(rows) * len(columns))
    return restored


def _crop(tensor: Tensor, level: Tensor, row: Span, column: Span) -> Tensor:
    stride = level.shape[-1] // tensor.shape[-1]
    return tensor[
        ...,
        row.halo_start // stride : row.halo_stop // stride,
        column.halo_start // stride : column.halo_stop // stride,
    ]
