"""Padding, once, outside the networks."""

from typing import Literal

import torch
from torch import Tensor

Border = Literal["reflect", "edge"]


def pad_to_multiple(image: Tensor, multiple: int, border: Border = "reflect") -> Tensor:
    """Extends an image at the bottom and the right until both sides are multiples of a number.

    The top left corner stays where it is, because resizing conventions depend on it.

    Args:
        image: ``(…, H, W)``, any dtype. It may be smaller than the padding: the reflection then goes to and fro.
        multiple: In pixels, at least 1.
        border: ``reflect`` mirrors about the centre of the last pixel, ``edge`` repeats it.

    Returns:
        ``(…, H', W')`` with H' and W' the next multiples; the image itself if nothing is to be done.
    """
    for dim in (-2, -1):
        size = image.shape[dim]
        padded = -(-size // multiple) * multiple
        if padded == size:
            continue
        index = torch.arange(padded, device=image.device)
        if border == "reflect" and size > 1:
            period = 2 * (size - 1)
            index = index % period
            index = torch.where(index < size, index, period - index)
        else:
            index = index.clamp(max=size - 1)
        image = image.index_select(dim, index)
    return image
