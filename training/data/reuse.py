"""Several patches of every rendering, because rendering costs more than training on a small patch."""

from collections.abc import Sequence

import torch
from torch import Tensor

from .source import Source, numbered_rng

LANES = 4
"""Steps are dealt out to this many lanes with renderings of their own, so that up to four processes share the work."""


class Reuse:
    """Patches from the latest renderings of a source; each rendering is used ``reuse`` times on average.

    Patch n belongs to slot n modulo ``batch`` and to step n divided by ``batch``. Every slot and lane of steps has
    renderings of its own, so a process that prepares some slots or lanes renders nothing that another one renders too,
    and patch n depends on the seed and on n alone: after a restart, missing renderings are made again when they are
    drawn. Renderings that have left the window are forgotten, so numbers should not go far back.

    Args:
        source: What is reused.
        side: Side of a rendering, in pixels.
        reuse: Patches taken of every rendering, on average.
        window: Renderings kept to draw patches from, over all slots and lanes.
        batch: Patches in a step.
        seed: Seed of the choice among the renderings and of the crops.
    """

    def __init__(self, source: Source, side: int, reuse: float, window: int, batch: int, seed: int) -> None:
        self.source, self.side, self.reuse, self.batch, self.seed = source, side, reuse, batch, seed
        self.kept = max(1, window // (batch * LANES))
        self._renderings: dict[int, Tensor] = {}
        self._oldest = 0

    @property
    def device(self) -> torch.device:
        return self.source.device

    def draw(self, numbers: Sequence[int], size: int) -> Tensor:
        if size > self.side:
            raise ValueError(f"patches of {size} pixels cannot be cropped from renderings of {self.side}")
        chosen, corners = [], []
        for number in numbers:
            rng = numbered_rng(self.seed, "reuse", number)
            oldest, newest = self._window(number)
            generation = int(torch.randint(oldest, newest + 1, (), generator=rng))
            step, slot = divmod(number, self.batch)
            chosen.append((generation * self.batch + slot) * LANES + step % LANES)
            corners.append(torch.randint(self.side - size + 1, (2,), generator=rng).tolist())
        missing = sorted(set(chosen) - set(self._renderings))
        if missing:
            self._renderings |= zip(missing, self.source.draw(missing, self.side), strict=True)
        patches = torch.stack(
            [
                self._renderings[index][:, y : y + size, x : x + size]
                for index, (y, x) in zip(chosen, corners, strict=True)
            ]
        )
        self._forget(self._window(min(numbers))[0])
        return patches

    def _window(self, number: int) -> tuple[int, int]:
        """The oldest and the newest generation of renderings that a patch may come from."""
        newest = int(number // self.batch // LANES / self.reuse)
        return max(0, newest - self.kept + 1), newest

    def _forget(self, oldest: int) -> None:
        if oldest > self._oldest:
            self._oldest = oldest
            generations = self.batch * LANES
            self._renderings = {i: image for i, image in self._renderings.items() if i // generations >= oldest}
