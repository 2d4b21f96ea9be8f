"""``python -m weights verify``: checks files against the catalogue."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from ..catalogue import CATALOGUE, CatalogueEntry
from ..inventory import files_of
from ..verify import VerificationError, file_sha256, verify_file


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "verify",
        help="check files against the catalogue's hashes",
        description="Checks the catalogue's files on this machine, or the given ones, against size and SHA-256. The "
        "exit status is 0 if all are right and 1 if not.",
    )
    parser.add_argument("files", type=Path, nargs="*", metavar="FILE", help="default: all that are on this machine")
    parser.add_argument(
        "--folder", type=Path, action="append", default=[], help="folder of your own to look in; may be repeated"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    checked = list(_given(options.files) if options.files else _present(options.folder))
    for path, problem in checked:
        print(f"wrong: {problem}" if problem else f"right: {path}")
    if not checked:
        print("no file of the catalogue is on this machine; python -m weights pull NAME downloads one")
    return 1 if any(problem for _, problem in checked) else 0


def _present(folders: list[Path]) -> Iterator[tuple[Path, str]]:
    for entry in CATALOGUE.values():
        for path in files_of(entry, folders):
            yield path, _problem(path, entry)


def _given(files: list[Path]) -> Iterator[tuple[Path, str]]:
    for path in files:
        if not path.is_file():
            raise FileNotFoundError(f"no file {path}")
        sha256 = file_sha256(path)
        if any(entry.sha256 == sha256 for entry in CATALOGUE.values()):
            yield path, ""
        elif entry := next((entry for entry in CATALOGUE.values() if entry.file == path.name), None):
            yield path, _problem(path, entry)
        else:
            yield path, f"{path} is not in the catalogue: SHA-256 {sha256}"


def _problem(path: Path, entry: CatalogueEntry) -> str:
    try:
        verify_file(path, entry)
    except VerificationError as error:
        return str(error)
    return ""
