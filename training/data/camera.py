"""A virtual high-speed camera: sharp photographs in, motion blur with its sharp middle frame out.

The camera moves along a smooth random path over a photograph; objects cut from other photographs move in front of
it along paths of their own. Frames lie so close that nothing moves more than a pixel between two of them, and their
average is the blurry image, as in the making of GOPRO (Nah et al. 2017, section 2).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .cutout import cut_textured, soft_blob, soften
from .development import Development, add_noise, develop, through_jpeg, to_light, to_uint8
from .exposure import Layer, expose
from .motion import Motion, Motions, MotionSettings, draw_extent, draw_motion, uniform
from .upload import upload

LARGEST_OBJECT = 1.1
"""Side of the largest object, relative to the longer side of the rendered image."""
BOX_MARGIN = 4


@dataclass(frozen=True)
class CameraSettings:
    """What the virtual camera draws at random, in pixels of the rendered image unless said otherwise."""

    camera: MotionSettings = field(default_factory=MotionSettings)
    """How the camera moves."""
    object: MotionSettings = field(
        default_factory=lambda: MotionSettings(
            extent_mean=20.0, extent_shape=2, roll_std=0.02, zoom_std=0.01, still=0.15
        )
    )
    """How objects move through the scene."""
    objects: tuple[float, ...] = (0.45, 0.35, 0.2)
    """Probabilities of 0, 1, 2, … moving objects."""
    followed: float = 0.25
    """Probability that the camera follows an object, so that its own motion is all that is seen of it."""
    scale_min: float = 0.5
    """Photographs are magnified by up to 1 over this, which takes away detail that a video camera does not have."""
    softness_max: float = 0.7
    """Largest standard deviation of the lens' point spread, in pixels of the photograph; the sharp image has it too."""
    gamma_linear: float = 0.5
    """Probability that frames are averaged as they are (γ = 1, GOPRO's ``blur``)."""
    gamma_full: float = 0.2
    """Probability that they are averaged in light (γ as below, GOPRO's ``blur_gamma``); else γ is uniform between."""
    gamma_max: float = 2.2
    """The γ of light itself."""
    highlights: float = 0.25
    """Probability that clipped highlights get back some of the light that was clipped, and streak."""
    noise: float = 0.5
    """Probability of noise on the blurry image."""
    read_noise_max: float = 0.0018
    """Largest standard deviation of the noise of the dark sensor, relative to white in linear light."""
    shot_noise_max: float = 0.00018
    """Largest variance of the noise of the light at white; in proportion to the light elsewhere."""
    jpeg: float = 0.0
    """Probability that the blurry image goes through JPEG; none by default, as GOPRO's images are stored as PNG."""
    jpeg_quality_min: int = 70
    """Lowest JPEG quality; the highest is 98."""

    def __post_init__(self) -> None:
        chances = ("followed", "gamma_linear", "gamma_full", "highlights", "noise", "jpeg")
        wrong = [name for name in chances if not 0 <= getattr(self, name) <= 1]
        if wrong or self.gamma_linear + self.gamma_full > 1:
            raise ValueError(f"expected probabilities in [0, 1], those of gamma adding up to at most 1, found {self}")
        if not self.objects or min(self.objects) < 0 or sum(self.objects) <= 0:
            raise ValueError(f"expected probabilities of 0, 1, 2, … objects, found {self.objects}")
        if not 0 < self.scale_min <= 1 or not 1 <= self.jpeg_quality_min <= 98:
            raise ValueError(f"expected scale_min in (0, 1] and jpeg_quality_min in 1 to 98, found {self}")


def draw_development(settings: CameraSettings, rng: torch.Generator) -> Development:
    """Random response, highlights, softness, noise and compression."""
    chance = uniform(rng, 0, 1)
    between = uniform(rng, 1.0, settings.gamma_max)
    if chance < settings.gamma_linear:
        gamma = 1.0
    else:
        gamma = settings.gamma_max if chance < settings.gamma_linear + settings.gamma_full else between
    noisy, noise_seed = _chance(settings.noise, rng), int(torch.randint(2**62, (), generator=rng))
    read, shot = uniform(rng, 0, settings.read_noise_max), uniform(rng, 0, settings.shot_noise_max)
    boost = uniform(rng, 1.2, 4.0)
    quality = int(torch.randint(settings.jpeg_quality_min, 99, (), generator=rng))
    return Development(
        gamma=gamma,
        boost=boost if _chance(settings.highlights, rng) else 1.0,
        softness=uniform(rng, 0, settings.softness_max),
        read_noise=read if noisy else 0.0,
        shot_noise=shot if noisy else 0.0,
        noise_seed=noise_seed,
        jpeg_quality=quality if _chance(settings.jpeg, rng) else None,
    )


