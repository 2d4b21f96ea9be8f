"""Averages the frames of many exposures at once, on any device.

Every frame samples the pictures of its layers anew, so nothing is resampled twice. Work is done in chunks along time,
each for all exposures that still have frames left; an exposure's result does not depend on its neighbours.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from .motion import Motion, Motions, frames_needed
from .upload import upload

FRAMES_AT_ONCE = 4
PIXELS_AT_ONCE = {"cpu": 2**20}
"""By kind of device: what fits a processor's cache; elsewhere enough to keep a GPU busy, in about 1 GiB."""
PIXELS_ELSEWHERE = 2**24


@dataclass(frozen=True)
class Layer:
    """A picture in front of the camera and how it moves."""

    picture: Tensor
    """``(3, h, w)``, or ``(4, h, w)`` with opacity in the last channel; linear in the light that is averaged."""
    motion: Motion | Motions
    placement: Tensor
    """``(3, 3)`` float64, from pixel offsets of the rendered image's centre to pixel positions in the picture."""

    def maps(self, t: Tensor) -> Tensor:
        """``(N, 3, 3)`` float64 maps from offsets of the rendered image's centre to the picture, at ``(N,)`` times."""
        return self.placement @ self.motion.homographies(t)


def exposure_times(frames: int) -> Tensor:
    """``(frames,)`` float64 times, the middles of equal parts of the exposure from -1/2 to 1/2."""
    return (torch.arange(frames, dtype=torch.float64) + 0.5) / frames - 0.5


def expose(exposures: Sequence[Sequence[Layer]], size: tuple[int, int], device: torch.device) -> tuple[Tensor, Tensor]:
    """Averages the frames of exposures, each with as many as it needs for steps of at most a pixel.

    Args:
        exposures: The layers of each, the first at the back and without opacity. Pictures at the same depth of the
            same number of layers must have one shape and be on the device.
        size: Height and width of the images, in pixels.
        device: Where the work is done.

    Returns:
        The averages and the frames in the middle, each ``(B, 3, H, W)`` float32 in the light of the pictures.
    """
    blurry, sharp = (torch.empty(len(exposures), 3, *size, device=device) for _ in range(2))
    frames = [max(frames_needed(layer.motion, size) for layer in layers) for layers in exposures]
    frames = [FRAMES_AT_ONCE * math.ceil(n / FRAMES_AT_ONCE) for n in frames]
    at_once = max(1, PIXELS_AT_ONCE.get(device.type, PIXELS_ELSEWHERE) // (FRAMES_AT_ONCE * size[0] * size[1]))
    for count in sorted({len(layers) for layers in exposures}):
        members = [index for index, layers in enumerate(exposures) if len(layers) == count]
        members.sort(key=lambda index: -frames[index])
        for start in range(0, len(members), at_once):
            part = members[start : start + at_once]
            order = upload(torch.tensor(part), device)
            blurry[order], sharp[order] = _expose_alike(
                [exposures[i] for i in part], [frames[i] for i in part], size, device
            )
    return blurry, sharp


def _expose_alike(
    exposures: list[Sequence[Layer]], frames: list[int], size: tuple[int, int], device: torch.device
) -> tuple[Tensor, Tensor]:
    """As :func:`expose`, for exposures with the same number of layers, those with most frames first."""
    depths = range(len(exposures[0]))
    pictures = [torch.stack([layers[depth].picture for layers in exposures]) for depth in depths]
    moving, still = [], []
    for depth in depths:
        maps = torch.zeros(len(exposures), frames[0], 3, 3, dtype=torch.float64)
        for index, layers in enumerate(exposures):
            maps[index, : frames[index]] = layers[depth].maps(exposure_times(frames[index]))
        middle = torch.stack([layers[depth].maps(torch.zeros(1)) for layers in exposures])
        moving.append(_lines(maps, size, pictures[depth], device))
        still.append(_lines(middle, size, pictures[depth], device))
    total = torch.zeros(len(exposures), 3, *size, device=device)
    for start in range(0, frames[0], FRAMES_AT_ONCE):
        active = sum(count > start for count in frames)
        chunk = slice(start, start + FRAMES_AT_ONCE)
        lines = [(columns[:active, chunk], rows[:active, chunk]) for columns, rows in moving]
        total[:active] += _composite([picture[:active] for picture in pictures], lines).sum(dim=2)
    average = total / upload(torch.tensor(frames, dtype=torch.float32), device).view(-1, 1, 1, 1)
    return average, _composite(pictures, still)[:, :, 0]


def _lines(maps: Tensor, size: tuple[int, int], pictures: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
    """What ``(B, T, 3, 3)`` maps give of columns, ``(B, T, 3, 1, W)``, and of rows, ``(B, T, 3, H, 1)``.

    Their sum is the place of every pixel in homogeneous coordinates of ``grid_sample``, -1 to 1 across the picture.
    """
    h, w = size
    ph, pw = pictures.shape[-2:]
    to_grid = torch.tensor([[2 / pw, 0, 1 / pw - 1], [0, 2 / ph, 1 / ph - 1], [0, 0, 1]], dtype=torch.float64)
    maps = to_grid @ maps
    x = torch.arange(w, dtype=torch.float64) - (w - 1) / 2
    y = torch.arange(h, dtype=torch.float64) - (h - 1) / 2
    columns = maps[..., 0, None, None] * x
    rows = maps[..., 1, None, None] * y[:, None] + maps[..., 2, None, None]
    return upload(columns.float(), device), upload(rows.float(), device)


def _composite(pictures: list[Tensor], lines: list[tuple[Tensor, Tensor]]) -> Tensor:
    """``(B, 3, T, H, W)`` frames of layered ``(B, C, h, w)`` pictures."""
    frame = _sample(pictures[0], *lines[0], "border")
    for picture, (columns, rows) in zip(pictures[1:], lines[1:], strict=True):
        front = _sample(picture, columns, rows, "zeros")
        frame = torch.lerp(frame, front[:, :3], front[:, 3:])
    return frame


def _sample(picture: Tensor, columns: Tensor, rows: Tensor, border: str) -> Tensor:
    """``(B, C, T, H, W)`` frames of ``(B, C, h, w)`` pictures."""
    places = columns + rows
    b, frames, _, h, w = places.shape
    grid = torch.empty(b, frames, h, w, 2, device=picture.device)
    torch.div(places[:, :, 0], places[:, :, 2], out=grid[..., 0])
    torch.div(places[:, :, 1], places[:, :, 2], out=grid[..., 1])
    sampled = F.grid_sample(
        picture, grid.view(b, frames * h, w, 2), mode="bilinear", padding_mode=border, align_corners=False
    )
    return sampled.view(b, -1, frames, h, w)
