"""Building blocks that the three networks share.

Every connection is a module or a plain sum, and nothing here looks at the image as a whole, so that a network can
be followed layer by layer, tile by tile and row by row.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ConvolutionPadding = Literal["symmetric", "same"]


class SameConv2d(nn.Conv2d):
    """Strided convolution with TensorFlow's ``SAME`` padding.

    TensorFlow pads ``kernel_size - stride`` in total on a size that the stride divides, and the odd pixel goes to the
    bottom and the right: a 5×5 convolution of stride 2 pads (1, 2) where PyTorch's ``padding=2`` pads (2, 2).

    Shape: ``(B, in_channels, H, W)`` to ``(B, out_channels, H / stride, W / stride)``; ``H`` and ``W`` must be
    multiples of the stride.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride)
        self.before = (kernel_size - stride) // 2
        self.after = kernel_size - stride - self.before

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(F.pad(input, (self.before, self.after, self.before, self.after)))


def convolution(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    stride: int = 1,
    padding: ConvolutionPadding = "symmetric",
) -> nn.Conv2d:
    """A zero-padded convolution that keeps the size at stride 1 and divides it by the stride otherwise."""
    if stride > 1 and padding == "same":
        return SameConv2d(in_channels, out_channels, kernel_size, stride)
    return nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2)


class ResBlock(nn.Module):
    """Convolution, ReLU, convolution, plus the input; no normalisation and no activation after the sum.

    Nah et al. 2017, figure 3(b). Without ``residual`` the sum is left out, as in SR-ED of Tao et al. 2018, table 1.

    Shape: ``(B, channels, H, W)`` to the same.
    """

    def __init__(self, channels: int, kernel_size: int, residual: bool = True) -> None:
        super().__init__()
        self.conv1 = convolution(channels, channels, kernel_size)
        self.conv2 = convolution(channels, channels, kernel_size)
        self.residual = residual

    def forward(self, input: Tensor) -> Tensor:
        output = self.conv2(F.relu(self.conv1(input)))
        return input + output if self.residual else output


def res_blocks(count: int, channels: int, kernel_size: int, residual: bool = True) -> nn.Sequential:
    """``count`` ResBlocks in a row."""
    return nn.Sequential(*(ResBlock(channels, kernel_size, residual) for _ in range(count)))


class ConvLSTM(nn.Module):
    """Convolutional LSTM cell as the official SRN-Deblur code has it.

    Gates i, j, f, o come in this order from one convolution of ``[input, hidden]``;
    c' = c · σ(f + 1) + σ(i) · tanh(j) and h' = tanh(c') · σ(o). The state starts at zero.

    Shape: ``(B, channels, H, W)`` to the same; the state is ``(c, h)``, each of the input's shape.

    Reference: Shi et al. 2015, "Convolutional LSTM Network"; Tao et al. 2018, section 3.2.
    """

    def __init__(self, channels: int, kernel_size: int) -> None:
        super().__init__()
        self.gates = convolution(2 * channels, 4 * channels, kernel_size)

    def forward(self, input: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        cell, hidden = state or (torch.zeros_like(input), torch.zeros_like(input))
        i, j, f, o = self.gates(torch.cat((input, hidden), dim=1)).chunk(4, dim=1)
        cell = cell * torch.sigmoid(f + 1) + torch.sigmoid(i) * torch.tanh(j)
        hidden = torch.tanh(cell) * torch.sigmoid(o)
        return hidden, (cell, hidden)


class ConvRNN(nn.Module):
    """Vanilla convolutional recurrent cell: h' = tanh(conv([input, h])), and a convolution of h' as the output.

    Shape: ``(B, channels, H, W)`` to the same; the state is ``(h,)`` of the input's shape, zero at the start.

    Reference: the row "RNN" of Tao et al. 2018, table 1. The paper does not say where the activation stands; this
    placement gives the published number of parameters.
    """

    def __init__(self, channels: int, kernel_size: int) -> None:
        super().__init__()
        self.state = convolution(2 * channels, channels, kernel_size)
        self.output = convolution(channels, channels, kernel_size)

    def forward(self, input: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        (hidden,) = state or (torch.zeros_like(input),)
        hidden = torch.tanh(self.state(torch.cat((input, hidden), dim=1)))
        return self.output(hidden), (hidden,)


class ConvCell(nn.Module):
    """A 3×3 convolution with ReLU in the recurrent cell's place; it keeps no state.

    Shape: ``(B, channels, H, W)`` to the same.

    Reference: the rows "SS", "SC" and "w/o R" of Tao et al. 2018, table 1.
    """

    def __init__(self, channels: int, kernel_size: int) -> None:
        super().__init__()
        self.conv = convolution(channels, channels, kernel_size)

    def forward(self, input: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        return F.relu(self.conv(input)), ()


class NoCell(nn.Module):
    """Nothing in the recurrent cell's place, as in the released "color" model of SRN-Deblur."""

    def forward(self, input: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        return input, ()
