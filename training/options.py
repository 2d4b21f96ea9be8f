"""Options of a training run: how a network is trained, and where and on what."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

PixelLoss = Literal["mse", "sse", "l1", "charbonnier", "psnr"]
ScaleReduction = Literal["sum", "mean", "half-mean"]
Schedule = Literal["constant", "steps", "polynomial", "cosine"]
KINDS = ("gopro", "pairs", "frames", "photos", "kernels")


class RecipeError(ValueError):
    """A recipe or an option that cannot be used; the message says what would be right."""


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: what a recipe file says. Every field is also an option of the command."""

    preset: str = "scale-recurrent-lite"
    """Network to train."""
    mix: dict[str, float] = field(default_factory=lambda: {"photos": 1.0, "pairs": 1.0})
    """Weights of the sources ``gopro``, ``pairs``, ``frames``, ``photos``, ``kernels`` among the patches."""
    blurry: Literal["blur", "blur_gamma"] = "blur"
    """Which blurry images of GOPRO's layout: ``blur`` (linear averages) or ``blur_gamma``."""
    crop: int = 256
    """Side of a patch in pixels."""
    batch: int = 16
    """Patches of an optimiser step, over all devices."""
    accumulate: int = 1
    """Parts that a batch is split into to save memory; the gradient is that of the whole batch."""

    flips: bool = True
    """Random flips and quarter turns, the same for blurry and sharp."""
    permute_channels: bool = True
    """Random orders of the colour channels, the same for blurry and sharp."""
    saturation: float = 0.0
    """HSV saturation is multiplied by a number from U[1 - this, 1 + this], the same for blurry and sharp."""
    saturation_probability: float = 1.0
    """Probability that an image's saturation is changed."""
    noise: float = 0.0
    """Noise on the blurry image: its standard deviation is drawn from N(0, this²), in grey levels of 255."""
    identity_probability: float = 0.0
    """Probability that a sharp image is its own input."""

    pixel_loss: PixelLoss = "l1"
    """Error of a scale, see :mod:`training.losses`."""
    scale_reduction: ScaleReduction = "sum"
    """Sum over the scales, their mean, or half their mean (Nah et al. 2017, equation 5)."""
    frequency_weight: float = 0.0
    """Weight of the Fourier term of the loss."""
    adversarial_weight: float = 0.0
    """Weight of the adversarial term; 0 trains without a discriminator."""
    discriminator: Literal["table", "code"] = "table"
    """Discriminator of Nah et al. 2017: table 1 of the paper, or the official codes' one layer more."""
    distillation: float = 0.0
    """Share of the loss that compares with the teacher's result in place of the sharp image."""

    optimiser: Literal["adam", "adamw"] = "adam"
    """Optimiser."""
    learning_rate: float = 1e-4
    """Peak learning rate."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Adam's decay rates."""
    epsilon: float = 1e-8
    """Adam's ε."""
    weight_decay: float = 0.0
    """Weight decay."""
    schedule: Schedule = "constant"
    """How the learning rate falls, see :func:`training.schedule.learning_rate`."""
    warmup: float = 0.0
    """Part of the schedule in which the learning rate rises."""
    milestones: tuple[int, ...] = ()
    """Steps at which the learning rate is multiplied by ``decay``."""
    decay_every: int = 0
    """Steps after each of which the learning rate is multiplied by ``decay``; 0 for none."""
    decay: float = 0.1
    """Factor at a milestone."""
    power: float = 1.0
    """Exponent of the polynomial schedule."""
    final_rate: float = 0.0
    """Learning rate at the end of the polynomial and cosine schedules."""
    steps: int = 100_000
    """Optimiser steps of the whole schedule."""
    gradient_norm: float = 0.0
    """Gradients are clipped to this global norm; 0 leaves them."""
    cell_gradient_norm: float = 0.0
    """Gradients of the recurrent cell are clipped to this global norm; 0 leaves them."""
    average_decay: float = 0.0
    """Decay of the exponential moving average of the weights, which is what is published; 0 for none."""
    coarse_only: float = 0.0
    """Part of the schedule, from its start, in which only the coarser scales are trained, on patches twice as large."""
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Autocast to this type."""

    rendering: int = 352
    """Side of a rendering of the virtual camera, from which patches are cropped, in pixels."""
    reuse: int = 16
    """Patches taken of every rendering, on average."""
    window: int = 1024
    """Renderings kept to draw patches from."""
    frames_least: int = 7
    """Least number of frames averaged by the source ``frames``."""
    frames_most: int = 13
    """Largest number of frames averaged by the source ``frames``."""
    frames_gamma: float = 1.0
    """γ of the camera response by the source ``frames``: 1 for linear averages, 2.2 for ``blur_gamma``."""
    seed: int = 0
    """Seed of initialisation, camera, crops and augmentation."""

    @property
    def largest_patch(self) -> int:
        """Side of the largest patches of the run, in pixels."""
        return self.crop * (2 if self.coarse_only > 0 else 1)

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.mix) - set(KINDS)):
            raise RecipeError(f"mix: unknown source {', '.join(unknown)}; there are {', '.join(KINDS)}")
        if not self.mix or min(self.mix.values()) < 0 or max(self.mix.values()) <= 0:
            raise RecipeError(f"mix: expected weights of at least 0 and one above, found {self.mix}")
        for name in ("crop", "batch", "accumulate", "steps", "rendering", "reuse", "window"):
            if getattr(self, name) < 1:
                raise RecipeError(f"{name}: expected at least 1, found {getattr(self, name)}")
        if self.batch % self.accumulate:
            raise RecipeError(f"accumulate: {self.accumulate} does not divide the batch of {self.batch}")
        for name in ("warmup", "coarse_only", "saturation_probability", "identity_probability", "distillation"):
            if not 0 <= getattr(self, name) <= 1:
                raise RecipeError(f"{name}: expected a number from 0 to 1, found {getattr(self, name)}")
        if not 0 <= self.average_decay < 1:
            raise RecipeError(f"average_decay: expected a number from 0 to below 1, found {self.average_decay}")


@dataclass(frozen=True)
class TrainingOptions(Recipe):
    """A recipe, and where and on what it runs."""

    recipe: str = ""
    """Name of the recipe, for the log."""
    output: Path = Path("runs/run")
    """Folder for the state, the log and the weights; a run found there goes on."""
    gopro: Path | None = None
    """``GOPRO_Large``, as a folder or a zip."""
    gopro_partial: bool = False
    """Take a GOPRO folder from which sequences are missing."""
    pairs: tuple[Path, ...] = ()
    """A folder of pairs in GOPRO's layout, or a folder of blurry and one of sharp images."""
    frames: Path | None = None
    """Folder of sequences of high-speed frames, or of videos."""
    photos: Path | None = None
    """Folder of sharp photographs for the virtual camera."""
    kernels: Path | None = None
    """Folder of sharp photographs for shift-invariant motion kernels."""
    validation: Path | None = None
    """Folder of pairs in GOPRO's layout to measure on; never trained on."""
    validation_images: int = 8
    """Number of validation pairs, spread evenly over the folder."""
    initial: Path | None = None
    """Checkpoint whose weights the training starts from."""
    teacher: Path | None = None
    """Checkpoint of a trained network that this one learns from; see ``distillation``."""
    max_minutes: float = math.inf
    """Training time after which the schedule ends, however many steps that is."""
    device: str = "auto"
    """Device to train on: ``auto`` (CUDA, or else the CPU), ``cpu``, ``cuda``, ``cuda:1``, …"""
    workers: int = 1
    """Processes that prepare batches while the CPU trains; data on a CUDA device needs none."""
    cache: Path | None = None
    """Folder for decoded images that do not fit into memory."""
    save_minutes: float = 5.0
    """Minutes between two saved states, each with a validation."""
    save_steps: int = 0
    """Steps between two saved states; 0 for minutes alone."""
    log_steps: int = 50
    """Steps between two lines of the log."""
    channels_last: bool = True
    """Channels-last memory format."""
    compile: bool = False
    """Compile the network with torch.compile."""
    deterministic: bool = False
    """Deterministic algorithms only, so that a run can be repeated bit for bit on the same device."""
    shard_megabytes: int = 4096
    """Largest file of a saved state, in MB."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.pairs) > 2:
            raise RecipeError(f"pairs: expected one folder in GOPRO's layout or two folders, found {len(self.pairs)}")
        for name in ("log_steps", "shard_megabytes", "validation_images"):
            if getattr(self, name) < 1:
                raise RecipeError(f"{name}: expected at least 1, found {getattr(self, name)}")
