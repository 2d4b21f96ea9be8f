"""Checkpoints: one safetensors file with the network's configuration and its origin in the header.

The header's metadata has three entries: ``format`` (this format's name and version), ``config`` (the configuration
as a JSON object) and ``provenance`` (a JSON object, see :class:`Provenance`). People move single files about, so
nothing else is needed to rebuild the network.

A file of somebody else's whose header has no ``config`` may have a ``config.json`` beside it: the same JSON object,
the fields of the configuration and the network's name under ``network``, as ``deblur.config_to_dict`` gives it.
"""

import json
import math
import os
import tempfile
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

FORMAT_NAME = "motion-deblur"
FORMAT_VERSION = 1
PICKLE_STARTS = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
MAX_HEADER_BYTES = 16 * 2**20
CONFIG_FILE = "config.json"
MAX_CONFIG_BYTES = 2**20


class CheckpointError(ValueError):
    """A file that cannot be read as a checkpoint; the message says why and what to do."""


@dataclass(frozen=True)
class Provenance:
    """Where a checkpoint's weights come from."""

    trained_on: str = ""
    """Names of the training data and their terms."""
    recipe: str = ""
    """The command or recipe that made the weights."""
    step: int = 0
    """Optimiser steps taken."""
    licence: str = ""
    """SPDX identifier or name of the weights' licence."""
    metrics: dict[str, float] = field(default_factory=dict)
    """Measured figures by name, such as ``"PSNR dB, three GOPRO test pairs"``."""
    note: str = ""
    """Anything a user should know."""


@dataclass(frozen=True)
class Checkpoint:
    """A network's configuration as plain data, its tensors, and their origin."""

    config: dict[str, Any]
    """Field names and values, and the network's name under ``network``."""
    state_dict: dict[str, Tensor]
    """The tensors by name, on the CPU, in the dtype they are stored in."""
    provenance: Provenance = field(default_factory=Provenance)


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Reads a checkpoint; nothing in the file is ever executed.

    Whether the tensors fit the configuration is checked by ``deblur.restore_network``.

    Raises:
        FileNotFoundError: There is no such file.
        CheckpointError: It is a pickle, is not safetensors, is truncated, has no configuration in its header or in a
            ``config.json`` beside it or one that is not a JSON object, or was written by a newer version of the format.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint file {path}")
    _check_start(path)
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            config, provenance = _parse_metadata(path, metadata)
            state_dict = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise CheckpointError(
            f"{path} is not a complete safetensors file ({error}). It may be truncated; download or copy it again"
        ) from error
    return Checkpoint(config, state_dict, provenance)


def write_checkpoint(path: str | Path, checkpoint: Checkpoint) -> None:
    """Writes a checkpoint; the file appears under its name only when it is complete."""
    metadata = {
        "format": f"{FORMAT_NAME} {FORMAT_VERSION}",
        "config": json.dumps(checkpoint.config),
        "provenance": json.dumps(asdict(checkpoint.provenance)),
    }
    write_atomically(path, checkpoint.state_dict, metadata)


def write_atomically(path: str | Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Writes a safetensors file beside its final place, then moves it there in one step."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    partial = Path(name)
    try:
        save_file({key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}, partial, metadata)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.chmod(0o644)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _check_start(path: Path) -> None:
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
    if start.startswith(PICKLE_STARTS):
        raise CheckpointError(
            f"{path} is a PyTorch pickle under whatever name, and pickles can run code, so it is not opened. "
            "Get the .safetensors version of these weights"
        )
    length = int.from_bytes(start, "little")
    if size < 8 or length > min(size - 8, MAX_HEADER_BYTES):
        raise CheckpointError(
            f"{path} is not a complete safetensors file: of {size} bytes, a header of {length} is announced. "
            "It is truncated or of another kind; download or copy it again"
        )


def _parse_metadata(path: Path, metadata: dict[str, str]) -> tuple[dict[str, Any], Provenance]:
    if "format" not in metadata or "config" not in metadata:
        return _read_config_file(path), Provenance()
    name, _, version = metadata["format"].partition(" ")
    if name != FORMAT_NAME or not version.isdigit():
        raise CheckpointError(f"{path}: expected format {FORMAT_NAME!r}, found {metadata['format']!r}")
    if int(version) > FORMAT_VERSION:
        raise CheckpointError(
            f"{path} has version {version} of the format and this program knows {FORMAT_VERSION}; update it"
        )
    config = _parse_object(path, "configuration", metadata["config"])
    provenance = _parse_object(path, "provenance", metadata.get("provenance", "{}"))
    known = {entry.name: entry.type for entry in fields(Provenance)}
    if unknown := sorted(set(provenance) - set(known)):
        raise CheckpointError(f"{path}: unknown provenance key {', '.join(unknown)}")
    metrics = provenance.get("metrics", {})
    numbers = isinstance(metrics, dict) and all(
        isinstance(value, (int, float)) and math.isfinite(value) for value in metrics.values()
    )
    texts = all(isinstance(provenance.get(key, ""), str) for key in ("trained_on", "recipe", "licence", "note"))
    if not numbers or not texts or not isinstance(provenance.get("step", 0), int):
        raise CheckpointError(f"{path}: a provenance entry is not of its kind: {metadata['provenance'][:200]}")
    return config, Provenance(**provenance)


def _read_config_file(path: Path) -> dict[str, Any]:
    beside = path.with_name(CONFIG_FILE)
    if not beside.is_file():
        raise CheckpointError(
            f"{path} is a safetensors file without a network configuration, neither in its header nor in a "
            f"{CONFIG_FILE} beside it, so it is not a checkpoint of this project"
        )
    if beside.stat().st_size > MAX_CONFIG_BYTES:
        raise CheckpointError(f"{beside} has more than {MAX_CONFIG_BYTES} bytes, so it is no network configuration")
    try:
        text = beside.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{beside} is not text in UTF-8 ({error})") from error
    return _parse_object(beside, "configuration", text, place="file")


def _parse_object(path: Path, what: str, text: str, place: str = "header") -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: the {what} in the {place} is not JSON ({error})") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path}: the {what} in the {place} is not a JSON object, but {type(value).__name__}")
    return value
