"""Measures training and inference on this device: ``python -m training.benchmark --preset multi-scale-k3``.

With --reference CHECKOUT it runs the official DeepDeblur-PyTorch on the same images in the same process and prints
ratios.
"""

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from deblur import PRESETS
from deblur.commands.restore import choose_device

from .official import LOSS_FILE, NETWORK_FILE
from .origin import command_line, commit, device_name
from .throughput import PeakMemory, matrix_rate, time_calls
from .workload import DTYPES, OFFICIAL, OFFICIAL_PRESET, Workload, prepare

TERA = 1e12
HEADERS = (
    *("code", "preset", "mode", "dtype", "batch", "size", "layout"),
    *("images/s", "slowest to fastest", "TFLOP/s", "of matrix rate", "GiB"),
)


@dataclass(frozen=True)
class Measurement:
    """A workload and how it went."""

    workload: Workload
    images_per_second: float | None = None
    """The median of the repeats; None where it could not be run."""
    slowest: float | None = None
    """Images a second of the slowest repeat."""
    fastest: float | None = None
    """Images a second of the fastest repeat."""
    milliseconds: float | None = None
    """Time of one step or restoration of a batch."""
    tflops: float | None = None
    """Arithmetic of the convolutions, 10¹² operations a second; training counts as three times inference."""
    share: float | None = None
    """Part of the rate of a large matrix product in the same dtype, measured in the same run."""
    peak_bytes: int | None = None
    """Peak of the allocated memory on CUDA, growth of the resident memory elsewhere."""
    failure: str = ""
    """Why it could not be run."""


@dataclass(frozen=True)
class Ratio:
    """Images a second of ours over the official code's."""

    ours: Workload
    official: Workload
    times: float


def measure(
    workload: Workload, device: torch.device, rate: float, repeats: int, seconds: float, checkout: Path | None = None
) -> Measurement:
    """Runs a workload; memory that does not suffice is a result, not an error."""
    try:
        with PeakMemory(device) as memory:
            call = prepare(workload, device, checkout)
            timing = time_calls(call, device, repeats=repeats, seconds=seconds)
    except torch.cuda.OutOfMemoryError:
        return Measurement(workload, failure="out of memory")
    tflops = workload.operations / timing.median / TERA
    return Measurement(
        workload,
        images_per_second=workload.batch / timing.median,
        slowest=workload.batch / timing.slowest,
        fastest=workload.batch / timing.fastest,
        milliseconds=1000 * timing.median,
        tflops=tflops,
        share=tflops * TERA / rate,
        peak_bytes=memory.bytes,
    )


def workloads(options: argparse.Namespace) -> list[Workload]:
    """Every combination that is asked for, the official code's beside ours."""
    chosen = []
    for mode, batch in product(options.mode, options.batch):
        images = _images(options, mode, batch)
        layouts = product(options.preset, options.dtype, options.channels_last, options.compile)
        chosen += [Workload("ours", name, mode, dtype, *images, *layout) for name, dtype, *layout in layouts]
        if options.reference:
            chosen += [Workload(OFFICIAL, OFFICIAL_PRESET, mode, dtype, *images) for dtype in options.dtype]
    return list(dict.fromkeys(chosen))


def ratios(measurements: Iterable[Measurement]) -> list[Ratio]:
    """Ours over the official code's, for the same network, batch and size, in every pair of dtypes."""
    measured = [entry for entry in measurements if entry.images_per_second]
    return [
        Ratio(ours.workload, official.workload, ours.images_per_second / official.images_per_second)  # type: ignore[operator]
        for official in measured
        for ours in measured
        if official.workload.code == OFFICIAL
        and ours.workload.code != OFFICIAL
        and ours.workload.place == official.workload.place
    ]


def table(measurements: Sequence[Measurement]) -> str:
    """The measurements as text, with a line for each."""
    rows = [HEADERS]
    for entry in measurements:
        work = entry.workload
        about = (work.code, work.preset, work.mode, work.dtype, str(work.batch), f"{work.height}×{work.width}")
        figures = (
            _digits(entry.images_per_second) if entry.images_per_second else entry.failure,
            f"{_digits(entry.slowest)} to {_digits(entry.fastest)}" if entry.images_per_second else "",
            _digits(entry.tflops),
            "" if entry.share is None else f"{100 * entry.share:.1f} %",
            "" if entry.peak_bytes is None else f"{entry.peak_bytes / 2**30:.2f}",
        )
        rows.append((*about, work.layout, *figures))
    return _aligned(rows)


