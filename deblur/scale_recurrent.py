"""ScaleRecurrentNet: SRN-DeblurNet of Tao, Gao, Shen, Wang and Jia, and every model of its ablation table.

Paper: "Scale-recurrent Network for Deep Image Deblurring", CVPR 2018, https://arxiv.org/abs/1802.01770
Original code: https://github.com/jiangsutx/SRN-Deblur (TensorFlow 1, MIT); no weights of theirs are used here.

Differs from the paper:
- The ConvLSTM's kernel is 3×3, as in the official code; the paper's words make it 5×5 (``cell_kernel_size``).
- ``pyramid="bilinear"``, ``resize="bilinear"`` and ``padding="symmetric"`` are PyTorch's conventions.
  ``"bilinear-legacy"`` for both, ``"same"`` and ``border="edge"`` are TensorFlow 1's, in which the official weights
  were trained.
- The released "gray" and "lstm" weights are of a network with one channel (``image_channels``), which the official
  code runs on R, G and B in turn.
- ``unshuffle``, ``residual_output`` and ``pyramid="area"`` are ours, for ``scale-recurrent-lite``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .config import ADDED_LATER, check_choices, check_range, short
from .layers import ConvCell, ConvLSTM, ConvolutionPadding, ConvRNN, NoCell, convolution, res_blocks
from .padding import Border
from .pyramid import build_pyramid
from .resize import Doubling, PyramidKernel, double

CELL_INITIAL_STD = 1e-3


@dataclass(frozen=True)
class ScaleRecurrentConfig:
    """Configuration of ScaleRecurrentNet."""

    network: ClassVar[str] = "scale-recurrent"

    scales: int = 3
    """Number of scales, 1 to 6."""
    channels: tuple[int, ...] = (32, 64, 128)
    """Feature channels at the full, the halved and the quartered resolution of a scale."""
    blocks: int = 3
    """ResBlocks in each of the six encoder and decoder blocks."""
    kernel_size: int = 5
    """Side of the kernels of all convolutions but the cell's and the transposed ones (4×4), odd, in pixels."""
    cell: Literal["conv-lstm", "conv-rnn", "convolution", "none"] = "conv-lstm"
    """What stands in the bottleneck and, if it is recurrent, hands its state to the next finer scale."""
    cell_kernel_size: int = 3
    """Side of the cell's kernel, odd, in pixels."""
    shared: bool = True
    """One set of weights for all scales; otherwise each scale has its own."""
    strided: bool = True
    """Encoder and decoder halve and double the resolution; otherwise plain convolutions stand in their place."""
    skips: bool = True
    """Encoder features are added to the decoder's."""
    residual_blocks: bool = True
    """ResBlocks add their input; otherwise they are two plain convolutions."""
    unshuffle: int = 1
    """Side of the pixel blocks that become channels before the first convolution; 1 for none, as published."""
    residual_output: bool = False
    """The network's output is added to the blurry image; as published, it is the image itself."""
    stop_gradient: bool = True
    """No gradient flows through the coarser output into the coarser scale, as in the official code."""
    pyramid: PyramidKernel = "bilinear"
    """How the blurry image is brought to the coarser scales."""
    resize: Doubling = "bilinear"
    """Resizing of outputs and states from a scale to the next finer one."""
    padding: ConvolutionPadding = "symmetric"
    """Zero padding of strided convolutions."""
    border: Border = "reflect"
    """How an image is extended to a multiple of the network's size multiple."""
    image_channels: int = field(default=3, metadata=ADDED_LATER)
    """3 for a network that sees colours; 1 for one that restores R, G and B as three grey images in a batch."""

    @property
    def block_count(self) -> int:
        """ResBlocks in the whole network."""
        return 6 * self.blocks * (1 if self.shared else self.scales)

    def __post_init__(self) -> None:
        check_range(
            self,
            scales=(1, 6),
            channels=(1, 1024),
            blocks=(0, 64),
            kernel_size=(1, 15),
            cell_kernel_size=(1, 15),
            unshuffle=(1, 8),
            image_channels=(1, 3),
        )
        check_choices(self)
        if len(self.channels) != 3:
            raise ValueError(f"scale-recurrent: channels must be three numbers, found {short(self.channels)}")
        if self.kernel_size % 2 == 0 or self.cell_kernel_size % 2 == 0:
            raise ValueError("scale-recurrent: kernel_size and cell_kernel_size must be odd")
        if self.image_channels == 2:
            raise ValueError("scale-recurrent: image_channels must be 1 or 3, found 2")


_CELLS = {"conv-lstm": ConvLSTM, "conv-rnn": ConvRNN, "convolution": ConvCell}


