"""ComfyUI's IMAGE and MASK tensors, and the frames that a network takes."""

import torch
from torch import Tensor
from torch.nn import functional as F

COLOUR_CHANNELS = {1: 1, 2: 1, 3: 3, 4: 3}
"""Channels of an image: how many of them are colour; one more is alpha."""


def check_images(image: Tensor) -> None:
    """Raises ValueError unless the tensor is a non-empty batch ``(B, H, W, C)`` of grey, RGB or RGBA images."""
    if image.ndim != 4 or image.shape[-1] not in COLOUR_CHANNELS or 0 in image.shape or not image.is_floating_point():
        raise ValueError(
            "expected floating-point images of shape (B, H, W, C) with 1 to 4 channels (grey, grey and alpha, RGB, "
            f"RGBA), found {image.dtype} of shape {tuple(image.shape)}. Look at the node that made them"
        )


def check_mask(mask: Tensor | None, image: Tensor) -> Tensor | None:
    """The mask as ``(B, H, W)``, with B = 1 or the number of images.

    Raises:
        ValueError: Not a mask, or of another number than the images.
    """
    if mask is None:
        return None
    masks = mask[None] if mask.ndim == 2 else mask
    if masks.ndim != 3 or 0 in masks.shape:
        raise ValueError(f"expected a mask of shape (B, H, W), found {tuple(mask.shape)}")
    if len(masks) not in (1, len(image)):
        raise ValueError(
            f"expected 1 mask or one for each of the {len(image)} images, found {len(masks)}. "
            "Repeat or cut the mask batch to that number"
        )
    return masks


def frame_weight(mask: Tensor | None, index: int, strength: float, like: Tensor) -> Tensor:
    """How much of the restored frame goes into the result.

    Args:
        mask: As ``check_mask`` gives it.
        index: Number of the frame.
        strength: 0 to 1.
        like: The frame, ``(1, C, H, W)``.

    Returns:
        ``(1, 1, H, W)``, or ``(1, 1, 1, 1)`` without a mask; in [0, 1].
    """
    weight = like.new_full((1, 1, 1, 1), min(max(strength, 0.0), 1.0))
    if mask is None:
        return weight
    chosen = mask[index if len(mask) > 1 else 0].to(like).clamp(0, 1)[None, None]
    if chosen.shape[-2:] != like.shape[-2:]:
        chosen = F.interpolate(chosen, size=like.shape[-2:], mode="bilinear", align_corners=False, antialias=True)
    return weight * chosen.clamp(0, 1)


def take_frame(image: Tensor, index: int) -> tuple[Tensor, Tensor]:
    """A frame's colour and alpha.

    Returns:
        Colour as ``(1, 1 or 3, H, W)`` float32 in [0, 1] in memory of its own, and alpha as ``(1, H, W, 0 or 1)``.
    """
    frame = image[index : index + 1]
    colours = COLOUR_CHANNELS[image.shape[-1]]
    return frame[..., :colours].float().clamp(0, 1).movedim(-1, 1).contiguous(), frame[..., colours:]


def put_frame(output: Tensor, index: int, colour: Tensor, alpha: Tensor) -> None:
    """Writes a frame into the output batch, in its dtype and on its device."""
    output[index : index + 1, ..., : colour.shape[1]] = colour.movedim(1, -1).to(output)
    output[index : index + 1, ..., colour.shape[1] :] = alpha.to(output)


def to_rgb(colour: Tensor) -> Tensor:
    """Three equal channels of a grey frame; an RGB frame as it is."""
    return colour.expand(-1, 3, -1, -1)


def from_rgb(restored: Tensor, channels: int) -> Tensor:
    """The mean of the channels for a grey frame; an RGB frame as it is."""
    return restored if channels == 3 else torch.mean(restored, dim=1, keepdim=True)
