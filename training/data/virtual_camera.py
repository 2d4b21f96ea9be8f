"""Training pairs from sharp photographs, blurred on the fly by the virtual camera."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .camera import CameraSettings, photograph
from .source import numbered_rng


@dataclass(frozen=True)
class VirtualCamera:
    """Renderings of photographs; a :class:`~training.data.source.Source`."""

    photographs: Sequence[Tensor]
    """Sharp photographs, ``(3, h, w)`` uint8 on any device."""
    settings: CameraSettings = field(default_factory=CameraSettings)
    """What is drawn at random for each rendering."""
    seed: int = 0
    """Seed of all renderings."""
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    """Where they are rendered."""

    def __post_init__(self) -> None:
        if not self.photographs:
            raise ValueError("expected at least one photograph, found none")

    def draw(self, numbers: Sequence[int], size: int) -> Tensor:
        """Renderings with these numbers.

        Rendering n depends on the seed, the photographs, the settings, the size and n alone.

        Args:
            numbers: Any numbers from 0 on.
            size: Side in pixels.

        Returns:
            ``(len(numbers), 6, size, size)`` uint8 on the device, blurry above sharp.
        """
        generators = [numbered_rng(self.seed, "photograph", number) for number in numbers]
        chosen = []
        for rng in generators:
            indices = torch.randint(len(self.photographs), (len(self.settings.objects),), generator=rng)
            chosen.append([self.photographs[index] for index in indices.tolist()])
        return photograph(chosen, (size, size), self.settings, generators, self.device)