class EncoderDecoder(nn.Module):
    """The network of one scale: encoder, recurrent cell, decoder.

    Shape: ``(B, 2C, H, W)`` with C = ``image_channels``, and the cell's state, tensors of
    ``(B, channels[2], H / s, W / s)`` with s = 4 · ``unshuffle`` (or ``unshuffle`` without strides), to
    ``(B, C, H, W)`` and the new state.
    """

    def __init__(self, config: ScaleRecurrentConfig) -> None:
        super().__init__()
        k, (c1, c2, c3), f = config.kernel_size, config.channels, config.unshuffle
        pixel_numbers = config.image_channels * f * f

        def blocks(channels: int) -> nn.Sequential:
            return res_blocks(config.blocks, channels, k, config.residual_blocks)

        def down(in_channels: int, out_channels: int) -> nn.Conv2d:
            return convolution(in_channels, out_channels, k, 2 if config.strided else 1, config.padding)

        def up(in_channels: int, out_channels: int) -> nn.Module:
            if config.strided:
                return nn.ConvTranspose2d(in_channels, out_channels, 4, stride=2, padding=1)
            return convolution(in_channels, out_channels, k)

        self.unshuffle, self.skips = f, config.skips
        self.head = convolution(2 * pixel_numbers, c1, k)
        self.encoder1 = blocks(c1)
        self.down1 = down(c1, c2)
        self.encoder2 = blocks(c2)
        self.down2 = down(c2, c3)
        self.encoder3 = blocks(c3)
        self.cell = _CELLS[config.cell](c3, config.cell_kernel_size) if config.cell in _CELLS else NoCell()
        self.decoder3 = blocks(c3)
        self.up2 = up(c3, c2)
        self.decoder2 = blocks(c2)
        self.up1 = up(c2, c1)
        self.decoder1 = blocks(c1)
        self.tail = convolution(c1, pixel_numbers, k)
        self._initialise(zero_tail=config.residual_output)

    def forward(self, images: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        if self.unshuffle > 1:
            images = F.pixel_unshuffle(images, self.unshuffle)
        fine = self.encoder1(F.relu(self.head(images)))
        middle = self.encoder2(F.relu(self.down1(fine)))
        coarse = self.encoder3(F.relu(self.down2(middle)))
        coarse, state = self.cell(coarse, state)
        up = F.relu(self.up2(self.decoder3(coarse)))
        up = self.decoder2(up + middle if self.skips else up)
        up = F.relu(self.up1(up))
        output = self.tail(self.decoder1(up + fine if self.skips else up))
        if self.unshuffle > 1:
            output = F.pixel_shuffle(output, self.unshuffle)
        return output, state

    def _initialise(self, zero_tail: bool) -> None:
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        if isinstance(self.cell, ConvLSTM):
            nn.init.trunc_normal_(self.cell.gates.weight, std=CELL_INITIAL_STD)
        if zero_tail:
            nn.init.zeros_(self.tail.weight)


class ScaleRecurrentNet(nn.Module):
    """Restores an image at its coarsest scale first and hands output and recurrent state to the next finer one.

    Shape: a pyramid of ``(B, 3, H / 2^k, W / 2^k)``, k = 0 … scales - 1, to the same, both in [0, 1] and finest
    first; the output is not clamped. ``H`` and ``W`` are multiples of ``size_multiple``.
    """

    def __init__(self, config: ScaleRecurrentConfig) -> None:
        super().__init__()
        self.config = config
        self.border: Border = config.border
        self.size_multiple = 2 ** (config.scales - 1) * config.unshuffle * (4 if config.strided else 1)
        self.bodies = nn.ModuleList(EncoderDecoder(config) for _ in range(1 if config.shared else config.scales))

    def pyramid(self, image: Tensor, kernel: PyramidKernel | None = None) -> tuple[Tensor, ...]:
        """The levels that ``forward`` takes, and that its outputs are compared with in training.

        Another kernel than the configuration's is for experiments.
        """
        return build_pyramid(image, self.config.scales, kernel or self.config.pyramid)

    def coarse(self, levels: Sequence[Tensor]) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Restores every level but the finest.

        Returns:
            The restored coarser levels, finest first, and what the finest scale needs of them: the coarser output
            and the cell's state, doubled in size.
        """
        outputs: list[Tensor] = []
        carried: tuple[Tensor, ...] = ()
        for scale in range(self.config.scales - 1, 0, -1):
            output, state = self._restore(scale, levels[scale], carried)
            outputs.insert(0, output)
            guide = output.detach() if self.config.stop_gradient else output
            carried = tuple(double(tensor, self.config.resize) for tensor in (guide, *state))
        return tuple(outputs), carried

    def finest(self, level: Tensor, carried: tuple[Tensor, ...]) -> Tensor:
        """Restores the finest level, or a part of it with the same part of ``carried``."""
        return self._restore(0, level, carried)[0]

    def forward(self, levels: Sequence[Tensor]) -> tuple[Tensor, ...]:
        outputs, carried = self.coarse(levels)
        return (self.finest(levels[0], carried), *outputs)

    def _restore(self, scale: int, blurry: Tensor, carried: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        guide, state = (carried[0], carried[1:]) if carried else (blurry, ())
        body = self.bodies[0 if self.config.shared else scale]
        if self.config.image_channels == 1:
            images = torch.stack((blurry, guide), dim=2).flatten(0, 1)  # (3B, 2, H, W), and so is the state's batch
            output, state = body(images, state)
            output = output.reshape(blurry.shape)
        else:
            output, state = body(torch.cat((blurry, guide), dim=1), state)
        return (blurry + output if self.config.residual_output else output), state