def ratio_table(found: Sequence[Ratio]) -> str:
    """The ratios as text."""
    rows = [("mode", "batch", "size", "ours", OFFICIAL, "times as fast")]
    for entry in found:
        work = entry.ours
        place = (work.mode, str(work.batch), f"{work.height}×{work.width}")
        rows.append((*place, f"{work.dtype} {work.layout}".strip(), entry.official.dtype, f"{entry.times:.2f}"))
    return _aligned(rows)


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _digits(value: float | None) -> str:
    """Three significant digits, without an exponent."""
    if value is None:
        return ""
    return f"{value:.0f}" if value >= 100 else f"{value:#.3g}" if value >= 1e-3 else f"{value:.5f}"


def _images(options: argparse.Namespace, mode: str, batch: int) -> tuple[int, int, int]:
    """Batch, height and width; inference takes one image at a time unless a batch is given for it."""
    if mode == "training":
        return batch, options.size, options.size
    return (options.inference_batch, *options.inference_size)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training.benchmark", description=__doc__)
    parser.add_argument("--preset", nargs="+", default=[OFFICIAL_PRESET, "scale-recurrent"], metavar="NAME")
    modes = ("training", "inference")
    parser.add_argument("--mode", nargs="+", choices=modes, default=modes)
    parser.add_argument("--dtype", nargs="+", choices=DTYPES, default=list(DTYPES))
    parser.add_argument("--batch", type=int, nargs="+", default=[16], help="of training; default 16")
    parser.add_argument("--size", type=int, default=256, help="side of training patches; default 256")
    parser.add_argument("--inference-batch", type=int, default=1)
    parser.add_argument("--inference-size", type=int, nargs=2, default=(720, 1280), metavar=("HEIGHT", "WIDTH"))
    switch: dict[str, Any] = {"choices": ("no", "yes", "both"), "default": "no"}
    parser.add_argument("--channels-last", **switch, help="memory layout NHWC; default no")
    parser.add_argument("--compile", **switch, help="torch.compile; default no")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, mps; default: the fastest there is")
    parser.add_argument("--repeats", type=int, default=5, help="times taken of each, of which the median counts")
    parser.add_argument("--seconds", type=float, default=1.0, help="about how long a repeat lasts; default 1")
    parser.add_argument("--matrix-side", type=int, help="side of the matrices of the yardstick")
    parser.add_argument("--reference", type=Path, help="checkout of SeungjunNah/DeepDeblur-PyTorch to compare with")
    parser.add_argument("--json", type=Path, help="where the measurements go, as JSON")
    options = parser.parse_args(arguments)
    for name in options.preset:
        if name not in PRESETS:
            parser.error(f"unknown preset {name!r}; choose from {', '.join(PRESETS)}")
    if min(*options.batch, options.size, options.inference_batch, *options.inference_size, options.repeats) < 1:
        parser.error("batches, sizes and repeats are at least 1")
    if options.json and options.json.exists():
        parser.error(f"{options.json} exists; choose another name")
    if options.reference and not all((options.reference / file).is_file() for file in (NETWORK_FILE, LOSS_FILE)):
        parser.error(f"{options.reference} is no checkout of SeungjunNah/DeepDeblur-PyTorch: it has no {NETWORK_FILE}")
    for name in ("channels_last", "compile"):
        setattr(options, name, {"no": [False], "yes": [True], "both": [False, True]}[getattr(options, name)])
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(arguments)
    device = choose_device(options.device)
    torch.backends.cudnn.benchmark = True
    chosen = workloads(options)
    rates = {
        name: matrix_rate(device, DTYPES[name], options.matrix_side, options.repeats, options.seconds)
        for name in options.dtype
    }
    print(f"{device_name(device)}, torch {torch.__version__}")
    for name, rate in rates.items():
        print(f"  matrix product in {name}: {_digits(rate / TERA)} TFLOP/s")
    bar = tqdm(chosen, unit="workload", dynamic_ncols=True)
    found = [
        measure(work, device, rates[work.dtype], options.repeats, options.seconds, options.reference) for work in bar
    ]
    print(table(found))
    compared = ratios(found)
    if compared:
        print()
        print(ratio_table(compared))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(as_plain(found, compared, rates, device), indent=2) + "\n", encoding="utf-8")
        print(f"-> {options.json}")


def as_plain(
    found: Sequence[Measurement], compared: Sequence[Ratio], rates: dict[str, float], device: torch.device
) -> dict[str, Any]:
    """Everything as plain data."""
    return {
        "origin": {
            "command": command_line(),
            "commit": commit(),
            "device": device_name(device),
            "torch": torch.__version__,
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
            "tf32_convolutions": torch.backends.cudnn.allow_tf32,
        },
        "matrix_flops": rates,
        "measurements": [asdict(entry) | {"operations": entry.workload.operations} for entry in found],
        "ratios": [asdict(entry) for entry in compared],
    }


if __name__ == "__main__":
    try:
        main()
    except (OSError, ValueError) as error:
        raise SystemExit(f"error: {error}") from error
