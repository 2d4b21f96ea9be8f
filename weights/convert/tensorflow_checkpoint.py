"""TensorFlow checkpoints, read by TensorFlow itself, which is installed only for this."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from .layout import ConversionError

INDEX_SUFFIX = ".index"
FIRST_DATA_SUFFIX = ".data-00000-of-00001"
GRAPH_SUFFIX = ".meta"


@dataclass(frozen=True)
class Variables:
    """The variables of a checkpoint; each is read only when it is asked for."""

    shapes: dict[str, tuple[int, ...]]
    """Shapes by name."""
    read: Callable[[str], Tensor]
    """Reads a variable by its name."""


def find_prefix(path: Path) -> Path | None:
    """The common start of a checkpoint's file names; none if the path does not lead to a TensorFlow checkpoint.

    Args:
        path: That start itself, one of the files, or the folder that holds a single checkpoint.

    Raises:
        ConversionError: The folder holds several checkpoints, or a file's index or data is missing.
    """
    if path.is_dir():
        found = sorted(path.glob(f"*{INDEX_SUFFIX}"))
        if len(found) > 1:
            names = ", ".join(entry.name for entry in found)
            raise ConversionError(f"{path} holds several TensorFlow checkpoints; give one of them: {names}")
        prefix = found[0].with_suffix("") if found else None
    elif path.name.endswith((INDEX_SUFFIX, FIRST_DATA_SUFFIX, GRAPH_SUFFIX)) and path.is_file():
        prefix = path.with_suffix("")
    else:
        prefix = path if path.with_name(path.name + INDEX_SUFFIX).is_file() else None
    if prefix is not None:
        for suffix in (INDEX_SUFFIX, FIRST_DATA_SUFFIX):
            if not prefix.with_name(prefix.name + suffix).is_file():
                raise ConversionError(f"{prefix}{suffix} is missing: a TensorFlow checkpoint has an index and data")
    return prefix


def read_variables(prefix: Path) -> Variables:
    """The variables of a checkpoint.

    Raises:
        ConversionError: TensorFlow is not installed, or cannot read the files.
    """
    try:
        import tensorflow
    except ImportError as error:
        raise ConversionError(
            f"{prefix} is a TensorFlow checkpoint, and TensorFlow is not installed, which alone reads these. "
            'Install it for the conversion: python -m pip install -e ".[tensorflow]" (or: tensorflow-cpu)'
        ) from error
    faults = (tensorflow.errors.OpError, ValueError, RuntimeError)

    def read(name: str) -> Tensor:
        try:
            return torch.as_tensor(reader.get_tensor(name))
        except faults as error:
            raise ConversionError(f"{prefix}: {name} cannot be read ({_first_line(error)})") from error

    try:
        reader = tensorflow.train.load_checkpoint(str(prefix))
        shapes = {name: tuple(shape) for name, shape in reader.get_variable_to_shape_map().items()}
    except faults as error:
        raise ConversionError(
            f"{prefix} cannot be read as a TensorFlow checkpoint ({_first_line(error)}); download or copy it again"
        ) from error
    return Variables(shapes, read)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
