"""A virtual high-speed camera: sharp photographs in, motion blur with its sharp middle frame out.

The camera moves along a smooth random path over a photograph; objects cut from other photographs move in front of
it along paths of their own. Frames lie so close that nothing moves more than a pixel between two of them, and their
average is the blurry image, as in the making of GOPRO (Nah et al. 2017, section 2).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

FINE_STEPS = 129
FRAMES_AT_ONCE = 16


@dataclass(frozen=True)
class CameraSettings:
    """What the virtual camera draws at random, in pixels of the rendered image unless said otherwise."""

    extent_mean: float = 15.0
    """Mean length of the camera's path."""
    extent_max: float = 48.0
    """Longest path."""
    still: float = 0.08
    """Probability that the camera stands nearly still, so that sharp images stay as they are."""
    roll_std: float = 0.006
    """Standard deviation of the roll over the exposure, in radians."""
    zoom_std: float = 0.004
    """Standard deviation of the relative zoom over the exposure."""
    perspective_std: float = 6e-6
    """Standard deviation of the change of the perspective terms over the exposure, per pixel."""
    centre_std: float = 300.0
    """Standard deviation of the distance between the rendered part and the centre of roll and zoom."""
    objects: tuple[float, ...] = (0.45, 0.35, 0.2)
    """Probabilities of 0, 1, 2, … moving objects."""
    gamma_linear: float = 0.5
    """Probability that frames are averaged as they are (γ = 1, GOPRO's ``blur``)."""
    gamma_max: float = 2.2
    """Otherwise γ is uniform between 1 and this; 2.2 is light itself (GOPRO's ``blur_gamma``)."""
    highlights: float = 0.25
    """Probability that clipped highlights get back some of the light that was clipped, and streak."""
    noise_max: float = 2.0
    """Largest standard deviation of the noise on the blurry image, in grey levels of 255; half have none."""


def uniform(rng: torch.Generator, low: float, high: float) -> float:
    """One number from U[low, high)."""
    return low + (high - low) * float(torch.rand((), generator=rng))


class Motion:
    """A smooth random motion over an exposure, t from -1/2 to 1/2; at t = 0 it is the identity.

    Six tracks (two of translation, roll, zoom, two of perspective) are sums of a drift, a turn and a tremor.
    """

    def __init__(self, settings: CameraSettings, extent: float, rng: torch.Generator) -> None:
        self.frequency = uniform(rng, 0.6, 2.5)
        weights = torch.tensor([1.0, uniform(rng, 0, 1.6), uniform(rng, 0, 1.2), 0.12])
        self.coefficients = torch.randn(6, 4, generator=rng) * weights
        scales = (1.0, 1.0, settings.roll_std, settings.zoom_std, settings.perspective_std, settings.perspective_std)
        self.coefficients *= torch.tensor(scales)[:, None]
        fine = torch.linspace(-0.5, 0.5, FINE_STEPS)
        length = self._tracks(fine)[:2].diff(dim=1).norm(dim=0).sum()
        self.coefficients[:2] *= extent / float(length.clamp(min=1e-6))
        self.coefficients[2:] *= min(1.0, extent / settings.extent_mean)
        self.centre = torch.randn(2, generator=rng) * settings.centre_std

    def _tracks(self, t: Tensor) -> Tensor:
        """``(6, N)`` values of the tracks at ``(N,)`` times."""
        turn = torch.sin(2 * math.pi * self.frequency * t)
        tremor = torch.sin(2 * math.pi * 3 * self.frequency * t)
        return self.coefficients @ torch.stack((t, 2 * t * t, turn / (2 * math.pi * self.frequency), tremor / 6))

    def homographies(self, t: Tensor) -> Tensor:
        """``(N, 3, 3)`` maps of pixel offsets from the rendered image's centre, at ``(N,)`` times."""
        x, y, roll, zoom, px, py = self._tracks(t)
        one, nil = torch.ones_like(t), torch.zeros_like(t)
        cos, sin = (1 + zoom) * torch.cos(roll), (1 + zoom) * torch.sin(roll)
        move = torch.stack((cos, -sin, x, sin, cos, y, px, py, one), dim=-1).view(-1, 3, 3)
        cx, cy = self.centre
        there = torch.stack((one, nil, -cx * one, nil, one, -cy * one, nil, nil, one), dim=-1).view(-1, 3, 3)
        back = torch.stack((one, nil, cx * one, nil, one, cy * one, nil, nil, one), dim=-1).view(-1, 3, 3)
        return back @ move @ there

    def frames_needed(self, size: tuple[int, int]) -> int:
        """The least odd number of frames with at most one pixel between neighbours anywhere in the image."""
        h, w = size
        corners = torch.tensor([[-w / 2, -h / 2, 1.0], [w / 2, -h / 2, 1], [-w / 2, h / 2, 1], [w / 2, h / 2, 1]])
        moved = corners @ self.homographies(torch.linspace(-0.5, 0.5, FINE_STEPS)).transpose(1, 2)
        points = moved[..., :2] / moved[..., 2:]
        fastest = float(points.diff(dim=0).norm(dim=-1).max()) * (FINE_STEPS - 1)
        return 2 * math.ceil(fastest / 2) + 1


