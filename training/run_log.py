"""The log of a training run, ``log.jsonl``: one JSON object a line, in the order of time."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LOG_FILE = "log.jsonl"
FIGURES = ("blurry psnr", "restored psnr", "blurry ssim", "restored ssim")


@dataclass(frozen=True)
class RunLog:
    """What a run wrote down."""

    starts: list[dict[str, Any]] = field(default_factory=list)
    """Command, commit, device and the like, once for every time that the run was started or went on."""
    steps: list[dict[str, float]] = field(default_factory=list)
    """``step`` and any of ``minutes``, ``loss``, ``learning_rate``, ``images_per_second``."""
    validations: list[dict[str, float]] = field(default_factory=list)
    """``step``, ``minutes`` if known, and the figures."""
    unreadable: int = 0
    """Lines that are no JSON object, such as one that was cut off when the machine stopped."""

    def series(self, name: str) -> tuple[list[float], list[float]]:
        """Steps and values of a quantity, where it was logged."""
        entries = self.validations if name in FIGURES else self.steps
        found = [(entry["step"], entry[name]) for entry in entries if entry.get(name) is not None]
        return [step for step, _ in found], [value for _, value in found]


def read_log(path: Path) -> RunLog:
    """Reads a log.

    Lines are told apart by their keys: ``run`` stands at a start, ``validation`` holds figures (in older logs they
    stand beside ``step`` and ``loss``), ``loss`` makes a training line. Where a run was stopped and went on from an
    earlier step, what it had logged after that step is dropped.

    Raises:
        FileNotFoundError: There is no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no log {path}; give the folder that python -m training.train wrote to")
    return parse_log(path.read_text(encoding="utf-8").splitlines())


def parse_log(lines: Iterable[str]) -> RunLog:
    """The log of lines of text, as ``read_log`` reads them."""
    log, unreadable = RunLog(), 0
    for line in filter(str.strip, lines):
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        if not isinstance(entry, dict):
            unreadable += 1
            continue
        if isinstance(entry.get("run"), dict):
            log.starts.append(entry["run"])
            continue
        step = entry.get("step")
        if not isinstance(step, (int, float)):
            continue
        figures = entry.get("validation") or {name: entry[name] for name in FIGURES if name in entry}
        numbers = {key: value for key, value in entry.items() if isinstance(value, (int, float))}
        if "loss" in entry:
            _append(log.steps, numbers)
        if figures:
            _append(log.validations, {"step": step, "minutes": entry.get("minutes"), **figures})
    return RunLog(log.starts, log.steps, log.validations, unreadable)


def _append(entries: list[dict[str, Any]], entry: dict[str, Any]) -> None:
    while entries and entries[-1]["step"] >= entry["step"]:
        entries.pop()
    entries.append(entry)
