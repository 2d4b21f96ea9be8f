"""Figures of restored images: which there are, what they are called, and how they are taken."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import Tensor

from deblur import Network, psnr, restore, ssim
from deblur.commands.image_file import ImageFileError, read_rgb

SsimWindow = Literal["gaussian", "gaussian-3d", "uniform"]
Restore = Callable[[Tensor], Tensor]
"""From ``(1, 3, H, W)`` in [0, 1] to the same."""

SSIM_LABELS: dict[SsimWindow, str] = {
    "gaussian": "SSIM (11×11 Gaussian, per channel)",
    "gaussian-3d": "SSIM (MATLAB's 11×11×11 Gaussian over the channels)",
    "uniform": "SSIM (7×7 uniform, per channel)",
}
SSIM_SHORT: dict[SsimWindow, str] = {"gaussian": "SSIM", "gaussian-3d": "3-D SSIM", "uniform": "7×7 SSIM"}


@dataclass(frozen=True)
class Figure:
    """A figure that tells how near an image is to the sharp one; more is better."""

    label: str
    """What it is, with its unit and how it is taken."""
    short: str
    """The same where the label stands nearby."""
    digits: int
    """Digits after the point that are worth printing."""
    unit: str = ""

    def heading(self, of: str = "") -> str:
        """The short name, of what it is, and the unit."""
        return f"{self.short}{of and ' ' + of}{self.unit and ', ' + self.unit}"

    def text(self, value: float) -> str:
        """A value with its digits, without its unit."""
        return "∞" if math.isinf(value) else f"{value:.{self.digits}f}"


PSNR = Figure("PSNR, dB", "PSNR", 2, "dB")


def ssim_figure(window: SsimWindow) -> Figure:
    """The SSIM with one of the windows."""
    return Figure(SSIM_LABELS[window], SSIM_SHORT[window], 4)


def compare(image: Tensor, sharp: Tensor, windows: Sequence[SsimWindow] = ("gaussian",)) -> dict[Figure, float]:
    """PSNR and SSIM of an image.

    Args:
        image: ``(1, 3, H, W)`` in [0, 1].
        sharp: The same shape, on the same device.
        windows: The SSIMs to take.
    """
    values = {PSNR: float(psnr(image, sharp))}
    return values | {ssim_figure(window): float(ssim(image, sharp, window=window)) for window in windows}


def average(values: Iterable[dict[Figure, float]]) -> dict[Figure, float]:
    """The mean of every figure over images."""
    values = list(values)
    return {figure: sum(entry[figure] for entry in values) / len(values) for figure in values[0]}


def as_written(restored: Tensor) -> Tensor:
    """The image rounded to 8 bits, as it would be in a file."""
    return (restored * 255).round() / 255


def read_pair(blurry_path: Path, sharp_path: Path) -> tuple[Tensor, Tensor]:
    """A blurry and a sharp image, ``(1, 3, H, W)`` float32 in [0, 1] each.

    Raises:
        FileNotFoundError, ImageFileError: A file is missing or is no image, or the two differ in size.
    """
    blurry, sharp = (read_rgb(path)[None].float() / 255 for path in (blurry_path, sharp_path))
    if blurry.shape != sharp.shape:
        (h, w), (sharp_h, sharp_w) = blurry.shape[2:], sharp.shape[2:]
        raise ImageFileError(
            f"expected images of one size, found {w}×{h} in {blurry_path} and {sharp_w}×{sharp_h} in {sharp_path}"
        )
    return blurry, sharp


def measure(
    network: Network, pairs: Iterable[tuple[Path, Path]], window: SsimWindow = "gaussian"
) -> list[dict[str, float]]:
    """PSNR in dB and SSIM of every blurry image and of its restoration, for logs and checkpoints.

    Args:
        network: In inference mode, on the device and in the dtype to compute with.
        pairs: Files of blurry and sharp images.
        window: Which SSIM.

    Returns:
        For every pair ``blurry psnr``, ``restored psnr``, ``blurry ssim`` and ``restored ssim``; the restored image
        is rounded to 8 bits first, as it would be in a file.
    """
    figures = []
    for paths in pairs:
        blurry, sharp = read_pair(*paths)
        before = compare(blurry, sharp, [window])
        after = compare(as_written(restore(network, blurry)), sharp, [window])
        ssim_key = ssim_figure(window)
        figures.append(
            {
                "blurry psnr": before[PSNR],
                "restored psnr": after[PSNR],
                "blurry ssim": before[ssim_key],
                "restored ssim": after[ssim_key],
            }
        )
    return figures


def mean(figures: Sequence[dict[str, float]]) -> dict[str, float]:
    """The mean of every figure."""
    return {name: sum(entry[name] for entry in figures) / len(figures) for name in figures[0]}
