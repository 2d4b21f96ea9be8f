"""Self-ensemble: the mean of the restorations of all flips and turns of an image."""

from collections.abc import Callable

import torch
from torch import Tensor

TURNS = 4


def self_ensemble(restore: Callable[[Tensor], Tensor], blurry: Tensor) -> Tensor:
    """Restores the eight flips and quarter turns of the images, undoes each and averages.

    It takes eight times as long, and the result turns with the image: restoring a turned or mirrored image gives the
    turned or mirrored result.

    Reference: Timofte et al. 2016, "Seven ways to improve example-based single image super resolution" (enhanced
    prediction); Lim et al. 2017, "Enhanced Deep Residual Networks for Single Image Super-Resolution", section 3.4.

    Args:
        restore: Restores ``(B, 3, H, W)`` of any size, whole or in tiles: ``partial(restore, network)``.
        blurry: ``(B, 3, H, W)`` RGB in [0, 1], any floating dtype, any device.

    Returns:
        ``(B, 3, H, W)`` of the input's dtype and on its device.
    """
    total = torch.zeros_like(blurry)
    for turns in range(TURNS):
        for mirrored in (False, True):
            image = torch.rot90(blurry.flip(-1) if mirrored else blurry, turns, (-2, -1))
            restored = torch.rot90(restore(image.contiguous()), -turns, (-2, -1))
            total += restored.flip(-1) if mirrored else restored
    return total / (2 * TURNS)
