"""``python -m deblur networks``: every preset with its cost and where its weights come from."""

import argparse
import json
from dataclasses import asdict

from weights import CATALOGUE

from ..config import config_to_dict
from ..cost import cost
from ..presets import PRESETS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(options: argparse.Namespace) -> int:
    rows = []
    for name, config in PRESETS.items():
        figures = asdict(cost(config))
        rows.append({"name": name, **figures, "weights": weights_source(name), "config": config_to_dict(config)})
    if options.json:
        print(json.dumps(rows, indent=2))
        return 0
    print(
        f"{'preset':22s} {'parameters':>12s} {'GMAC 256²':>10s} {'GMAC 720p':>10s} "
        f"{'radius':>7s} {'finest':>7s} {'multiple':>9s}  weights"
    )
    for row in rows:
        print(
            f"{row['name']:22s} {row['parameters']:12,d} {row['macs_256'] / 1e9:10.1f} {row['macs_720p'] / 1e9:10.1f} "
            f"{row['receptive_radius']:7d} {row['finest_radius']:7d} {row['size_multiple']:9d}  {row['weights']}"
        )
    print(
        "radius: receptive radius in pixels, finest: that of the finest scale alone, multiple: sides are padded to it"
    )
    return 0


def weights_source(name: str) -> str:
    """Where the weights of a preset come from: ``bundled``, a repository on the Hub, or ``none yet``."""
    entry = CATALOGUE.get(name)
    if entry is None or not entry.available:
        return "none yet"
    return "bundled" if entry.bundled_path.is_file() else f"{entry.repository} on the Hugging Face Hub"
