"""SRN-Deblur's released models "color", "gray" and "lstm" as our ScaleRecurrentNet.

Paper: Tao, Gao, Shen, Wang, Jia, "Scale-recurrent Network for Deep Image Deblurring", CVPR 2018.
Original code: https://github.com/jiangsutx/SRN-Deblur (TensorFlow 1)
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from .layout import ConversionError, Place, check_layout, check_values, listed
from .tensorflow_checkpoint import Variables

FIRST, SECOND, THIRD = (f"g_net/enc{level}_1/weights" for level in (1, 2, 3))
CELL = "g_net/convLSTM/LSTM_conv/weights"
BLOCKS = 3
TRANSPOSED_KERNEL_SIZE = 4


def convert_srn_deblur(variables: Variables) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The configuration and tensors of our network that computes the same.

    The configuration has TensorFlow 1's conventions: resizing without half-pixel centres, ``SAME`` padding, borders
    extended by their last pixel. Convolution kernels are (height, width, in, out) over there and (out, in, height,
    width) here; transposed ones (height, width, out, in) and (in, out, height, width).

    Args:
        variables: The checkpoint's variables, those of the optimiser among them or not.

    Returns:
        The configuration as plain data, and the ``state_dict``.

    Raises:
        ConversionError: A variable is missing, unknown, or of another shape, or holds what is not a finite number.
    """
    shapes = {name: shape for name, shape in variables.shapes.items() if not of_training(name)}
    config = _config(shapes)
    layout = _layout(config)
    check_layout(f'SRN-Deblur\'s model "{model_name(config)}"', shapes, layout)
    state_dict = {}
    for name, place in layout.items():
        tensor = variables.read(name)
        check_values(name, tensor)
        state_dict[place.name] = (tensor.permute(3, 2, 0, 1) if tensor.ndim == 4 else tensor).contiguous()
    return config, state_dict


def of_training(name: str) -> bool:
    """Whether a variable belongs to the optimiser: Adam's moments and powers, and the count of steps."""
    return name.endswith(("/Adam", "/Adam_1")) or name in ("beta1_power", "beta2_power", "Variable", "global_step")


def steps_taken(variables: Variables) -> int:
    """Optimiser steps, 0 if the checkpoint does not say."""
    for name in ("global_step", "Variable"):
        if variables.shapes.get(name) == ():
            return int(variables.read(name))
    return 0


def model_name(config: Mapping[str, Any]) -> str:
    """The official name of the model with this configuration."""
    if config["image_channels"] == 3:
        return "color" if config["cell"] == "none" else "color with LSTM"
    return "gray" if config["cell"] == "none" else "lstm"


def _config(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    for name in (FIRST, SECOND, THIRD):
        if len(shapes.get(name, ())) != 4:
            raise ConversionError(
                f"not the network of SRN-Deblur: expected a convolution {name!r} among the variables, "
                f"found {listed(sorted(shapes)) or 'none'}"
            )
    cell = shapes.get(CELL)
    return {
        "network": "scale-recurrent",
        "scales": 3,
        "channels": [shapes[name][3] for name in (FIRST, SECOND, THIRD)],
        "blocks": BLOCKS,
        "kernel_size": shapes[FIRST][0],
        "cell": "conv-lstm" if cell else "none",
        "cell_kernel_size": cell[0] if cell else 3,
        "shared": True,
        "strided": True,
        "skips": True,
        "residual_blocks": True,
        "unshuffle": 1,
        "residual_output": False,
        "stop_gradient": True,
        "pyramid": "bilinear-legacy",
        "resize": "bilinear-legacy",
        "padding": "same",
        "border": "edge",
        "image_channels": 3 if shapes[FIRST][2] == 6 else 1,
    }


def _layout(config: Mapping[str, Any]) -> dict[str, Place]:
    k, images, (c1, c2, c3) = config["kernel_size"], config["image_channels"], config["channels"]
    layout: dict[str, Place] = {}

    def convolution(theirs: str, ours: str, size: int, shape: tuple[int, int], biases: int) -> None:
        layout[f"g_net/{theirs}/weights"] = Place(f"bodies.0.{ours}.weight", (size, size, *shape))
        layout[f"g_net/{theirs}/biases"] = Place(f"bodies.0.{ours}.bias", (biases,))

    def blocks(theirs: tuple[str, ...], ours: str, channels: int) -> None:
        for number, name in enumerate(theirs):
            for part in ("conv1", "conv2"):
                convolution(f"{name}/{part}", f"{ours}.{number}.{part}", k, (channels, channels), channels)

    for level, in_channels, channels in ((1, 2 * images, c1), (2, c1, c2), (3, c2, c3)):
        ours = "head" if level == 1 else f"down{level - 1}"
        convolution(f"enc{level}_1", ours, k, (in_channels, channels), channels)
        blocks((f"enc{level}_2", f"enc{level}_3", f"enc{level}_4"), f"encoder{level}", channels)
        blocks((f"dec{level}_3", f"dec{level}_2", f"dec{level}_1"), f"decoder{level}", channels)
    if config["cell"] == "conv-lstm":
        convolution("convLSTM/LSTM_conv", "cell.gates", config["cell_kernel_size"], (2 * c3, 4 * c3), 4 * c3)
    convolution("dec2_4", "up2", TRANSPOSED_KERNEL_SIZE, (c2, c3), c2)
    convolution("dec1_4", "up1", TRANSPOSED_KERNEL_SIZE, (c1, c2), c1)
    convolution("dec1_0", "tail", k, (c1, images), images)
    return layout
