"""Turns a training run into a file to publish, measured: ``python -m training.export RUN -o FILE …``.

Takes the moving average of the weights. Prints the entry for ``weights/catalogue.json``.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor

from deblur import restore_network
from deblur.commands.restore import choose_device
from weights import Checkpoint, Provenance, read_checkpoint, write_checkpoint
from weights.model_card import model_card
from weights.publish import catalogue_entry

from .data.pairs import find_pairs
from .figures import PSNR, mean, measure, ssim_figure
from .state import read_weights, state_folders

DTYPES = {"float16": torch.float16, "float32": torch.float32}


def trained_checkpoint(path: Path) -> Checkpoint:
    """The weights to publish of a training run.

    Args:
        path: A run's folder, of whose latest state the moving average is taken; a saved state's folder; or a
            checkpoint that the run wrote.

    Raises:
        FileNotFoundError: There is no such file, or no saved state in the folder.
        CheckpointError: The file is not a checkpoint.
    """
    if not path.exists():
        raise FileNotFoundError(f"no file {path}; give the folder or the weights of a run of python -m training.train")
    if path.is_file():
        return read_checkpoint(path)
    trained = read_weights((state_folders(path) or [path])[-1])
    recipe = json.dumps(shareable(trained.options))
    return Checkpoint(trained.config, trained.average, Provenance(recipe=recipe, step=trained.step))


def shareable(options: Mapping[str, object]) -> dict[str, object]:
    """Options without the paths of this machine."""

    def has_path(value: object) -> bool:
        return any(isinstance(text, str) and set(text) & set("/\\") for text in _as_list(value))

    return {key: value for key, value in options.items() if not has_path(value)}


def _as_list(value: object) -> list[object]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def to_dtype(state_dict: dict[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """The tensors with the floating ones in another precision.

    Raises:
        ValueError: A value is not a number or infinite, or becomes infinite in that precision.
    """

    def damaged(tensors: dict[str, Tensor]) -> str:
        names = [name for name, t in tensors.items() if t.is_floating_point() and not t.isfinite().all()]
        return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")

    if names := damaged(state_dict):
        raise ValueError(
            f"values of {names} are infinite or not numbers, the training diverged; export an earlier file"
        )
    converted = {name: t.to(dtype) if t.is_floating_point() else t for name, t in state_dict.items()}
    if names := damaged(converted):
        raise ValueError(f"values of {names} do not fit {dtype}; export as float32")
    return converted


def figures_on(
    checkpoint: Checkpoint, pairs: Sequence[tuple[Path, Path]], name: str, device: torch.device | None = None
) -> dict[str, float]:
    """PSNR and SSIM before and after, under names that say what they were measured on."""
    network = restore_network(checkpoint.config, checkpoint.state_dict).to(device or torch.device("cpu"))
    figures = mean(measure(network, pairs))
    similarity = ssim_figure("gaussian")
    return {
        f"PSNR of blurry images, dB, {name}": round(figures["blurry psnr"], PSNR.digits + 1),
        f"PSNR, dB, {name}": round(figures["restored psnr"], PSNR.digits + 1),
        f"{similarity.label} of blurry images, {name}": round(figures["blurry ssim"], similarity.digits),
        f"{similarity.label}, {name}": round(figures["restored ssim"], similarity.digits),
    }


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training.export", description=__doc__)
    parser.add_argument("trained", type=Path, help="folder or weights of a run of python -m training.train")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the file to publish, .safetensors")
    parser.add_argument("--name", help="name in the catalogue; default: the output's stem")
    parser.add_argument("--dtype", choices=DTYPES, default="float16", help="default float16")
    parser.add_argument(
        "--pairs",
        nargs=2,
        action="append",
        required=True,
        metavar=("FOLDER", "WORDS"),
        help="folder in GOPRO's layout to measure on, and what these pairs are; repeat it",
    )
    parser.add_argument("--blurry", default="blur", help="name of the blurry images' folder: blur or blur_gamma")
    parser.add_argument("--trained-on", required=True, help="training data with its terms")
    parser.add_argument("--recipe", help="how it was trained; default: the options in the file")
    parser.add_argument("--licence", required=True)
    parser.add_argument("--note", default="")
    parser.add_argument("--pictures", nargs="+", default=[], metavar="PATH", help="pictures that the card shows")
    parser.add_argument("--card", type=Path, help="where the model card goes, Markdown as the Hub shows it")
    parser.add_argument("--device", default="auto", help="where it is measured; default: the fastest there is")
    options = parser.parse_args(arguments)
    if options.output.suffix != ".safetensors":
        parser.error(f"{options.output} must end in .safetensors")
    if options.output.exists():
        parser.error(f"{options.output} exists; choose another name or move it away")
    if options.card and options.card.exists():
        parser.error(f"{options.card} exists; choose another name or move it away")
    words = [name for _, name in options.pairs]
    if doubles := {name for name in words if words.count(name) > 1}:
        parser.error(f"two folders of pairs are both called {', '.join(doubles)}")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(arguments)
    measured = {name: find_pairs(Path(folder), options.blurry) for folder, name in options.pairs}
    trained = trained_checkpoint(options.trained)
    checkpoint = replace(trained, state_dict=to_dtype(trained.state_dict, DTYPES[options.dtype]))
    device = choose_device(options.device)
    metrics: dict[str, float] = {}
    for name, pairs in measured.items():
        metrics |= figures_on(checkpoint, pairs, name, device)
    provenance = Provenance(
        trained_on=options.trained_on,
        recipe=options.recipe or trained.provenance.recipe,
        step=trained.provenance.step,
        licence=options.licence,
        metrics=metrics,
        note=options.note,
    )
    checkpoint = replace(checkpoint, provenance=provenance)
    if options.output.exists():
        raise FileExistsError(f"{options.output} appeared while the weights were measured; choose another name")
    write_checkpoint(options.output, checkpoint)
    entry = catalogue_entry(options.name or options.output.stem, options.output, checkpoint)
    if options.card:
        options.card.write_text(model_card(entry.name, checkpoint, entry, options.pictures), encoding="utf-8")
    print(json.dumps(asdict(entry), indent=2, ensure_ascii=False))


if __name__ == "__main__":
    try:
        main()
    except (OSError, ValueError) as error:
        raise SystemExit(f"error: {error}") from error
