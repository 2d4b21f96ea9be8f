"""Averages high-speed frames or videos into pairs: ``python -m training.prepare nah FRAMES -o FOLDER``.

Recipes: ``nah`` makes what GOPRO is made of, ``noroozi`` the WILD data of DeblurNet: smaller frames, and only where
nothing moves more than a pixel from one to the next. A stopped run goes on when the command is given again.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

from tqdm import tqdm

from .data.prepared import Row, prepare_sequence, prepared_rows
from .data.sequences import find_sequences
from .data.windows import NAH, NOROOZI, Recipe

RECIPES = {"nah": NAH, "noroozi": NOROOZI}


def parse_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options of a command line, with the ``recipe`` they make; exits with a message on a wrong one."""
    parser = argparse.ArgumentParser(
        prog="python -m training.prepare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe", choices=RECIPES)
    parser.add_argument("input", type=Path, nargs="+", help="videos, and folders that hold videos or folders of frames")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for <sequence>/{blur,sharp}/*.png")
    parser.add_argument(
        "--frames",
        type=int,
        nargs="+",
        metavar="N",
        help="frames of an average: an odd number, or the smallest and the largest; default 7 13, noroozi 7 23",
    )
    parser.add_argument("--advance", type=int, help="frames from one window to the next; default 0: no overlap")
    parser.add_argument("--downsample", type=int, help="make frames this many times smaller; default 1, noroozi 3")
    parser.add_argument("--averages", nargs="+", help="blur, blur_gamma; default both, noroozi blur")
    parser.add_argument("--max-flow", type=float, help="pixels between neighbours; default infinite, noroozi 1")
    parser.add_argument("--flow-percentile", type=float, help=f"of the flow's length, default {NAH.flow_percentile:g}")
    parser.add_argument(
        "--max-matching-error",
        type=float,
        help=f"of a flow that is trusted, in grey levels, default {NAH.max_matching_error:g}",
    )
    parser.add_argument(
        "--max-change", type=float, help=f"of small neighbours, in grey levels; default {NAH.max_change:g}"
    )
    parser.add_argument("--seed", type=int, help="of the numbers of frames, default 0")
    options = parser.parse_args(arguments)
    if options.frames is not None and len(options.frames) > 2:
        parser.error(f"--frames takes one number or two, found {len(options.frames)}")
    chosen = {field.name: getattr(options, field.name) for field in fields(Recipe)}
    given = {name: tuple(v) if isinstance(v, list) else v for name, v in chosen.items() if v is not None}
    if options.frames is not None:
        given["frames"] = (options.frames[0], options.frames[-1])
    try:
        options.recipe = replace(RECIPES[options.recipe], **given)
    except ValueError as error:
        parser.error(str(error))
    return options


def prepare(paths: Sequence[Path], recipe: Recipe, output: Path, progress: bool = True) -> dict[str, list[Row]]:
    """Writes the pairs of all sequences; returns the report of each.

    Everything that can be checked without decoding all frames is checked before the first pair is written.

    Raises:
        ValueError: Frames cannot be read or differ in size.
        OSError: Something is missing, in the way, or the disk is full.
    """
    sequences = find_sequences(paths)
    open_sequences = [sequence for sequence in sequences if prepared_rows(sequence, recipe, output) is None]
    for sequence in tqdm(open_sequences, desc="checking", unit="sequence", disable=not progress, leave=False):
        height, width = sequence.check()
        if recipe.downsample > min(height, width):
            raise ValueError(f"{sequence.path}: frames of {height}×{width} cannot be made {recipe.downsample}× smaller")
        if progress and (remark := sequence.remark()):
            tqdm.write(f"{sequence.name}: {remark}")
    reports = {}
    for sequence in sequences:
        reports[sequence.name] = prepare_sequence(sequence, recipe, output, progress)
        if progress:
            tqdm.write(summary(sequence.name, reports[sequence.name]))
    return reports


def summary(name: str, rows: Sequence[Row]) -> str:
    """What became of the windows, in one line."""
    counts = Counter(row.verdict for row in rows)
    written = [row.psnr for row in rows if row.verdict == "written"]
    frames = sum(row.frames for row in rows if row.verdict == "written")
    text = f"{name}: {len(written)} pairs, averages of {frames} frames in all"
    if written:
        text += f", PSNR {min(written):.1f} to {max(written):.1f} dB, mean {sum(written) / len(written):.1f}"
    dropped = [f"{count} {verdict}" for verdict, count in counts.most_common() if verdict != "written"]
    return text + (f"; dropped windows: {', '.join(dropped)}" if dropped else "")


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse_options(arguments)
    try:
        reports = prepare(options.input, options.recipe, options.output)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    if len(reports) > 1:
        print(summary(f"all {len(reports)} sequences", [row for rows in reports.values() for row in rows]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
