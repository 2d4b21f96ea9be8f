"""What a run writes down: ``log.jsonl``, TensorBoard, and pictures."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.tensorboard.writer import SummaryWriter

from deblur.commands.image_file import ImageFile, write_image

from .origin import command_line, commit, device_name
from .run_log import LOG_FILE


class LogWriter:
    """The log of a run, in its output folder.

    Args:
        output: The run's folder.
        step: Step that the run goes on from; later lines, of a run that was killed, are dropped.
        description: What the first line says of the run.
    """

    def __init__(self, output: Path, step: int, description: dict[str, Any]) -> None:
        output.mkdir(parents=True, exist_ok=True)
        self.path, self.pictures = output / LOG_FILE, output / "pictures"
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.is_file() else []
        kept = [line for line in lines if _step_of(line) <= step]
        partial = self.path.with_name(f".{LOG_FILE}.partial")
        partial.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
        partial.replace(self.path)
        self._write({"run": {"step": step, "started": time.strftime("%Y-%m-%d %H:%M:%S"), **description}})
        self.board = SummaryWriter(str(output / "tensorboard"), purge_step=step + 1)

    def losses(self, step: int, seconds: float, values: dict[str, float], rate: float, speed: float) -> None:
        """Mean losses since the last line, the learning rate, and images a second."""
        self._write(
            {
                "step": step,
                "minutes": round(seconds / 60, 3),
                **{name: float(f"{value:.6g}") for name, value in values.items()},
                "learning_rate": float(f"{rate:.6g}"),
                "images_per_second": float(f"{speed:.4g}"),
            }
        )
        for name, value in values.items():
            self.board.add_scalar(f"training/{name}", value, step)
        self.board.add_scalar("training/learning rate", rate, step)
        self.board.add_scalar("training/images per second", speed, step)

    def validation(self, step: int, seconds: float, figures: dict[str, float], triples: list[Tensor]) -> None:
        """Figures of the averaged weights, and ``(3, H, W)`` pictures: blurry, restored and sharp in a row."""
        figures = {name: round(value, 4) for name, value in figures.items()}
        self._write({"step": step, "minutes": round(seconds / 60, 3), "validation": figures})
        for name, value in figures.items():
            self.board.add_scalar(f"validation/{name}", value, step)
        for number, triple in enumerate(triples):
            self.board.add_image(f"validation/{number}", triple, step)
            self.pictures.mkdir(exist_ok=True)
            write_image(self.pictures / f"{number}.png", ImageFile(triple))
        self.board.flush()

    def close(self) -> None:
        self.board.close()

    def _write(self, entry: dict[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, default=str) + "\n")


def description(recipe: str, device: torch.device, processes: int) -> dict[str, Any]:
    """What the log says of a run: command, commit, recipe, device and version."""
    return {
        "command": command_line(),
        "commit": commit(),
        "recipe": recipe,
        "device": device_name(device),
        "processes": processes,
        "torch": torch.__version__,
    }


def _step_of(line: str) -> int:
    """The step of a line; of a line that was cut off, one that never comes."""
    try:
        entry = json.loads(line)
        return entry.get("step", entry.get("run", {}).get("step", 0))
    except (ValueError, AttributeError):
        return sys.maxsize
