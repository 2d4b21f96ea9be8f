"""Several checkpoints on the same images: restores, compares with the truth, one example after the other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from deblur import restore_network, self_ensemble
from deblur.commands.image_file import ImageFileError, read_rgb
from deblur.commands.restore import restore_pixels
from weights import CHECKPOINT_SUFFIX, find_weights, read_checkpoint

from .figures import PSNR, Figure, Restore, SsimWindow, as_written, compare, read_pair
from .kohler import KOHLER_PSNR, KohlerImage, best, kohler_figures

BLURRY = "blurry"


@dataclass(frozen=True)
class Contender:
    """A checkpoint that takes part in a comparison."""

    name: str
    """Heading of its column."""
    file: Path
    network: str
    """Name of the network."""
    step: int
    """Optimiser steps that its weights took."""
    restore: Restore


@dataclass(frozen=True)
class Example:
    """A blurry image, what every contender makes of it, and the sharp image."""

    name: str
    images: dict[str, Tensor]
    """``(1, 3, H, W)`` each, on the CPU, rounded to 8 bits; the first is the blurry one."""
    sharp: Tensor
    """The same shape."""
    figures: dict[str, dict[Figure, float]]
    """Figures by the names in ``images``."""


@dataclass(frozen=True)
class Computing:
    """Where and how images are restored."""

    device: torch.device
    dtype: torch.dtype = torch.float32
    tile: int | None = None
    """Side of tiles in pixels, 0 for none, None for tiles where the image is large."""
    ensemble: bool = False
    """Average over the eight flips and turns."""


def load_contenders(models: Sequence[str], computing: Computing) -> list[Contender]:
    """The checkpoints of catalogue names or files, ready to restore.

    Raises:
        WeightsNotFoundError, VerificationError, CheckpointError, StateDictError: A checkpoint is not usable.
    """
    names = [Path(model).stem if model.endswith(CHECKPOINT_SUFFIX) else model for model in models]
    names = [model if names.count(name) > 1 else name for model, name in zip(models, names, strict=True)]
    if doubles := sorted({name for name in names if names.count(name) > 1 or name == BLURRY}):
        raise ValueError(f"{', '.join(doubles)} cannot name two columns of the comparison; give each checkpoint once")
    contenders = []
    for name, model in zip(names, models, strict=True):
        path = find_weights(model)
        checkpoint = read_checkpoint(path)
        network = restore_network(checkpoint.config, checkpoint.state_dict)
        network.to(computing.device, computing.dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]

        def run(blurry: Tensor, network: torch.nn.Module = network) -> Tensor:
            return restore_pixels(network, blurry[0], computing.tile, lambda done, total: None)[None]  # type: ignore[arg-type]

        contenders.append(
            Contender(
                name + (" with self-ensemble" if computing.ensemble else ""),
                path,
                str(checkpoint.config.get("network")),
                checkpoint.provenance.step,
                partial(self_ensemble, run) if computing.ensemble else run,
            )
        )
    return contenders


def check_pairs(pairs: Sequence[tuple[Path, Path]]) -> None:
    """Looks at the headers of all files, so that a bad one is found before the first is restored.

    Raises:
        ImageFileError: A file is no image, or two of a pair differ in size; the message names them.
    """
    for paths in pairs:
        sizes = []
        for path in paths:
            try:
                with Image.open(path) as file:
                    sizes.append(sorted(file.size))  # EXIF may turn one of them
            except OSError as error:
                raise ImageFileError(f"{path}: not an image that can be read ({error})") from error
        if sizes[0] != sizes[1]:
            read_pair(*paths)


def score_pairs(
    contenders: Sequence[Contender],
    pairs: Sequence[tuple[Path, Path]],
    windows: Sequence[SsimWindow],
    device: torch.device,
) -> Iterator[Example]:
    """PSNR and SSIM of every blurry image and every restoration of it."""
    names = example_names([blurry for blurry, _ in pairs])
    for name, paths in zip(names, pairs, strict=True):
        blurry, sharp = read_pair(*paths)
        images = _restored(contenders, blurry)
        truth = sharp.to(device)
        figures = {column: compare(image.to(device), truth, windows) for column, image in images.items()}
        yield Example(name, images, sharp, figures)


def score_kohler(
    contenders: Sequence[Contender], kohler: Sequence[KohlerImage], device: torch.device
) -> Iterator[Example]:
    """The benchmark's PSNR and MSSIM of every blurry image and every restoration of it.

    The example's sharp image is the frame that the last contender comes nearest to.
    """
    for entry in kohler:
        blurry = read_rgb(entry.blurry)[None].float() / 255
        images = _restored(contenders, blurry)
        on_device = [image.to(device) for image in images.values()]
        frames: list[list[dict[Figure, float]]] = []
        sharp = blurry
        for path in entry.frames:
            _, frame = read_pair(entry.blurry, path)
            frames.append(kohler_figures(on_device, frame.to(device)))
            if all(frames[-1][-1][KOHLER_PSNR] >= other[-1][KOHLER_PSNR] for other in frames):
                sharp = frame
        scores = [best(column) for column in zip(*frames, strict=True)]
        yield Example(entry.blurry.stem, images, sharp, dict(zip(images, scores, strict=True)))


def main_figure(example: Example) -> Figure:
    """The PSNR of an example, whichever it is."""
    figures = example.figures[BLURRY]
    return PSNR if PSNR in figures else KOHLER_PSNR


def example_names(files: Sequence[Path]) -> list[str]:
    """Short names of files: their paths below the deepest folder they share, without GOPRO's ``blur`` in between."""
    shared = files[0].parent
    while not all(file.is_relative_to(shared) for file in files):
        shared = shared.parent
    if len(files) > 1 and all(file.parent == shared for file in files) and shared.name.startswith("blur"):
        shared = shared.parent.parent
    names = []
    for file in files:
        relative = file.relative_to(shared)
        names.append("/".join(part for part in relative.parts if not part.startswith("blur") or part == file.name))
    return names if len(set(names)) == len(names) else [str(file) for file in files]


def _restored(contenders: Sequence[Contender], blurry: Tensor) -> dict[str, Tensor]:
    return {BLURRY: blurry} | {entry.name: as_written(entry.restore(blurry)) for entry in contenders}
