"""DeepDeblur-PyTorch's MSResNet as our MultiScaleNet.

Paper: Nah, Kim, Lee, "Deep Multi-scale Convolutional Neural Network for Dynamic Scene Deblurring", CVPR 2017.
Original code: https://github.com/SeungjunNah/DeepDeblur-PyTorch
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from .layout import ConversionError, Place, check_layout, check_values, listed
from .pickled import own_bytes

VALUE_RANGES = (255, 1)
"""The code's option ``rgb_range``: values from 0 to this. 255 is its default and that of the published weights."""
FIRST = "body_models.0.body.0.weight"


def convert_deepdeblur(
    generator: Mapping[str, Any], value_range: int = 255
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The configuration and tensors of our network that computes the same in [0, 1].

    Dividing the image and every bias by 255 divides every feature by 255, because a ReLU is linear on both sides of
    zero; so a network of the range 0 to 255 becomes one of 0 to 1 that gives the same image.

    Args:
        generator: The entry ``G`` of a DeepDeblur-PyTorch checkpoint: tensors by name, scale 0 the finest.
        value_range: The ``rgb_range`` that the network was trained with; a file does not say it.

    Returns:
        The configuration as plain data, and the ``state_dict``; tensors keep their dtype.

    Raises:
        ConversionError: A tensor is missing, unknown, or of another shape, or holds what is not a finite number.
    """
    for name, tensor in generator.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor) or not own_bytes(tensor):
            raise ConversionError(
                f"{listed([str(name)])}: expected a named, dense tensor, found {type(tensor).__name__}"
            )
    config = _config({name: tuple(tensor.shape) for name, tensor in generator.items()})
    layout = _layout(config)
    check_layout("DeepDeblur-PyTorch's MSResNet", {name: tuple(t.shape) for name, t in generator.items()}, layout)
    state_dict = {}
    for name, place in layout.items():
        tensor = generator[name]
        check_values(name, tensor)
        if name.endswith(".bias"):
            tensor = (tensor.double() / value_range).to(tensor.dtype)
        state_dict[place.name] = tensor.contiguous()
    return config, state_dict


def _config(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    first = shapes.get(FIRST, ())
    if len(first) != 4:
        raise ConversionError(
            f"not the network of DeepDeblur-PyTorch: expected a convolution {FIRST!r} among the tensors, "
            f"found {listed(shapes) or 'none'}"
        )
    scales = {name.split(".")[1] for name in shapes if name.startswith("body_models.")}
    layers = {name.split(".")[3] for name in shapes if name.startswith("body_models.0.body.")}
    return {
        "network": "multi-scale",
        "scales": len(scales),
        "blocks": max(0, len(layers) - 2),
        "channels": first[0],
        "kernel_size": first[-1],
        "pyramid": "gaussian",
    }


def _layout(config: Mapping[str, Any]) -> dict[str, Place]:
    scales, blocks, c, k = (config[key] for key in ("scales", "blocks", "channels", "kernel_size"))
    layout: dict[str, Place] = {}

    def convolution(theirs: str, ours: str, in_channels: int, out_channels: int) -> None:
        layout[f"{theirs}.weight"] = Place(f"{ours}.weight", (out_channels, in_channels, k, k))
        layout[f"{theirs}.bias"] = Place(f"{ours}.bias", (out_channels,))

    for scale in range(scales):
        theirs, ours = f"body_models.{scale}.body", f"bodies.{scale}"
        convolution(f"{theirs}.0", f"{ours}.0", 3 if scale == scales - 1 else 6, c)
        for block in range(blocks):
            convolution(f"{theirs}.{block + 1}.body.0", f"{ours}.1.{block}.conv1", c, c)
            convolution(f"{theirs}.{block + 1}.body.2", f"{ours}.1.{block}.conv2", c, c)
        convolution(f"{theirs}.{blocks + 1}", f"{ours}.2", c, 3)
        if scale > 0:
            convolution(f"conv_end_models.{scale}.uppath.0", f"upconvolutions.{scale - 1}.0", 3, 12)
    return layout
