"""The discriminator of Nah, Kim and Lee 2017, for adversarial training.

Paper: "Deep Multi-scale Convolutional Neural Network for Dynamic Scene Deblurring", table 1.
Differs from the paper: gives a logit; the sigmoid is in the loss.
"""

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

# Output channels and stride of each 5×5 convolution; a 4×4 convolution of stride 4 and a 1×1 layer follow.
TABLE = ((32, 2), (64, 1), (64, 2), (128, 1), (128, 4), (256, 1), (256, 4), (512, 1))
"""Table 1 of the paper: nine convolutions and a dense layer."""
CODE = ((32, 1), (32, 2), (64, 1), (64, 2), (128, 1), (128, 4), (256, 1), (256, 4), (512, 1))
"""Both official codes: ten convolutions and a dense layer."""

PATCH = 256
"""The strides take a patch of this side, in pixels, to a single number."""


class Discriminator(nn.Module):
    """Tells sharp images from restored ones.

    LeakyReLU 0.2 after every convolution and no biases, as in the official code.

    Shape: ``(B, 3, H, W)`` in [0, 1] with sides that are multiples of 256 to ``(B, 1, H / 256, W / 256)`` logits,
    positive for sharp.
    """

    def __init__(self, variant: Literal["table", "code"] = "table") -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for out_channels, stride in TABLE if variant == "table" else CODE:
            layers.append(nn.Conv2d(channels, out_channels, 5, stride, 2, bias=False))
            channels = out_channels
        layers += [nn.Conv2d(channels, 512, 4, 4, bias=False), nn.Conv2d(512, 1, 1, bias=False)]
        self.convolutions = nn.ModuleList(layers)

    def forward(self, images: Tensor) -> Tensor:
        features = images - 0.5
        for convolution in self.convolutions[:-1]:
            features = F.leaky_relu(convolution(features), 0.2)
        return self.convolutions[-1](features)
