"""Parts of photographs for the virtual camera: where to look, what to cut out, and in which shape."""

import torch
from torch import Tensor
from torch.nn import functional as F

from .motion import uniform

PLACES_TRIED = 3


def cut_box(picture: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
    """``(C, height, width)`` part of a ``(C, h, w)`` picture, which is mirrored where the part goes beyond it."""
    for dim, (start, length) in enumerate(((top, height), (left, width)), start=1):
        sides = picture.shape[dim]
        if start >= 0 and start + length <= sides:
            picture = picture.narrow(dim, start, length)
        else:
            index = torch.arange(start, start + length, device=picture.device) % (2 * sides)
            picture = picture.index_select(dim, torch.minimum(index, 2 * sides - 1 - index))
    return picture


def draw_place(picture: Tensor, height: float, width: float, rng: torch.Generator) -> tuple[float, float]:
    """The centre, y and x at sub-pixel precision, of a random part of a ``(3, h, w)`` uint8 picture.

    Of several random places it is the one with the most texture: sky and blurred backgrounds teach nothing.
    """
    h, w = picture.shape[-2:]
    half_h, half_w = min(height, h) / 2, min(width, w) / 2
    places = [(uniform(rng, half_h, h - half_h), uniform(rng, half_w, w - half_w)) for _ in range(PLACES_TRIED)]
    rows, columns = int(2 * half_h), int(2 * half_w)
    parts = [cut_box(picture[1:2], int(y - half_h), int(x - half_w), rows, columns)[0, ::2, ::2] for y, x in places]
    green = torch.stack(parts).float()
    texture = green.diff(dim=1).abs().mean(dim=(1, 2)) + green.diff(dim=2).abs().mean(dim=(1, 2))
    return places[int(texture.argmax())]


def soften(light: Tensor, deviation: float) -> Tensor:
    """Convolves ``(C, h, w)`` with a Gaussian of this standard deviation in pixels, the border repeated."""
    if deviation < 0.1:
        return light
    radius = int(3 * deviation + 0.5)
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float64)
    weights = torch.exp(-0.5 * (offsets / deviation) ** 2)
    weights = (weights / weights.sum()).tolist()
    for dim in (1, 2):
        padding = (0, 0, radius, radius) if dim == 1 else (radius, radius, 0, 0)
        padded = F.pad(light[None], padding, mode="replicate")[0]
        light = sum(weight * padded.narrow(dim, shift, light.shape[dim]) for shift, weight in enumerate(weights))  # type: ignore[assignment]
    return light


def soft_blob(size: int, rng: torch.Generator, device: torch.device) -> Tensor:
    """``(size, size)`` opacity of a random shape with an edge a few pixels soft, empty at the border."""
    cells = int(torch.randint(4, 9, (), generator=rng))
    noise = torch.randn(1, 1, cells, cells, generator=rng).to(device)
    stretch, edge = uniform(rng, 0.5, 2.0), uniform(rng, 0.5, 2.0) * 4 / size
    noise = F.interpolate(noise, size=(size, size), mode="bicubic", align_corners=True)[0, 0]
    axis = torch.linspace(-1, 1, size, device=device)
    distance = (axis[:, None] * stretch) ** 2 + (axis[None, :] / stretch) ** 2
    inside = 0.35 * noise + 0.75 - 1.6 * distance
    frame = (1 - axis.abs().clamp(min=0.9).sub(0.9).mul(10)).clamp(0, 1)
    return (inside / edge + 0.5).clamp(0, 1) * frame[:, None] * frame[None, :]
