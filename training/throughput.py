"""How fast something runs on a device, and what it takes: time, arithmetic, memory."""

import ctypes
import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

MATRIX_SIDE = {"cuda": 8192, "cpu": 1024}
PROCESS_STATUS = Path("/proc/self/status")
RESET_PEAK = Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Timing:
    """Seconds that one call takes, from several repeats of as many calls as fill a fixed time."""

    median: float
    fastest: float
    slowest: float
    calls: int
    """Calls in a repeat."""


def synchronise(device: torch.device) -> None:
    """Waits until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def time_calls(
    call: Callable[[], Any], device: torch.device, *, warm_up: int = 2, repeats: int = 5, seconds: float = 1.0
) -> Timing:
    """Times a function on a device.

    Args:
        call: What is timed.
        device: Where its work is done; it is waited for before and after every repeat, not between calls.
        warm_up: Calls before the clock starts, in which kernels are chosen and compiled.
        repeats: How often a time is taken.
        seconds: About how long a repeat lasts; at least one call is made.
    """
    for _ in range(max(1, warm_up)):
        call()
    synchronise(device)
    began = time.perf_counter()
    call()
    synchronise(device)
    calls = max(1, round(seconds / max(1e-9, time.perf_counter() - began)))
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        for _ in range(calls):
            call()
        synchronise(device)
        times.append((time.perf_counter() - began) / calls)
    return Timing(statistics.median(times), min(times), max(times), calls)


def matrix_rate(
    device: torch.device, dtype: torch.dtype, side: int | None = None, repeats: int = 5, seconds: float = 0.5
) -> float:
    """Arithmetic that the device does in a large matrix product, in floating-point operations a second.

    The yardstick for networks on the same device. In float32 on CUDA the product may use TF32 if convolutions do.

    Args:
        device: Where.
        dtype: Of both matrices and of the product.
        side: Of the square matrices; by default one that fills a device of the kind.
        repeats: As in ``time_calls``.
        seconds: Likewise.
    """
    side = side or MATRIX_SIDE.get(device.type, MATRIX_SIDE["cpu"])
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    allowed = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32
    try:
        timing = time_calls(lambda: a @ b, device, warm_up=3, repeats=repeats, seconds=seconds)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = allowed
    return 2 * side**3 / timing.median


@dataclass
class PeakMemory:
    """The most memory that was in use between ``with`` and its end, beyond what was in use before.

    On CUDA it is what the allocator gave out, in all, parameters included if they were made before. Elsewhere it is
    the growth of the process's resident memory; where the system cannot say that of a span of time, None.
    """

    device: torch.device
    bytes: int | None = None
    _before: int = 0

    def __enter__(self) -> "PeakMemory":
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)
        elif RESET_PEAK.exists():
            _give_back_freed_memory()
            RESET_PEAK.write_text("5")
            self._before = _process_bytes("VmRSS")
        return self

    def __exit__(self, *_: object) -> None:
        if self.device.type == "cuda":
            self.bytes = torch.cuda.max_memory_allocated(self.device)
        elif RESET_PEAK.exists():
            self.bytes = max(0, _process_bytes("VmHWM") - self._before)


def _give_back_freed_memory() -> None:
    """What earlier work left in the allocator's hands would hide what the next work takes."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _process_bytes(name: str) -> int:
    for line in PROCESS_STATUS.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return 1024 * int(line.split()[1])
    return 0


@dataclass(frozen=True)
class DataShare:
    """What feeding the training costs."""

    step_seconds: float
    """A step on a batch that lies ready on the device."""
    fed_seconds: float
    """A step with a new batch from the loader."""

    @property
    def share(self) -> float:
        """Part of the time of a fed step that is spent on data and not hidden behind computing, from 0 to 1."""
        return max(0.0, 1 - self.step_seconds / self.fed_seconds)


def data_share(
    next_batch: Callable[[], Any],
    step: Callable[[Any], Any],
    device: torch.device,
    *,
    warm_up: int = 5,
    steps: int = 50,
    repeats: int = 3,
) -> DataShare:
    """Compares training on fresh batches with training on one that lies ready, in turns.

    Args:
        next_batch: The loader, as the training calls it; the batch it gives is ready for ``step``.
        step: A whole training step on a batch.
        device: The device that the step runs on.
        warm_up: Steps of each kind before the clock starts.
        steps: Steps in a repeat; more than the loader holds in stock, or the stock is measured.
        repeats: Repeats of each kind; the medians count.
    """
    ready = next_batch()

    def span(feed: Callable[[], Any], count: int) -> float:
        synchronise(device)
        began = time.perf_counter()
        for _ in range(count):
            step(feed())
        synchronise(device)
        return (time.perf_counter() - began) / count

    def idle() -> Any:
        return ready

    span(idle, warm_up)
    span(next_batch, warm_up)
    times = [(span(idle, steps), span(next_batch, steps)) for _ in range(repeats)]
    return DataShare(*(statistics.median(column) for column in zip(*times, strict=True)))
