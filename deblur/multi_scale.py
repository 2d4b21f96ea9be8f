"""MultiScaleNet: the multi-scale convolutional network of Nah, Kim and Lee.

Paper: "Deep Multi-scale Convolutional Neural Network for Dynamic Scene Deblurring", CVPR 2017,
https://arxiv.org/abs/1612.02177
Original code: https://github.com/SeungjunNah/DeepDeblur_release (torch7) and
https://github.com/SeungjunNah/DeepDeblur-PyTorch; no weights of theirs are used here.

Differs from the paper:
- The paper's text fixes 120 convolutions in all; with K = 3 that is 19 ResBlocks a scale, as in both official codes,
  which keep 19 for every K. Here K = 1 and 2 have 59 and 29, which match the published runtimes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from .config import check_choices, check_range
from .layers import convolution, res_blocks
from .padding import Border
from .pyramid import build_pyramid
from .resize import PyramidKernel

RANGE_CENTRE = 0.5


@dataclass(frozen=True)
class MultiScaleConfig:
    """Configuration of MultiScaleNet."""

    network: ClassVar[str] = "multi-scale"

    scales: int = 3
    """K, the number of pyramid levels restored, 1 to 6."""
    blocks: int = 19
    """ResBlocks at every scale. The paper's 120 convolutions are 59, 29 and 19 for K = 1, 2 and 3."""
    channels: int = 64
    """Feature channels."""
    kernel_size: int = 5
    """Side of every convolution's kernel, odd, in pixels."""
    pyramid: PyramidKernel = "gaussian"
    """How the blurry image is brought to the coarser scales."""

    @property
    def block_count(self) -> int:
        """ResBlocks in the whole network."""
        return self.scales * self.blocks

    def __post_init__(self) -> None:
        check_range(self, scales=(1, 6), blocks=(0, 256), channels=(1, 1024), kernel_size=(1, 15))
        check_choices(self)
        if self.kernel_size % 2 == 0:
            raise ValueError(f"multi-scale: kernel_size must be odd, found {self.kernel_size}")


class MultiScaleNet(nn.Module):
    """Restores a Gaussian pyramid from its coarsest level to its finest.

    Each scale: convolution, ResBlocks, convolution. A finer scale sees its blurry level and the coarser output,
    upconvolved (convolution and pixel shuffle). There is no residual from the input to the output. Inside, the
    range is [-0.5, 0.5]; the zero padding of the convolutions refers to it.

    Shape: a pyramid of ``(B, 3, H / 2^k, W / 2^k)``, k = 0 … K - 1, to the same, both in [0, 1] and finest first;
    the output is not clamped. ``H`` and ``W`` are multiples of ``size_multiple``.
    """

    border: Border = "reflect"

    def __init__(self, config: MultiScaleConfig) -> None:
        super().__init__()
        self.config = config
        self.size_multiple = 2 ** (config.scales - 1)
        c, k = config.channels, config.kernel_size
        self.bodies = nn.ModuleList(
            nn.Sequential(
                convolution(3 if scale == config.scales - 1 else 6, c, k),
                res_blocks(config.blocks, c, k),
                convolution(c, 3, k),
            )
            for scale in range(config.scales)
        )
        self.upconvolutions = nn.ModuleList(
            nn.Sequential(convolution(3, 12, k), nn.PixelShuffle(2)) for _ in range(config.scales - 1)
        )  # entry s - 1 takes the output of scale s to scale s - 1

    def pyramid(self, image: Tensor, kernel: PyramidKernel | None = None) -> tuple[Tensor, ...]:
        """The levels that ``forward`` takes, and that its outputs are compared with in training.

        Another kernel than the configuration's is for experiments.
        """
        return build_pyramid(image, self.config.scales, kernel or self.config.pyramid)

    def coarse(self, levels: Sequence[Tensor]) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Restores every level but the finest.

        Returns:
            The restored coarser levels, finest first, and what the finest scale needs of them, each tensor at the
            finest resolution or an integer fraction of it.
        """
        outputs: list[Tensor] = []
        carried: tuple[Tensor, ...] = ()
        for scale in range(self.config.scales - 1, 0, -1):
            output = self._restore(scale, levels[scale], carried)
            outputs.insert(0, output)
            carried = (self.upconvolutions[scale - 1](output - RANGE_CENTRE),)
        return tuple(outputs), carried

    def finest(self, level: Tensor, carried: tuple[Tensor, ...]) -> Tensor:
        """Restores the finest level, or a part of it with the same part of ``carried``."""
        return self._restore(0, level, carried)

    def forward(self, levels: Sequence[Tensor]) -> tuple[Tensor, ...]:
        outputs, carried = self.coarse(levels)
        return (self.finest(levels[0], carried), *outputs)

    def _restore(self, scale: int, level: Tensor, carried: tuple[Tensor, ...]) -> Tensor:
        features = torch.cat((level - RANGE_CENTRE, *carried), dim=1)
        return self.bodies[scale](features) + RANGE_CENTRE
