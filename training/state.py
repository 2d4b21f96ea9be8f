"""The state of a training run, and the folder it goes on from."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler

from deblur import Network, config_to_dict

from .discriminator import Discriminator
from .options import TrainingOptions
from .shards import read_shards, write_shards


@dataclass
class TrainingState:
    """Everything that changes while a network is trained."""

    network: Network
    optimiser: torch.optim.Optimizer
    average: dict[str, Tensor]
    """Exponential moving average of the network's tensors; this is what is published."""
    scaler: GradScaler
    """Scales the loss in float16; does nothing in other precisions."""
    discriminator: Discriminator | None = None
    discriminator_optimiser: torch.optim.Optimizer | None = None
    step: int = 0
    """Optimiser steps taken."""
    seconds: float = 0.0
    """Time spent in training, over all runs that went on from one another."""


def place(network: Network, options: TrainingOptions, device: torch.device) -> None:
    """Moves a network to the device, in the memory format of the options."""
    layout = torch.channels_last if options.channels_last else torch.contiguous_format
    network.to(device).to(memory_format=layout)  # type: ignore[call-overload]


def update_average(state: TrainingState, decay: float) -> None:
    """Moves the average towards the network; early on faster, so that it forgets the initialisation."""
    decay = min(decay, (1 + state.step) / (10 + state.step)) if decay else 0.0
    current = state.network.state_dict()
    floating = [name for name, tensor in state.average.items() if tensor.is_floating_point()]
    averages, values = [state.average[name] for name in floating], [current[name] for name in floating]
    torch._foreach_lerp_(averages, values, 1 - decay)  # type: ignore[attr-defined]
    for name in state.average.keys() - set(floating):
        state.average[name].copy_(current[name])


def state_folders(output: Path) -> list[Path]:
    """The saved states of a run, the latest last."""
    return sorted((output / "state").glob("step-*"))


def save_state(state: TrainingState, options: TrainingOptions) -> Path:
    """Writes the state to ``OUTPUT/state/step-N``; states of earlier steps are removed afterwards.

    Raises:
        OSError: The disk is full or cannot be written; the earlier state is as it was.
    """
    tensors = {f"network.{name}": tensor for name, tensor in state.network.state_dict().items()}
    tensors |= {f"average.{name}": tensor for name, tensor in state.average.items()}
    tensors |= _optimiser_tensors("optimiser", state.network, state.optimiser)
    if state.discriminator is not None and state.discriminator_optimiser is not None:
        tensors |= {f"discriminator.{name}": tensor for name, tensor in state.discriminator.state_dict().items()}
        tensors |= _optimiser_tensors("discriminator_optimiser", state.discriminator, state.discriminator_optimiser)
    metadata = {
        "config": json.dumps(config_to_dict(state.network.config)),
        "options": json.dumps(asdict(options), default=str),
        "step": str(state.step),
        "seconds": repr(state.seconds),
        "scaler": json.dumps(state.scaler.state_dict()),
    }
    folder = options.output / "state" / f"step-{state.step:09d}"
    earlier = [path for path in state_folders(options.output) if path != folder]
    if not folder.exists():
        write_shards(folder, tensors, metadata, options.shard_megabytes * 10**6)
    for path in earlier:
        shutil.rmtree(path)
    return folder


def load_state(folder: Path, state: TrainingState) -> None:
    """Brings a freshly set up state to where a saved one left off.

    Raises:
        FileNotFoundError: The folder is not complete.
        ValueError: It is of another network, or with or without a discriminator where this run is not.
    """
    tensors, metadata = read_shards(folder)
    if json.loads(metadata["config"]) != config_to_dict(state.network.config):
        raise ValueError(f"{folder} is the state of another network; give another --output, or the same --preset")
    if any(name.startswith("discriminator.") for name in tensors) != (state.discriminator is not None):
        raise ValueError(f"{folder}: only one of this run and the saved one is adversarial; give another --output")
    state.network.load_state_dict(_part(tensors, "network"))
    for name, tensor in _part(tensors, "average").items():
        state.average[name].copy_(tensor)
    _load_optimiser("optimiser", tensors, state.network, state.optimiser)
    if state.discriminator is not None and state.discriminator_optimiser is not None:
        state.discriminator.load_state_dict(_part(tensors, "discriminator"))
        _load_optimiser("discriminator_optimiser", tensors, state.discriminator, state.discriminator_optimiser)
    if scaler := json.loads(metadata["scaler"]):
        state.scaler.load_state_dict(scaler)
    state.step, state.seconds = int(metadata["step"]), float(metadata["seconds"])


@dataclass(frozen=True)
class TrainedWeights:
    """What is published of a saved state."""

    config: dict[str, Any]
    """The network's configuration."""
    average: dict[str, Tensor]
    """The moving average of the weights."""
    options: dict[str, Any]
    """The options of the run."""
    step: int
    """Optimiser steps taken."""


def read_weights(folder: Path) -> TrainedWeights:
    """The weights of a saved state, ``step-N``.

    Raises:
        FileNotFoundError, ValueError: The folder is not a whole saved state.
    """
    tensors, metadata = read_shards(folder)
    config, options = json.loads(metadata["config"]), json.loads(metadata["options"])
    return TrainedWeights(config, _part(tensors, "average"), options, int(metadata["step"]))


def _part(tensors: Mapping[str, Tensor], kind: str) -> dict[str, Tensor]:
    return {name.removeprefix(f"{kind}."): tensor for name, tensor in tensors.items() if name.startswith(f"{kind}.")}


def _optimiser_tensors(kind: str, module: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    return {
        f"{kind}.{key}.{name}": value
        for name, parameter in module.named_parameters()
        for key, value in optimiser.state.get(parameter, {}).items()
    }


def _load_optimiser(
    kind: str, tensors: Mapping[str, Tensor], module: nn.Module, optimiser: torch.optim.Optimizer
) -> None:
    saved = _part(tensors, kind)
    for name, parameter in module.named_parameters():
        for key in ("step", "exp_avg", "exp_avg_sq"):
            if f"{key}.{name}" not in saved:
                continue
            value = saved[f"{key}.{name}"]
            # Adam's fused kernel wants its step counts on the device, the others on the CPU.
            on_device = key != "step" or optimiser.param_groups[0].get("fused")
            optimiser.state[parameter][key] = value.to(parameter.device) if on_device else value.clone()
