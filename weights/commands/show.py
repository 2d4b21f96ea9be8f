"""``python -m weights show``: what is in a checkpoint."""

import argparse
import json
from collections import Counter
from dataclasses import asdict
from typing import Any

from ..checkpoint import read_checkpoint
from ..resolve import find_weights
from ..verify import file_sha256


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "show",
        help="show a checkpoint's configuration, origin and hash",
        description="Shows what is in a checkpoint: configuration, tensors, origin, figures, size and SHA-256.",
    )
    parser.add_argument("model", metavar="FILE|NAME|OWNER/NAME", help="as for python -m deblur restore --model")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    path = find_weights(options.model)
    checkpoint = read_checkpoint(path)
    tensors = checkpoint.state_dict.values()
    facts: dict[str, Any] = {
        "file": str(path),
        "bytes": path.stat().st_size,
        "sha256": file_sha256(path),
        "parameters": sum(tensor.numel() for tensor in tensors),
        "tensors": len(tensors),
        "dtypes": dict(Counter(str(tensor.dtype).removeprefix("torch.") for tensor in tensors)),
        "config": checkpoint.config,
        "provenance": asdict(checkpoint.provenance),
    }
    if options.json:
        print(json.dumps(facts, indent=2, ensure_ascii=False))
        return 0
    for name, value in facts.items():
        if isinstance(value, dict):
            print(name)
            _print_fields(value, "  ")
        else:
            print(f"{name:12s} {value:,}" if isinstance(value, int) else f"{name:12s} {value}")
    return 0


def _print_fields(fields: dict[str, Any], indent: str) -> None:
    width = min(max(map(len, fields), default=0), 20)
    for name, value in fields.items():
        if isinstance(value, dict) and value:
            print(f"{indent}{name}")
            _print_fields(value, indent + "  ")
        else:
            print(f"{indent}{name:{width}s} {value if value not in ('', {}) else '-'}")
