"""Measures weights on pairs of blurry and sharp images: ``python -m training.evaluate PAIRS --model NAME``."""

import argparse
from collections.abc import Iterable
from pathlib import Path

import torch

from deblur import Network, psnr, restore, restore_network, ssim
from deblur.commands.image_file import read_rgb
from weights import find_weights, read_checkpoint

from .data.pairs import find_pairs


def measure(network: Network, pairs: Iterable[tuple[Path, Path]]) -> list[dict[str, float]]:
    """PSNR in dB and SSIM (Gaussian window, per channel) of every blurry image and of its restoration.

    The restored image is rounded to 8 bits first, as it would be in a file.
    """
    figures = []
    for blurry_path, sharp_path in pairs:
        blurry, sharp = (read_rgb(path)[None].float() / 255 for path in (blurry_path, sharp_path))
        restored = (restore(network, blurry) * 255).round() / 255
        figures.append(
            {
                "blurry psnr": float(psnr(blurry, sharp)),
                "restored psnr": float(psnr(restored, sharp)),
                "blurry ssim": float(ssim(blurry, sharp)),
                "restored ssim": float(ssim(restored, sharp)),
            }
        )
    return figures


def mean(figures: list[dict[str, float]]) -> dict[str, float]:
    """The mean of every figure."""
    return {name: sum(entry[name] for entry in figures) / len(figures) for name in figures[0]}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description=__doc__)
    parser.add_argument("pairs", type=Path, help="folder in GOPRO's layout, .../<sequence>/{blur,sharp}/*.png")
    parser.add_argument(
        "--model", default="scale-recurrent-lite", help="catalogue name, .safetensors file or repository on the Hub"
    )
    parser.add_argument("--blurry", default="blur", help="name of the blurry images' folder: blur or blur_gamma")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()

    checkpoint = read_checkpoint(find_weights(options.model))
    network = restore_network(checkpoint.config, checkpoint.state_dict).to(torch.device(options.device))
    pairs = find_pairs(options.pairs, options.blurry)
    figures = []
    for pair in pairs:
        figures += measure(network, [pair])
        print(_row(str(pair[0].relative_to(options.pairs)), figures[-1]), flush=True)
    print(_row(f"mean of {len(pairs)}", mean(figures)))


def _row(name: str, figures: dict[str, float]) -> str:
    return (
        f"{name:40s} PSNR {figures['blurry psnr']:.2f} -> {figures['restored psnr']:.2f} dB, "
        f"SSIM {figures['blurry ssim']:.4f} -> {figures['restored ssim']:.4f}"
    )


if __name__ == "__main__":
    main()
