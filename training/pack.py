"""Photographs in plain archives of limited size, for another machine: ``python -m training.pack FOLDER -o OUT``.

``python -m training.pack --unpack ARCHIVES -o FOLDER`` takes them apart again.
"""

import argparse
import shutil
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from .data.location import walk_folders

HEADERS = 1024
"""Bytes that a file takes in an archive besides its own, at most."""


def pack(folder: Path, output: Path, most_bytes: int) -> list[Path]:
    """Writes the files below a folder into zip archives, uncompressed, none larger than asked.

    Returns:
        ``OUTPUT/FOLDER-001.zip``, ``-002.zip``, …

    Raises:
        FileNotFoundError: The folder is missing or empty.
        FileExistsError: An archive is there already.
        ValueError: A single file is larger than an archive.
    """
    files = [path for _, names in walk_folders(folder) for path in names]
    if not files:
        raise FileNotFoundError(f"no file below {folder}")
    groups: list[list[Path]] = [[]]
    filled = 0
    for path in files:
        size = path.stat().st_size + HEADERS
        if size > most_bytes:
            raise ValueError(
                f"{path} has {size - HEADERS} bytes and an archive may have {most_bytes}; give a larger --most"
            )
        if filled + size > most_bytes:
            groups.append([])
            filled = 0
        groups[-1].append(path)
        filled += size
    archives = [output / f"{folder.resolve().name}-{number:03d}.zip" for number in range(1, len(groups) + 1)]
    if there := [archive for archive in archives if archive.exists()]:
        raise FileExistsError(f"{there[0]} exists; choose another folder or move it away")
    output.mkdir(parents=True, exist_ok=True)
    for archive, group in zip(archives, tqdm(groups, unit="archive"), strict=True):
        partial = archive.with_name(f".{archive.name}.partial")
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as target:
            for path in group:
                target.write(path, path.relative_to(folder).as_posix())
        partial.replace(archive)
    return archives


def unpack(archives: Sequence[Path], output: Path) -> int:
    """Takes archives apart into a folder; files that are there already are kept.

    Returns:
        The number of files in the archives.

    Raises:
        FileNotFoundError, zipfile.BadZipFile: An archive is missing or damaged.
        ValueError: A name in an archive leads out of the folder.
    """
    count = 0
    for archive in archives:
        with zipfile.ZipFile(archive) as source:
            for member in source.infolist():
                name = PurePosixPath(member.filename)
                if name.is_absolute() or ".." in name.parts:
                    raise ValueError(f"{archive}: the name {member.filename!r} leads out of the folder; not unpacked")
                if member.is_dir():
                    continue
                count += 1
                target = output / name
                if target.exists():
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                partial = target.with_name(f".{target.name}.partial")
                with source.open(member) as packed, partial.open("wb") as file:
                    shutil.copyfileobj(packed, file)
                partial.replace(target)
    return count


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.pack", description=__doc__)
    parser.add_argument("paths", type=Path, nargs="+", help="a folder; with --unpack, archives")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--most", type=float, default=45.0, help="largest archive in MB; default %(default)s")
    parser.add_argument("--unpack", action="store_true")
    options = parser.parse_args()
    try:
        if options.unpack:
            print(f"{unpack(options.paths, options.output)} files in {options.output}")
            return
        if len(options.paths) > 1:
            parser.error("expected one folder to pack")
        for archive in pack(options.paths[0], options.output, int(options.most * 10**6)):
            print(f"{archive} {archive.stat().st_size / 10**6:.1f} MB")
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        sys.exit(f"training.pack: {error}")


if __name__ == "__main__":
    main()
