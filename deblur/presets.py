"""Named configurations, and networks from them."""

from dataclasses import replace
from typing import Any, TypeAlias

import torch
from torch import Tensor

from .config import config_from_dict, listed, short
from .in_the_wild import DeblurNet, DeblurNetConfig
from .multi_scale import MultiScaleConfig, MultiScaleNet
from .scale_recurrent import ScaleRecurrentConfig, ScaleRecurrentNet

Config: TypeAlias = MultiScaleConfig | ScaleRecurrentConfig | DeblurNetConfig
Network: TypeAlias = MultiScaleNet | ScaleRecurrentNet | DeblurNet

_NETWORKS: dict[type, type[Network]] = {
    MultiScaleConfig: MultiScaleNet,
    ScaleRecurrentConfig: ScaleRecurrentNet,
    DeblurNetConfig: DeblurNet,
}

# Tao et al. 2018, table 1: 3×3 kernels, three ResBlocks a block, three colour channels.
_ABLATION = ScaleRecurrentConfig(kernel_size=3)

PRESETS: dict[str, Config] = {
    "multi-scale-k1": MultiScaleConfig(scales=1, blocks=59),
    "multi-scale-k2": MultiScaleConfig(scales=2, blocks=29),
    "multi-scale-k3": MultiScaleConfig(scales=3, blocks=19),
    "scale-recurrent": ScaleRecurrentConfig(),
    "scale-recurrent-lite": ScaleRecurrentConfig(
        scales=4,
        channels=(32, 64, 96),
        blocks=1,
        kernel_size=3,
        unshuffle=2,
        residual_output=True,
        stop_gradient=False,
        pyramid="area",
    ),
    "deblurnet": DeblurNetConfig(),
    "srn-ss": replace(_ABLATION, scales=1, cell="convolution"),
    "srn-sc": replace(_ABLATION, cell="convolution", shared=False),
    "srn-wo-r": replace(_ABLATION, cell="convolution"),
    "srn-rnn": replace(_ABLATION, cell="conv-rnn"),
    "srn-flat": replace(_ABLATION, cell="convolution", strided=False, skips=False, residual_blocks=False),
    "srn-rb": replace(_ABLATION, cell="convolution", strided=False, skips=False),
    "srn-ed": replace(_ABLATION, residual_blocks=False),
    "srn-edrb1": replace(_ABLATION, blocks=1),
    "srn-edrb2": replace(_ABLATION, blocks=2),
    "srn-edrb3": _ABLATION,
}

TENSORS_PER_BLOCK = 4
"""Weight and bias of both convolutions of a ResBlock."""


class StateDictError(ValueError):
    """Tensors that do not fit the network that their configuration describes."""


def preset(name: str) -> Config:
    """The configuration of a preset.

    Raises:
        ValueError: No such preset; the message lists all of them.
    """
    if name not in PRESETS:
        raise ValueError(f"unknown preset {name!r}; choose one of {', '.join(PRESETS)}")
    return PRESETS[name]


def build_network(config: Config) -> Network:
    """A network with freshly initialised float32 weights on the CPU, in training mode."""
    return _NETWORKS[type(config)](config)  # type: ignore[arg-type]


def restore_network(config: dict[str, Any], state_dict: dict[str, Tensor]) -> Network:
    """The network of a checkpoint, on the CPU, float32, in inference mode.

    Args:
        config: Field names and values as ``config_to_dict`` gives them.
        state_dict: Every tensor of the network by its name, and no other. Floating tensors may have any dtype.

    Raises:
        ValueError: The configuration is not understood.
        StateDictError: A tensor is missing, is not of this network, or has the wrong shape or kind.
    """
    parsed: Config = config_from_dict(config, tuple(_NETWORKS))
    _check_size(parsed, state_dict)
    with torch.device("meta"):
        network = build_network(parsed)
    expected = network.state_dict()
    problems = []
    if missing := sorted(set(expected) - set(state_dict)):
        problems.append(f"missing: {listed(missing)}")
    if extra := sorted(set(state_dict) - set(expected)):
        problems.append(f"not of this network: {listed(extra)}")
    for key in sorted(set(expected) & set(state_dict)):
        want, have = expected[key], state_dict[key]
        if want.shape != have.shape:
            problems.append(f"{key}: expected shape {tuple(want.shape)}, found {short(tuple(have.shape))}")
        elif want.is_floating_point() != have.is_floating_point():
            problems.append(f"{key}: expected {want.dtype}, found {have.dtype}")
    if problems:
        raise StateDictError(
            f"the tensors do not fit the network {parsed.network!r} that the configuration describes: "
            f"{'; '.join(problems[:8])}. The file is damaged or its configuration was changed; get it again"
        )
    network.load_state_dict(state_dict, strict=True, assign=True)
    return network.float().requires_grad_(False).train(False)


def _check_size(config: Config, state_dict: dict[str, Tensor]) -> None:
    """Refuses, before any of it is built, a network of far more layers than there are tensors."""
    blocks = 0 if isinstance(config, DeblurNetConfig) else config.block_count
    if len(state_dict) < TENSORS_PER_BLOCK * blocks:
        raise StateDictError(
            f"the configuration describes a network {config.network!r} of {blocks} ResBlocks, which have "
            f"{TENSORS_PER_BLOCK * blocks} tensors, but there are {len(state_dict)} tensors in all. "
            "The file is damaged or its configuration was changed; get it again"
        )
