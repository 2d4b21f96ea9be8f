"""High-speed frames averaged into motion blur, on the fly.

Nah, Kim, Lee 2017, section 2: blurry = g(mean of g⁻¹(frames)), g(x) = x^(1/γ); the sharp image is the middle frame.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import accumulate, pairwise

import torch
from torch import Tensor

from .sequences import FrameSequence
from .source import numbered_rng
from .store import ImageStore

GAMMA = 2.2
"""γ of GOPRO's ``blur_gamma``."""


def average_frames(frames: Iterable[Tensor], gamma: float) -> Tensor:
    """The blurry image that a camera with this response makes of the frames.

    Args:
        frames: uint8 of one shape and device, taken one at a time.
        gamma: 1 averages the values as they are (GOPRO's ``blur``), 2.2 the light (``blur_gamma``).

    Returns:
        uint8 of the frames' shape.
    """
    total, count = torch.zeros(()), 0
    for frame in frames:
        if gamma == 1:
            light = frame.float()
        else:  # a table is several times faster than as many powers
            light = _light(gamma, frame.device).index_select(0, frame.flatten().int()).view(frame.shape)
        total, count = light if count == 0 else total.add_(light), count + 1
    mean = total / count
    return (mean if gamma == 1 else 255 * mean.pow(1 / gamma)).round().to(torch.uint8)


@lru_cache(maxsize=16)
def _light(gamma: float, device: torch.device) -> Tensor:
    """The light behind each of the 256 values."""
    return (torch.arange(256, device=device) / 255).pow(gamma)


class Frames:
    """A :class:`~training.data.source.Source` that averages windows of stored frames, cropped at random."""

    def __init__(
        self,
        store: ImageStore,
        sequences: Sequence[FrameSequence],
        seed: int,
        frames: tuple[int, int] = (7, 13),
        gammas: Sequence[float] = (GAMMA,),
    ) -> None:
        """
        Args:
            store: All frames, as :func:`~training.data.sequences.store_sequences` gives them.
            sequences: Those that are stored, in this order.
            seed: Of the choice of windows, lengths, positions and γ.
            frames: Fewest and most frames of an average, both odd.
            gammas: One of them is drawn for every patch; 1 and 2.2 are GOPRO's.

        Raises:
            ValueError: No sequence has enough frames that follow each other.
        """
        fewest, most = frames
        if not (3 <= fewest <= most and fewest % 2 and most % 2):
            raise ValueError(f"expected odd numbers of frames of at least 3, fewest first, found {fewest} and {most}")
        self.store, self.seed, self.gammas = store, seed, tuple(gammas)
        self.runs = _runs(sequences, [sequence.count for sequence in sequences])
        longest = max(stop - start for start, stop in self.runs)
        if longest < most:
            raise ValueError(
                f"averages of up to {most} frames need as many that follow each other; the longest run in "
                f"{', '.join(str(sequence.path) for sequence in sequences[:3])} has {longest}"
            )
        self.lengths = range(fewest, most + 1, 2)
        self.windows = {n: list(accumulate(max(0, b - a - n + 1) for a, b in self.runs)) for n in self.lengths}

    @property
    def device(self) -> torch.device:
        """Where patches are made."""
        return self.store.device

    def check(self, size: int) -> None:
        """Whether patches of this size can be drawn.

        Raises:
            ValueError: A sequence's frames are smaller; the message names it.
        """
        self.store.check(size)

    def draw(self, numbers: Sequence[int], size: int) -> Tensor:
        """Patches as :meth:`~training.data.source.Source.draw` says.

        Raises:
            ValueError: A sequence's frames are smaller than the patches.
        """
        self.check(size)
        patches = torch.empty(len(numbers), 6, size, size, dtype=torch.uint8, device=self.device)
        for patch, number in zip(patches, numbers, strict=True):
            draws = torch.rand(5, generator=numbered_rng(self.seed, "frames", number), dtype=torch.float64).tolist()
            length = self.lengths[int(draws[0] * len(self.lengths))]
            first = self._window(length, draws[1])
            _, height, width = self.store.shapes[first]
            top, left = int(draws[2] * (height - size + 1)), int(draws[3] * (width - size + 1))
            crops = [frame[:, top : top + size, left : left + size] for frame in self.store[first : first + length]]
            patch[:3] = average_frames(crops, self.gammas[int(draws[4] * len(self.gammas))])
            patch[3:] = crops[length // 2]
        return patches

    def _window(self, length: int, place: float) -> int:
        """Index in the store of the first frame of the window at a place in [0, 1) among all of this length."""
        ends = self.windows[length]
        chosen = int(place * ends[-1])
        run = bisect_right(ends, chosen)
        return self.runs[run][0] + chosen - (ends[run - 1] if run else 0)


def _runs(sequences: Sequence[FrameSequence], counts: Sequence[int]) -> list[tuple[int, int]]:
    """First index and index after the last of frames that follow each other, in the store."""
    runs, start = [], 0
    for sequence, count in zip(sequences, counts, strict=True):
        marks = [0, *sorted(index for index in sequence.breaks if 0 < index < count), count]
        runs += [(start + a, start + b) for a, b in pairwise(marks)]
        start += count
    return runs
