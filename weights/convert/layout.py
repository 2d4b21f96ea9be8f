"""The tensors that a checkpoint of another project must have, and what each becomes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

MOST_NAMED = 6


class ConversionError(ValueError):
    """A checkpoint that cannot be converted; the message says what was expected and what was found."""


@dataclass(frozen=True)
class Place:
    """Where a tensor of the other project goes."""

    name: str
    """Its name in our ``state_dict``."""
    shape: tuple[int, ...]
    """The shape it must have over there."""


def check_layout(kind: str, shapes: Mapping[str, tuple[int, ...]], layout: Mapping[str, Place]) -> None:
    """Compares what a checkpoint holds with what it must hold.

    Args:
        kind: What the checkpoint was taken for, for the message.
        shapes: Shapes of the tensors found, by the other project's names.
        layout: The tensors expected, by the same names.

    Raises:
        ConversionError: A tensor is missing, unknown, or of another shape; all kinds of fault are in the message.
    """
    problems = []
    if missing := sorted(set(layout) - set(shapes)):
        problems.append(f"missing: {listed(missing)}")
    if extra := sorted(set(shapes) - set(layout)):
        problems.append(f"unknown: {listed(extra)}")
    wrong = [name for name in layout if name in shapes and shapes[name] != layout[name].shape]
    problems += [f"{name}: expected shape {layout[name].shape}, found {shapes[name]}" for name in wrong[:MOST_NAMED]]
    if problems:
        raise ConversionError(
            f"this is not the layout of {kind}, of which there should be {len(layout)} tensors; {'; '.join(problems)}"
        )


def check_values(name: str, tensor: Tensor) -> None:
    """Raises ConversionError for a tensor that is not of floating-point numbers, all finite and at least one."""
    if not tensor.is_floating_point() or tensor.numel() == 0:
        raise ConversionError(f"{name}: expected floating-point numbers, found {tensor.numel()} of {tensor.dtype}")
    if not torch.isfinite(tensor).all():
        raise ConversionError(f"{name} holds numbers that are not finite: these weights are broken")


def listed(names: Iterable[str]) -> str:
    """Names for a message: the first few, shortened."""
    names = [ascii(name)[1:-1][:100] for name in names]
    rest = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + rest
