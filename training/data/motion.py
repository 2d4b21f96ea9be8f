"""Smooth random motions of a camera, or of an object in front of it, over one exposure."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

FINE_STEPS = 129


def uniform(rng: torch.Generator, low: float, high: float) -> float:
    """One number from U[low, high)."""
    return low + (high - low) * float(torch.rand((), generator=rng))


@dataclass(frozen=True)
class MotionSettings:
    """Ranges of a random motion, in pixels of the rendered image unless said otherwise.

    The defaults make the blur of renderings like that of GOPRO's training sequence GOPR0372_07_00, as measured by
    ``python -m training.statistics``. There, phase correlation of neighbouring sharp images gives a camera that moves
    by 21 pixels over a blurry image's 7 frames, 2 to 52, along paths that are mostly straight.
    """

    extent_mean: float = 26.0
    """Mean length of the path."""
    extent_shape: int = 4
    """Shape of the Gamma distribution of lengths; 1 is exponential, larger values crowd about the mean."""
    extent_max: float = 56.0
    """Longest path, and the farthest that any pixel moves from where it is in the middle of the exposure."""
    still: float = 0.05
    """Probability that nothing moves by more than a pixel, so that sharp images stay as they are."""
    bend: float = 0.8
    """Largest weight of acceleration and turning beside that of steady motion; most paths have far less."""
    tremor: float = 0.12
    """Largest weight of a faster shake."""
    roll_std: float = 0.008
    """Standard deviation of the roll over the exposure, in radians."""
    zoom_std: float = 0.006
    """Standard deviation of the relative zoom over the exposure."""
    focal_min: float = 700.0
    """Shortest focal length; a camera that turns gives perspective, the more the shorter it is."""
    focal_max: float = 2000.0
    """Longest focal length."""
    centre_std: float = 250.0
    """Standard deviation of the distance between the rendered part and the centre of roll, zoom and perspective."""

    def __post_init__(self) -> None:
        if not 0 <= self.still <= 1 or min(self.extent_mean, self.extent_max) < 0 or self.extent_shape < 1:
            raise ValueError(f"expected lengths from 0 and a probability of standing still in [0, 1], found {self}")
        if not 0 < self.focal_min <= self.focal_max:
            raise ValueError(f"expected 0 < focal_min <= focal_max, found {self.focal_min} and {self.focal_max}")


@dataclass(frozen=True)
class Motion:
    """A motion over an exposure, t from -1/2 to 1/2; at t = 0 it is the identity.

    Four tracks (two of translation, roll, zoom) are each a sum of a drift, an acceleration, a turn and a tremor.
    """

    coefficients: Tensor
    """``(4, 4)`` float64, tracks by terms."""
    frequency: float = 1.0
    """Turns in an exposure; a tremor is three times as fast."""
    focal: float = math.inf
    """Focal length in pixels: a camera that turns by 1 / focal moves the image by a pixel and tilts it."""
    centre: tuple[float, float] = (0.0, 0.0)
    """x, y of the optical axis, from the rendered image's centre."""

    def tracks(self, t: Tensor) -> Tensor:
        """``(4, N)`` values of the tracks at ``(N,)`` float64 times."""
        angle = 2 * math.pi * self.frequency * t
        turn, tremor = torch.sin(angle) / (2 * math.pi * self.frequency), torch.sin(3 * angle) / 6
        return self.coefficients @ torch.stack((t, 2 * t * t, turn, tremor))

    def homographies(self, t: Tensor) -> Tensor:
        """``(N, 3, 3)`` float64 maps of pixel offsets from the rendered image's centre, at ``(N,)`` times."""
        x, y, roll, zoom = self.tracks(t.double())
        cx, cy = self.centre
        cos, sin = (1 + zoom) * torch.cos(roll), (1 + zoom) * torch.sin(roll)
        px, py, one = -x / self.focal**2, -y / self.focal**2, torch.ones_like(x)
        move = torch.stack((cos, -sin, x, sin, cos, y, px, py, one), dim=-1).view(-1, 3, 3)
        there = torch.tensor([[1, 0, -cx], [0, 1, -cy], [0, 0, 1]], dtype=torch.float64)
        back = torch.tensor([[1, 0, cx], [0, 1, cy], [0, 0, 1]], dtype=torch.float64)
        return back @ move @ there


