"""``python -m deblur restore``: restores image files."""

import argparse
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from weights import find_weights, read_checkpoint

from ..metrics import psnr, ssim
from ..presets import Network, restore_network
from ..restore import restore
from ..tiled import restore_tiled
from .image_file import (
    IMAGE_SUFFIXES,
    WRITTEN_SUFFIXES,
    ImageFile,
    read_image,
    write_image,
)

DEFAULT_MODEL = "scale-recurrent-lite"
WHOLE_IMAGE_PIXELS = 4_000_000
TILE = 1024
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class UsageError(ValueError):
    """Arguments that cannot be carried out."""


@dataclass(frozen=True)
class Job:
    """One image to restore."""

    source: Path
    """The blurry image."""
    target: Path
    """Where the restored image goes."""
    sharp: Path | None
    """The sharp image to compare with."""

    @property
    def comparison(self) -> Path:
        """Where the side-by-side image goes."""
        return self.target.with_name(f"{self.target.stem}_comparison.png")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "images", nargs="+", type=Path, metavar="IMAGE|FOLDER", help="blurry images; folders are searched"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, help="file for one image, folder otherwise")
    parser.add_argument(
        "--model",
        default=DEFAULT_MODEL,
        metavar="NAME|FILE|OWNER/NAME",
        help=f"name in the catalogue, file, or repository on the Hugging Face Hub; default {DEFAULT_MODEL}",
    )
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, mps; default: the fastest there is")
    parser.add_argument("--dtype", choices=DTYPES, default="float32", help="precision of the computation")
    parser.add_argument(
        "--tile", type=int, help=f"side of tiles in pixels, 0 for none; default {TILE} for large images"
    )
    parser.add_argument("--compare", action="store_true", help="also write blurry and restored side by side")
    parser.add_argument("--sharp", type=Path, metavar="IMAGE|FOLDER", help="the true image(s): print PSNR and SSIM")
    parser.add_argument("--overwrite", action="store_true", help="replace results of an earlier run; never an input")


def run(options: argparse.Namespace) -> int:
    jobs = plan_jobs(options.images, options.output, options.sharp)
    device = choose_device(options.device)
    checkpoint = read_checkpoint(find_weights(options.model))
    network = restore_network(checkpoint.config, checkpoint.state_dict)
    network = network.to(device, DTYPES[options.dtype], memory_format=torch.channels_last)  # type: ignore[call-overload]
    inputs = {job.source.resolve() for job in jobs}
    failures: list[tuple[Path, str]] = []
    with tqdm(total=len(jobs), unit="image", dynamic_ncols=True) as bar:
        for number, job in enumerate(jobs, start=1):
            bar.set_postfix_str(job.source.name)
            try:
                check_targets(job, inputs, options.compare, options.overwrite)
                report = restore_file(network, job, options.tile, options.compare, part_of_an_image(bar))
            except (OSError, ValueError, RuntimeError, MemoryError) as error:
                failures.append((job.source, str(error) or type(error).__name__))
                tqdm.write(f"failed: {job.source}: {failures[-1][1]}")
            else:
                for line in report:
                    tqdm.write(line)
            bar.n = number
            bar.refresh()
    if failures:
        print(f"{len(failures)} of {len(jobs)} images failed:")
        for source, reason in failures:
            print(f"  {source}: {reason}")
        return 1
    return 0


def restore_file(
    network: Network, job: Job, tile: int | None, compare: bool, progress: Callable[[int, int], None]
) -> list[str]:
    """Restores one file and returns what to print about it."""
    image = read_image(job.source)
    sharp = read_sharp(job, image)
    restored = image.with_rgb(restore_pixels(network, image.rgb, tile, progress))
    write_image(job.target, restored)
    report = [f"{job.source} -> {job.target}"]
    if image.frames > 1:
        report.append(f"  only the first of {image.frames} frames")
    if sharp is not None:
        for name, rgb in (("blurry", image.rgb), ("restored", (restored.rgb * 255).round() / 255)):
            report.append(f"  {name:8s} {figures(rgb, sharp)}")
    if compare:
        panels = [image.rgb, restored.rgb] + ([sharp] if sharp is not None else [])
        write_image(job.comparison, ImageFile(torch.cat(panels, dim=2), icc_profile=image.icc_profile))
        report.append(f"  comparison -> {job.comparison}")
    return report


