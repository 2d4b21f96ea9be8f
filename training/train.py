"""Trains a network: ``python -m training.train RECIPE --gopro GOPRO_Large --output runs/NAME``.

A run that was stopped, or killed, goes on from its last saved state when it is started again. On several GPUs:
``torchrun --nproc-per-node 8 -m training.train RECIPE …``.
"""

import json
import math
import shutil
import sys
import time
from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn
from torch.amp.grad_scaler import GradScaler
from tqdm import tqdm

from deblur import build_network, config_to_dict, preset
from weights import Checkpoint, Provenance, read_checkpoint, write_checkpoint

from .command_line import parse_options
from .data.augmentation import crop_patches
from .data.mixture import Mixture, batches
from .data.sources import open_sources
from .data.upload import upload
from .discriminator import PATCH, Discriminator
from .distributed import Team, join_team
from .interruption import Interruption
from .log_writer import LogWriter, description
from .monitor import DivergenceError, LossMonitor
from .options import RecipeError, TrainingOptions
from .report import write_report
from .restoration import Restoration
from .schedule import learning_rate
from .state import TrainingState, load_state, place, save_state, state_folders
from .step import distribute, train_step
from .teacher import Teacher, open_teacher
from .validation import Validation, open_validation, validate


def setup(options: TrainingOptions, device: torch.device) -> TrainingState:
    """The state to begin with, or the one saved last in the output folder.

    Raises:
        RecipeError: Options that do not go together.
        ValueError: The saved state or the initial weights are of another network.
    """
    if options.adversarial_weight > 0 and (options.accumulate > 1 or options.crop % PATCH):
        raise RecipeError(
            f"adversarial training takes whole batches of patches of {PATCH} pixels; found accumulate "
            f"{options.accumulate} and crop {options.crop}"
        )
    torch.manual_seed(options.seed)
    network = build_network(preset(options.preset))
    if options.crop % network.size_multiple:
        raise RecipeError(f"crop: {options.preset} takes multiples of {network.size_multiple}, found {options.crop}")
    if options.initial is not None:
        initial = read_checkpoint(options.initial)
        if initial.config != config_to_dict(network.config):
            raise ValueError(f"{options.initial} holds another network than {options.preset}; give its preset")
        network.load_state_dict(initial.state_dict)
    place(network, options, device)
    discriminator = None
    if options.adversarial_weight > 0:
        discriminator = Discriminator(options.discriminator).to(device)
    state = TrainingState(
        network,
        _optimiser(network, options),
        {name: tensor.detach().clone() for name, tensor in network.state_dict().items()},
        GradScaler(device.type, enabled=options.precision == "float16"),
        discriminator,
        None if discriminator is None else _optimiser(discriminator, options),
    )
    if folders := state_folders(options.output):
        load_state(folders[-1], state)
    return state


def _optimiser(module: nn.Module, options: TrainingOptions) -> torch.optim.Optimizer:
    kind = torch.optim.AdamW if options.optimiser == "adamw" else torch.optim.Adam
    return kind(
        module.parameters(),
        options.learning_rate,
        betas=options.betas,
        eps=options.epsilon,
        weight_decay=options.weight_decay,
        fused=next(module.parameters()).device.type == "cuda" or None,
    )


def progress_of(state: TrainingState, options: TrainingOptions) -> float:
    """How much of the schedule is behind, by steps or by time, whichever is more."""
    return max(state.step / options.steps, state.seconds / 60 / options.max_minutes)


def fit(
    state: TrainingState,
    options: TrainingOptions,
    mixture: Mixture,
    team: Team,
    log: LogWriter | None = None,
    validation: Validation | None = None,
    teacher: Teacher | None = None,
) -> None:
    """Trains to the end of the schedule; saves as it goes, and when it is interrupted.

    Raises:
        DivergenceError: The loss is not finite or explodes; nothing is saved after the last good state.
        OSError: A state cannot be written; the earlier one is as it was.
    """
    monitor = LossMonitor(team)
    module: nn.Module = Restoration(state.network)
    if options.compile:
        module.compile()
    shared = getattr(state.network.config, "shared", False)
    forward = distribute(module, team, unused=options.coarse_only > 0 and not shared)
    judge = None if state.discriminator is None else distribute(state.discriminator, team)
    slots = team.slots(options.batch)
    total = options.steps if math.isinf(options.max_minutes) else None
    bar = tqdm(total=total, initial=state.step, unit="step", mininterval=1, disable=not team.leads)
    workers = options.workers if mixture.on_cpu else 0
    stream = batches(mixture, slots, options.largest_patch, state.step, options.steps, workers)
    last_save = last_look = time.monotonic()
    logged = saved = state.step
    with Interruption() as interruption, bar:
        while True:
            began = time.monotonic()
            progress, stop = team.agree(progress_of(state, options), interruption.asked)
            if stop or progress >= 1:
                break
            coarse_only = progress < options.coarse_only
            rate = learning_rate(options, progress)
            for optimiser in (state.optimiser, state.discriminator_optimiser):
                for group in optimiser.param_groups if optimiser else ():
                    group["lr"] = rate
            pairs = upload(next(stream), team.device)
            if not coarse_only:
                pairs = crop_patches(pairs, options, state.step, slots)
            monitor.add(state.step, train_step(state, forward, judge, pairs, options, slots, coarse_only, teacher))
            bar.update()
            if state.step - logged >= options.log_steps:
                losses, now = monitor.look(), time.monotonic()
                speed = (state.step - logged) * options.batch / (now - last_look)
                left = tqdm.format_interval(state.seconds * (1 - progress) / max(progress, 1e-9))
                bar.set_postfix(loss=f"{losses['loss']:.3e}", images=f"{speed:.1f}/s", left=left)
                if log:
                    log.losses(state.step, state.seconds, losses, rate, speed)
                logged, last_look = state.step, now
            state.seconds += time.monotonic() - began
            due = time.monotonic() - last_save > 60 * options.save_minutes
            due = due or (options.save_steps > 0 and state.step - saved >= options.save_steps)
            if team.agree(0.0, due)[1]:
                keep(state, options, mixture, team, monitor, log, validation)
                last_save = last_look = time.monotonic()
                logged = saved = state.step
        keep(state, options, mixture, team, monitor, log, validation)


