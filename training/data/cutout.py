"""Parts of photographs for the virtual camera: where to look, what to cut out, and in which shape."""

import torch
from torch import Tensor
from torch.nn import functional as F

from .motion import uniform
from .upload import upload

PLACES_TRIED = 3


def cut_box(picture: Tensor, top: int | Tensor, left: int | Tensor, height: int, width: int) -> Tensor:
    """``(C, height, width)`` part of a ``(C, h, w)`` picture, which is mirrored where the part goes beyond it.

    ``top`` and ``left`` may be tensors of one element on the picture's device.
    """
    for dim, (start, length) in enumerate(((top, height), (left, width)), start=1):
        sides = picture.shape[dim]
        index = (torch.arange(length, device=picture.device) + start) % (2 * sides)
        picture = picture.index_select(dim, torch.minimum(index, 2 * sides - 1 - index))
    return picture


def cut_textured(
    picture: Tensor, seen: tuple[float, float], box: tuple[int, int], rng: torch.Generator
) -> tuple[Tensor, tuple[float, float]]:
    """A box around a random part of a picture.

    Of several random parts it is the one with the most texture: sky and blurred backgrounds teach nothing. The choice
    is made on the picture's device and not told to the CPU, which would have to wait for it.

    Args:
        picture: ``(3, h, w)`` uint8.
        seen: Height and width, in pixels, of the parts that are looked at; no larger than the picture is taken.
        box: Height and width of the box, which is mirrored where it goes beyond the picture.
        rng: Where the parts are drawn from, on the CPU.

    Returns:
        ``(3, *box)`` uint8 on the picture's device, and y and x in it of the part's centre, at sub-pixel precision.
    """
    halves = [min(length, whole) / 2 for length, whole in zip(seen, picture.shape[-2:], strict=True)]
    centres = [
        [int(uniform(rng, half, whole - half)) for half, whole in zip(halves, picture.shape[-2:], strict=True)]
        for _ in range(PLACES_TRIED)
    ]
    (half_h, half_w), rows, columns = map(int, halves), int(2 * halves[0]), int(2 * halves[1])
    corners = [(y - half_h, x - half_w) for y, x in centres]
    green = torch.stack([picture[1, y : y + rows : 2, x : x + columns : 2] for y, x in corners]).float()
    texture = green.diff(dim=1).abs().mean(dim=(1, 2)) + green.diff(dim=2).abs().mean(dim=(1, 2))
    starts = upload(torch.tensor(centres) - torch.tensor(box) // 2, picture.device)
    top, left = starts.index_select(0, texture.argmax(dim=0, keepdim=True)).unbind(dim=1)
    place = (box[0] // 2 + uniform(rng, 0, 1), box[1] // 2 + uniform(rng, 0, 1))
    return cut_box(picture, top, left, *box), place


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
    noise = upload(torch.randn(1, 1, cells, cells, generator=rng), device)
    stretch, edge = uniform(rng, 0.5, 2.0), uniform(rng, 0.5, 2.0) * 4 / size
    noise = F.interpolate(noise, size=(size, size), mode="bicubic", align_corners=True)[0, 0]
    axis = torch.linspace(-1, 1, size, device=device)
    distance = (axis[:, None] * stretch) ** 2 + (axis[None, :] / stretch) ** 2
    inside = 0.35 * noise + 0.75 - 1.6 * distance
    frame = (1 - axis.abs().clamp(min=0.9).sub(0.9).mul(10)).clamp(0, 1)
    return (inside / edge + 0.5).clamp(0, 1) * frame[:, None] * frame[None, :]
