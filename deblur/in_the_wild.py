"""DeblurNet: the network of Noroozi, Chandramouli and Favaro.

Paper: "Motion Deblurring in the Wild", GCPR 2017, https://arxiv.org/abs/1701.01486
Original code: none was published.

Differs from the paper: the downsampling D is not specified there; means of 2×2 pixels fit the published sizes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from .config import check_choices, check_range, short
from .padding import Border
from .pyramid import build_pyramid
from .resize import PyramidKernel

N1_KERNEL_SIZES = (11, 7, 7, 7, 3, 3)
N1_STRIDES = (2, 1, 1, 2, 1, 1)
N2_KERNEL_SIZE = 5


@dataclass(frozen=True)
class DeblurNetConfig:
    """Configuration of DeblurNet."""

    network: ClassVar[str] = "deblurnet"

    channels: tuple[int, ...] = (96, 256, 384, 384, 256, 256)
    """Feature channels of the first six convolutions of N1."""
    fine_channels: int = 256
    """Feature channels of N2 and N3."""
    pyramid: PyramidKernel = "area"
    """The downsampling D of the skip connections and of the training targets."""

    def __post_init__(self) -> None:
        check_range(self, channels=(1, 4096), fine_channels=(1, 4096))
        check_choices(self)
        if len(self.channels) != len(N1_KERNEL_SIZES):
            raise ValueError(f"deblurnet: channels must be six numbers, found {short(self.channels)}")


def _normalised(in_channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    ]


def _upscaling_subgraph(channels: int) -> nn.Sequential:
    layers = _normalised(3, channels, N2_KERNEL_SIZE)
    for _ in range(3):
        layers += _normalised(channels, channels, N2_KERNEL_SIZE)
    layers.append(nn.ConvTranspose2d(channels, 3, N2_KERNEL_SIZE, stride=2, padding=2, output_padding=1))
    return nn.Sequential(*layers)


class DeblurNet(nn.Module):
    """Restores a quarter, a half and the full resolution in turn, each as a residual to the downsampled input.

    y₁ = N1(g) + D¼(g), y₂ = N2(y₁) + D½(g), y₃ = N3(y₂) + g.

    Shape: a pyramid of ``(B, 3, H / 2^k, W / 2^k)``, k = 0, 1, 2, to the same, both in [0, 1] and finest first; the
    output is not clamped. ``H`` and ``W`` are multiples of 4.
    """

    border: Border = "reflect"
    size_multiple = 4

    def __init__(self, config: DeblurNetConfig) -> None:
        super().__init__()
        self.config = config
        layers: list[nn.Module] = []
        in_channels = 3
        for out_channels, kernel_size, stride in zip(config.channels, N1_KERNEL_SIZES, N1_STRIDES, strict=True):
            layers += _normalised(in_channels, out_channels, kernel_size, stride)
            in_channels = out_channels
        layers.append(nn.Conv2d(in_channels, 3, 3, padding=1))
        self.n1 = nn.Sequential(*layers)
        self.n2 = _upscaling_subgraph(config.fine_channels)
        self.n3 = _upscaling_subgraph(config.fine_channels)

    def pyramid(self, image: Tensor, kernel: PyramidKernel | None = None) -> tuple[Tensor, ...]:
        """The levels that ``forward`` takes, and that its outputs are compared with in training.

        Another kernel than the configuration's is for experiments.
        """
        return build_pyramid(image, 3, kernel or self.config.pyramid)

    def coarse(self, levels: Sequence[Tensor]) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Restores a half and a quarter of the resolution; N1 reads the full-resolution image for it.

        Returns:
            The two restored levels, finer first, and what ``finest`` needs of them.
        """
        quarter = self.n1(levels[0]) + levels[2]
        half = self.n2(quarter) + levels[1]
        return (half, quarter), (half,)

    def finest(self, level: Tensor, carried: tuple[Tensor, ...]) -> Tensor:
        """Restores the finest level, or a part of it with the same part of ``carried``."""
        return self.n3(carried[0]) + level

    def forward(self, levels: Sequence[Tensor]) -> tuple[Tensor, ...]:
        outputs, carried = self.coarse(levels)
        return (self.finest(levels[0], carried), *outputs)