def keep(
    state: TrainingState,
    options: TrainingOptions,
    mixture: Mixture,
    team: Team,
    monitor: LossMonitor,
    log: LogWriter | None,
    validation: Validation | None,
) -> None:
    """Makes sure that the run is sound, saves the state, measures the averaged weights and writes them.

    Raises:
        DivergenceError: A loss or a weight is not finite; nothing is written.
    """
    monitor.look()
    for name, tensor in state.network.state_dict().items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise DivergenceError(f"{name} is not finite after step {state.step}; the last saved state is as it was")
    if team.leads:
        save_state(state, options)
        figures, triples = validate(state, options, validation) if validation else ({}, [])
        if log and validation:
            log.validation(state.step, state.seconds, figures, triples)
            tqdm.write(json.dumps({"step": state.step, **{k: round(v, 4) for k, v in figures.items()}}))
        write_weights(state, options, mixture.description, figures)
    team.wait()


def write_weights(state: TrainingState, options: TrainingOptions, trained_on: str, figures: dict[str, float]) -> None:
    """Writes the averaged weights as a checkpoint, ``OUTPUT/PRESET.safetensors``."""
    recipe = {name: value for name, value in asdict(options).items() if not isinstance(value, (Path, tuple))}
    provenance = Provenance(
        trained_on=trained_on,
        recipe=json.dumps({name: value for name, value in recipe.items() if value not in (None, math.inf)}),
        step=state.step,
        metrics={f"validation {name}": round(value, 4) for name, value in figures.items()},
    )
    checkpoint = Checkpoint(config_to_dict(state.network.config), state.average, provenance)
    write_checkpoint(options.output / f"{options.preset}.safetensors", checkpoint)


def check_disk(state: TrainingState, output: Path) -> None:
    """Raises OSError unless two saved states and the weights will fit."""
    size = sum(tensor.numel() * tensor.element_size() for tensor in state.network.state_dict().values())
    if state.discriminator is not None:
        size += sum(parameter.numel() * 4 for parameter in state.discriminator.parameters())
    needed, free = 11 * size, shutil.disk_usage(output).free
    if free < needed:
        raise OSError(
            f"{output} has {free // 10**6} MB free and the run's states need about {needed // 10**6} MB; "
            "make room, or give another --output"
        )


def run(options: TrainingOptions) -> None:
    """A whole training run, or the rest of one."""
    team = join_team(options.device)
    if options.batch % (team.size * options.accumulate):
        raise RecipeError(f"batch: {options.batch} is not a multiple of {team.size} processes × {options.accumulate}")
    torch.backends.cudnn.benchmark = not options.deterministic
    torch.use_deterministic_algorithms(options.deterministic)
    torch.set_float32_matmul_precision("high")
    options.output.mkdir(parents=True, exist_ok=True)
    state = setup(options, team.device)
    teacher = open_teacher(options, team.device)
    check_disk(state, options.output)
    validation = open_validation(options) if team.leads and options.validation else None
    mixture = open_sources(options, team)
    if teacher:
        mixture.description += f"; results of {teacher.description}"
    log = None
    if team.leads:
        log = LogWriter(options.output, state.step, description(options.recipe, team.device, team.size))
    try:
        fit(state, options, mixture, team, log, validation, teacher)
    finally:
        if log:
            log.close()
            write_report(options.output)
        team.end()


def main() -> None:
    options = parse_options()
    try:
        run(options)
    except torch.cuda.OutOfMemoryError as error:
        sys.exit(
            f"training.train: {str(error).splitlines()[0]} Split the batch with --accumulate 2 or more, or give a "
            "smaller --batch or --crop; the last saved state is as it was"
        )
    except (RecipeError, DivergenceError, ValueError, OSError, RuntimeError) as error:
        sys.exit(f"training.train: {error}")


if __name__ == "__main__":
    main()
