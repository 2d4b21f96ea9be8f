"""Restoring a batch: frame by frame, with progress, interrupts and less memory if need be."""

import logging
from collections.abc import Callable

import torch
from comfy import model_management
from comfy.utils import ProgressBar
from torch import Tensor

from ..deblur import restore, restore_tiled
from ..deblur.resize import PyramidKernel
from .frames import check_images, check_mask, frame_weight, from_rgb, put_frame, take_frame, to_rgb
from .memory import Ladder, Step, memory_needed, tiles_first, whole_image_first
from .model import DeblurModel


def restore_whole(
    model: DeblurModel,
    image: Tensor,
    mask: Tensor | None,
    strength: float,
    pyramid_kernel: PyramidKernel | None = None,
) -> Tensor:
    """Restores every frame at once, or in tiles with the same result where the memory does not suffice.

    Args:
        model: Of any kind.
        image: ``(B, H, W, C)``, 1 to 4 channels, any floating dtype; colours outside [0, 1] are clamped.
        mask: ``(1 or B, h, w)`` in [0, 1]; restored where it is 1. None restores everywhere.
        strength: Share of the restored image, 0 to 1.
        pyramid_kernel: Another pyramid than the model's own.

    Returns:
        ``(B, H, W, C)``, colours in [0, 1], alpha as it came, in ComfyUI's dtype and on its device for images.

    Raises:
        ValueError: The image or the mask is not of that shape.
        RuntimeError: The result is not a number in float16.
    """
    check_images(image)
    return _restore_batch(model, image, mask, strength, whole_image_first(model, *image.shape[1:3]), pyramid_kernel)


def restore_in_tiles(
    model: DeblurModel, image: Tensor, mask: Tensor | None, strength: float, tile: int, halo: int
) -> Tensor:
    """Restores every frame in tiles; smaller ones where the memory does not suffice.

    Args, returns and raises as ``restore_whole``; ``tile`` and ``halo`` as in ``deblur.restore_tiled``.
    """
    check_images(image)
    return _restore_batch(model, image, mask, strength, tiles_first(tile, halo, *image.shape[1:3]), None)


def _restore_batch(
    model: DeblurModel,
    image: Tensor,
    mask: Tensor | None,
    strength: float,
    ladder: Ladder,
    pyramid_kernel: PyramidKernel | None,
) -> Tensor:
    mask = check_mask(mask, image)
    count, height, width, _ = image.shape
    output = torch.empty(
        image.shape, dtype=model_management.intermediate_dtype(), device=model_management.intermediate_device()
    )
    progress = ProgressBar(count)
    loaded = False
    for index in range(count):
        model_management.throw_exception_if_processing_interrupted()
        colour, alpha = take_frame(image, index)
        weight = frame_weight(mask, index, strength, colour)
        if weight.any():
            if not loaded:
                model.load(memory_needed(model, height, width, ladder.step))
                ladder.skip_what_cannot_fit(model, height, width)
                loaded = True
            report = _tile_report(progress, index, count)
            restored = _restore_frame(model, to_rgb(colour), ladder, pyramid_kernel, report)
            colour = torch.lerp(colour, from_rgb(restored, colour.shape[1]), weight)
        put_frame(output, index, colour, alpha)
        progress.update_absolute(index + 1, count)
    if not loaded and strength > 0:
        logging.warning("Deblurring: the mask is black everywhere, so nothing was restored")
    return output


def _tile_report(progress: ProgressBar, frame: int, frames: int) -> Callable[[int, int], None]:
    def report(done: int, tiles: int) -> None:
        progress.update_absolute(frame * tiles + done, frames * tiles)
        model_management.throw_exception_if_processing_interrupted()

    return report


def _restore_frame(
    model: DeblurModel,
    blurry: Tensor,
    ladder: Ladder,
    pyramid_kernel: PyramidKernel | None,
    report: Callable[[int, int], None],
) -> Tensor:
    while True:
        try:
            restored = _attempt(model, blurry, ladder.step, pyramid_kernel, report)
            break
        except Exception as error:
            model_management.raise_non_oom(error)
            if not ladder.down():
                raise
        # Out of the except block, where the traceback no longer keeps the failed attempt's tensors alive.
        model_management.soft_empty_cache()
    if model.dtype != torch.float32 and not restored.isfinite().all() and blurry.isfinite().all():
        raise RuntimeError(
            f"{model.name!r} gave values that are not numbers in {model.dtype}. "
            "Set precision to float32 in DeblurLoadModel and run again"
        )
    return restored


def _attempt(
    model: DeblurModel,
    blurry: Tensor,
    step: Step,
    pyramid_kernel: PyramidKernel | None,
    report: Callable[[int, int], None],
) -> Tensor:
    if step.tile is None:
        return restore(model.network, blurry, pyramid_kernel=pyramid_kernel)
    return restore_tiled(
        model.network, blurry, tile=step.tile, halo=step.halo, pyramid_kernel=pyramid_kernel, progress=report
    )
