"""``python -m weights convert``: other people's checkpoints as ours."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from ..checkpoint import write_checkpoint
from ..convert import convert
from ..convert.deepdeblur import VALUE_RANGES
from ..resolve import CHECKPOINT_SUFFIX
from ..verify import file_sha256

if TYPE_CHECKING:
    from argparse import _SubParsersAction

SUMMARY = "make a checkpoint of this project from one of DeepDeblur-PyTorch or SRN-Deblur"


def add_parser(subparsers: "_SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("convert", help=SUMMARY, description=SUMMARY[0].upper() + SUMMARY[1:] + ".")
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help=".pt file, or a TensorFlow checkpoint")
    parser.add_argument("-o", "--output", type=Path, required=True, help=f"the {CHECKPOINT_SUFFIX} file to write")
    parser.add_argument(
        "--range",
        type=int,
        choices=VALUE_RANGES,
        dest="value_range",
        help=f"rgb_range of a DeepDeblur-PyTorch network; default {VALUE_RANGES[0]}, as there",
    )
    parser.add_argument(
        "--blur",
        choices=("blur", "blur_gamma"),
        help="GOPRO images it was trained on; default: blur_gamma for DeepDeblur-PyTorch, blur for SRN-Deblur",
    )
    parser.add_argument("--licence", default="", help="licence of the weights, an SPDX identifier or a name")
    parser.add_argument("--trained-on", default="", metavar="TEXT", help="the training data and their terms")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    output: Path = options.output
    if output.suffix != CHECKPOINT_SUFFIX:
        raise ValueError(f"{output}: the file to write must end in {CHECKPOINT_SUFFIX}")
    _check_free(output)
    checkpoint = convert(
        options.checkpoint, options.value_range, options.blur, licence=options.licence, trained_on=options.trained_on
    )
    _check_free(output)
    write_checkpoint(output, checkpoint)
    numbers = sum(tensor.numel() for tensor in checkpoint.state_dict.values())
    print(f"{options.checkpoint} -> {output}")
    print(f"  {len(checkpoint.state_dict)} tensors, {numbers:,d} numbers, {output.stat().st_size:,d} bytes")
    print(f"  SHA-256 {file_sha256(output)}")
    print(f"  {json.dumps(checkpoint.config)}")
    print(f"  {checkpoint.provenance.note}")
    print(f"  licence: {options.licence or 'not given (--licence)'}; trained on: {options.trained_on or 'not given'}")
    return 0


def _check_free(output: Path) -> None:
    if output.exists():
        raise FileExistsError(f"{output} exists already and is not overwritten; give another --output")
