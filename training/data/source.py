"""What every source of training pairs has in common."""

import hashlib
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor


class Source(Protocol):
    """Numbered pairs of blurry and sharp patches, without an end."""

    @property
    def device(self) -> torch.device:
        """Where the patches are."""
        ...

    def draw(self, numbers: Sequence[int], size: int) -> Tensor:
        """The patches with these numbers.

        Patch n depends on the source's seed and on n alone, not on the other numbers that are asked for with it.

        Args:
            numbers: Any numbers from 0 on.
            size: Side of the patches, in pixels.

        Returns:
            ``(len(numbers), 6, size, size)`` uint8 on the source's device, blurry above sharp.
        """
        ...


def numbered_rng(seed: int, stream: str, number: int, device: torch.device | None = None) -> torch.Generator:
    """Randomness of its own for the number-th draw of a named stream, on the CPU unless said otherwise."""
    digest = hashlib.sha256(f"{seed} {stream} {number}".encode()).digest()
    return torch.Generator(device or "cpu").manual_seed(int.from_bytes(digest[:8], "big") >> 1)
