"""What the benchmark times: training steps and restorations, ours and the official code's."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch.nn import functional as F

from deblur import build_network, preset, restore
from deblur.commands.restore import DTYPES
from deblur.cost import macs

from .official import RGB_RANGE, load_official
from .precision import autocast

OFFICIAL = "DeepDeblur-PyTorch"
OFFICIAL_PRESET = "multi-scale-k3"
OFFICIAL_SCALES = 3
TRAINING_PER_INFERENCE = 3
"""Arithmetic of forward and backward against forward alone."""


@dataclass(frozen=True)
class Workload:
    """A thing to time."""

    code: Literal["ours", "DeepDeblur-PyTorch"]
    preset: str
    mode: Literal["training", "inference"]
    dtype: str
    """Training: ``bfloat16`` and ``float16`` are autocast, the weights stay float32. Inference: of the weights too."""
    batch: int
    height: int
    width: int
    channels_last: bool = False
    compiled: bool = False

    @property
    def operations(self) -> int:
        """Floating-point operations of one call: two for a multiply-accumulate, convolutions alone."""
        forward = 2 * macs(preset(self.preset), self.height, self.width) * self.batch
        return forward * (TRAINING_PER_INFERENCE if self.mode == "training" else 1)

    @property
    def layout(self) -> str:
        """Memory layout and compilation in words; empty for the plain ones."""
        return " ".join(name for name, on in (("nhwc", self.channels_last), ("compiled", self.compiled)) if on)

    @property
    def place(self) -> tuple[object, ...]:
        """What must be equal for two pieces of code to be compared."""
        return self.preset, self.mode, self.batch, self.height, self.width


def prepare(workload: Workload, device: torch.device, checkout: Path | None = None) -> Callable[[], Any]:
    """A function of no arguments that does the work once, on random images that lie ready on the device.

    Both pieces of code get the same images and, in training, the loss of DeepDeblur-PyTorch, L1 at every scale, and
    Adam. Ours builds its image pyramids in the step; the official code gets them ready made, as from its loader.

    Args:
        workload: What to do.
        device: Where.
        checkout: Folder of the official code; needed for it alone.
    """
    rng = torch.Generator().manual_seed(0)
    shape = (workload.batch, 3, workload.height, workload.width)
    blurry, sharp = (torch.rand(shape, generator=rng).to(device) for _ in range(2))
    torch.manual_seed(0)
    if workload.code == OFFICIAL:
        assert checkout is not None
        return _official(workload, device, blurry, sharp, checkout)
    return _ours(workload, device, blurry, sharp)


def _ours(workload: Workload, device: torch.device, blurry: torch.Tensor, sharp: torch.Tensor) -> Callable[[], Any]:
    dtype = DTYPES[workload.dtype]
    layout = torch.channels_last if workload.channels_last else torch.contiguous_format
    network = build_network(preset(workload.preset)).to(device, memory_format=layout)  # type: ignore[call-overload]
    blurry, sharp = blurry.contiguous(memory_format=layout), sharp.contiguous(memory_format=layout)
    if workload.mode == "inference":
        network = network.to(dtype).requires_grad_(False).train(False)
        runner: Any = torch.compile(network) if workload.compiled else network
        return lambda: restore(runner, blurry)
    forward: Any = torch.compile(network) if workload.compiled else network
    optimiser = torch.optim.Adam(network.parameters(), 1e-4, fused=device.type == "cuda")
    scaler = torch.amp.GradScaler(device.type, enabled=dtype == torch.float16)

    def step() -> None:
        levels, targets = network.pyramid(blurry), network.pyramid(sharp)
        with autocast(device, workload.dtype):
            outputs = forward(levels)
        loss = sum(F.l1_loss(output.float(), target) for output, target in zip(outputs, targets, strict=True))
        optimiser.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()  # type: ignore[arg-type]
        scaler.step(optimiser)
        scaler.update()

    return step


def _official(
    workload: Workload, device: torch.device, blurry: torch.Tensor, sharp: torch.Tensor, checkout: Path
) -> Callable[[], Any]:
    """As the official ``train.py`` does it, in training with ``--amp true`` unless in float32."""
    dtype = DTYPES[workload.dtype]
    official = load_official(checkout, device, OFFICIAL_SCALES)
    pyramid = build_network(preset(OFFICIAL_PRESET)).pyramid
    levels, targets = ([level * RGB_RANGE for level in pyramid(image)] for image in (blurry, sharp))
    if workload.mode == "inference":
        network = official.network.to(dtype).train(False)
        levels = [level.to(dtype) for level in levels]

        def run() -> Any:
            with torch.no_grad():
                return network(list(levels))

        return run
    optimiser = torch.optim.Adam(official.network.parameters(), 1e-4)
    scaler = torch.amp.GradScaler(device.type, init_scale=1024.0, enabled=dtype != torch.float32)

    def step() -> None:
        optimiser.zero_grad()
        with autocast(device, workload.dtype):
            loss = official.loss(official.network(list(levels)), targets)
        scaler.scale(loss).backward()
        scaler.step(optimiser)
        scaler.update()

    return step
