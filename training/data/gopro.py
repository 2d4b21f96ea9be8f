"""The GOPRO dataset as published, unpacked or in its zip archive.

Nah, Kim, Lee: Deep Multi-scale Convolutional Neural Network for Dynamic Scene Deblurring, CVPR 2017, section 2.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .location import Location, ZipMember, images_among, natural_key, open_archive, walk_folders
from .pairs import Pair

Split = Literal["train", "test"]
Blurry = Literal["blur", "blur_gamma"]
NAMED = 6

SEQUENCES: Mapping[Split, Mapping[str, int]] = {
    "train": {
        "GOPR0372_07_00": 100,
        "GOPR0372_07_01": 75,
        "GOPR0374_11_00": 150,
        "GOPR0374_11_01": 80,
        "GOPR0374_11_02": 100,
        "GOPR0374_11_03": 48,
        "GOPR0378_13_00": 110,
        "GOPR0379_11_00": 100,
        "GOPR0380_11_00": 60,
        "GOPR0384_11_01": 100,
        "GOPR0384_11_02": 100,
        "GOPR0384_11_03": 100,
        "GOPR0384_11_04": 100,
        "GOPR0385_11_00": 100,
        "GOPR0386_11_00": 100,
        "GOPR0477_11_00": 80,
        "GOPR0857_11_00": 100,
        "GOPR0868_11_01": 100,
        "GOPR0868_11_02": 100,
        "GOPR0871_11_01": 100,
        "GOPR0881_11_00": 100,
        "GOPR0884_11_00": 100,
    },
    "test": {
        "GOPR0384_11_00": 100,
        "GOPR0384_11_05": 100,
        "GOPR0385_11_01": 100,
        "GOPR0396_11_00": 100,
        "GOPR0410_11_00": 134,
        "GOPR0854_11_00": 100,
        "GOPR0862_11_00": 77,
        "GOPR0868_11_00": 100,
        "GOPR0869_11_00": 100,
        "GOPR0871_11_00": 100,
        "GOPR0881_11_01": 100,
    },
}
"""Pairs in every sequence: 22 sequences and 2,103 pairs, 11 and 1,111."""


@dataclass(frozen=True)
class GoproPairs:
    """One split of the dataset."""

    pairs: list[Pair]
    """Blurry and sharp, by sequence and number."""
    missing: str = ""
    """What a partial copy lacks, in words."""


def find_gopro(
    root: Path,
    split: Split,
    blurry: Blurry = "blur",
    partial: bool = False,
    expected: Mapping[Split, Mapping[str, int]] = SEQUENCES,
) -> GoproPairs:
    """The pairs of one split, checked against what was published.

    Args:
        root: The folder ``GOPRO_Large``, which holds ``train`` and ``test``, or the zip archive.
        split: Which part.
        blurry: Which average: of frames as they are, or of their light (γ 2.2). Nah et al. use ``blur_gamma``, Tao et
            al. and nearly everyone after ``blur``.
        partial: Whether a copy that lacks pairs will do. The pairs that are there come with a description of what is
            not; without any pair it is an error all the same.
        expected: Number of pairs by split and sequence.

    Raises:
        FileNotFoundError: Sequences, folders or images are missing; the message names them.
        ValueError: The archive is damaged, or something in the split does not belong to it.
    """
    found: dict[str, dict[str, dict[str, Location]]] = {}
    for sequence, kind, location in _archive(root, split) if root.is_file() else _folder(root, split):
        stem = Path(location.name).stem
        found.setdefault(sequence, {}).setdefault(kind, {})[stem] = location
    names = sorted(found, key=natural_key)
    if strangers := [name for name in names if name not in expected[split]]:
        raise ValueError(
            f"{root}: {_listed(strangers)} in {split} are not in GOPRO's {split} split; give the published data, "
            "or read the folder as pairs"
        )
    pairs: list[Pair] = []
    lacks = [f"the sequences {_listed(absent)}"] if (absent := [n for n in expected[split] if n not in found]) else []
    for name in names:
        sides = found[name].get(blurry, {}), found[name].get("sharp", {})
        both = sorted(sides[0].keys() & sides[1].keys(), key=natural_key)
        pairs += [(sides[0][stem], sides[1][stem]) for stem in both]
        if not len(sides[0]) == len(sides[1]) == len(both) == expected[split][name]:
            lacks.append(
                f"pairs of {name}: {expected[split][name]} were published, found {len(sides[0])} {blurry} and "
                f"{len(sides[1])} sharp images, {len(both)} in pairs"
            )
    missing = (
        f"{root}: {split} has {len(pairs):,} of {sum(expected[split].values()):,} pairs and {len(names)} of "
        f"{len(expected[split])} sequences; lacks {_listed(lacks, '; ')}"
        if lacks
        else ""
    )
    if missing and not (partial and pairs):
        advice = "download it again" if partial else "download it again, or say that a partial copy will do"
        raise FileNotFoundError(f"{missing}; {advice}")
    return GoproPairs(pairs, missing)


def _folder(root: Path, split: Split) -> Iterator[tuple[str, str, Path]]:
    if not (root / split).is_dir():
        raise FileNotFoundError(
            f"no folder {root / split}; expected GOPRO_Large with train and test in it, or its zip archive"
        )
    for folder, files in walk_folders(root / split):
        if folder.name in ("blur", "blur_gamma", "sharp"):
            yield from ((folder.parent.name, folder.name, path) for path in images_among(files))


def _archive(root: Path, split: Split) -> Iterator[tuple[str, str, ZipMember]]:
    for name in open_archive(root).namelist():
        parts = name.split("/")
        if "__MACOSX" in parts or parts[-1].startswith(".") or not images_among([Path(parts[-1])]):
            continue
        if len(parts) >= 4 and parts[-4] == split and parts[-2] in ("blur", "blur_gamma", "sharp"):
            yield parts[-3], parts[-2], ZipMember(root, name)


def _listed(names: list[str], separator: str = ", ") -> str:
    more = len(names) - NAMED
    return separator.join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
