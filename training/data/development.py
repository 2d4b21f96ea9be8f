"""From the light of an exposure to an image: response, clipped highlights, the sensor's noise, compression."""

from dataclasses import dataclass
from io import BytesIO

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .upload import upload

SENSOR_GAMMA = 2.2
"""Exponent between an image's values and the light on the sensor, where its noise is."""


@dataclass(frozen=True)
class Development:
    """What becomes of the light of one exposure: which values stand for it, and what is added to them."""

    gamma: float = 1.0
    boost: float = 1.0
    """Light of clipped highlights, relative to white."""
    softness: float = 0.0
    read_noise: float = 0.0
    shot_noise: float = 0.0
    noise_seed: int = 0
    jpeg_quality: int | None = None
    """None is without JPEG."""


def to_light(values: Tensor, development: Development) -> Tensor:
    """``(3, h, w)`` uint8 as the float32 light that is averaged, 1 at white and above it in boosted highlights."""
    table = (torch.arange(256, dtype=torch.float64) / 255).pow(development.gamma).float()
    light = upload(table, values.device)[values.int()]
    if development.boost > 1:
        clipped = ((values.amin(dim=0, keepdim=True).float() - 235) / 20).clamp(0, 1)
        light = light * (1 + (development.boost - 1) * clipped)
    return light


def develop(light: Tensor, development: Development) -> Tensor:
    """``(3, H, W)`` light to the values of an image, float32 in [0, 1]."""
    return light.clamp(0, 1).pow(1 / development.gamma)


def add_noise(image: Tensor, development: Development) -> Tensor:
    """Shot and read noise of a sensor on ``(3, H, W)`` values in [0, 1], which stay in this range.

    The variance is ``shot_noise · light + read_noise²`` in linear light, before the response (Foi et al. 2008).
    """
    if development.read_noise == development.shot_noise == 0:
        return image
    light = image.pow(SENSOR_GAMMA)
    deviation = (development.shot_noise * light + development.read_noise**2).sqrt()
    rng = torch.Generator(image.device).manual_seed(development.noise_seed)
    noise = torch.randn(image.shape, generator=rng, device=image.device)
    return (light + deviation * noise).clamp(0, 1).pow(1 / SENSOR_GAMMA)


def through_jpeg(image: Tensor, quality: int) -> Tensor:
    """``(3, H, W)`` uint8 as it is after JPEG compression; done on the CPU."""
    buffer = BytesIO()
    Image.fromarray(image.permute(1, 2, 0).cpu().numpy()).save(buffer, "JPEG", quality=quality)
    values = np.array(Image.open(buffer))
    return torch.from_numpy(values).permute(2, 0, 1).to(image.device)


def to_uint8(image: Tensor) -> Tensor:
    """Values in [0, 1], rounded to those of 8 bits."""
    return (image * 255).round().to(torch.uint8)
