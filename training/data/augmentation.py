"""Augmentation of a batch on its device."""

import torch
from torch import Tensor

from ..options import Recipe
from .source import numbered_rng
from .upload import upload


def crop_patches(pairs: Tensor, recipe: Recipe, step: int, slots: range) -> Tensor:
    """Random parts, of the side that a recipe trains on, of larger patches.

    Shape: ``(len(slots), 6, S, S)`` to ``(len(slots), 6, crop, crop)``; the place depends on the recipe's seed, the
    step and the slot alone.
    """
    room = pairs.shape[-1] - recipe.crop
    if room == 0:
        return pairs
    rng = numbered_rng(recipe.seed, "crop", step)
    corners = torch.randint(room + 1, (recipe.batch, 2), generator=rng)[slots.start : slots.stop].tolist()
    parts = [pair[:, y : y + recipe.crop, x : x + recipe.crop] for pair, (y, x) in zip(pairs, corners, strict=True)]
    return torch.stack(parts)


def augment(pairs: Tensor, recipe: Recipe, step: int, slots: range) -> tuple[Tensor, Tensor]:
    """Turns, recolours and disturbs pairs as a recipe says.

    Flips, quarter turns, channel orders and saturation are the same for blurry and sharp; noise is only on the blurry
    image. Nah et al. 2017, section 4. What happens to an image depends on the recipe's seed, the step and the image's
    slot in the batch alone.

    Args:
        pairs: ``(len(slots), 6, S, S)`` uint8, blurry above sharp.
        recipe: The kinds and ranges of augmentation.
        step: Number of the batch.
        slots: Which images of the batch these are.

    Returns:
        Blurry and sharp, each ``(len(slots), 3, S, S)`` float32 in [0, 1].
    """
    rng, batch, device = numbered_rng(recipe.seed, "augmentation", step), recipe.batch, pairs.device
    part = slice(slots.start, slots.stop)

    def on_device(values: Tensor) -> Tensor:
        return upload(values[part], device)

    coins = torch.rand(batch, 6, generator=rng)
    orders = torch.rand(batch, 3, generator=rng).argsort(dim=1)
    factors = 1 + recipe.saturation * (2 * torch.rand(batch, generator=rng) - 1)
    sigmas = (recipe.noise / 255) * torch.randn(batch, generator=rng)

    images = pairs.float() / 255
    if recipe.flips:
        flips = on_device(coins[:, :3] < 0.5)[:, :, None, None, None]
        images = torch.where(flips[:, 0], images.flip(3), images)
        images = torch.where(flips[:, 1], images.flip(2), images)
        images = torch.where(flips[:, 2], images.transpose(2, 3), images)
    images = images.unflatten(1, (2, 3))
    if recipe.permute_channels:
        order = on_device(orders)[:, None, :, None, None].expand_as(images)
        images = images.gather(2, order)
    if recipe.saturation > 0:
        factors = torch.where(coins[:, 3] < recipe.saturation_probability, factors, torch.ones(()))
        images = saturate(images, on_device(factors)[:, None, None, None, None])
    blurry, sharp = images[:, 0], images[:, 1]
    if recipe.identity_probability > 0:
        blurry = torch.where(on_device(coins[:, 4] < recipe.identity_probability)[:, None, None, None], sharp, blurry)
    if recipe.noise > 0:
        noise = torch.stack([_noise(blurry.shape[1:], recipe.seed, step * batch + slot, device) for slot in slots])
        blurry = (blurry + on_device(sigmas)[:, None, None, None] * noise).clamp(0, 1)
    return blurry, sharp


def saturate(images: Tensor, factor: Tensor) -> Tensor:
    """Multiplies the saturation of HSV; hue and value stay, and saturation stops at 1.

    With value V = max(R, G, B) and S = 1 - min / V, a channel c becomes V - (V - c) · min(factor, 1 / S).

    Args:
        images: ``(..., 3, H, W)`` in [0, 1].
        factor: Of a shape that broadcasts with the images, at least 0.
    """
    value, least = images.amax(dim=-3, keepdim=True), images.amin(dim=-3, keepdim=True)
    most = value / (value - least).clamp(min=1e-6)
    return value - (value - images) * torch.minimum(factor.expand_as(most), most)


def _noise(shape: torch.Size, seed: int, number: int, device: torch.device) -> Tensor:
    return torch.randn(shape, generator=numbered_rng(seed, "noise", number, device), device=device)
