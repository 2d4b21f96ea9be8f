"""Sequences of high-speed frames: folders of images, and videos."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, pairwise
from pathlib import Path
from statistics import mode

from torch import Tensor

from .location import fingerprint, image_size, images_among, walk_folders
from .place import StoreOptions
from .store import ImageStore, cache_key, decoded, fill_store
from .video import VIDEO_SUFFIXES, count_frames, probe_video, video_frames

DECODED_AHEAD = 2
SLOWEST_RATE = 100


@dataclass(frozen=True)
class FrameFolder:
    """A folder of frames, in the natural order of their names."""

    path: Path
    name: str
    """What to call the sequence: its path below the folder that was searched."""

    @cached_property
    def files(self) -> list[Path]:
        """The frames' files."""
        return images_among(next(iter(walk_folders(self.path)))[1])

    @cached_property
    def breaks(self) -> frozenset[int]:
        """Indices of frames that do not follow the one before: the numbers in the names skip something there."""
        numbers = [int(found[-1]) for path in self.files if (found := re.findall(r"[0-9]+", path.stem))]
        if len(numbers) < max(3, len(self.files)):
            return frozenset()
        steps = [after - before for before, after in pairwise(numbers)]
        usual = mode(steps)
        if steps.count(usual) < len(steps) / 2:  # times, or anything else that does not count
            return frozenset()
        return frozenset(index for index, step in enumerate(steps, start=1) if step != usual)

    def check(self) -> tuple[int, int]:
        """Height and width of the frames, from the headers of all of them.

        Raises:
            ImageFileError: A frame is not a readable image.
            ValueError: A frame has another size than the first.
        """
        first = image_size(self.files[0])
        for path in self.files[1:]:
            if (size := image_size(path)) != first:
                raise ValueError(
                    f"expected frames of equal size, found {first[0]}×{first[1]} pixels (height×width) in "
                    f"{self.files[0]} and {size[0]}×{size[1]} in {path}"
                )
        return first

    def frames(self, start: int = 0) -> Iterator[Tensor]:
        """The frames from number ``start`` on, ``(3, H, W)`` uint8, one at a time."""
        return decoded([(path,) for path in self.files[start:]], DECODED_AHEAD)

    @property
    def likely_count(self) -> int:
        """Number of frames, for a progress bar."""
        return len(self.files)

    def remark(self) -> str:
        """What should be known before this is used, in words; empty when nothing."""
        places = len(self.breaks)
        return f"the numbers in the names skip at {places} places, which no window crosses" if places else ""

    def fingerprint(self) -> str:
        """Changes when the frames do."""
        return f"{len(self.files)} frames, {fingerprint(self.files[0])}, {fingerprint(self.files[-1])}"

    @property
    def count(self) -> int:
        """Number of frames."""
        return len(self.files)


@dataclass(frozen=True)
class Video:
    """A video file."""

    path: Path
    name: str
    """What to call the sequence: its path below the folder that was searched, without suffix."""

    @property
    def breaks(self) -> frozenset[int]:
        """None are known."""
        return frozenset()

    def check(self) -> tuple[int, int]:
        """Height and width of the first frame.

        Raises:
            VideoError: There is none.
        """
        facts = probe_video(self.path)
        return facts.height, facts.width

    def frames(self, start: int = 0) -> Iterator[Tensor]:
        """The frames from number ``start`` on, ``(3, H, W)`` uint8, one at a time."""
        return video_frames(self.path, start)

    @property
    def likely_count(self) -> int:
        """Number of frames, for a progress bar: what the file says, 0 where it does not."""
        return probe_video(self.path).frames

    def remark(self) -> str:
        """What should be known before this is used, in words; empty when nothing."""
        rate = probe_video(self.path).rate
        if not 0 < rate < SLOWEST_RATE:
            return ""
        return f"plays {rate:g} frames a second; unless it is slow motion, averages will show separate copies"

    def fingerprint(self) -> str:
        """Changes when the file does."""
        return fingerprint(self.path)

    @cached_property
    def count(self) -> int:
        """Number of frames, found by decoding all of them."""
        return count_frames(self.path)


FrameSequence = FrameFolder | Video


def find_sequences(paths: Sequence[Path]) -> list[FrameSequence]:
    """Videos, folders that hold images, and both below the given folders.

    Raises:
        FileNotFoundError: A path is missing, or nothing is there.
        ValueError: Two sequences would have the same name.
    """
    sequences: list[FrameSequence] = []
    for path in paths:
        if path.is_file():
            sequences.append(Video(path, path.stem))
            continue
        if not path.is_dir():
            raise FileNotFoundError(f"no file or folder {path}")
        before = len(sequences)
        for folder, files in walk_folders(path):
            if images_among(files):
                name = folder.relative_to(path).as_posix() if folder != path else folder.resolve().name
                sequences.append(FrameFolder(folder, name))
            videos = [file for file in files if file.suffix.lower() in VIDEO_SUFFIXES]
            sequences += [Video(file, file.relative_to(path).with_suffix("").as_posix()) for file in videos]
        if len(sequences) == before:
            raise FileNotFoundError(f"no frames below {path}: expected folders of images, or videos")
    named: dict[str, FrameSequence] = {}
    for sequence in sequences:
        if sequence.name in named:
            raise ValueError(
                f"{named[sequence.name].path} and {sequence.path} would both be sequence {sequence.name}; "
                "rename one, or give the folder above both"
            )
        named[sequence.name] = sequence
    return sequences


def store_sequences(sequences: Sequence[FrameSequence], options: StoreOptions) -> ImageStore:
    """All frames of all sequences in one store, ``(3, h, w)`` uint8 each; videos are read twice, to count them first.

    Raises:
        ValueError: The frames of a sequence differ in size, cannot be read, or do not fit where ``options.place`` wants
            them.
        OSError: There is no room for the cache file.
    """
    shapes, names = [], []
    for sequence in sequences:
        (height, width), count = sequence.check(), sequence.count
        shapes += [(3, height, width)] * count
        names += [f"{sequence.path}, frame {number}" for number in range(count)]
    images = chain.from_iterable(sequence.frames() for sequence in sequences)
    return fill_store(images, shapes, names, cache_key(s.fingerprint() for s in sequences), options)
