"""Compares the virtual camera's blur with that of real pairs.

``python -m training.statistics REAL_PAIRS… --data PHOTOGRAPHS -o plots.png`` measures patches of both, draws their
distributions and some of the patches, and writes the figures beside the picture as JSON.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor
from tqdm import tqdm

from deblur.commands.image_file import read_rgb

from .blur_profile import BANDS, BlurProfile, profile, wasserstein
from .data.camera import CameraSettings
from .data.pairs import find_pairs
from .data.photos import store_photographs
from .data.place import StoreOptions
from .data.source import numbered_rng
from .data.virtual_camera import VirtualCamera

PATCH = 128
RENDERING = 288
BATCH = 8
SHOWN = 10
CAMERA = "virtual camera"
MEASURES = {
    "psnr": "PSNR of the blurry patch in dB",
    "extent": "blur extent in px",
    "width": "extent across in px",
    "direction": "main direction of blur in radians",
    "contrast": "standard deviation of the sharp patch, of 255",
}
SPECTRA = {
    "sharp_spectrum": "power of sharp gradients, log10",
    "blurry_spectrum": "power of blurry gradients, log10",
    "softening": "blurry over sharp, log10",
}


def real_patches(pairs: Sequence[tuple[Path, Path]], count: int, seed: int) -> Tensor:
    """``(count, 6, PATCH, PATCH)`` uint8 random parts of image pairs, spread evenly over them.

    Raises:
        ValueError: An image is smaller than a patch, or the images of a pair differ in size.
    """
    pairs = pairs[:: max(1, len(pairs) // count)][:count]
    patches = []
    for index, (blurry, sharp) in enumerate(tqdm(pairs, desc="real pairs", leave=False)):
        images = read_rgb(blurry), read_rgb(sharp)
        if images[0].shape != images[1].shape or min(images[0].shape[1:]) < PATCH:
            sizes = " and ".join("×".join(map(str, image.shape[1:])) for image in images)
            raise ValueError(f"{blurry}: expected two images of one size from {PATCH} pixels on, found {sizes}")
        pair = torch.cat(images)
        for number in range(index, count, len(pairs)):
            rng = numbered_rng(seed, "statistics", number)
            y, x = (int(torch.randint(side - PATCH + 1, (), generator=rng)) for side in pair.shape[1:])
            patches.append(pair[:, y : y + PATCH, x : x + PATCH].clone())
    return torch.stack(patches)


def rendered_patches(camera: VirtualCamera, count: int) -> Tensor:
    """``(count, 6, PATCH, PATCH)`` uint8, four of every rendering, as training draws them."""
    offsets = [(RENDERING // 2 - PATCH) // 2, (RENDERING // 2 - PATCH) // 2 + RENDERING // 2]
    patches: list[Tensor] = []
    renderings = -(-count // 4)
    for start in tqdm(range(0, renderings, BATCH), desc="renderings", leave=False):
        batch = camera.draw(range(start, min(start + BATCH, renderings)), RENDERING).cpu()
        patches += [batch[:, :, y : y + PATCH, x : x + PATCH] for y in offsets for x in offsets]
    return torch.cat(patches)[:count]


def distances(real: BlurProfile, rendered: BlurProfile) -> dict[str, float]:
    """How far two profiles are apart: 1-Wasserstein of each measure, mean difference of spectra in decades.

    ``softening`` compares what blur does to a spectrum, blurry over sharp.
    """
    figures = {name: wasserstein(getattr(real, name), getattr(rendered, name)) for name in MEASURES}
    for name in ("sharp_spectrum", "blurry_spectrum"):
        figures[name] = float((_shape(getattr(real, name)) - _shape(getattr(rendered, name))).abs().mean())
    figures["softening"] = float((_softening(real) - _softening(rendered)).abs().mean())
    return {name: round(value, 4) for name, value in figures.items()}


def summary(measured: BlurProfile) -> dict[str, object]:
    """Quantiles of the measures and the mean spectra, for JSON."""
    levels = torch.tensor([0.05, 0.25, 0.5, 0.75, 0.95])
    result: dict[str, object] = {"patches": len(measured.psnr), "flat": round(measured.flat, 4)}
    for name in MEASURES:
        values = getattr(measured, name)
        result[name] = {
            "mean": round(float(values.mean()), 3),
            "quantiles": {f"{100 * level:.0f} %": round(float(values.quantile(level)), 3) for level in levels},
        }
    for name in ("sharp_spectrum", "blurry_spectrum"):
        result[name] = [round(value, 4) for value in getattr(measured, name).tolist()]
    return result


def plot(profiles: dict[str, BlurProfile], patches: dict[str, Tensor]) -> Figure:
    """Distributions, spectra and some patches of every source, blurry above sharp."""
    figure = Figure(figsize=(18, 12 + 2.6 * len(profiles)), layout="constrained")
    grid = figure.add_gridspec(2 + len(profiles), 4, height_ratios=[6, 6, *(2.6 for _ in profiles)])
    frequency = (torch.arange(BANDS) + 0.5) / BANDS / 2
    for place, (name, label) in enumerate({**MEASURES, **SPECTRA}.items()):
        axis = figure.add_subplot(grid[place // 4, place % 4])
        for source, measured in profiles.items():
            if name in SPECTRA:
                curve = _softening(measured) if name == "softening" else getattr(measured, name)
                axis.plot(frequency, curve, label=source)
                axis.set(xlabel="frequency in cycles per pixel", ylabel=label)
            else:
                values = getattr(measured, name).double().sort().values
                axis.plot(values, torch.linspace(0, 1, len(values)), label=source)
                axis.set(xlabel=label, ylabel="share of patches below", ylim=(0, 1))
        axis.grid(alpha=0.3)
        axis.legend()
    for row, (source, shown) in enumerate(patches.items(), start=2):
        axis = figure.add_subplot(grid[row, :])
        shown = shown[:: max(1, len(shown) // SHOWN)][:SHOWN]
        strips = [torch.cat(list(shown[:, part]), dim=2) for part in (slice(0, 3), slice(3, 6))]
        axis.imshow(torch.cat(strips, dim=1).permute(1, 2, 0).numpy())
        axis.set_title(f"{source}: blurry above sharp", loc="left")
        axis.set_axis_off()
    return figure


def _shape(spectrum: Tensor) -> Tensor:
    """A log spectrum without its level, which is the contrast of the scene."""
    return spectrum - spectrum[:4].mean()


def _softening(measured: BlurProfile) -> Tensor:
    return measured.blurry_spectrum - measured.sharp_spectrum


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.statistics", description=__doc__)
    parser.add_argument("pairs", type=Path, nargs="+", help="folders of real pairs in GOPRO's layout")
    parser.add_argument("--data", type=Path, required=True, help="folder of sharp photographs")
    parser.add_argument("-o", "--output", type=Path, required=True, help="picture to write; the JSON is put beside it")
    parser.add_argument("--patches", type=int, default=800, help="patches of each source, default 800")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu", help="where to render")
    options = parser.parse_args()
    report = options.output.with_suffix(".json")
    for path in (options.output, report):
        if path.exists():
            parser.error(f"{path} exists; choose another name")
    if options.output.suffix.lower() not in (".png", ".pdf", ".svg"):
        parser.error(f"{options.output}: expected a name that ends in .png, .pdf or .svg")
    if options.patches < SHOWN:
        parser.error(f"--patches {options.patches}: expected at least {SHOWN}")
    if len({CAMERA, *(folder.name for folder in options.pairs)}) < len(options.pairs) + 1:
        parser.error(f"folders of pairs name the curves: expected names that differ, also from {CAMERA!r}")

    settings, patches, profiles = CameraSettings(), {}, {}
    try:
        pictures = store_photographs(options.data, RENDERING, StoreOptions(progress=False))
        for folder in options.pairs:
            patches[folder.name] = real_patches(find_pairs(folder), options.patches, options.seed)
            profiles[folder.name] = profile(patches[folder.name])
        camera = VirtualCamera(pictures, settings, options.seed, options.device)
        patches[CAMERA] = rendered_patches(camera, options.patches)
        profiles[CAMERA] = profile(patches[CAMERA])
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    compared = {folder.name: distances(profiles[folder.name], profiles[CAMERA]) for folder in options.pairs}
    options.output.parent.mkdir(parents=True, exist_ok=True)
    plot(profiles, patches).savefig(options.output, dpi=80)
    document = {
        "profiles": {name: summary(measured) for name, measured in profiles.items()},
        "distances to the virtual camera": compared,
        "settings": asdict(settings),
    }
    report.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    for name, figures in compared.items():
        print(f"{name}: " + ", ".join(f"{key} {value:g}" for key, value in figures.items()))


if __name__ == "__main__":
    main()
