"""Many tensors in a folder of safetensors files of limited size, written as a whole or not at all."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from weights.checkpoint import write_atomically

INDEX_FILE = "model.safetensors.index.json"
"""safetensors' usual name of the file that says which tensor is in which shard."""


def write_shards(folder: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str], shard_bytes: int) -> None:
    """Writes a folder that appears under its name only when it is complete and on the disk.

    Tensors go to the shards in order; one that is larger than a shard is cut into flat parts ``name[0]``, ``name[1]``,
    … whose shape stands in the index.

    Raises:
        FileExistsError: The folder exists.
        OSError: The disk is full or cannot be written; nothing is left behind.
    """
    if folder.exists():
        raise FileExistsError(f"{folder} exists")
    parts, shapes = _cut(tensors, shard_bytes)
    shards: list[dict[str, Tensor]] = [{}]
    filled = 0
    for name, part in parts.items():
        size = part.numel() * part.element_size()
        if shards[-1] and filled + size > shard_bytes:
            shards.append({})
            filled = 0
        shards[-1][name] = part
        filled += size
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        weight_map = {}
        for number, shard in enumerate(shards, 1):
            file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
            write_atomically(partial / file, shard, {})
            weight_map |= dict.fromkeys(shard, file)
        index = {"metadata": {**metadata, "shapes": json.dumps(shapes)}, "weight_map": weight_map}
        with (partial / INDEX_FILE).open("w", encoding="utf-8") as file:
            json.dump(index, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(folder)
        _sync_folder(folder.parent)
    except OSError:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def read_shards(folder: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata of a folder that :func:`write_shards` made.

    Raises:
        FileNotFoundError: The index or a shard is missing.
        ValueError: The index is damaged.
    """
    index_path = folder / INDEX_FILE
    if not index_path.is_file():
        raise FileNotFoundError(f"no {INDEX_FILE} in {folder}: it is not a saved state, or was not copied as a whole")
    try:
        index = json.loads(index_path.read_text(encoding="utf-8"))
        metadata, weight_map = dict(index["metadata"]), dict(index["weight_map"])
        shapes = json.loads(metadata.pop("shapes"))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{index_path} is damaged ({error}); copy the folder again") from error
    files = sorted(set(weight_map.values()))
    if missing := [file for file in files if not (folder / file).is_file()]:
        raise FileNotFoundError(f"{folder} lacks {', '.join(missing)} of {len(files)} shards; copy the folder again")
    parts: dict[str, Tensor] = {}
    for file in files:
        with safe_open(folder / file, framework="pt", device="cpu") as shard:
            parts |= {name: shard.get_tensor(name) for name in shard.keys()}  # noqa: SIM118
    tensors = {name: parts[name] for name in weight_map if "[" not in name}
    for name, shape in shapes.items():
        count = sum(part.startswith(f"{name}[") for part in weight_map)
        tensors[name] = torch.cat([parts[f"{name}[{number}]"] for number in range(count)]).view(shape)
    return tensors, metadata


def _cut(tensors: Mapping[str, Tensor], shard_bytes: int) -> tuple[dict[str, Tensor], dict[str, list[int]]]:
    parts: dict[str, Tensor] = {}
    shapes: dict[str, list[int]] = {}
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous()
        if tensor.numel() * tensor.element_size() <= shard_bytes:
            parts[name] = tensor
            continue
        shapes[name] = list(tensor.shape)
        pieces = tensor.flatten().split(max(1, shard_bytes // tensor.element_size()))
        parts |= {f"{name}[{number}]": piece.clone() for number, piece in enumerate(pieces)}
    return parts, shapes


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
