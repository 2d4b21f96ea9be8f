"""Damaged and hostile checkpoint files, made from small valid ones; what input n is depends on the seed and n alone."""

import json
import random
import struct
from dataclasses import dataclass, field
from typing import Any

import torch

from deblur import DeblurNetConfig, MultiScaleConfig, ScaleRecurrentConfig, build_network, config_to_dict

from .hostile_values import BROKEN_JSON, DTYPES, FORMATS, INTEGERS, JSON, TEXTS, VALUES

BASES = (
    MultiScaleConfig(scales=1, blocks=1, channels=2, kernel_size=3),
    MultiScaleConfig(scales=2, blocks=0, channels=1, kernel_size=1),
    ScaleRecurrentConfig(scales=1, blocks=0, channels=(1, 2, 2), kernel_size=3),
    ScaleRecurrentConfig(blocks=0, channels=(1, 1, 1), kernel_size=1, cell="none", image_channels=1),
    DeblurNetConfig(channels=(1, 1, 1, 1, 1, 1), fine_channels=1),
)
GIGANTIC = (
    MultiScaleConfig(scales=6, blocks=256, channels=1024, kernel_size=15),
    MultiScaleConfig(scales=1, blocks=0, channels=1024, kernel_size=15),
    ScaleRecurrentConfig(scales=6, blocks=64, channels=(1024, 1024, 1024), kernel_size=15, shared=False),
    ScaleRecurrentConfig(scales=6, blocks=0, channels=(1024, 1024, 1024), cell_kernel_size=15, unshuffle=8),
    DeblurNetConfig(channels=(4096,) * 6, fine_channels=4096),
)
NAMES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64", torch.int64: "I64"}


@dataclass
class Parts:
    """A checkpoint file in pieces, to be changed and put together again."""

    tensors: list[tuple[str, Any, Any, bytes]]
    """Name, dtype, shape and numbers."""
    metadata: dict[str, Any]
    """The header's texts."""
    config: dict[str, Any]
    """The configuration, before it becomes text."""
    provenance: dict[str, Any] = field(default_factory=lambda: {"step": 3, "metrics": {"PSNR dB": 30.5}, "note": "n"})


def base(number: int, dtype: torch.dtype = torch.float32) -> Parts:
    """A valid file of one of ``BASES``."""
    torch.manual_seed(number)
    config = BASES[number % len(BASES)]
    tensors = []
    for name, tensor in build_network(config).state_dict().items():
        tensor = tensor.to(dtype) if tensor.is_floating_point() else tensor
        content = bytes(tensor.contiguous().reshape(-1).view(torch.uint8).tolist())
        tensors.append((name, NAMES[tensor.dtype], list(tensor.shape), content))
    return Parts(tensors, {"format": "motion-deblur 1"}, config_to_dict(config))


def header_of(parts: Parts) -> tuple[dict[str, Any], bytes]:
    """The header with offsets that fit the numbers, and the numbers."""
    header: dict[str, Any] = {"__metadata__": parts.metadata}
    header["__metadata__"].setdefault("config", json.dumps(parts.config))
    header["__metadata__"].setdefault("provenance", json.dumps(parts.provenance))
    start = 0
    for name, dtype, shape, content in parts.tensors:
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, start + len(content)]}
        start += len(content)
    return header, b"".join(content for *_, content in parts.tensors)


def assemble(header: bytes, data: bytes, length: int | None = None) -> bytes:
    """The file's bytes, with another header length than the true one if it is given."""
    return struct.pack("<Q", len(header) if length is None else length % 2**64) + header + data


def make_bases() -> list[bytes]:
    """Valid files: every one of ``BASES`` in every dtype that is accepted."""
    files = []
    for dtype in (torch.float32, torch.float16, torch.bfloat16, torch.float64):
        for number in range(len(BASES)):
            header, data = header_of(base(number, dtype))
            files.append(assemble(json.dumps(header).encode(), data))
    return files


