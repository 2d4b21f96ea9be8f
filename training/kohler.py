"""The protocol of Köhler et al. for images blurred by real camera shake.

Paper: Köhler, Hirsch, Mohler, Schölkopf and Harmeling, "Recording and playback of camera shake: benchmarking blind
deconvolution with a real-world database", ECCV 2012.
Original code: the authors' MATLAB evaluation scripts (``eval_image.m``), with MeTriX MuX 1.1 for the figures.

Every blurry image comes with about 200 sharp frames along the camera's path. An image is compared with each of them
and keeps its best figures. For every comparison

1. the image is multiplied by the factor that brings it nearest to the frame in squared error,
2. it is moved by the whole pixels at which the cross-correlation of the channel means peaks, and what is moved in
   from outside is zero, in the image and in the frame,
3. the figures are taken of the luminance, 0.299 R + 0.587 G + 0.114 B.

The benchmark's MSSIM is the multi-scale SSIM as MeTriX MuX has it: Wang, Simoncelli and Bovik 2003, "Multi-scale
structural similarity for image quality assessment", with the 9/7 wavelet's low-pass filter between the scales.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from deblur.metrics import gaussian_line, weighted_sum

from .figures import Figure

KOHLER_PSNR = Figure("PSNR, dB (Köhler: best frame, aligned, luminance)", "PSNR", 2, "dB")
KOHLER_MSSIM = Figure("MSSIM (Köhler: best frame, aligned, multi-scale SSIM of the luminance)", "MSSIM", 4)

LUMINANCE = (0.299, 0.587, 0.114)
WAVELET_LOW_PASS = (
    *(0.037828455507260, -0.023849465019560, -0.110624404418440, 0.377402855612830, 0.852698679008890),
    *(0.377402855612830, -0.110624404418440, -0.023849465019560, 0.037828455507260),
)
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
SMALLEST_SIDE = 11 * 2 ** (len(SCALE_WEIGHTS) - 1)
LEFT_OUT_FRAMES = {(1, 3): (30, 199)}
"""Frame 30 of image 1, trajectory 3 is missing; the authors' code goes from 29 to 31 and ends at 198."""


@dataclass(frozen=True)
class KohlerImage:
    """A blurry image and the sharp frames along the camera's path."""

    blurry: Path
    frames: tuple[Path, ...]


def find_kohler(folder: Path) -> list[KohlerImage]:
    """The blurry images of the benchmark with their frames.

    The files are known by their published names, ``Blurry<image>_<trajectory>.png`` and
    ``GroundTruth<image>_<trajectory>_<frame>.png``, wherever they lie below the folder, as in
    ``Image1/Kernel1/GroundTruth1_1_1.png``.

    Raises:
        FileNotFoundError: There is no such image, or one without frames; the message names it.
    """
    blurry: dict[tuple[int, int], Path] = {}
    frames: dict[tuple[int, int], list[tuple[int, Path]]] = {}
    for path in folder.rglob("*.png"):
        if match := re.fullmatch(r"Blurry(\d+)_(\d+)\.png", path.name):
            blurry[int(match[1]), int(match[2])] = path
        elif match := re.fullmatch(r"GroundTruth(\d+)_(\d+)_(\d+)\.png", path.name):
            key, number = (int(match[1]), int(match[2])), int(match[3])
            if number not in LEFT_OUT_FRAMES.get(key, ()):
                frames.setdefault(key, []).append((number, path))
    if not blurry:
        raise FileNotFoundError(f"no Blurry<image>_<trajectory>.png below {folder}; unpack the benchmark's zips there")
    for key, path in blurry.items():
        if key not in frames:
            raise FileNotFoundError(f"{path} has no frame GroundTruth{key[0]}_{key[1]}_<number>.png below {folder}")
    return [KohlerImage(blurry[key], tuple(path for _, path in sorted(frames[key]))) for key in sorted(blurry)]


def kohler_figures(images: Sequence[Tensor], frame: Tensor) -> list[dict[Figure, float]]:
    """PSNR and MSSIM of images against one sharp frame.

    Args:
        images: Each ``(1, 3, H, W)`` in [0, 1], already rounded to 8 bits.
        frame: The same shape, on the same device.

    Raises:
        ValueError: The shapes differ, or the images are too small for five scales.
    """
    if any(image.shape != frame.shape for image in images) or min(frame.shape[-2:]) < SMALLEST_SIDE:
        raise ValueError(
            f"expected images of the frame's shape and at least {SMALLEST_SIDE} pixels a side, found "
            f"{[tuple(image.shape) for image in images]} and {tuple(frame.shape)}"
        )
    return [_figures(*align(image, frame)) for image in images]


