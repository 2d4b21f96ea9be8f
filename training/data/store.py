"""Images decoded once and kept as uint8: on the GPU, in shared memory, or in a cache file on disk."""

import hashlib
import os
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from math import prod
from pathlib import Path
from typing import Any, overload

import torch
from torch import Tensor
from tqdm import tqdm

from .location import Location, fingerprint, image_size, read_pixels
from .place import GIB, StoreOptions, choose_place

Shape = tuple[int, int, int]


class ImageStore(Sequence[Tensor]):
    """Images of possibly different sizes in one flat buffer.

    Item i is ``(C, h, w)`` uint8 on the store's device, a view that must not be written to.
    """

    def __init__(self, buffer: Tensor, shapes: Sequence[Shape], names: Sequence[str], file: Path | None = None) -> None:
        """
        Args:
            buffer: Flat uint8, the images one after the other.
            shapes: Channels, height and width of every image.
            names: What to call every image in messages.
            file: Cache file that the buffer is mapped from.
        """
        self.buffer, self.shapes, self.names, self.file = buffer, list(shapes), list(names), file
        self.starts = list(accumulate((prod(shape) for shape in shapes), initial=0))
        self.smallest = min(range(len(shapes)), key=lambda index: min(shapes[index][1:]))
        assert self.starts[-1] == buffer.numel()
        assert len(self.names) == len(self.shapes)

    @property
    def device(self) -> torch.device:
        """Where the images are."""
        return self.buffer.device

    def check(self, size: int) -> None:
        """Whether patches of this size can be cut from every image.

        Raises:
            ValueError: An image is smaller; the message names it.
        """
        _, height, width = self.shapes[self.smallest]
        if min(height, width) < size:
            raise ValueError(
                f"{self.names[self.smallest]} is {height}×{width} pixels, smaller than patches of {size}×{size}; "
                f"choose a crop of at most {min(height, width)} or leave the image out"
            )

    def __len__(self) -> int:
        return len(self.shapes)

    @overload
    def __getitem__(self, index: int) -> Tensor: ...
    @overload
    def __getitem__(self, index: slice) -> list[Tensor]: ...
    def __getitem__(self, index: int | slice) -> Tensor | list[Tensor]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        return self.buffer[self.starts[index] : self.starts[index + 1]].view(self.shapes[index])

    def __reduce__(self) -> tuple[Callable[..., "ImageStore"], tuple[Any, ...]]:
        # A process that is started afresh maps the cache file again, it gets no copy of it.
        buffer = self.buffer if self.file is None else None
        return _rebuild, (buffer, self.shapes, self.names, self.file)


def store_images(groups: Sequence[tuple[Location, ...]], options: StoreOptions) -> ImageStore:
    """Decodes images into a store, those of a group on top of each other; sizes are checked before any is decoded.

    Args:
        groups: Locations of images of equal size: ``(path,)`` gives 3 channels, ``(blurry, sharp)`` gives 6.
        options: Where to keep them. A cache file of the same unchanged images is used again.

    Raises:
        FileNotFoundError: An image is missing.
        ImageFileError: An image cannot be read.
        ValueError: The images of a group have different sizes, there is no group, or they do not fit where
            ``options.place`` wants them.
        OSError: There is no room for the cache file.
    """
    with ThreadPoolExecutor(options.workers) as pool:
        shapes = list(pool.map(_group_shape, groups))
        key = cache_key(pool.map(lambda group: "|".join(map(fingerprint, group)), groups))
    names = [str(group[0]) for group in groups]
    return fill_store(decoded(groups, options.workers), shapes, names, key, options)


