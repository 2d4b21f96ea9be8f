"""Images decoded once and kept as uint8: on the GPU, in shared memory, or in a cache file on disk."""

import hashlib
import os
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate
from math import prod
from pathlib import Path
from typing import Any, Literal, overload

import torch
from torch import Tensor
from tqdm import tqdm

from .image_files import Location, fingerprint, image_size, read_pixels

Place = Literal["auto", "device", "memory", "file"]
Shape = tuple[int, int, int]
GIB = 1 << 30


@dataclass(frozen=True)
class StoreOptions:
    """Where decoded images are kept."""

    place: Place = "auto"
    """``device``, ``memory`` (shared with the loader's processes) or ``file``; ``auto`` takes the first that fits."""
    device: str = "cpu"
    """Device that trains; only a CUDA device keeps images."""
    device_share: float = 0.4
    """Largest part of the device's free memory that images may take."""
    memory_share: float = 0.5
    """Largest part of the free shared memory that images may take."""
    folder: Path | None = None
    """Folder of the cache file; default: ``motion-deblur`` in the system's folder for temporary files."""
    workers: int = os.cpu_count() or 1
    """Threads that decode."""
    progress: bool = True
    """Whether to show a progress bar and to say in one line where the images are."""


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
        assert self.starts[-1] == buffer.numel()
        assert len(self.names) == len(self.shapes)

    @property
    def device(self) -> torch.device:
        """Where the images are."""
        return self.buffer.device

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
        ValueError: The images of a group have different sizes, or there is no group.
        MemoryError: They do not fit where ``options.place`` wants them.
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
        ValueError: There is no image, or one has another shape than expected.
        MemoryError: They do not fit where ``options.place`` wants them.
        OSError: There is no room for the cache file.
    """
    if not shapes:
        raise ValueError("expected images to keep, found none")
    total = sum(prod(shape) for shape in shapes)
    place = _choose(total, options)
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


def free_shared_memory() -> int:
    """Bytes that can be had as shared memory: of the machine, of the container, of /dev/shm; 0 where unknown."""
    free = []
    for path, scale in (("/proc/meminfo", 1024), ("/sys/fs/cgroup/memory.max", 1)):
        text = Path(path).read_text() if Path(path).is_file() else ""
        if "MemAvailable:" in text:
            free.append(int(text.split("MemAvailable:")[1].split()[0]) * scale)
        elif text.strip().isdigit():
            free.append(int(text) * scale - int(Path("/sys/fs/cgroup/memory.current").read_text()))
    if Path("/dev/shm").is_dir():
        free.append(shutil.disk_usage("/dev/shm").free)
    return max(0, min(free, default=0))


def _choose(total: int, options: StoreOptions) -> Literal["device", "memory", "file"]:
    room = {"device": 0, "memory": int(options.memory_share * free_shared_memory())}
    if torch.device(options.device).type == "cuda" and options.place in ("auto", "device"):
        room["device"] = int(options.device_share * torch.cuda.mem_get_info(torch.device(options.device))[0])
    if options.place == "auto":
        return "device" if total <= room["device"] else "memory" if total <= room["memory"] else "file"
    if options.place != "file" and total > room[options.place]:
        raise MemoryError(
            f"the decoded images take {total / GIB:.2f} GiB, and {room[options.place] / GIB:.2f} GiB may be used "
            f"of the free memory for place {options.place!r} on {options.device}; choose 'auto' or 'file'"
        )
    return options.place


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
