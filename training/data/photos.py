"""Training batches from sharp photographs, blurred on the fly by the virtual camera."""

import signal
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from deblur.commands.image_file import IMAGE_SUFFIXES, read_rgb

from .camera import CameraSettings
from .source import numbered_rng
from .virtual_camera import VirtualCamera


def read_photographs(folder: Path, smallest: int) -> list[Tensor]:
    """Every photograph below a folder and a half-size copy of the large ones, ``(3, H, W)`` uint8.

    Args:
        folder: Searched recursively, in alphabetical order.
        smallest: Photographs with a shorter side than this are passed over.

    Raises:
        FileNotFoundError: The folder does not exist or holds no photograph that is large enough.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"no folder {folder}; --data takes a folder of sharp photographs")
    pictures: list[Tensor] = []
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES):
        picture = read_rgb(path)
        if min(picture.shape[1:]) < smallest:
            continue
        pictures.append(picture)
        if min(picture.shape[1:]) >= 2 * smallest:
            half = F.interpolate(picture[None].float(), scale_factor=0.5, mode="area")[0]
            pictures.append(half.round().to(torch.uint8))
    if not pictures:
        raise FileNotFoundError(f"no image with both sides of at least {smallest} pixels below {folder}")
    return pictures


class Renderings(Dataset[Tensor]):
    """Blurry and sharp renderings; number i is always the same.

    Shape: ``(6, size, size)`` uint8, blurry above sharp.
    """

    def __init__(self, pictures: list[Tensor], size: int, settings: CameraSettings, seed: int, count: int) -> None:
        self.camera = VirtualCamera(pictures, settings, seed)
        self.size, self.seed, self.count = size, seed, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Tensor:
        return self.camera.draw([index], self.size)[0]


class Mixture(Dataset[Tensor]):
    """Renderings, some of them replaced by crops of real pairs; number i is always the same.

    Shape: ``(6, size, size)`` uint8, blurry above sharp.
    """

    def __init__(self, renderings: Renderings, pairs: list[tuple[Path, Path]], share: float) -> None:
        self.renderings, self.share = renderings, share
        self.pairs = [torch.cat((read_rgb(blurry), read_rgb(sharp))) for blurry, sharp in pairs]
        for (path, _), pair in zip(pairs, self.pairs, strict=True):
            if min(pair.shape[1:]) < renderings.size:
                raise ValueError(f"{path} is smaller than {renderings.size} pixels; give a smaller --rendering")

    def __len__(self) -> int:
        return len(self.renderings)

    def __getitem__(self, index: int) -> Tensor:
        rng = numbered_rng(self.renderings.seed, "mixture", index)
        if not self.pairs or float(torch.rand((), generator=rng)) >= self.share:
            return self.renderings[index]
        pair = self.pairs[int(torch.randint(len(self.pairs), (), generator=rng))]
        size = self.renderings.size
        y, x = (int(torch.randint(side - size + 1, (), generator=rng)) for side in pair.shape[1:])
        return pair[:, y : y + size, x : x + size].clone()


def augment(pairs: Tensor, rng: torch.Generator) -> Tensor:
    """Flips, quarter turns and colour channel orders, the same for blurry and sharp.

    Shape: ``(B, 6, S, S)`` to the same. Nah et al. 2017, section 4.
    """
    augmented = []
    for pair in pairs:
        turns, flip = torch.randint(4, (), generator=rng), torch.randint(2, (), generator=rng)
        pair = torch.rot90(pair, int(turns), dims=(1, 2))
        pair = pair.flip(2) if flip else pair
        order = torch.randperm(3, generator=rng)
        augmented.append(pair[torch.cat((order, order + 3))])
    return torch.stack(augmented)


def ignore_interrupts(worker: int) -> None:
    """Leaves SIGINT and SIGTERM to the main process, which saves before it ends and then ends the workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def batches(
    images: Mixture, batch: int, crop: int, reuse: int, window: int, seed: int, first_step: int, workers: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """An endless stream of training batches.

    Rendering costs more than a training step on a small patch, so every rendering is used ``reuse`` times on average,
    each time with another crop and augmentation, and a batch is drawn from the latest ``window`` renderings; training
    begins when a few batches of them are there.

    Yields:
        Blurry and sharp, ``(batch, 3, crop, crop)`` float32 in [0, 1]. Batch n depends on ``seed`` and n alone.
    """

    def rendered_before(step: int) -> int:
        return min(4 * batch, window) + step * batch // reuse

    start = max(0, rendered_before(first_step) - window)
    order = range(start, len(images))
    ahead = {"prefetch_factor": 8, "worker_init_fn": ignore_interrupts} if workers else {}
    loader = iter(DataLoader(images, batch_size=None, sampler=order, num_workers=workers, **ahead))
    pool: deque[Tensor] = deque(maxlen=window)
    rendered, step = start, first_step
    while True:
        while rendered < rendered_before(step):
            pool.append(next(loader))
            rendered += 1
        rng = numbered_rng(seed, "batch", step)
        patches = []
        for index in torch.randint(len(pool), (batch,), generator=rng).tolist():
            y, x = torch.randint(images.renderings.size - crop + 1, (2,), generator=rng).tolist()
            patches.append(pool[index][:, y : y + crop, x : x + crop])
        pairs = augment(torch.stack(patches), rng).float() / 255
        yield pairs[:, :3], pairs[:, 3:]
        step += 1
