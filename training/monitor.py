"""The losses of a run, looked at from time to time."""

import math
import statistics

import torch
from torch import Tensor

from .distributed import Team

EXPLOSION = 100.0
"""A loss this many times the usual one of the run ends it."""


class DivergenceError(FloatingPointError):
    """A loss that is not finite or explodes; the last saved state is as it was."""


class LossMonitor:
    """Losses since the last look at them, left on the device so that no step waits for the one before."""

    def __init__(self, team: Team) -> None:
        self._team = team
        self._steps: list[int] = []
        self._values: list[dict[str, Tensor]] = []
        self._usual: list[float] = []

    def add(self, step: int, values: dict[str, Tensor]) -> None:
        self._steps.append(step)
        self._values.append(values)

    def look(self) -> dict[str, float]:
        """The mean of every loss since the last look, over all processes.

        Raises:
            DivergenceError: One is not finite or has exploded; the message names its step.
        """
        if not self._values:
            return {}
        names = list(self._values[0])
        rows = torch.stack([torch.stack([row[name].float() for name in names]) for row in self._values])
        table = self._team.mean(rows).tolist()
        usual = statistics.median(self._usual[-1000:]) if self._usual else math.inf
        for step, row in zip(self._steps, table, strict=True):
            if not all(map(math.isfinite, row)) or row[0] > EXPLOSION * usual:
                raise DivergenceError(
                    f"the loss is {row[0]:g} at step {step}, on batch {step}; before it was about {usual:g}. The last "
                    "saved state is as it was. Go on from it with a lower --learning-rate, a --gradient-norm, or "
                    "--precision float32"
                )
        self._usual += [row[0] for row in table]
        del self._usual[:-1000]
        self._steps, self._values = [], []
        return {name: statistics.fmean(column) for name, column in zip(names, zip(*table, strict=True), strict=True)}