def best(figures: Sequence[dict[Figure, float]]) -> dict[Figure, float]:
    """The best of every figure over frames."""
    return {figure: max(entry[figure] for entry in figures) for figure in figures[0]}


def align(image: Tensor, frame: Tensor) -> tuple[Tensor, Tensor]:
    """The image scaled and moved onto the frame, and the frame where the moved image has pixels.

    Args:
        image: ``(1, 3, H, W)``.
        frame: The same shape.
    """
    scaled = image * ((frame * image).sum() / image.square().sum().clamp(min=torch.finfo(image.dtype).tiny))
    spectra = [torch.fft.rfft2(picture.mean(dim=(0, 1))) for picture in (frame, scaled)]
    height, width = frame.shape[-2:]
    correlation = torch.fft.irfft2(spectra[0] * spectra[1].conj(), s=(height, width))
    row, column = divmod(int(correlation.argmax()), width)
    down, right = (offset if offset < side // 2 else offset - side for offset, side in ((row, height), (column, width)))
    return _move(scaled, down, right), frame * _move(torch.ones_like(frame), down, right)


def _move(image: Tensor, down: int, right: int) -> Tensor:
    """Moves by whole pixels; zeros come in."""
    height, width = image.shape[-2:]
    moved = torch.zeros_like(image)
    rows, columns = max(0, height - abs(down)), max(0, width - abs(right))
    moved[..., max(down, 0) : max(down, 0) + rows, max(right, 0) : max(right, 0) + columns] = image[
        ..., max(-down, 0) : max(-down, 0) + rows, max(-right, 0) : max(-right, 0) + columns
    ]
    return moved


def _figures(image: Tensor, frame: Tensor) -> dict[Figure, float]:
    weights = frame.new_tensor(LUMINANCE).view(1, 3, 1, 1)
    image, frame = ((picture * weights).sum(dim=1, keepdim=True) for picture in (image, frame))
    error = (image - frame).square().mean()
    return {
        KOHLER_PSNR: float(-10 * torch.log10(error)),
        KOHLER_MSSIM: float(multi_scale_ssim(image, frame)),
    }


def multi_scale_ssim(image: Tensor, sharp: Tensor) -> Tensor:
    """Multi-scale SSIM over five scales, as MeTriX MuX computes it.

    Contrast and structure are averaged over the image, each on its own, at every scale, luminance at the coarsest.

    Args:
        image: ``(1, 1, H, W)`` in [0, 1], at least 176 pixels a side.
        sharp: The same shape.

    Returns:
        A scalar, 1 for equal images.
    """
    luminance, contrast, structure = _ssim_parts(image, sharp)
    result = contrast ** SCALE_WEIGHTS[0] * structure.clamp(min=0) ** SCALE_WEIGHTS[0]
    for weight in SCALE_WEIGHTS[1:]:
        image, sharp = _halve(image), _halve(sharp)
        luminance, contrast, structure = _ssim_parts(image, sharp)
        result = result * contrast**weight * structure.clamp(min=0) ** weight
    return result * luminance ** SCALE_WEIGHTS[-1]


def _ssim_parts(image: Tensor, sharp: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    pictures = torch.cat((image, sharp, image * image, sharp * sharp, image * sharp))
    averages = weighted_sum(weighted_sum(pictures, gaussian_line(), -2), gaussian_line(), -1)
    mean_x, mean_y, square_x, square_y, product = averages.unbind()
    c1, c2 = 0.01**2, 0.03**2
    var_x, var_y = (square_x - mean_x**2).clamp(min=0), (square_y - mean_y**2).clamp(min=0)
    covariance = product - mean_x * mean_y
    deviations = (var_x * var_y).sqrt()
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    contrast = (2 * deviations + c2) / (var_x + var_y + c2)
    structure = (covariance + c2 / 2) / (deviations + c2 / 2)
    return luminance.mean(), contrast.mean(), structure.mean()


def _halve(image: Tensor) -> Tensor:
    """Low-pass filter on the mirrored image (d c b a | a b c d), then every second pixel."""
    line = tuple(weight / sum(WAVELET_LOW_PASS) for weight in WAVELET_LOW_PASS)
    reach = len(line) // 2
    for dim in (-2, -1):
        before = image.narrow(dim, 0, reach).flip(dim)
        after = image.narrow(dim, image.shape[dim] - reach, reach).flip(dim)
        image = weighted_sum(torch.cat((before, image, after), dim), line, dim)
    return image[..., ::2, ::2]
