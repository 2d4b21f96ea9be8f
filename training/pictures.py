"""Small pictures for reports: regions worth looking at, thumbnails, data URIs."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional as F

OUTLINE = (255, 140, 0)
BLUR_WEIGHT = 0.25
"""What strong blur counts for, against a difference between images, in the choice of a region."""


@dataclass(frozen=True)
class Region:
    """A rectangle of an image, in pixels."""

    top: int
    left: int
    height: int
    width: int

    def crop(self, image: Tensor) -> Tensor:
        """The part of ``(…, H, W)`` in the rectangle."""
        return image[..., self.top : self.top + self.height, self.left : self.left + self.width]


def telling_region(images: Sequence[Tensor], sharp: Tensor, height: int, width: int) -> Region:
    """Where images of the same scene differ most in their error, and where the first is most in error.

    Args:
        images: Each ``(1, 3, H, W)``; the blurry one first.
        sharp: The same shape.
        height: Height of the region; cut to the image's.
        width: Width likewise.
    """
    height, width = min(height, sharp.shape[-2]), min(width, sharp.shape[-1])
    stride = max(1, min(height, width) // 8)
    errors = [
        F.avg_pool2d((image - sharp).square().mean(dim=1, keepdim=True), (height, width), stride)[0, 0]
        for image in images
    ]
    score = BLUR_WEIGHT * errors[0]
    for number, error in enumerate(errors):
        for other in errors[:number]:
            score = score.maximum((error - other).abs() + BLUR_WEIGHT * errors[0])
    row, column = divmod(int(score.argmax()), score.shape[1])
    return Region(row * stride, column * stride, height, width)


def to_pillow(image: Tensor) -> Image.Image:
    """A Pillow image of ``(1, 3, H, W)`` or ``(3, H, W)`` in [0, 1]."""
    pixels = (image.detach().cpu().float().clamp(0, 1) * 255).round().byte().reshape(3, *image.shape[-2:])
    return Image.fromarray(np.ascontiguousarray(pixels.permute(1, 2, 0).numpy()))


def thumbnail(image: Tensor, longer_side: int, region: Region | None = None) -> Image.Image:
    """The whole image made small, with the region outlined."""
    picture = to_pillow(image)
    scale = min(1.0, longer_side / max(picture.size))
    small = picture.resize(
        (max(1, round(picture.width * scale)), max(1, round(picture.height * scale))), Image.Resampling.LANCZOS
    )
    if region is not None:
        corners = (region.left, region.top, region.left + region.width - 1, region.top + region.height - 1)
        ImageDraw.Draw(small).rectangle([round(corner * scale) for corner in corners], outline=OUTLINE, width=2)
    return small


def jpeg_uri(picture: Image.Image, quality: int = 90) -> str:
    """The picture as a JPEG in a data URI, without chroma subsampling."""
    buffer = BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=quality, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def strip(images: Sequence[Tensor], gap: int = 8) -> Image.Image:
    """Images of one size side by side, with white between them; ``(1, 3, H, W)`` or ``(3, H, W)`` each."""
    panels = [to_pillow(image) for image in images]
    width, height = panels[0].size
    joined = Image.new("RGB", (len(panels) * (width + gap) - gap, height), "white")
    for number, panel in enumerate(panels):
        joined.paste(panel, (number * (width + gap), 0))
    return joined
