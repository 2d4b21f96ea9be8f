"""What a network costs and sees: parameters, multiply-accumulates, receptive field."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from .in_the_wild import DeblurNetConfig
from .presets import Config, Network, build_network
from .scale_recurrent import ScaleRecurrentConfig

GAIN = 0.5
"""Sum of a probing kernel's weights: below 1, so that residual sums do not drive a recurrent cell into saturation."""


@dataclass(frozen=True)
class Cost:
    """Figures of a network, the same on every machine."""

    parameters: int
    """Trained numbers; the statistics of batch normalisation are not among them."""
    macs_256: int
    """Multiply-accumulates of convolutions for a 256×256 image."""
    macs_720p: int
    """The same for 1280×720."""
    receptive_radius: int
    """Pixels in each direction, at full resolution, that can influence an output pixel."""
    finest_radius: int
    """The same within the finest scale alone; the halo of a tile that makes tiling exact."""
    size_multiple: int
    """Both sides of an image are padded to a multiple of this."""


def parameter_count(network: nn.Module) -> int:
    """Number of trained parameters."""
    return sum(parameter.numel() for parameter in network.parameters())


def macs(config: Config, height: int, width: int) -> int:
    """Multiply-accumulates for one image, padding to the size multiple included; nothing is computed for it."""
    with torch.device("meta"):
        network = build_network(config).train(False)
        sides = (-(-side // network.size_multiple) * network.size_multiple for side in (height, width))
        image = torch.empty(1, 3, *sides)
        with torch.inference_mode(), FlopCounterMode(display=False) as counter:
            network(network.pyramid(image))
    return counter.get_total_flops() // 2


@lru_cache
def finest_radius(config: Config) -> int:
    """Receptive radius of the finest scale alone, in pixels.

    Both radii are found by differentiation: in a copy of the network with one channel and positive weights, an output
    pixel has a gradient in every input pixel that can influence it. Channels do not change the receptive field.
    """

    def output(network: Network, image: Tensor) -> Tensor:
        levels = network.pyramid(image)
        with torch.no_grad():
            _, carried = network.coarse(levels)
        # Every carried tensor is driven by the image at its own stride, as if it were an input.
        driven = tuple(
            tensor + nn.functional.avg_pool2d(image.mean(1, keepdim=True), image.shape[-1] // tensor.shape[-1])
            for tensor in carried
        )
        return network.finest(levels[0], driven)

    return _radius(config, output)


@lru_cache
def receptive_radius(config: Config) -> int:
    """Receptive radius of the whole network at full resolution, in pixels, the pyramid included."""
    return _radius(config, lambda network, image: network(network.pyramid(image))[0])


def cost(config: Config) -> Cost:
    """All figures of a configuration."""
    with torch.device("meta"):
        network = build_network(config)
    return Cost(
        parameters=parameter_count(network),
        macs_256=macs(config, 256, 256),
        macs_720p=macs(config, 720, 1280),
        receptive_radius=receptive_radius(config),
        finest_radius=finest_radius(config),
        size_multiple=network.size_multiple,
    )


def _thin(config: Config) -> Config:
    if isinstance(config, DeblurNetConfig):
        return replace(config, channels=(1,) * len(config.channels), fine_channels=1)
    if isinstance(config, ScaleRecurrentConfig):
        return replace(config, channels=(1, 1, 1), stop_gradient=False)
    return replace(config, channels=1)


@torch.inference_mode(False)
@torch.enable_grad()
def _radius(config: Config, output: Callable[[Network, Tensor], Tensor]) -> int:
    network = build_network(_thin(config)).double().train(False)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(GAIN / max(1, parameter[0].numel()))
    multiple = network.size_multiple
    length = 256
    while True:
        length *= 2
        width = -(-length // multiple) * multiple
        image = torch.full((1, 3, multiple, width), 0.75, dtype=torch.float64, requires_grad=True)
        restored = output(network, image)
        radius = 0
        for offset in range(multiple):  # the reach depends on the position within a block of size_multiple pixels
            centre = width // 2 // multiple * multiple + offset
            (gradient,) = torch.autograd.grad(restored[0, :, :, centre].sum(), image, retain_graph=True)
            reached = gradient.abs().sum(dim=(0, 1, 2)).nonzero()
            radius = max(radius, centre - int(reached.min()), int(reached.max()) - centre)
            if radius >= width // 2 - multiple:
                break  # the image is too short to tell
        if radius < width // 2 - multiple:
            return radius
