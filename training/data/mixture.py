"""Batches from a mixture of sources."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from .source import Source, numbered_rng
from .upload import upload
from .workers import prepare_worker


class Mixture:
    """Batches of patches from several sources.

    Args:
        sources: Sources by name.
        weights: How often each is drawn from, in any unit.
        batch: Patches in a batch.
        seed: Seed of the choice among the sources.
        description: The sources in words.
    """

    def __init__(
        self,
        sources: Mapping[str, Source],
        weights: Mapping[str, float],
        batch: int,
        seed: int,
        description: str = "",
    ) -> None:
        self.sources, self.batch, self.seed, self.description = dict(sources), batch, seed, description
        self.weights = torch.tensor([weights[name] for name in self.sources], dtype=torch.float32)

    @property
    def on_cpu(self) -> bool:
        """Whether every source is on the CPU, so that other processes can prepare batches."""
        return all(source.device.type == "cpu" for source in self.sources.values())

    def draw(self, step: int, slots: range, size: int) -> Tensor:
        """Some patches of a batch.

        Args:
            step: Number of the batch.
            slots: Which of its patches.
            size: Side of a patch, in pixels.

        Returns:
            ``(len(slots), 6, size, size)`` uint8, blurry above sharp; they depend on the seed, the step and the slots
            alone.
        """
        rng = numbered_rng(self.seed, "mixture", step)
        kinds = torch.multinomial(self.weights, self.batch, replacement=True, generator=rng).tolist()
        drawn: list[Tensor] = []
        places: list[int] = []
        for kind, source in enumerate(self.sources.values()):
            chosen = [slot for slot in slots if kinds[slot] == kind]
            if chosen:
                drawn.append(source.draw([step * self.batch + slot for slot in chosen], size))
                places += [slot - slots.start for slot in chosen]
        device = next((patch.device for patch in drawn if patch.is_cuda), drawn[0].device)
        patches = torch.cat([upload(patch, device) for patch in drawn])
        return patches[upload(torch.tensor(places).argsort(), device)]


class _Batches(Dataset[Tensor]):
    def __init__(self, mixture: Mixture, slots: range, size: int) -> None:
        self.mixture, self.slots, self.size = mixture, slots, size

    def __getitem__(self, step: int) -> Tensor:
        return self.mixture.draw(step, self.slots, self.size)


def batches(
    mixture: Mixture, slots: range, size: int, first_step: int, last_step: int, workers: int
) -> Iterator[Tensor]:
    """The patches of every step in order, prepared ahead in other processes if there are workers.

    Args:
        mixture: Where they come from; with workers its sources must be on the CPU.
        slots: Which patches of each batch.
        size: Side of a patch, in pixels.
        first_step: Number of the first batch.
        last_step: Number of the last batch, not included.
        workers: Processes; 1, 2 or 4 share the renderings of :class:`training.data.reuse.Reuse` evenly.
    """
    steps = range(first_step, last_step)
    if not workers:
        yield from (mixture.draw(step, slots, size) for step in steps)
        return
    yield from DataLoader(
        _Batches(mixture, slots, size),
        batch_size=None,
        sampler=steps,
        num_workers=workers,
        prefetch_factor=4,
        worker_init_fn=prepare_worker,
    )
