"""Image files: pixels as tensors, and everything else in the file carried along."""

import tempfile
import warnings
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError
from torch import Tensor

JPEG_SUFFIXES = frozenset({".jpg", ".jpeg"})
WRITTEN_SUFFIXES = JPEG_SUFFIXES | {".bmp", ".png", ".tif", ".tiff", ".webp"}
IMAGE_SUFFIXES = WRITTEN_SUFFIXES | {".avif", ".gif", ".jp2", ".jpe", ".pbm", ".pgm", ".pnm", ".ppm", ".tga"}
MAX_16_BIT = 65535


class ImageFileError(ValueError):
    """A file that cannot be read as an image, or an image that a format cannot hold."""


@dataclass(frozen=True)
class ImageFile:
    """An image and what else its file says of it."""

    rgb: Tensor
    """``(3, H, W)`` float32 in [0, 1], upright; a grey image has three equal channels."""
    alpha: Tensor | None = None
    """``(1, H, W)`` float32 in [0, 1]."""
    grey: bool = False
    """Whether the file has a single colour channel."""
    bits: int = 8
    """Bits a channel, 8 or 16; 16 for grey images only, Pillow reads colour with 8."""
    icc_profile: bytes | None = None
    """Colour profile that the values refer to."""
    exif: bytes | None = None
    """EXIF block, its orientation already applied and taken out."""
    frames: int = 1
    """Frames or pages in the file, of which this is the first."""

    def with_rgb(self, rgb: Tensor) -> "ImageFile":
        """The same file with other pixels of the same size."""
        return replace(self, rgb=rgb)


def read_image(path: Path) -> ImageFile:
    """Reads anything Pillow reads: 8 and 16 bit, grey, palette, CMYK, alpha, turned by EXIF.

    Raises:
        FileNotFoundError: There is no such file.
        ImageFileError: The file is empty, truncated, of another kind, or has values of unknown range.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no image file {path}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as file:
                file.load()
                frames = getattr(file, "n_frames", 1)
                image = ImageOps.exif_transpose(file)
    except UnidentifiedImageError as error:
        size = path.stat().st_size
        what = "the file is empty" if size == 0 else f"its {size} bytes are no image format that Pillow knows"
        raise ImageFileError(f"{path}: {what}") from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise ImageFileError(f"{path}: refused as a decompression bomb ({error})") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise ImageFileError(f"{path}: the image is truncated or damaged ({error})") from error
    return _from_pillow(image, path, frames)


def read_rgb(path: Path) -> Tensor:
    """The pixels alone, ``(3, H, W)`` uint8."""
    return (read_image(path).rgb * 255).round().to(torch.uint8)


def write_image(path: Path, image: ImageFile) -> None:
    """Writes an image in the format of the path's suffix; the file appears only when it is complete.

    JPEG is written at quality 95 without chroma subsampling.

    Raises:
        ImageFileError: The format is not one that is written here, or cannot hold transparency or 16 bits.
    """
    suffix = path.suffix.lower()
    if suffix not in WRITTEN_SUFFIXES:
        raise ImageFileError(f"{path}: cannot write {suffix or 'a file without a suffix'}; use one of {_listed()}")
    if image.alpha is not None and suffix in JPEG_SUFFIXES:
        raise ImageFileError(f"{path}: JPEG cannot hold the image's transparency; use .png")
    if image.bits == 16 and suffix not in (".png", ".tif", ".tiff"):
        raise ImageFileError(f"{path}: {suffix} cannot hold 16 bits a channel; use .png")
    extra: dict[str, Any] = {"quality": 95, "subsampling": 0} if suffix in JPEG_SUFFIXES else {}
    if suffix == ".webp":
        extra = {"lossless": True, "exact": True}
    if image.icc_profile:
        extra["icc_profile"] = image.icc_profile
    if image.exif and suffix != ".bmp":
        extra["exif"] = image.exif
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.stem}.", suffix=suffix, delete=False) as handle:
        partial = Path(handle.name)
    try:
        _to_pillow(image).save(partial, **extra)
        partial.chmod(0o644)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _from_pillow(image: Image.Image, path: Path, frames: int) -> ImageFile:
    icc_profile = image.info.get("icc_profile")
    exif = image.getexif()
    file = ImageFile(
        rgb=torch.empty(0), icc_profile=icc_profile, exif=exif.tobytes() if len(exif) else None, frames=frames
    )
    if image.mode.startswith("I") or image.mode == "F":
        return replace(file, rgb=_grey_values(image, path).expand(3, -1, -1), grey=True, bits=16)
    if image.mode == "CMYK":
        image, profile = _cmyk_to_rgb(image, icc_profile)
        return replace(file, rgb=_planes(image), icc_profile=profile)
    grey = image.mode in ("1", "L", "LA", "La")
    transparent = image.mode in ("LA", "La", "RGBA", "RGBa", "PA") or "transparency" in image.info
    image = image.convert(("LA" if grey else "RGBA") if transparent else ("L" if grey else "RGB"))
    planes = _planes(image)
    colours = planes[:-1] if transparent else planes
    return replace(
        file, rgb=colours.expand(3, -1, -1) if grey else colours, alpha=planes[-1:] if transparent else None, grey=grey
    )


def _planes(image: Image.Image) -> Tensor:
    array = np.array(image, dtype=np.uint8)
    array = array[:, :, None] if array.ndim == 2 else array
    return torch.from_numpy(array).permute(2, 0, 1).contiguous().float() / 255


def _grey_values(image: Image.Image, path: Path) -> Tensor:
    values = np.array(image).astype(np.float32)
    highest = 1.0 if image.mode == "F" else MAX_16_BIT
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > highest:
        raise ImageFileError(
            f"{path}: expected values from 0 to {highest:g} in an image of mode {image.mode}, found "
            f"{np.nanmin(values):g} to {np.nanmax(values):g}; convert it to 8 or 16 bits first"
        )
    return torch.from_numpy(values / highest)[None]


def _cmyk_to_rgb(image: Image.Image, icc_profile: bytes | None) -> tuple[Image.Image, bytes | None]:
    if not icc_profile:
        return image.convert("RGB"), None
    srgb = ImageCms.createProfile("sRGB")
    try:
        converted = ImageCms.profileToProfile(image, BytesIO(icc_profile), srgb, outputMode="RGB")
    except ImageCms.PyCMSError:
        return image.convert("RGB"), None
    assert converted is not None
    return converted, ImageCms.ImageCmsProfile(srgb).tobytes()


def _to_pillow(image: ImageFile) -> Image.Image:
    planes = image.rgb.mean(dim=0, keepdim=True) if image.grey else image.rgb
    if image.bits == 16:
        values = (planes[0].double().clamp(0, 1) * MAX_16_BIT).round().numpy().astype(np.uint16)
        return Image.fromarray(values)
    if image.alpha is not None:
        planes = torch.cat((planes, image.alpha))
    array = (planes.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    return Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else np.ascontiguousarray(array))


def _listed() -> str:
    return ", ".join(sorted(WRITTEN_SUFFIXES))