@dataclass(frozen=True)
class Layer:
    """A picture in front of the camera and how it moves."""

    picture: Tensor
    """``(3 or 4, h, w)``; linear in the averaged light, a fourth channel is opacity."""
    motion: Motion
    placement: Tensor
    """``(3, 3)``, from pixel offsets of the rendered image's centre to pixel positions in the picture."""

    def frames(self, t: Tensor, size: tuple[int, int]) -> Tensor:
        """``(N, C, H, W)`` frames at ``(N,)`` times."""
        h, w = size
        y, x = torch.meshgrid(
            torch.arange(h, dtype=torch.float32) - (h - 1) / 2,
            torch.arange(w, dtype=torch.float32) - (w - 1) / 2,
            indexing="ij",
        )
        maps = (self.placement @ self.motion.homographies(t))[:, :, :, None, None]
        x, y, z = (maps[:, row, 0] * x + maps[:, row, 1] * y + maps[:, row, 2] for row in range(3))
        ph, pw = self.picture.shape[-2:]
        grid = torch.stack((2 * (x / z + 0.5) / pw - 1, 2 * (y / z + 0.5) / ph - 1), dim=-1)
        border = "zeros" if len(self.picture) == 4 else "reflection"
        picture = self.picture.expand(len(t), -1, -1, -1)
        return F.grid_sample(picture, grid, mode="bilinear", padding_mode=border, align_corners=False)


