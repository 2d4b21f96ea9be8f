"""Measures a run as it goes on pairs that it is not trained on."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from deblur import build_network, preset, restore

from .data.pairs import find_pairs
from .figures import PSNR, as_written, average, compare, read_pair, ssim_figure
from .options import TrainingOptions
from .state import TrainingState

PICTURES = 3
PICTURE_SIDE = 256


@dataclass(frozen=True)
class Validation:
    """Pairs to measure on, decoded."""

    images: list[tuple[Tensor, Tensor]]
    """Blurry and sharp, each ``(1, 3, H, W)`` in [0, 1]."""


def open_validation(options: TrainingOptions) -> Validation:
    """Some pairs of the validation folder, spread evenly.

    Raises:
        FileNotFoundError, ImageFileError: There is none, or one has no partner, or another size than it.
    """
    pairs = find_pairs(options.validation or Path(), options.blurry)
    count = min(options.validation_images, len(pairs))
    chosen = [pairs[index * len(pairs) // count] for index in range(count)]
    return Validation([read_pair(blurry, sharp) for blurry, sharp in chosen])


def validate(
    state: TrainingState, options: TrainingOptions, validation: Validation
) -> tuple[dict[str, float], list[Tensor]]:
    """Mean PSNR in dB and SSIM of the averaged weights, and a few pictures.

    Returns:
        The figures, and ``(3, side, 3 · side)`` crops in [0, 1]: blurry, restored and sharp in a row.
    """
    device = next(state.network.parameters()).device
    network = build_network(preset(options.preset))
    network.load_state_dict(state.average)
    network = network.to(device).train(False)
    before, after, triples = [], [], []
    for pair in validation.images:
        blurry, sharp = (image.to(device) for image in pair)
        restored = as_written(restore(network, blurry))
        before.append(compare(blurry, sharp))
        after.append(compare(restored, sharp))
        if len(triples) < PICTURES:
            triples.append(torch.cat([_centre(image) for image in (blurry, restored, sharp)], dim=2))
    figures = {}
    for name, values in (("blurry", average(before)), ("restored", average(after))):
        figures |= {f"{name} psnr": values[PSNR], f"{name} ssim": values[ssim_figure("gaussian")]}
    return figures, triples


def _centre(image: Tensor) -> Tensor:
    h, w = image.shape[-2:]
    side_h, side_w = min(h, PICTURE_SIDE), min(w, PICTURE_SIDE)
    top, left = (h - side_h) // 2, (w - side_w) // 2
    return image[0, :, top : top + side_h, left : left + side_w].cpu()
