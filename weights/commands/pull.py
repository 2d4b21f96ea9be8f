"""``python -m weights pull``: downloads a model once and checks it."""

import argparse
from pathlib import Path

from ..catalogue import CATALOGUE
from ..resolve import copy_to, find_weights


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "pull",
        help="download a model of the catalogue, or any repository's",
        description="Downloads a model unless it is on this machine, checks it, and prints where it is.",
    )
    parser.add_argument(
        "model",
        metavar="NAME|OWNER/NAME",
        help="name in the catalogue, or repository on the Hugging Face Hub: owner/name or "
        "owner/name/file.safetensors, with an optional @revision",
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="where to; default: the Hub's cache folder")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    folder = options.output
    if folder is None:
        print(find_weights(options.model))
        return 0
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file; expected a folder to put the model into")
    path = find_weights(options.model, [folder], download_to=folder)
    if options.model in CATALOGUE and not path.is_relative_to(folder):  # bundled, or in the Hub's cache folder
        path = copy_to(path, folder / CATALOGUE[options.model].file)
    print(path)
    return 0
