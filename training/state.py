"""The state of a training run, and the file it goes on from."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from deblur import Network, config_to_dict
from weights.checkpoint import write_atomically


@dataclass
class TrainingState:
    """Everything that changes while a network is trained."""

    network: Network
    average: dict[str, Tensor]
    """Exponential moving average of the network's tensors; this is what is published."""
    optimiser: torch.optim.AdamW
    step: int = 0
    """Optimiser steps taken."""
    seconds: float = 0.0
    """Time spent in training, over all runs that went on from one another."""


def update_average(state: TrainingState, decay: float) -> None:
    """Moves the average towards the network; early on faster, so that it forgets the initialisation."""
    decay = min(decay, (1 + state.step) / (10 + state.step))
    current = state.network.state_dict()
    for name, tensor in state.average.items():
        if tensor.is_floating_point():
            tensor.lerp_(current[name], 1 - decay)
        else:
            tensor.copy_(current[name])


def save_state(path: Path, state: TrainingState, options: Any) -> None:
    """Writes the state as one safetensors file, atomically."""
    tensors = {f"network.{name}": tensor for name, tensor in state.network.state_dict().items()}
    tensors |= {f"average.{name}": tensor for name, tensor in state.average.items()}
    for name, parameter in state.network.named_parameters():
        for key, value in state.optimiser.state.get(parameter, {}).items():
            tensors[f"optimiser.{key}.{name}"] = value
    metadata = {
        "config": json.dumps(config_to_dict(state.network.config)),
        "options": json.dumps(asdict(options), default=str),
        "step": str(state.step),
        "seconds": str(state.seconds),
    }
    write_atomically(path, tensors, metadata)


def load_state(path: Path, state: TrainingState) -> None:
    """Brings a freshly set up state to where the file left off.

    Raises:
        ValueError: The file is of another network.
    """
    with safe_open(path, framework="pt", device="cpu") as file:
        metadata = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if json.loads(metadata.get("config", "null")) != config_to_dict(state.network.config):
        raise ValueError(f"{path} is the state of another network; give another --output, or the same --preset")
    part = {kind: {} for kind in ("network", "average", "optimiser")}
    for name, tensor in tensors.items():
        kind, _, rest = name.partition(".")
        part[kind][rest] = tensor
    state.network.load_state_dict(part["network"])
    for name, tensor in state.average.items():
        tensor.copy_(part["average"][name])
    for name, parameter in state.network.named_parameters():
        for key in ("step", "exp_avg", "exp_avg_sq"):
            state.optimiser.state[parameter][key] = part["optimiser"][f"{key}.{name}"].clone()
    state.step, state.seconds = int(metadata["step"]), float(metadata["seconds"])
