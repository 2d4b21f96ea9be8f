"""The model card: what a repository on the Hub says about its weights."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from .catalogue import CatalogueEntry
from .checkpoint import Checkpoint

LIBRARY_NAME = "motion-deblur"
PIPELINE_TAG = "image-to-image"
TAGS = ("deblurring", "motion-deblurring", "image-restoration", "comfyui", "pytorch")
HUB_LICENCES = {
    "apache-2.0",
    "bsd-3-clause",
    "cc-by-4.0",
    "cc-by-nc-4.0",
    "cc-by-nc-sa-4.0",
    "cc-by-sa-4.0",
    "cc0-1.0",
    "gpl-3.0",
    "mit",
    "openrail",
    "unlicense",
}
"""Licences that the Hub knows by name, among those that weights are usually under; all others are ``other``."""
NODES = {
    "multi-scale": "Deblur (Multi-Scale)",
    "scale-recurrent": "Deblur (Scale-Recurrent)",
    "deblurnet": "Deblur (In the Wild)",
}
PAPERS = {
    "multi-scale": "Nah, Kim, Lee, *Deep Multi-scale Convolutional Neural Network for Dynamic Scene Deblurring*, "
    "CVPR 2017",
    "scale-recurrent": "Tao, Gao, Shen, Wang, Jia, *Scale-recurrent Network for Deep Image Deblurring*, CVPR 2018",
    "deblurnet": "Noroozi, Chandramouli, Favaro, *Motion Deblurring in the Wild*, GCPR 2017",
}
_FIGURE = (
    r"(?P<metric>PSNR|SSIM|LPIPS)(?P<variant> \([^()]*\))?(?P<unit>, dB)?"
    r"(?P<blurry> of blurry images)?(?P<late>, dB)?, (?P<images>.+)"
)


@dataclass(frozen=True)
class Figure:
    """A measured figure, from its name in a provenance."""

    metric: str
    """``PSNR``, ``SSIM``, …"""
    variant: str
    """How it is taken, in brackets, or nothing."""
    unit: str
    """``dB`` or nothing."""
    images: str
    """What it was measured on."""
    value: float
    blurry: bool
    """Whether it is that of the blurry images, to compare with."""

    @property
    def label(self) -> str:
        """The figure and its unit."""
        return f"{self.metric}{self.variant}{', ' if self.unit else ''}{self.unit}"


def parse_figures(metrics: dict[str, float]) -> list[Figure]:
    """Figures whose names follow ``PSNR[ (HOW)][ of blurry images], dB, IMAGES`` as ``training.export`` writes them."""
    found = []
    for name, value in metrics.items():
        if match := re.fullmatch(_FIGURE, name):
            unit = (match["unit"] or match["late"] or "").removeprefix(", ")
            blurry = bool(match["blurry"])
            found.append(Figure(match["metric"], match["variant"] or "", unit, match["images"], value, blurry))
    return found


def model_card(
    name: str,
    checkpoint: Checkpoint,
    entry: CatalogueEntry,
    pictures: Sequence[str] = (),
    *,
    datasets: Sequence[str] = (),
) -> str:
    """The text of ``README.md``: metadata for the Hub in front, then what a user should know.

    Args:
        name: What the model is called.
        checkpoint: Its configuration, tensors and provenance.
        entry: Its file, size, hash, licence and repository.
        pictures: Paths of pictures in the repository, shown in this order.
        datasets: Names of the training data as the Hub lists them, ``owner/name``.
    """
    provenance, network = checkpoint.provenance, checkpoint.config["network"]
    repository = entry.repository or "owner/name"
    parameters = sum(tensor.numel() for tensor in checkpoint.state_dict.values())
    parts = [
        _front_matter(name, checkpoint, entry, datasets),
        f"# {name}",
        f"Takes motion blur out of photographs: a `{network}` network with {parameters:,} parameters, for the Motion "
        f"Deblur nodes in ComfyUI, the command line and Python. After {PAPERS.get(network, 'no paper')}.",
        provenance.note or entry.note,
        *(f"![{PurePosixPath(picture).stem.replace('-', ' ')}]({picture})" for picture in pictures),
        "## How to use it",
        "On the command line, in a checkout of Motion Deblur:",
        f"```sh\npython -m deblur restore photo.jpg -o restored.png --model {repository}\n```",
        "From Python, in the same place, with images as `(B, 3, H, W)` tensors in [0, 1]:",
        "```python\nfrom deblur import restore, restore_network\nfrom weights import find_weights, read_checkpoint\n\n"
        f'checkpoint = read_checkpoint(find_weights("{repository}"))\n'
        "network = restore_network(checkpoint.config, checkpoint.state_dict)\n"
        "restored = restore(network, blurry)\n```",
        f"In ComfyUI with the Motion Deblur nodes: *Load Deblur Model from Hub* with the repository `{repository}`, "
        f"connected to *{NODES.get(network, 'Deblur (Tiled)')}* or *Deblur (Tiled)*.",
        "## Figures",
        _figures_table(provenance.metrics) if provenance.metrics else "None were measured.",
        "## Training",
        f"Data and its terms: {provenance.trained_on or entry.trained_on or 'not stated.'}",
        f"Recipe: {_code(provenance.recipe)}" if provenance.recipe else "",
        f"Optimiser steps: {provenance.step:,}" if provenance.step else "",
        "## Files",
        f"`{entry.repository_file}`: {entry.bytes:,} bytes, SHA-256 `{entry.sha256}`. The network's configuration and "
        "the weights' origin are in its header; `config.json` repeats the configuration.",
        f"Licence of the weights: {entry.licence or provenance.licence or 'not stated'}.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front_matter(name: str, checkpoint: Checkpoint, entry: CatalogueEntry, datasets: Sequence[str]) -> str:
    """YAML; every text in it is quoted as JSON, which YAML reads as it is."""
    licence = (entry.licence or checkpoint.provenance.licence).strip()
    known = licence.lower() in HUB_LICENCES
    lines = [
        f"library_name: {LIBRARY_NAME}",
        f"pipeline_tag: {PIPELINE_TAG}",
        f"license: {licence.lower() if known else 'other'}",
    ]
    if not known:
        lines.append(f"license_name: {_quoted(licence or 'not stated')}")
    lines += ["tags:", *(f"- {tag}" for tag in (*TAGS, checkpoint.config["network"]))]
    if datasets:
        lines += ["datasets:", *(f"- {_quoted(dataset)}" for dataset in datasets)]
    figures = [figure for figure in parse_figures(checkpoint.provenance.metrics) if not figure.blurry]
    if figures:
        lines += ["metrics:", *(f"- {metric.lower()}" for metric in dict.fromkeys(f.metric for f in figures))]
        lines.append(f"model-index: {json.dumps(_model_index(name, figures), ensure_ascii=False)}")
    return "\n".join(["---", *lines, "---"])


def _model_index(name: str, figures: Sequence[Figure]) -> list[dict[str, Any]]:
    results = []
    for images in dict.fromkeys(figure.images for figure in figures):
        metrics = [
            {"type": figure.metric.lower(), "name": figure.label, "value": figure.value}
            for figure in figures
            if figure.images == images
        ]
        kind = re.sub(r"[^a-z0-9]+", "-", images.partition("(")[0].lower()).strip("-") or "pairs"
        results.append(
            {
                "task": {"type": PIPELINE_TAG, "name": "Motion deblurring"},
                "dataset": {"type": kind, "name": images},
                "metrics": metrics,
            }
        )
    return [{"name": name, "results": results}]


def _figures_table(metrics: dict[str, float]) -> str:
    """Blurry beside restored, a row for every figure and set of images; other figures by their names."""
    figures = parse_figures(metrics)
    by_row: dict[tuple[str, str], dict[bool, float]] = {}
    for figure in figures:
        by_row.setdefault((figure.images, figure.label), {})[figure.blurry] = figure.value
    rows = [(images, label, values.get(True), values.get(False)) for (images, label), values in by_row.items()]
    rows += [("", name, None, value) for name, value in metrics.items() if not re.fullmatch(_FIGURE, name)]
    lines = ["| Images | Figure | Blurry | Restored |", "|---|---|---:|---:|"]
    for images, label, before, after in rows:
        cells = (images, label, *("" if value is None else f"{value:g}" for value in (before, after)))
        lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _code(text: str) -> str:
    return f"\n\n```\n{text}\n```" if "\n" in text or "`" in text else f"`{text}`"
