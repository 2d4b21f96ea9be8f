"""How much memory a restoration takes, and what to try when there is less."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import torch
from comfy import model_management
from torch import Tensor, nn

from ..deblur import Config, build_network, finest_radius
from .model import DeblurModel

LIVE_TENSORS = 14
"""Tensors of the largest layer's size that are alive at once: skips, a ResBlock's own, the convolution's workspace."""
IMAGE_NUMBERS = 40
"""Numbers per pixel of everything that has an image's channels: pyramid, concatenated inputs, outputs."""
COARSE_SHARE = 0.4
"""Pixels of all coarser scales relative to the finest, a little above 1/4 + 1/16 + …"""
FALLBACK_TILES = (2048, 1024, 512, 256)
"""Tile sizes in pixels to try in turn when the whole image does not fit."""
SMALLEST_TILE = 128


@dataclass(frozen=True)
class Step:
    """One way to restore a frame."""

    tile: int | None
    """Side of a tile in pixels; none for the whole image at once."""
    halo: int = 0
    """Width of the halo around a tile in pixels."""

    def __str__(self) -> str:
        return f"tiles of {self.tile} pixels" if self.tile else "the whole image"


@lru_cache
def numbers_per_pixel(config: Config) -> float:
    """Numbers in the largest tensor that any layer gives, per pixel of the full resolution."""
    largest = 0

    def look(module: nn.Module, inputs: object, output: object) -> None:
        nonlocal largest
        if isinstance(output, Tensor):
            largest = max(largest, output.numel())

    with torch.device("meta"), torch.inference_mode():
        network = build_network(config).train(False)
        side = 16 * network.size_multiple
        for module in network.modules():
            module.register_forward_hook(look)
        network(network.pyramid(torch.empty(1, 3, side, side)))
    return largest / side**2


def memory_needed(model: DeblurModel, height: int, width: int, step: Step) -> int:
    """An estimate in bytes for restoring a frame of ``height`` × ``width`` pixels.

    Fitted to the growth of CPU processes in float32; for DeblurNet it is several times too high.
    """
    pixels = height * width
    if step.tile is not None:
        side = step.tile + 2 * step.halo
        pixels = min(height, side) * min(width, side) + COARSE_SHARE * pixels
    numbers = LIVE_TENSORS * numbers_per_pixel(model.config) + IMAGE_NUMBERS
    return int(pixels * numbers * model.dtype.itemsize)


class Ladder:
    """Ways to restore frames of one size, from the one that takes most memory to the one that takes least."""

    def __init__(self, steps: Iterator[Step]) -> None:
        self._steps = steps
        self.step = next(steps)
        """What to do now."""

    def down(self) -> bool:
        """Goes to the next way; false if there is none left."""
        following = next(self._steps, None)
        if following is None:
            return False
        logging.warning("Deblurring: not enough memory for %s, trying %s", self.step, following)
        self.step = following
        return True

    def skip_what_cannot_fit(self, model: DeblurModel, height: int, width: int) -> None:
        """Goes down without trying while the estimate is above what is free on the model's device.

        To be called when the model is loaded and others have made room. Running out of memory is not always an
        error that can be caught: a CPU process is killed, and some drivers swap until nothing moves.
        """
        free = model_management.get_free_memory(model.patcher.load_device)
        while memory_needed(model, height, width, self.step) > free and self.down():
            pass


def whole_image_first(model: DeblurModel, height: int, width: int) -> Ladder:
    """The whole image, then ever smaller tiles with the halo that gives the same result."""

    def steps() -> Iterator[Step]:
        yield Step(None)
        for tile in FALLBACK_TILES:
            if tile < max(height, width):
                yield Step(tile, finest_radius(model.config))

    return Ladder(steps())


def tiles_first(tile: int, halo: int, height: int, width: int) -> Ladder:
    """Tiles of the size that was asked for, then of half of it, and so on."""

    def steps() -> Iterator[Step]:
        yield Step(tile, halo)
        side = tile // 2
        while side >= SMALLEST_TILE:
            if side < max(height, width):
                yield Step(side, halo)
            side //= 2

    return Ladder(steps())
