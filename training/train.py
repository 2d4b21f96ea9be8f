"""Trains a network on sharp photographs blurred on the fly: ``python -m training.train --preset … --data …``."""

import argparse
import json
import math
import signal
import time
from collections.abc import Iterator
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import torch
from torch import Tensor
from tqdm import tqdm

from deblur import build_network, config_to_dict, preset
from weights import Checkpoint, Provenance, write_checkpoint

from .data.camera import CameraSettings
from .data.pairs import find_pairs
from .data.photos import Mixture, Renderings, batches, read_photographs
from .evaluate import mean, measure
from .losses import PixelLoss, multi_scale_loss
from .state import TrainingState, load_state, save_state, update_average


@dataclass(frozen=True)
class TrainingOptions:
    """Options of a training run; every field is an option of the command."""

    data: Path
    """Folder of sharp photographs."""
    output: Path
    """Folder for the state, the log and the weights; a run found there goes on."""
    preset: str = "scale-recurrent-lite"
    """Network to train."""
    pairs: Path | None = None
    """Folder of real pairs in GOPRO's layout to mix in."""
    pairs_share: float = 0.2
    """Share of real pairs among the images, where there are any."""
    validation: Path | None = None
    """Folder of real pairs in GOPRO's layout to measure on; never trained on."""
    validation_images: int = 8
    """Number of validation pairs, spread evenly over the folder."""
    steps: int = 20_000
    """Optimiser steps of the whole schedule."""
    max_minutes: float = math.inf
    """Training time after which the schedule ends, however many steps that is."""
    batch: int = 4
    """Patches in a batch."""
    crop: int = 128
    """Side of a patch in pixels."""
    rendering: int = 288
    """Side of a rendering, from which patches are cropped, in pixels."""
    reuse: int = 32
    """Patches taken of every rendering, on average."""
    window: int = 1024
    """Renderings kept to draw patches from."""
    learning_rate: float = 1e-3
    """Peak learning rate of AdamW."""
    warmup: float = 0.02
    """Part of the schedule in which the learning rate rises."""
    gradient_norm: float = 1.0
    """Gradients are clipped to this norm."""
    pixel_loss: PixelLoss = "mse"
    """Squared or absolute error."""
    frequency_weight: float = 0.0
    """Weight of the Fourier term of the loss."""
    average_decay: float = 0.999
    """Decay of the exponential moving average of the weights."""
    bf16: bool = True
    """Autocast to bfloat16."""
    device: str = "cpu"
    """Device to train on."""
    workers: int = 1
    """Processes that render."""
    save_minutes: float = 5.0
    """Minutes between two saved states, each with a validation."""
    seed: int = 0
    """Seed of initialisation, camera, crops and augmentation."""


def learning_rate(progress: float, peak: float, warmup: float) -> float:
    """The learning rate at a point of the schedule, progress running from 0 to 1."""
    if progress < warmup:  # 1. linear rise
        return peak * (progress + 1e-3) / (warmup + 1e-3)
    fall = (progress - warmup) / (1 - warmup)  # 2. cosine fall to a hundredth
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(fall, 1.0))))


def setup(options: TrainingOptions) -> TrainingState:
    """The state to begin with, or the one saved in the output folder."""
    torch.manual_seed(options.seed)
    network = build_network(preset(options.preset)).to(options.device)
    optimiser = torch.optim.AdamW(
        network.parameters(), options.learning_rate, betas=(0.9, 0.99), weight_decay=1e-4, foreach=True
    )
    average = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    state = TrainingState(network, average, optimiser)
    if (options.output / "state.safetensors").is_file():
        load_state(options.output / "state.safetensors", state)
    return state


def train_step(state: TrainingState, blurry: Tensor, sharp: Tensor, options: TrainingOptions) -> float:
    """One optimiser step on a batch.

    Raises:
        FloatingPointError: The loss is not finite; the network is left as it was.
    """
    device = torch.device(options.device)
    blurry, sharp = blurry.to(device), sharp.to(device)
    with torch.autocast(device.type, torch.bfloat16, enabled=options.bf16):
        restored = state.network(state.network.pyramid(blurry))
    loss = multi_scale_loss(restored, state.network.pyramid(sharp), options.pixel_loss, options.frequency_weight)
    value = float(loss.detach())
    if not math.isfinite(value):
        raise FloatingPointError(f"the loss is {value} at step {state.step}; the last saved state is as it was")
    state.optimiser.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(state.network.parameters(), options.gradient_norm)
    state.optimiser.step()
    state.step += 1
    update_average(state, options.average_decay)
    return value


