"""``python -m weights list``: what is bundled, local, cached and on the Hub."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from ..inventory import Item, inventory

COLUMNS = ("model", "network", "MB", "where", "figures", "file or repository")


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "list",
        help="list the checkpoints there are",
        description="Lists the catalogue's models with their figures and where they are: bundled, local, cached, or on "
        "the Hugging Face Hub; and other checkpoints in the folders and in the Hub's cache folder. Asks no server.",
    )
    parser.add_argument(
        "--folder", type=Path, action="append", default=[], help="folder of your own to look in; may be repeated"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    items = inventory(options.folder)
    if options.json:
        print(json.dumps([asdict(item) for item in items], indent=2, ensure_ascii=False))
        return 0
    rows = [COLUMNS, *map(_row, items)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    for row in rows:
        cells = (
            cell.rjust(width) if column == 2 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  ".join(cells).rstrip())
    print("figures: of the blurry images -> restored; what they were measured on: --json")
    return 0


def _row(item: Item) -> tuple[str, ...]:
    name = item.name.partition("@")[0] if item.source == "cached" else item.name  # the commit is in the path
    place = "" if item.place == item.name else item.place
    return name, item.network, f"{item.bytes / 1e6:.1f}", item.source, item.gain or "not measured", place
