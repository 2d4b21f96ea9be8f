"""Turns trained weights into a file to publish, measured: ``python -m training.export WEIGHTS -o FILE --pairs …``.

Prints the entry for ``weights/catalogue.json``.
"""

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor

from deblur import restore_network
from weights import CatalogueEntry, Checkpoint, Provenance, read_checkpoint, write_checkpoint
from weights.verify import file_sha256

from .data.pairs import find_pairs
from .evaluate import mean, measure

DTYPES = {"float16": torch.float16, "float32": torch.float32}


def to_dtype(state_dict: dict[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """The tensors with the floating ones in another precision.

    Raises:
        ValueError: A value is too large for it.
    """
    converted = {name: t.to(dtype) if t.is_floating_point() else t for name, t in state_dict.items()}
    if damaged := [name for name, t in converted.items() if t.is_floating_point() and not t.isfinite().all()]:
        raise ValueError(f"values of {', '.join(damaged[:4])} do not fit {dtype}; export as float32")
    return converted


def figures_on(checkpoint: Checkpoint, folder: Path, name: str) -> dict[str, float]:
    """PSNR and SSIM before and after, under names that say what they were measured on."""
    network = restore_network(checkpoint.config, checkpoint.state_dict)
    figures = mean(measure(network, find_pairs(folder)))
    return {
        f"PSNR of blurry images, dB, {name}": round(figures["blurry psnr"], 3),
        f"PSNR, dB, {name}": round(figures["restored psnr"], 3),
        f"SSIM of blurry images, {name}": round(figures["blurry ssim"], 4),
        f"SSIM, {name}": round(figures["restored ssim"], 4),
    }


def catalogue_entry(name: str, path: Path, checkpoint: Checkpoint) -> CatalogueEntry:
    """The entry that describes a written file."""
    provenance = checkpoint.provenance
    return CatalogueEntry(
        name=name,
        network=checkpoint.config["network"],
        file=path.name,
        sha256=file_sha256(path),
        bytes=path.stat().st_size,
        licence=provenance.licence,
        figures=provenance.metrics,
        trained_on=provenance.trained_on,
        note=provenance.note,
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.export", description=__doc__)
    parser.add_argument("weights", type=Path, help="file that python -m training.train wrote")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--name", help="name in the catalogue; default: the output's stem")
    parser.add_argument("--dtype", choices=DTYPES, default="float16")
    parser.add_argument("--pairs", type=Path, required=True, help="folder in GOPRO's layout to measure on")
    parser.add_argument("--pairs-name", required=True, help="what these pairs are, in words")
    parser.add_argument("--trained-on", required=True, help="training data with its terms")
    parser.add_argument("--recipe", help="how it was trained; default: the options in the file")
    parser.add_argument("--licence", required=True)
    parser.add_argument("--note", default="")
    options = parser.parse_args()
    if options.output.exists():
        parser.error(f"{options.output} exists; choose another name or move it away")

    trained = read_checkpoint(options.weights)
    checkpoint = replace(trained, state_dict=to_dtype(trained.state_dict, DTYPES[options.dtype]))
    provenance = Provenance(
        trained_on=options.trained_on,
        recipe=options.recipe or trained.provenance.recipe,
        step=trained.provenance.step,
        licence=options.licence,
        metrics=figures_on(checkpoint, options.pairs, options.pairs_name),
        note=options.note,
    )
    checkpoint = replace(checkpoint, provenance=provenance)
    write_checkpoint(options.output, checkpoint)
    entry = asdict(catalogue_entry(options.name or options.output.stem, options.output, checkpoint))
    print(json.dumps(entry, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