def fill_store(
    images: Iterable[Tensor], shapes: Sequence[Shape], names: Sequence[str], key: str, options: StoreOptions
) -> ImageStore:
    """A store of images that come one after the other, uint8, with these shapes.

    Args:
        images: Not looked at when a complete cache file with this key is there.
        shapes: Channels, height and width of every image.
        names: What to call every image in messages.
        key: Name of the cache file; equal keys must mean equal images.
        options: Where to keep them.

    Raises:
        ValueError: There is no image, one has another shape than expected, or they do not fit where
            ``options.place`` wants them.
        OSError: There is no room for the cache file.
    """
    if not shapes:
        raise ValueError("expected images to keep, found none")
    total = sum(prod(shape) for shape in shapes)
    place = choose_place(total, options)
    images = _checked(images, shapes, names)
    bar = tqdm(images, total=len(shapes), desc="decoding", unit="image", disable=not options.progress, leave=False)
    file = None
    if place == "file":
        file = (options.folder or Path(tempfile.gettempdir()) / "motion-deblur") / f"{key}.uint8"
        if not (file.is_file() and file.stat().st_size == total):
            _write(file, bar, total)
        buffer = _mapped(file, total)
    else:
        buffer = torch.empty(total, dtype=torch.uint8, device=options.device if place == "device" else "cpu")
        buffer = buffer if place == "device" else buffer.share_memory_()
        start = 0
        for image in bar:
            buffer[start : start + image.numel()] = image.flatten()
            start += image.numel()
    bar.close()
    if options.progress:
        where = {"device": f"on {options.device}", "memory": "in shared memory", "file": f"in {file}"}[place]
        tqdm.write(f"{len(shapes):,} images, {total / GIB:.2f} GiB as uint8, kept {where}")
    return ImageStore(buffer, shapes, names, file)


def cache_key(fingerprints: Iterable[str]) -> str:
    """A name for a cache file of the files with these fingerprints."""
    digest = hashlib.sha256(b"motion-deblur images 1")
    for text in fingerprints:
        digest.update(f"\n{text}".encode())
    return digest.hexdigest()[:32]


def decoded(groups: Sequence[tuple[Location, ...]], threads: int) -> Iterator[Tensor]:
    """The images of every group on top of each other, in order, decoded a little ahead in threads."""
    ahead: deque[Any] = deque()
    pool = ThreadPoolExecutor(threads)
    try:
        for group in groups:
            ahead.append(pool.submit(lambda group: torch.cat([read_pixels(place) for place in group]), group))
            if len(ahead) > 2 * threads:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _group_shape(group: tuple[Location, ...]) -> Shape:
    sizes = [image_size(location) for location in group]
    if len(set(sizes)) > 1:
        found = ", ".join(f"{place}: {h}×{w}" for place, (h, w) in zip(group, sizes, strict=True))
        raise ValueError(f"expected images of equal size (height×width), found {found}")
    return (3 * len(group), *sizes[0])


def _checked(images: Iterable[Tensor], shapes: Sequence[Shape], names: Sequence[str]) -> Iterator[Tensor]:
    count = 0
    for image, shape, name in zip(images, shapes, names, strict=False):
        if tuple(image.shape) != tuple(shape):
            raise ValueError(f"{name}: expected an image of shape {tuple(shape)}, found {tuple(image.shape)}")
        yield image
        count += 1
    if count < len(shapes):
        raise ValueError(f"{names[count]}: expected {len(shapes):,} images, found {count:,}")


def _write(file: Path, images: Iterable[Tensor], total: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(file.parent).free
    if free < total:
        raise OSError(
            f"the decoded images take {total / GIB:.2f} GiB and {file.parent} has {free / GIB:.2f} GiB free; "
            "free space or choose another folder for the cache"
        )
    with tempfile.NamedTemporaryFile(dir=file.parent, prefix=f".{file.stem}.", delete=False) as partial:
        try:
            for image in images:
                partial.write(image.cpu().contiguous().numpy().data)
            partial.flush()
            os.fsync(partial.fileno())
        except BaseException:
            Path(partial.name).unlink()
            raise
    Path(partial.name).replace(file)


def _mapped(file: Path, total: int) -> Tensor:
    return torch.from_file(str(file), shared=False, size=total, dtype=torch.uint8)


def _rebuild(buffer: Tensor | None, shapes: list[Shape], names: list[str], file: Path | None) -> ImageStore:
    if buffer is None:
        assert file is not None
        buffer = _mapped(file, sum(prod(shape) for shape in shapes))
    return ImageStore(buffer, shapes, names, file)
