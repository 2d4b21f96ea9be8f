"""Where images lie, in folders and in zip archives, and their pixels."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from deblur.commands.image_file import IMAGE_SUFFIXES, ImageFileError, read_rgb

EXIF_ORIENTATION = 0x0112
TURNED_BY_A_QUARTER = (5, 6, 7, 8)


@dataclass(frozen=True)
class ZipMember:
    """A file inside a zip archive, read without unpacking it."""

    archive: Path
    name: str
    """Path inside the archive, with forward slashes."""

    def __str__(self) -> str:
        return f"{self.archive}/{self.name}"


Location = Path | ZipMember
"""An image file, on disk or in an archive."""


def natural_key(path: Path | str) -> list[tuple[int, str | int]]:
    """Sorts 2.png before 10.png, and folder by folder."""
    parts = Path(path).parts if isinstance(path, Path) else path.split("/")
    key: list[tuple[int, str | int]] = []
    for part in parts:
        key += [(1, int(text)) if text.isdigit() else (2, text) for text in re.findall(r"[0-9]+|[^0-9]+", part)]
        key.append((0, ""))
    return key


def walk_folders(folder: Path) -> Iterator[tuple[Path, list[Path]]]:
    """A folder and all below it, each with its visible files, both in natural order.

    Links to folders are followed, each real folder is visited once; names that begin with a dot are passed over.

    Raises:
        FileNotFoundError: There is no such folder.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"no folder {folder}")
    visited = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        folders[:] = sorted((name for name in folders if not name.startswith(".")), key=natural_key)
        if real in visited:
            folders.clear()
            continue
        visited.add(real)
        yield Path(place), sorted((Path(place, name) for name in files if not name.startswith(".")), key=natural_key)


def images_among(files: list[Path]) -> list[Path]:
    """Those whose suffix is an image's."""
    return [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]


def open_archive(path: Path) -> ZipFile:
    """An archive to read members of; opened once in every process, safe to share between threads.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not a zip archive, or not a whole one.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    status = path.stat()
    return _opened(path, os.getpid(), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=4)
def _opened(path: Path, process: int, size: int, modified: int) -> ZipFile:
    try:
        return ZipFile(path)
    except BadZipFile as error:
        raise ValueError(
            f"{path}: expected a zip archive, found {size:,} bytes that are none or only a part of one ({error}); "
            "download it again"
        ) from error


def image_size(location: Location) -> tuple[int, int]:
    """Height and width of the upright image, from the file's header alone.

    Raises:
        FileNotFoundError: There is no such file.
        ImageFileError: It is not an image.
    """
    try:
        if isinstance(location, Path):
            with Image.open(location) as image:
                return _upright_size(image)
        with open_archive(location.archive).open(location.name) as file, Image.open(file) as image:
            return _upright_size(image)
    except FileNotFoundError:
        raise
    except (OSError, SyntaxError, ValueError, BadZipFile, Image.DecompressionBombError) as error:
        raise ImageFileError(f"{location}: not a readable image ({error})") from error


def _upright_size(image: Image.Image) -> tuple[int, int]:
    # For a PNG without the block in its header Pillow would decode the image to look for one behind it.
    has_exif = image.format != "PNG" or "exif" in image.info
    turned = has_exif and image.getexif().get(EXIF_ORIENTATION) in TURNED_BY_A_QUARTER
    return (image.width, image.height) if turned else (image.height, image.width)


def read_pixels(location: Location) -> Tensor:
    """The image, ``(3, H, W)`` uint8, upright.

    Raises:
        FileNotFoundError: There is no such file.
        ImageFileError: The image is damaged.
    """
    if isinstance(location, Path):
        return read_rgb(location)
    try:
        with open_archive(location.archive).open(location.name) as file, Image.open(file) as image:
            pixels = np.array(ImageOps.exif_transpose(image).convert("RGB"))
    except (OSError, SyntaxError, ValueError, BadZipFile, EOFError) as error:
        raise ImageFileError(f"{location}: the image is truncated or damaged ({error})") from error
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def fingerprint(location: Location) -> str:
    """Changes when the file does: its name, size, and time of change or checksum."""
    if isinstance(location, Path):
        status = location.stat()
        return f"{location.resolve()} {status.st_size} {status.st_mtime_ns}"
    member = open_archive(location.archive).getinfo(location.name)
    return f"{location.archive.resolve()} {member.filename} {member.file_size} {member.CRC}"
