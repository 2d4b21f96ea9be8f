"""Which neighbouring frames are averaged: windows cut from a stream of frames, and why others are not.

Two recipes: Nah, Kim, Lee 2017, section 2 (GOPRO), and Noroozi, Chandramouli, Favaro 2017, section 4 (WILD).
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from .flow import measure_motion
from .source import numbered_rng

Verdict = Literal[
    "written", "flow too large", "flow not trusted", "scene cut", "gap in the numbering", "too few frames"
]
THUMBNAIL = (18, 32)


@dataclass(frozen=True)
class Recipe:
    """How frames become pairs; the defaults are Nah's recipe."""

    frames: tuple[int, int] = (7, 13)
    """Fewest and most frames of an average, both odd; an odd number between them is drawn for every window."""
    advance: int = 0
    """Frames from the beginning of a window to that of the next; 0: as many as were averaged, no overlap."""
    downsample: int = 1
    """Frames are made this many times smaller first, by area."""
    averages: tuple[str, ...] = ("blur", "blur_gamma")
    """Which averages to make: ``blur`` of the frames as they are, ``blur_gamma`` of their light (γ 2.2)."""
    max_flow: float = math.inf
    """Longest flow from a frame to the next, in pixels after downsampling; infinite: flow is not looked at."""
    flow_percentile: float = 99.0
    """Percentile of the flow's length that counts as longest. The maximum itself is decided by noise: with a standard
    deviation of 2 grey levels a shift of 0.25 px has a maximum above 1.5 px, but 99 of 100 vectors are right."""
    max_matching_error: float = 8.0
    """Largest frame-matching error of a flow that is trusted, in grey levels of 255."""
    max_change: float = 20.0
    """Largest mean difference of neighbouring frames, made 18×32 pixels small, that is no scene cut, in grey levels."""
    seed: int = 0
    """Of the numbers of frames."""

    def __post_init__(self) -> None:
        fewest, most = self.frames
        if not (3 <= fewest <= most and fewest % 2 and most % 2):
            raise ValueError(f"expected odd numbers of frames of at least 3, fewest first, found {fewest} and {most}")
        if self.advance < 0 or self.downsample < 1:
            raise ValueError(
                f"expected an advance of at least 0 and a downsampling of at least 1, found {self.advance} and "
                f"{self.downsample}"
            )
        if not 0 < self.flow_percentile <= 100 or min(self.max_flow, self.max_matching_error, self.max_change) <= 0:
            raise ValueError("expected limits above 0 and a percentile of at most 100")
        if not self.averages or not set(self.averages) <= {"blur", "blur_gamma"}:
            raise ValueError(f"expected averages out of blur and blur_gamma, found {self.averages}")

    def length(self, sequence: str, number: int) -> int:
        """Number of frames of a sequence's number-th window."""
        fewest, most = self.frames
        rng = numbered_rng(self.seed, f"window of {sequence}", number)
        return fewest + 2 * int(torch.randint((most - fewest) // 2 + 1, (), generator=rng))


NAH = Recipe()
NOROOZI = Recipe(frames=(7, 23), downsample=3, averages=("blur",), max_flow=1.0)


@dataclass(frozen=True)
class Window:
    """Neighbouring frames of a sequence that were to be averaged."""

    number: int
    """Counts all windows of a sequence, from 0."""
    first: int
    """Index of the first frame."""
    length: int
    """Number of frames that were to be averaged."""
    following: int
    """Index of the first frame of the next window."""
    verdict: Verdict
    flow: float = 0.0
    """Longest flow between two frames that were looked at, in pixels."""
    matching_error: float = 0.0
    """Largest frame-matching error, in grey levels."""
    change: float = 0.0
    """Largest change of neighbouring frames made small, in grey levels."""
    frames: tuple[Tensor, ...] = field(default=(), repr=False, compare=False)
    """The frames to average, ``(3, H, W)`` uint8; none when the window is dropped."""


@dataclass(frozen=True)
class _Link:
    """What was found between a frame and the next."""

    verdict: Verdict
    change: float = 0.0
    flow: float = 0.0
    matching_error: float = 0.0


def windows(
    frames: Iterable[Tensor],
    recipe: Recipe,
    sequence: str,
    breaks: frozenset[int] = frozenset(),
    start: int = 0,
    number: int = 0,
) -> Iterator[Window]:
    """Cuts a stream of frames into windows; holds the frames of one window and no more.

    A window that meets a frame which does not follow the one before closely enough is dropped, and the next one begins
    with that frame.

    Args:
        frames: ``(3, H, W)`` uint8 each, from number ``start`` on.
        recipe: What to cut.
        sequence: Name of the sequence; lengths depend on it, on the seed and on the window's number alone.
        breaks: Indices of frames that do not follow the one before.
        start: Index of the first frame: 0, or a window's ``following`` to go on after it.
        number: Number of the first window: 0, or one more than that window's.
    """
    held: deque[Tensor] = deque()
    links: deque[_Link] = deque()
    first, skip, length = start, 0, recipe.length(sequence, number)
    for frame in frames:
        if skip:
            skip -= 1
            continue
        frame = _downsampled(frame, recipe.downsample)
        if held:
            links.append(_link(held[-1], frame, first + len(held) in breaks, recipe))
        held.append(frame)
        if links and links[-1].verdict != "written":
            following = first + len(held) - 1
            yield _window(number, first, length, following, links[-1].verdict, links)
            number, first, length = number + 1, following, recipe.length(sequence, number + 1)
            held, links = deque([frame]), deque()
        while len(held) >= length:
            following = first + (recipe.advance or length)
            used = tuple(held)[:length]
            yield _window(number, first, length, following, "written", list(links)[: length - 1], used)
            skip = max(0, following - first - len(held))
            for _ in range(min(following - first, len(held))):
                held.popleft()
                if links:
                    links.popleft()
            number, first, length = number + 1, following, recipe.length(sequence, number + 1)
    if held:
        yield _window(number, first, length, first + len(held), "too few frames", links)


def _window(
    number: int,
    first: int,
    length: int,
    following: int,
    verdict: Verdict,
    links: Iterable[_Link],
    frames: tuple[Tensor, ...] = (),
) -> Window:
    links = list(links)
    flow = max((link.flow for link in links), default=0.0)
    matching_error = max((link.matching_error for link in links), default=0.0)
    change = max((link.change for link in links), default=0.0)
    return Window(number, first, length, following, verdict, flow, matching_error, change, frames)


def _link(before: Tensor, frame: Tensor, gap: bool, recipe: Recipe) -> _Link:
    if gap:
        return _Link("gap in the numbering")
    small = [F.adaptive_avg_pool2d(image.float(), THUMBNAIL) for image in (before, frame)]
    change = float((small[0] - small[1]).abs().mean())
    if change > recipe.max_change:
        return _Link("scene cut", change)
    if math.isinf(recipe.max_flow):
        return _Link("written", change)
    motion = measure_motion(before, frame, recipe.flow_percentile)
    verdict: Verdict = "written"
    if motion.matching_error > recipe.max_matching_error:
        verdict = "flow not trusted"
    elif motion.displacement > recipe.max_flow:
        verdict = "flow too large"
    return _Link(verdict, change, motion.displacement, motion.matching_error)


def _downsampled(frame: Tensor, factor: int) -> Tensor:
    return frame if factor == 1 else F.avg_pool2d(frame.float(), factor).round().to(torch.uint8)
