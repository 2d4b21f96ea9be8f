"""Image files of noise, alone and in pairs."""

import numpy as np
import torch
from PIL import Image


def write_image(path, size=(24, 32), seed=0, **options):
    """Writes an image of this height and width; returns it as ``(3, H, W)`` uint8."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, **options)
    return torch.from_numpy(pixels).permute(2, 0, 1)


def write_pair(folder, name, blurry="blur", size=(24, 32)):
    """Writes ``folder/{blurry,sharp}/name``, each name with pixels of its own."""
    seed = sum(map(ord, name))
    write_image(folder / blurry / name, size, seed)
    write_image(folder / "sharp" / name, size, seed + 1)