def restore_pixels(network: Network, rgb: Tensor, tile: int | None, progress: Callable[[int, int], None]) -> Tensor:
    """Restores ``(3, H, W)`` pixels, whole or, if large, in tiles that give the same result."""
    if tile is None:
        tile = TILE if rgb.shape[1] * rgb.shape[2] > WHOLE_IMAGE_PIXELS else 0
    if tile == 0:
        return restore(network, rgb[None])[0]
    return restore_tiled(network, rgb[None], tile=tile, progress=progress)[0]


def figures(rgb: Tensor, sharp: Tensor) -> str:
    """PSNR and SSIM (Gaussian window, per channel) as text."""
    similarity = f"{float(ssim(rgb[None], sharp[None])):.4f}" if min(rgb.shape[1:]) >= 11 else "needs 11×11 pixels"
    return f"PSNR {float(psnr(rgb[None], sharp[None])):.2f} dB  SSIM {similarity}"


def read_sharp(job: Job, image: ImageFile) -> Tensor | None:
    """The pixels to compare with.

    Raises:
        UsageError: Its size is not that of the blurry image.
    """
    if job.sharp is None:
        return None
    sharp = read_image(job.sharp).rgb
    if sharp.shape != image.rgb.shape:
        (h, w), (sh, sw) = image.rgb.shape[1:], sharp.shape[1:]
        raise UsageError(f"expected a sharp image of {w}×{h} pixels, found {sw}×{sh} in {job.sharp}")
    return sharp


def plan_jobs(images: Iterable[Path], output: Path, sharp: Path | None) -> list[Job]:
    """What is to be restored, where to and against what.

    Raises:
        UsageError: An input does not exist, a folder has no images, or several images would go to one file.
    """
    sources: list[tuple[Path, Path]] = []
    for path in images:
        if path.is_dir():
            found = sorted(file for file in path.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES)
            if not found:
                raise UsageError(f"no images in the folder {path}")
            sources += [(file, file.relative_to(path)) for file in found]
        else:
            sources.append((path, Path(path.name)))
    single = len(sources) == 1 and output.suffix.lower() in WRITTEN_SUFFIXES and not output.is_dir()
    if not single and (output.suffix.lower() in IMAGE_SUFFIXES or output.is_file()):
        raise UsageError(f"{len(sources)} images cannot go to the one file {output}; give a folder as the output")
    jobs = []
    for source, relative in sources:
        target = output if single else output / written_name(relative)
        partner = sharp / relative if sharp is not None and sharp.is_dir() else sharp
        jobs.append(Job(source, target, partner))
    if sharp is not None and not sharp.is_dir() and len(jobs) > 1:
        raise UsageError(f"one sharp image, {sharp}, for {len(jobs)} blurry ones; give a folder with the same names")
    targets = [job.target for job in jobs]
    if doubles := sorted({str(target) for target in targets if targets.count(target) > 1}):
        raise UsageError(f"several images would be written to {', '.join(doubles)}; restore them one folder at a time")
    return jobs


def written_name(relative: Path) -> Path:
    """The same name, as PNG where the format is not one that is written here."""
    return relative if relative.suffix.lower() in WRITTEN_SUFFIXES else relative.with_suffix(".png")


def check_targets(job: Job, inputs: set[Path], compare: bool, overwrite: bool) -> None:
    """Raises UsageError if a result would replace an input, or an existing file without leave to."""
    for target in (job.target, job.comparison) if compare else (job.target,):
        if target.resolve() in inputs or (job.sharp is not None and target.resolve() == job.sharp.resolve()):
            raise UsageError(f"{target} is an input and is never overwritten; choose another output")
        if target.exists() and not overwrite:
            raise UsageError(f"{target} exists; choose another output or add --overwrite")


def choose_device(name: str) -> torch.device:
    """The named device, or the fastest there is for ``auto``.

    Raises:
        UsageError: No such device here.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(
            f"no device {name!r} on this machine ({str(error).splitlines()[0]}); try --device cpu"
        ) from error
    return device


def part_of_an_image(bar: tqdm) -> Callable[[int, int], None]:
    """Moves the bar by parts of an image."""
    start = bar.n

    def progress(done: int, total: int) -> None:
        bar.n = start + done / total
        bar.refresh()

    return progress
