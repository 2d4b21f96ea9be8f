"""One optimiser step."""

from collections.abc import Sequence
from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from deblur import Network

from .data.augmentation import augment
from .distributed import Team
from .losses import discriminator_loss, generator_loss, multi_scale_loss
from .options import Recipe, TrainingOptions
from .precision import autocast
from .restoration import restore_levels
from .state import TrainingState, update_average
from .teacher import Teacher


def distribute(module: nn.Module, team: Team, unused: bool = False) -> nn.Module:
    """The module itself, or a copy of it in every process of the team with gradients averaged over them.

    Batch normalisation takes its statistics over all processes on CUDA; on the CPU it takes them over its own part.

    Args:
        module: On the team's device.
        team: The processes.
        unused: Whether some parameters may get no gradient in a step.
    """
    if team.size == 1:
        return module
    if team.device.type == "cuda":
        module = nn.SyncBatchNorm.convert_sync_batchnorm(module)
    devices = [team.device.index] if team.device.type == "cuda" else None
    return DistributedDataParallel(module, device_ids=devices, find_unused_parameters=unused)


def train_step(
    state: TrainingState,
    forward: nn.Module,
    judge: nn.Module | None,
    pairs: Tensor,
    options: TrainingOptions,
    slots: range,
    coarse_only: bool = False,
    teacher: Teacher | None = None,
) -> dict[str, Tensor]:
    """One optimiser step on this process's part of a batch.

    Args:
        state: Changed in place.
        forward: :class:`training.restoration.Restoration` of the state's network, compiled or distributed.
        judge: The state's discriminator, distributed, if there is one.
        pairs: ``(len(slots), 6, S, S)`` uint8 on the device, blurry above sharp.
        options: The recipe.
        slots: Which patches of the batch these are.
        coarse_only: Train the coarser scales only.
        teacher: Network to learn from beside the sharp images.

    Returns:
        Losses by name, scalars on the device, not waited for.
    """
    blurry, sharp = augment(pairs, options, state.step, slots)
    if options.channels_last:
        blurry, sharp = (image.contiguous(memory_format=torch.channels_last) for image in (blurry, sharp))
    parts = list(zip(blurry.chunk(options.accumulate), sharp.chunk(options.accumulate), strict=True))
    state.optimiser.zero_grad(set_to_none=True)
    total = blurry.new_zeros(())
    adversarial: dict[str, Tensor] = {}
    for number, (blurry_part, sharp_part) in enumerate(parts):
        last = number == len(parts) - 1
        unsynchronised = isinstance(forward, DistributedDataParallel) and not last
        with forward.no_sync() if unsynchronised else nullcontext():  # type: ignore[operator]
            restored = restore_levels(state.network, forward, blurry_part, options.precision, coarse_only)
            targets = state.network.pyramid(sharp_part)[1 if coarse_only else 0 :]
            loss = multi_scale_loss(restored, targets, options)
            if teacher is not None:
                loss = torch.lerp(
                    loss, _distilled(restored, teacher(blurry_part, coarse_only), options), options.distillation
                )
            loss = loss / len(parts)
            total = total + loss.detach()
            if judge is not None and not coarse_only:
                adversarial = _judge(state, judge, restored[0], sharp_part, options)
                loss = loss + options.adversarial_weight * adversarial["generator"]
            state.scaler.scale(loss).backward()
    state.scaler.unscale_(state.optimiser)
    clip_gradients(state.network, options)
    state.scaler.step(state.optimiser)
    state.scaler.update()
    state.step += 1
    update_average(state, options.average_decay)
    return {"loss": total} | {name: value.detach() for name, value in adversarial.items()}


def _distilled(restored: Sequence[Tensor], taught: Sequence[Tensor], recipe: Recipe) -> Tensor:
    """The loss against the teacher's result, on the scales that both networks have."""
    common = min(len(restored), len(taught))
    return multi_scale_loss(restored[:common], taught[:common], recipe)


def clip_gradients(network: Network, recipe: Recipe) -> None:
    """Clips the gradients of the recurrent cell, then those of the whole network, to their global norms."""
    if recipe.cell_gradient_norm > 0:
        cell = [parameter for name, parameter in network.named_parameters() if ".cell." in name]
        if cell:
            nn.utils.clip_grad_norm_(cell, recipe.cell_gradient_norm)
    if recipe.gradient_norm > 0:
        nn.utils.clip_grad_norm_(network.parameters(), recipe.gradient_norm)


def _judge(
    state: TrainingState, judge: nn.Module, restored: Tensor, sharp: Tensor, recipe: Recipe
) -> dict[str, Tensor]:
    """Trains the discriminator on the images, then asks it for the network's loss."""
    discriminator, optimiser = state.discriminator, state.discriminator_optimiser
    assert discriminator is not None
    assert optimiser is not None
    restored = restored.float()
    with autocast(restored.device, recipe.precision):
        verdict = judge(torch.cat((restored.detach(), sharp)))
    loss = discriminator_loss(*verdict.float().chunk(2))
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()
    discriminator.requires_grad_(False)
    with autocast(restored.device, recipe.precision):
        verdict = discriminator(restored)
    discriminator.requires_grad_(True)
    return {"generator": generator_loss(verdict.float()), "discriminator": loss.detach()}