def photograph(
    pictures: Sequence[Sequence[Tensor]],
    size: tuple[int, int],
    settings: CameraSettings,
    generators: Sequence[torch.Generator],
    device: torch.device | str = "cpu",
) -> Tensor:
    """Blurry images and their sharp middle frames, a batch at once.

    Args:
        pictures: For each image its sharp ``(3, h, w)`` uint8 photographs, of any size and on any device: the
            background, then one for every object that may appear. Only the parts that are seen are moved.
        size: Height and width to render, in pixels.
        settings: The ranges of everything that is drawn at random.
        generators: For each image its only source of randomness, on the CPU. An image depends on its generator and
            photographs, not on its neighbours: on the CPU bit for bit.
        device: Where the work is done.

    Returns:
        ``(B, 6, H, W)`` uint8 on the device, blurry above sharp.
    """
    device = torch.device(device)
    scenes, developments = [], []
    for own_pictures, rng in zip(pictures, generators, strict=True):
        development = draw_development(settings, rng)
        scenes.append(draw_scene(own_pictures, size, settings, development, rng, device))
        developments.append(development)
    images = torch.empty(len(scenes), 6, *size, dtype=torch.uint8, device=device)
    for image, blurry, sharp, development in zip(images, *expose(scenes, size, device), developments, strict=True):
        blurry = to_uint8(add_noise(develop(blurry, development), development))
        if development.jpeg_quality is not None:
            blurry = through_jpeg(blurry, development.jpeg_quality)
        image[:3], image[3:] = blurry, to_uint8(develop(sharp, development))
    return images


def draw_scene(
    pictures: Sequence[Tensor],
    size: tuple[int, int],
    settings: CameraSettings,
    development: Development,
    rng: torch.Generator,
    device: torch.device,
) -> list[Layer]:
    """A photograph as background and random parts of others as objects before it, each with a motion."""
    h, w = size
    scale = uniform(rng, settings.scale_min, 1.0)
    camera = draw_motion(settings.camera, draw_extent(settings.camera, rng), size, rng)
    reach = math.ceil(settings.camera.extent_max) + BOX_MARGIN
    box, (y, x) = cut_textured(pictures[0], (h * scale, w * scale), (h + 2 * reach, w + 2 * reach), rng)
    light = soften(to_light(upload(box, device), development), development.softness)
    layers = [Layer(light, camera, _placement(scale, y - 0.5, x - 0.5))]
    count = int(torch.multinomial(torch.tensor(settings.objects), 1, generator=rng))
    for picture in pictures[1 : 1 + count]:
        motion = draw_motion(settings.object, draw_extent(settings.object, rng), size, rng)
        followed = _chance(settings.followed, rng)
        layers.append(
            _draw_object(
                picture, motion if followed else Motions((camera, motion)), size, settings, development, rng, device
            )
        )
    return layers


def _draw_object(
    picture: Tensor,
    motion: Motion | Motions,
    size: tuple[int, int],
    settings: CameraSettings,
    development: Development,
    rng: torch.Generator,
    device: torch.device,
) -> Layer:
    """A random part of a picture somewhere in the image or partly outside of it."""
    scale, largest = uniform(rng, settings.scale_min, 1.0), math.ceil(LARGEST_OBJECT * max(size))
    side = int(min(*picture.shape[-2:], scale * max(size) * uniform(rng, 0.25, LARGEST_OBJECT)))
    top, left = (int(torch.randint(length - side + 1, (), generator=rng)) for length in picture.shape[-2:])
    y, x = (uniform(rng, -0.55, 0.55) * length for length in size)
    cut = upload(picture[:, top : top + side, left : left + side], device)
    light = torch.zeros(4, largest, largest, device=device)
    light[:3, :side, :side] = soften(to_light(cut, development), development.softness)
    light[3, :side, :side] = soft_blob(side, rng, device)
    centre = (side - 1) / 2
    return Layer(light, motion, _placement(scale, centre - scale * y, centre - scale * x))


def _placement(scale: float, y: float, x: float) -> Tensor:
    return torch.tensor([[scale, 0.0, x], [0.0, scale, y], [0.0, 0.0, 1.0]], dtype=torch.float64)


def _chance(probability: float, rng: torch.Generator) -> bool:
    return uniform(rng, 0, 1) < probability