def fit(state: TrainingState, options: TrainingOptions, data: Iterator[tuple[Tensor, Tensor]]) -> None:
    """Trains to the end of the schedule; saves as it goes, and when it is interrupted."""
    stopped = False

    def stop(*_: Any) -> None:
        nonlocal stopped
        stopped = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    bar = tqdm(total=options.steps, initial=state.step, unit="step", mininterval=5)
    last_save, running = time.monotonic(), 0.0
    while not stopped:
        began = time.monotonic()
        progress = max(state.step / options.steps, state.seconds / 60 / options.max_minutes)
        if progress >= 1:
            break
        for group in state.optimiser.param_groups:
            group["lr"] = learning_rate(progress, options.learning_rate, options.warmup)
        loss = train_step(state, *next(data), options)
        running = loss if running == 0 else 0.99 * running + 0.01 * loss
        state.seconds += time.monotonic() - began
        bar.update()
        bar.set_postfix(loss=f"{running:.3e}", schedule=f"{100 * progress:.1f}%")
        if time.monotonic() - last_save > 60 * options.save_minutes:
            validate_and_save(state, options, running)
            last_save = time.monotonic()
    bar.close()
    validate_and_save(state, options, running)


def validate_and_save(state: TrainingState, options: TrainingOptions, loss: float) -> None:
    """Measures the averaged weights, appends to the log, writes the state and the weights."""
    save_state(options.output / "state.safetensors", state, options)
    figures: dict[str, float] = {}
    if options.validation is not None:
        pairs = find_pairs(options.validation)
        pairs = pairs[:: max(1, len(pairs) // options.validation_images)][: options.validation_images]
        network = build_network(preset(options.preset))
        network.load_state_dict(state.average)
        figures = mean(measure(network.to(options.device).train(False), pairs))
    entry = {"step": state.step, "minutes": round(state.seconds / 60, 2), "loss": float(f"{loss:.4g}"), **figures}
    with (options.output / "log.jsonl").open("a") as log:
        log.write(json.dumps(entry) + "\n")
    tqdm.write(json.dumps(entry))
    provenance = Provenance(
        trained_on=trained_on(options),
        recipe=json.dumps({k: v for k, v in asdict(options).items() if not isinstance(v, Path)}),
        step=state.step,
        metrics={f"validation {name}": round(value, 4) for name, value in figures.items()},
    )
    checkpoint = Checkpoint(config_to_dict(state.network.config), state.average, provenance)
    write_checkpoint(options.output / f"{options.preset}.safetensors", checkpoint)


def trained_on(options: TrainingOptions) -> str:
    """The training data in words."""
    photographs = f"photographs of {options.data.name}, blurred by the virtual camera"
    return photographs if options.pairs is None else f"{photographs}; real pairs of {options.pairs.name}"


def parse_options(arguments: list[str] | None = None) -> TrainingOptions:
    """The options of a command line; exits with a message on a wrong one."""
    parser = argparse.ArgumentParser(prog="python -m training.train", description=__doc__)
    hints = get_type_hints(TrainingOptions)
    for entry in fields(TrainingOptions):
        kind = Path if hints[entry.name] == Path | None else hints[entry.name]
        flag = f"--{entry.name.replace('_', '-')}"
        if get_origin(kind) is Literal:
            parser.add_argument(flag, choices=get_args(kind), default=entry.default, help=f"default {entry.default}")
        elif kind is bool:
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=entry.default)
        elif entry.default is MISSING:
            parser.add_argument(flag, type=kind, required=True)
        else:
            parser.add_argument(flag, type=kind, default=entry.default, help=f"default {entry.default}")
    return TrainingOptions(**vars(parser.parse_args(arguments)))


def main() -> None:
    options = parse_options()
    state = setup(options)
    options.output.mkdir(parents=True, exist_ok=True)
    pictures = read_photographs(options.data, smallest=options.rendering)
    count = options.window + options.steps * options.batch // options.reuse + 1
    renderings = Renderings(pictures, options.rendering, CameraSettings(), options.seed, count)
    pairs = find_pairs(options.pairs) if options.pairs is not None else []
    data = batches(
        Mixture(renderings, pairs, options.pairs_share),
        options.batch,
        options.crop,
        options.reuse,
        options.window,
        options.seed,
        state.step,
        options.workers,
    )
    fit(state, options, data)


if __name__ == "__main__":
    main()