def take_apart(content: bytes) -> Parts:
    """The pieces of a valid file."""
    length = struct.unpack("<Q", content[:8])[0]
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    metadata = header.pop("__metadata__")
    config, provenance = json.loads(metadata.pop("config")), json.loads(metadata.pop("provenance"))
    tensors = [(name, e["dtype"], e["shape"], data[slice(*e["data_offsets"])]) for name, e in header.items()]
    return Parts(tensors, metadata, config, provenance)


def change_tensors(rng: random.Random, parts: Parts) -> None:
    """Changes tensors so that the file stays consistent: what safetensors alone would let through."""
    tensors = parts.tensors
    at = rng.randrange(len(tensors))
    name, dtype, shape, content = tensors[at]
    kind = rng.randrange(9)
    if kind == 0:
        tensors[at] = (rng.choice(TEXTS), dtype, shape, content)
    elif kind == 1:
        del tensors[at]
    elif kind == 2:
        tensors.insert(at, (rng.choice([*TEXTS, f"{name}x"]), dtype, shape, content))
    elif kind == 3:
        tensors[at] = (name, rng.choice(["I32", "U32", "I64", "F16", "U8", "C64", "F8_E4M3", "BOOL"]), shape, content)
    elif kind == 4:
        tensors[at] = (name, dtype, rng.sample(shape, len(shape)) if shape else [1], content)
    elif kind == 5:
        tensors[at] = (name, dtype, [*shape, *[1] * rng.choice((1, 4, 60))], content)
    elif kind == 6:
        tensors[at] = (name, dtype, [*shape[:1], 0, *rng.choices(INTEGERS, k=2)], b"")
    elif kind == 7:
        tensors.append((f"{name}.extra", *rng.choice([("U8", [1], b"\1"), ("I64", [0], b""), ("F64", [], b"\0" * 8)])))
    else:
        size, code = {"F64": (8, "d"), "F32": (4, "f"), "F16": (2, "e")}.get(dtype, (2, "H"))
        value = rng.choice(VALUES) if code in "df" else rng.choice(VALUES[:3]) if code == "e" else rng.randrange(2**16)
        if code == "f" and abs(value) > 3.5e38:
            value = float("inf") if value > 0 else value
        offset = rng.randrange(max(1, len(content) // size)) * size
        tensors[at] = (name, dtype, shape, content[:offset] + struct.pack(f"<{code}", value) + content[offset + size :])


def change_config(rng: random.Random, parts: Parts) -> None:
    """Changes the configuration, the provenance or the other texts of the header."""
    kind = rng.randrange(10)
    target = parts.config if rng.random() < 0.7 else parts.provenance
    if kind <= 2:
        target[rng.choice(sorted(target))] = rng.choice([*JSON, *INTEGERS])
    elif kind == 3:
        target.pop(rng.choice(sorted(target)))
    elif kind == 4:
        target[rng.choice(TEXTS)] = rng.choice(JSON)
    elif kind == 5:
        parts.config = config_to_dict(rng.choice(GIGANTIC))
    elif kind == 6:
        parts.config = config_to_dict(rng.choice(BASES))
    elif kind == 7:
        parts.metadata["format"] = rng.choice([*FORMATS, *JSON])
    elif kind == 8:
        parts.metadata[rng.choice(("config", "provenance"))] = _hostile_text(rng)
    else:
        parts.metadata[rng.choice(TEXTS)] = rng.choice([*TEXTS, *TEXTS, *JSON])


def _hostile_text(rng: random.Random) -> Any:
    kind = rng.randrange(24)
    if kind == 0:
        return "{}," * rng.choice((1, 10_000, 200_000))
    if kind <= 4:
        depth = rng.choice((5, 100, 500, 900, 990, 1000, 3000, 100_000))
        opening, closing = rng.choice((("[", "]"), ('{"a":', "}")))
        return f'{{"network": {opening * depth}1{closing * rng.choice((0, depth))}}}'
    if kind == 5:
        return json.dumps({f"k{number}": number for number in range(rng.choice((100, 20_000)))})
    return rng.choice([*BROKEN_JSON, *JSON])


def change_header(rng: random.Random, header: dict[str, Any]) -> None:
    """Changes the header so that it no longer fits the numbers."""
    name = rng.choice([key for key in header if key != "__metadata__"] or ["a"])
    entry = header.setdefault(name, {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]})
    other = header[rng.choice(sorted(header))]
    kind = rng.randrange(9)
    if kind == 0:
        entry["data_offsets"][rng.randrange(2)] = rng.choice([*INTEGERS, 1.5, "4", None])
    elif kind == 1:
        entry["data_offsets"] = rng.choice((other.get("data_offsets"), [], [0], [4, 0], [0, 4, 8], {}, None))
    elif kind == 2:
        entry["shape"] = [*entry["shape"][:1], *rng.choices([*INTEGERS, 1.0, "3", None], k=rng.choice((1, 2, 5)))]
    elif kind == 3:
        entry["dtype"] = rng.choice(DTYPES)
    elif kind == 4:
        entry.pop(rng.choice(sorted(entry)))
    elif kind == 5:
        entry[rng.choice(TEXTS)] = rng.choice(JSON)
    elif kind == 6:
        header[name] = rng.choice([*JSON, other])
    elif kind == 7:
        header["__metadata__"] = rng.choice([*JSON, {"format": "motion-deblur 1"}])
    else:
        header[rng.choice(TEXTS)] = rng.choice([*JSON, entry])


def change_bytes(rng: random.Random, content: bytes, others: list[bytes]) -> bytes:
    """Changes bytes with no regard to what they mean."""
    at = rng.randrange(len(content) + 1)
    kind = rng.randrange(10)
    if kind <= 2:
        changed = bytearray(content)
        for _ in range(rng.choice((1, 1, 2, 8))):
            changed[rng.randrange(min(len(content), rng.choice((8, 400, 10**9))))] ^= 1 << rng.randrange(8)
        return bytes(changed)
    if kind == 3:
        return content[:at]
    if kind == 4:
        return content + rng.randbytes(rng.choice((1, 8, 1000)))
    if kind == 5:
        return content[:at] + rng.randbytes(rng.choice((1, 4, 64))) + content[at:]
    if kind == 6:
        return content[:at] + content[at + rng.choice((1, 4, 64)) :]
    if kind == 7:
        other = rng.choice(others)
        return content[:at] + other[rng.randrange(len(other)) :]
    if kind == 8:
        return struct.pack("<Q", (rng.choice(INTEGERS) + rng.randrange(-1, 2)) % 2**64) + content[8:]
    return rng.choice((b"PK\3\4", b"\x80\2", b"\x80\5", b"\0" * 8, b"GGUF", b"")) + content[rng.choice((0, 2, 4, 8)) :]


def mutated(seed: int, number: int, bases: list[bytes]) -> bytes:
    """Input ``number`` of a run."""
    rng = random.Random(f"{seed}/{number}")
    content = rng.choice(bases)
    level = rng.random()
    if level < 0.85:
        parts = take_apart(content)
        for _ in range(rng.choice((0, 1, 1, 2))):
            if parts.tensors:
                change_tensors(rng, parts)
        for _ in range(rng.choice((0, 1, 1, 2))):
            if parts.config and parts.provenance:
                change_config(rng, parts)
        header, data = header_of(parts)
        if level < 0.2:
            change_header(rng, header)
        text = json.dumps(header)
        if rng.random() < 0.03:
            text = text.replace('"shape"', rng.choice(('"dtype": "F32", "shape"', '"shape": [1], "shape"')), 1)
        if rng.random() < 0.03:
            text = text[:-1] + f", {text[1:]}"
        content = assemble(text.encode(), data)
    if level > 0.8:
        for _ in range(rng.choice((1, 1, 2))):
            if content:
                content = change_bytes(rng, content, bases)
    return content
