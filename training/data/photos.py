"""Sharp photographs, the material of the virtual camera and of the motion kernels."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from .location import fingerprint, image_size, images_among, walk_folders
from .place import StoreOptions
from .store import ImageStore, cache_key, decoded, fill_store


def store_photographs(folder: Path, smallest: int, options: StoreOptions) -> ImageStore:
    """Every photograph below a folder, and a copy of half the size of each that is large enough for it.

    Halving makes photographs as sharp as the sharpest frames of a video.

    Args:
        folder: Links are followed.
        smallest: Photographs with a shorter side than this, in pixels, are passed over.
        options: Where to keep them.

    Returns:
        ``(3, h, w)`` uint8 each.

    Raises:
        FileNotFoundError: The folder does not exist or holds no photograph that is large enough.
        ImageFileError: An image cannot be read.
    """
    paths = [path for _, files in walk_folders(folder) for path in images_among(files)]
    sizes = {path: image_size(path) for path in paths}
    large = [path for path in paths if min(sizes[path]) >= smallest]
    if not large:
        raise FileNotFoundError(
            f"no photograph with both sides of at least {smallest} pixels below {folder}; found {len(paths)} images. "
            "Give larger ones, or a smaller --rendering"
        )
    halved = [min(sizes[path]) >= 2 * smallest for path in large]
    shapes, names = [], []
    for path, half in zip(large, halved, strict=True):
        h, w = sizes[path]
        shapes += [(3, h, w), (3, h // 2, w // 2)][: 1 + half]
        names += [str(path), f"{path}, halved"][: 1 + half]
    key = cache_key([f"halved from {2 * smallest}", *map(fingerprint, large)])
    return fill_store(_with_halves(large, halved, options.workers), shapes, names, key, options)


def _with_halves(paths: Sequence[Path], halved: Sequence[bool], threads: int) -> Iterator[Tensor]:
    for picture, half in zip(decoded([(path,) for path in paths], threads), halved, strict=True):
        yield picture
        if half:
            h, w = picture.shape[1:]
            even = picture[None, :, : h // 2 * 2, : w // 2 * 2].float()
            yield F.avg_pool2d(even, 2)[0].round().to(torch.uint8)