def expose(layers: list[Layer], frames: int, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Averages frames of layers, the first at the back.

    Returns:
        The average and the middle frame, each ``(3, H, W)``, in the light of the layers' pictures, not clipped.
    """
    total = torch.zeros(3, *size)
    middle = total
    times = torch.linspace(-0.5, 0.5, frames) if frames > 1 else torch.zeros(1)
    for start in range(0, frames, FRAMES_AT_ONCE):
        t = times[start : start + FRAMES_AT_ONCE]
        frame = layers[0].frames(t, size)[:, :3]
        for layer in layers[1:]:
            front = layer.frames(t, size)
            frame = torch.lerp(frame, front[:, :3], front[:, 3:])
        total = total + frame.sum(dim=0)
        if start <= frames // 2 < start + len(t):
            middle = frame[frames // 2 - start]
    return total / frames, middle


def draw_extent(settings: CameraSettings, rng: torch.Generator) -> float:
    """A path length: nearly none, or Gamma(2)-distributed about the mean and cut off at the longest."""
    if uniform(rng, 0, 1) < settings.still:
        return uniform(rng, 0, 1)
    exponentials = -torch.log(torch.rand(2, generator=rng).clamp(min=1e-12))
    return min(float(exponentials.sum()) * settings.extent_mean / 2, settings.extent_max)


def soft_blob(size: int, rng: torch.Generator) -> Tensor:
    """``(size, size)`` opacity of a random shape with an edge a few pixels soft, empty at the border."""
    cells = int(torch.randint(4, 9, (), generator=rng))
    noise = torch.randn(1, 1, cells, cells, generator=rng)
    noise = F.interpolate(noise, size=(size, size), mode="bicubic", align_corners=True)[0, 0]
    axis = torch.linspace(-1, 1, size)
    stretch = uniform(rng, 0.5, 2.0)
    distance = (axis[:, None] * stretch) ** 2 + (axis[None, :] / stretch) ** 2
    inside = 0.35 * noise + 0.75 - 1.6 * distance
    edge = uniform(rng, 0.5, 2.0) * 4 / size
    frame = (1 - axis.abs().clamp(min=0.9).sub(0.9).mul(10)).clamp(0, 1)
    return (inside / edge + 0.5).clamp(0, 1) * frame[:, None] * frame[None, :]


def placement(picture: Tensor, size: tuple[int, int], scale: float, rng: torch.Generator, tries: int = 3) -> Tensor:
    """``(3, 3)`` map that puts the rendered image into the picture at a random sub-pixel position.

    Of several random places it takes the one with the most texture: sky and blurred backgrounds teach nothing.
    """
    h, w = picture.shape[-2:]
    half_h, half_w = (min(size[0] * scale, h) / 2, min(size[1] * scale, w) / 2)
    most, best = -1.0, (0.0, 0.0)
    for _ in range(tries):
        y, x = uniform(rng, half_h, h - half_h), uniform(rng, half_w, w - half_w)
        part = picture[1, int(y - half_h) : int(y + half_h) : 2, int(x - half_w) : int(x + half_w) : 2].float()
        texture = float(part.diff(dim=0).abs().mean() + part.diff(dim=1).abs().mean())
        if texture > most:
            most, best = texture, (y, x)
    y, x = best
    return torch.tensor([[scale, 0.0, x - 0.5], [0.0, scale, y - 0.5], [0.0, 0.0, 1.0]])


def photograph(
    pictures: list[Tensor], size: tuple[int, int], settings: CameraSettings, rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """One blurry image and its sharp middle frame.

    Args:
        pictures: Sharp ``(3, h, w)`` uint8 photographs: the background, then one for every object that may appear.
        size: Height and width to render, in pixels.
        settings: The ranges of everything that is drawn at random.
        rng: The only source of randomness; the same state gives the same images.

    Returns:
        Blurry and sharp, ``(3, H, W)`` uint8.
    """
    gamma = 1.0 if uniform(rng, 0, 1) < settings.gamma_linear else uniform(rng, 1.0, settings.gamma_max)
    boost = uniform(rng, 1.2, 4.0) if uniform(rng, 0, 1) < settings.highlights else 1.0

    def to_light(picture: Tensor) -> Tensor:
        light = (picture.float() / 255) ** gamma
        if boost > 1:
            clipped = ((picture.amin(dim=0, keepdim=True).float() - 235) / 20).clamp(0, 1)
            light = light * (1 + (boost - 1) * clipped)
        return light

    scale = uniform(rng, 0.65, 1.0)
    motion = Motion(settings, draw_extent(settings, rng) * scale, rng)
    layers = [Layer(to_light(pictures[0]), motion, placement(pictures[0], size, scale, rng))]
    count = int(torch.multinomial(torch.tensor(settings.objects), 1, generator=rng))
    for picture in pictures[1 : 1 + count]:
        side = int(min(*picture.shape[-2:], max(size) * uniform(rng, 0.35, 1.1)))
        top = int(torch.randint(picture.shape[-2] - side + 1, (), generator=rng))
        left = int(torch.randint(picture.shape[-1] - side + 1, (), generator=rng))
        cut = to_light(picture[:, top : top + side, left : left + side])
        cut = torch.cat((cut, soft_blob(side, rng)[None]))
        y, x = (uniform(rng, -0.4, 0.4) * n for n in size)
        place = torch.tensor([[1.0, 0.0, side / 2 - x], [0.0, 1.0, side / 2 - y], [0.0, 0.0, 1.0]])
        layers.append(Layer(cut, Motion(settings, draw_extent(settings, rng), rng), place))
    blurry, sharp = expose(layers, max(layer.motion.frames_needed(size) for layer in layers), size)

    def to_image(light: Tensor) -> Tensor:
        return light.clamp(0, 1) ** (1 / gamma)

    blurry, sharp = to_image(blurry), to_image(sharp)
    if uniform(rng, 0, 1) < 0.5:
        sigma = uniform(rng, 0, settings.noise_max) / 255
        blurry = blurry + sigma * torch.randn(blurry.shape, generator=rng)
    return tuple((image.clamp(0, 1) * 255).round().to(torch.uint8) for image in (blurry, sharp))  # type: ignore[return-value]
