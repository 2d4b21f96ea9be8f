"""Pairs of blurry and sharp images: finding them in folders, checking them, drawing patches of them."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from .location import Location, ZipMember, images_among, natural_key, walk_folders
from .place import StoreOptions
from .source import numbered_rng
from .store import ImageStore, store_images

Pair = tuple[Location, Location]
"""Blurry and sharp."""
NAMED = 3


def find_pairs(folder: Path, blurry: str = "blur") -> list[tuple[Path, Path]]:
    """Pairs of blurry and sharp image files below a folder in GOPRO's layout.

    Every folder named ``sharp`` beside one named as ``blurry`` says is taken, as in
    ``GOPRO_Large/test/<sequence>/{blur,blur_gamma,sharp}``; links to folders are followed. Images belong together
    when their names are equal up to the suffix.

    Raises:
        FileNotFoundError: No pair is there, or an image has no partner; the message names it.
        ValueError: Two images of a folder differ in the suffix alone.
    """
    pairs = []
    for sharp_folder, files in walk_folders(folder):
        if sharp_folder.name != "sharp":
            continue
        blurry_folder = sharp_folder.with_name(blurry)
        if not blurry_folder.is_dir():
            raise FileNotFoundError(f"{sharp_folder} has no folder {blurry} beside it")
        partners = [path for path in blurry_folder.iterdir() if not path.name.startswith(".")]
        pairs += _matched(
            {path.name: path for path in images_among(partners)},
            {path.name: path for path in images_among(files)},
            blurry_folder,
            sharp_folder,
        )
    if not pairs:
        raise FileNotFoundError(f"no pair below {folder}: expected folders {blurry}/ and sharp/ with images in them")
    return pairs


def match_pairs(blurry_folder: Path, sharp_folder: Path) -> list[tuple[Path, Path]]:
    """Pairs of the images below two folders; those with the same path up to the suffix belong together.

    Raises:
        FileNotFoundError: A folder is missing or empty, or an image has no partner.
        ValueError: Two images of a folder differ in the suffix alone.
    """
    sides: list[dict[str, Path]] = []
    for folder in (blurry_folder, sharp_folder):
        images = [path for _, files in walk_folders(folder) for path in images_among(files)]
        if not images:
            raise FileNotFoundError(f"no image below {folder}")
        sides.append({path.relative_to(folder).as_posix(): path for path in images})
    return _matched(sides[0], sides[1], blurry_folder, sharp_folder)


def sequence_name(location: Location) -> str:
    """The sequence that an image of GOPRO's layout belongs to: the folder two levels above it."""
    path = location.name if isinstance(location, ZipMember) else str(location.absolute())
    return Path(path).parent.parent.as_posix()


def store_pairs(pairs: Sequence[Pair], options: StoreOptions) -> ImageStore:
    """Pairs decoded into a store, blurry above sharp: ``(6, h, w)`` uint8 each.

    Raises:
        ValueError: The images of a pair have different sizes.
        OSError, ImageFileError: As :func:`store_images` says.
    """
    return store_images(pairs, options)


class Pairs:
    """A :class:`~training.data.source.Source` of random crops of stored pairs."""

    def __init__(self, store: ImageStore, seed: int, sequences: Sequence[str] | None = None) -> None:
        """
        Args:
            store: Pairs as :func:`store_pairs` gives them.
            seed: Of the choice of pairs and positions.
            sequences: The sequence of every pair. Given, a sequence is drawn first and then one of its pairs, all
                sequences alike, as in the torch7 code of Nah et al. 2017; otherwise all pairs are alike.
        """
        self.store, self.seed = store, seed
        groups: dict[str, list[int]] = {}
        for index, name in enumerate(sequences or [""] * len(store)):
            groups.setdefault(name, []).append(index)
        self.groups = list(groups.values())

    @property
    def device(self) -> torch.device:
        """Where patches are made."""
        return self.store.device

    def check(self, size: int) -> None:
        """Whether patches of this size can be drawn.

        Raises:
            ValueError: A pair is smaller; the message names it.
        """
        self.store.check(size)

    def draw(self, numbers: Sequence[int], size: int) -> Tensor:
        """Patches as :meth:`~training.data.source.Source.draw` says.

        Raises:
            ValueError: A pair is smaller than the patches.
        """
        self.check(size)
        patches = torch.empty(len(numbers), 6, size, size, dtype=torch.uint8, device=self.device)
        for patch, number in zip(patches, numbers, strict=True):
            group, pair, y, x = torch.rand(4, generator=numbered_rng(self.seed, "pairs", number), dtype=torch.float64)
            indices = self.groups[int(group * len(self.groups))]
            image = self.store[indices[int(pair * len(indices))]]
            top, left = int(y * (image.shape[1] - size + 1)), int(x * (image.shape[2] - size + 1))
            patch.copy_(image[:, top : top + size, left : left + size])
        return patches


def _matched(
    blurry: dict[str, Path], sharp: dict[str, Path], blurry_folder: Path, sharp_folder: Path
) -> list[tuple[Path, Path]]:
    sides = (_without_suffix(blurry), _without_suffix(sharp))
    lonely = [sorted(side.keys() - other.keys(), key=natural_key) for side, other in (sides, sides[::-1])]
    if any(lonely):
        named = [sides[index][stem] for index in (1, 0) for stem in lonely[index]][:NAMED]
        more = f", nor have {', '.join(map(str, named[1:]))}" if named[1:] else ""
        where = sharp_folder if named[0] in sides[0].values() else blurry_folder
        raise FileNotFoundError(
            f"{named[0]} has no partner of this name below {where}{more}; without a partner are {len(lonely[0])} of "
            f"{len(blurry)} blurry images and {len(lonely[1])} of {len(sharp)} sharp ones"
        )
    return [(sides[0][stem], sides[1][stem]) for stem in sorted(sides[1], key=natural_key)]


def _without_suffix(images: dict[str, Path]) -> dict[str, Path]:
    stems: dict[str, Path] = {}
    for name, path in images.items():
        stem = name[: -len(path.suffix)]
        if stem in stems:
            raise ValueError(f"{stems[stem]} and {path} differ in the suffix alone; keep one of them")
        stems[stem] = path
    return stems
