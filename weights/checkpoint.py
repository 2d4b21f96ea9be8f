"""Checkpoints: one safetensors file with the network's configuration and its origin in the header.

The header's metadata has three entries: ``format`` (this format's name and version), ``config`` (the configuration
as a JSON object) and ``provenance`` (a JSON object, see :class:`Provenance`). People move single files about, so
nothing else is needed to rebuild the network.

A file of somebody else's whose header has no ``config`` may have a ``config.json`` beside it: the same JSON object,
the fields of the configuration and the network's name under ``network``, as ``deblur.config_to_dict`` gives it.
"""

import json
import os
import tempfile
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save_file
from torch import Tensor

from .header import check_tensors, parse_json

FORMAT_NAME = "motion-deblur"
FORMAT_VERSION = 1
PICKLE_STARTS = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
MAX_HEADER_BYTES = 2**20
"""Tens of times that of the largest preset. A header is read into Python objects, which are larger than it is."""
MAX_VALUE = torch.finfo(torch.float32).max
MAX_FIGURE = 1e100
MAX_STEP = 2**53
MAX_SHOWN = 200
"""Characters of a file's own text in an error message."""
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
            ``config.json`` beside it or one that is not a JSON object, was written by a newer version of the format,
            or has tensors that no network has: of other dtypes, without numbers, or with numbers that are not finite
            in float32.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint file {path}")
    header = _read_header(path)
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            config, provenance = _parse_metadata(path, metadata)
            _check_tensors(path, header)
        # Not from the open file: its tensors are the file itself, mapped, and change or crash when the file does.
        state_dict = load(path.read_bytes())
    except SafetensorError as error:
        raise CheckpointError(
            f"{path} is not a complete safetensors file ({ascii(str(error)[:MAX_SHOWN])[1:-1]}). "
            "It may be truncated; download or copy it again"
        ) from error
    _check_numbers(path, state_dict)
    return Checkpoint(config, state_dict, provenance)


def parse_object(what: str, text: str | bytes) -> dict[str, Any]:
    """A JSON object from a file of unknown origin.

    Raises:
        CheckpointError: It is something else; the message begins with ``what``.
    """
    try:
        value = parse_json(text)
    except ValueError as error:
        raise CheckpointError(f"{what} is not JSON to rely on ({error})") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{what} is not a JSON object, but {type(value).__name__}")
    return value


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
        with partial.open("r+b") as file:
            os.fsync(file.fileno())
        partial.chmod(0o644)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _read_header(path: Path) -> dict[str, Any]:
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = int.from_bytes(start, "little")
        content = file.read(length) if length <= min(size - 8, MAX_HEADER_BYTES) else b""
    if start.startswith(PICKLE_STARTS):
        raise CheckpointError(
            f"{path} is a PyTorch pickle under whatever name, and pickles can run code, so it is not opened. "
            "Get the .safetensors version of these weights"
        )
    if size < 8 or length > size - 8:
        raise CheckpointError(
            f"{path} is not a complete safetensors file: of {size} bytes, a header of {length} is announced. "
            "It is truncated or of another kind; download or copy it again"
        )
    if length > MAX_HEADER_BYTES:
        raise CheckpointError(
            f"{path} has a header of {length} bytes, and checkpoints of this project have at most {MAX_HEADER_BYTES}; "
            "it is a file of another kind"
        )
    return parse_object(f"{path} is not a safetensors file: its header", content)


def _check_tensors(path: Path, header: dict[str, Any]) -> None:
    try:
        check_tensors(header)
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}. It is no checkpoint of this project, or it is damaged") from error


def _check_numbers(path: Path, state_dict: dict[str, Tensor]) -> None:
    for key, tensor in state_dict.items():
        if tensor.is_floating_point():
            low, high = (float(value) for value in torch.aminmax(tensor))
            if not -MAX_VALUE <= low <= high <= MAX_VALUE:
                raise CheckpointError(
                    f"{path}: tensor {key} has numbers that are not finite, so every image would come out black. "
                    "The training that made it went wrong, or the file is damaged; get another version of it"
                )


def _parse_metadata(path: Path, metadata: dict[str, str]) -> tuple[dict[str, Any], Provenance]:
    if "format" not in metadata or "config" not in metadata:
        return _read_config_file(path), Provenance()
    name, _, version = metadata["format"].partition(" ")
    if name != FORMAT_NAME or not version.isdecimal() or not version.isascii() or len(version) > 9:
        raise CheckpointError(f"{path}: expected format {FORMAT_NAME!r}, found {metadata['format'][:MAX_SHOWN]!a}")
    if int(version) > FORMAT_VERSION:
        raise CheckpointError(
            f"{path} has version {version} of the format and this program knows {FORMAT_VERSION}; update it"
        )
    config = parse_object(f"{path}: the configuration in the header", metadata["config"])
    provenance = parse_object(f"{path}: the provenance in the header", metadata.get("provenance", "{}"))
    known = {entry.name: entry.type for entry in fields(Provenance)}
    if unknown := sorted(set(provenance) - set(known)):
        raise CheckpointError(f"{path}: unknown provenance key {', '.join(map(ascii, unknown))[:MAX_SHOWN]}")
    metrics = provenance.get("metrics", {})
    numbers = isinstance(metrics, dict) and all(
        isinstance(value, (int, float)) and -MAX_FIGURE < value < MAX_FIGURE for value in metrics.values()
    )
    texts = all(isinstance(provenance.get(key, ""), str) for key in ("trained_on", "recipe", "licence", "note"))
    step = provenance.get("step", 0)
    if not numbers or not texts or not isinstance(step, int) or not 0 <= step <= MAX_STEP:
        raise CheckpointError(f"{path}: a provenance entry is not of its kind: {metadata['provenance'][:MAX_SHOWN]!a}")
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
    return parse_object(f"{beside}: the configuration in the file", text)