@dataclass(frozen=True)
class Motions:
    """Motions one after the other: what an object does in front of a camera that moves too."""

    steps: tuple[Motion, ...]

    def homographies(self, t: Tensor) -> Tensor:
        """As :meth:`Motion.homographies`; the first step acts on the rendered image's pixels."""
        total = torch.eye(3, dtype=torch.float64).expand(len(t), 3, 3)
        for step in self.steps:
            total = step.homographies(t) @ total
        return total


def corner_tracks(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """``(N, 4, 2)`` places, x and y, to which ``(N, 3, 3)`` maps take an image's corners; its centre is the origin."""
    h, w = size
    corners = [[-w / 2, -h / 2, 1.0], [w / 2, -h / 2, 1], [-w / 2, h / 2, 1], [w / 2, h / 2, 1]]
    moved = torch.tensor(corners, dtype=maps.dtype) @ maps.transpose(1, 2)
    return moved[..., :2] / moved[..., 2:]


def frames_needed(motion: Motion | Motions, size: tuple[int, int]) -> int:
    """The least number of frames with at most one pixel between neighbours anywhere in the image."""
    tracks = corner_tracks(motion.homographies(_fine_times()), size)
    fastest = float(tracks.diff(dim=0).norm(dim=-1).max()) * (FINE_STEPS - 1)
    return max(1, math.ceil(fastest))


def draw_extent(settings: MotionSettings, rng: torch.Generator) -> float:
    """A path length: less than a pixel, or Gamma-distributed about the mean and cut off at the longest."""
    if uniform(rng, 0, 1) < settings.still:
        return uniform(rng, 0, min(1.0, settings.extent_max))
    exponentials = -torch.log(torch.rand(settings.extent_shape, generator=rng).clamp(min=1e-12))
    return min(float(exponentials.mean()) * settings.extent_mean, settings.extent_max)


def draw_motion(settings: MotionSettings, extent: float, size: tuple[int, int], rng: torch.Generator) -> Motion:
    """A random motion whose translation is ``extent`` pixels long.

    It is less where roll and zoom would take a corner of the image farther than the settings' ``extent_max``.
    """
    frequency = uniform(rng, 0.6, 2.5)
    unsteady = [most * uniform(rng, 0, 1) ** 2 for most in (settings.bend, settings.bend, settings.tremor)]
    weights = torch.tensor([1.0, *unsteady], dtype=torch.float64)
    coefficients = torch.randn(4, 4, generator=rng, dtype=torch.float64) * weights
    focal = uniform(rng, settings.focal_min, settings.focal_max)
    centre = (torch.randn(2, generator=rng, dtype=torch.float64) * settings.centre_std).tolist()
    path = Motion(coefficients, frequency).tracks(_fine_times())[:2]
    length = float(path.diff(dim=1).norm(dim=0).sum())
    coefficients[:2] *= extent / max(length, 1e-6)
    slowly = min(1.0, extent / settings.extent_mean) if settings.extent_mean > 0 else 0.0
    coefficients[2] *= settings.roll_std * slowly
    coefficients[3] *= settings.zoom_std * slowly
    motion = Motion(coefficients, frequency, focal, (centre[0], centre[1]))
    tracks = corner_tracks(motion.homographies(_fine_times()), size)
    farthest = float((tracks - tracks[FINE_STEPS // 2]).norm(dim=-1).max())
    coefficients *= min(1.0, settings.extent_max / max(farthest, 1e-6))
    return motion


def _fine_times() -> Tensor:
    return torch.linspace(-0.5, 0.5, FINE_STEPS, dtype=torch.float64)
