"""Measures checkpoints on blurry images: ``python -m training.evaluate DATA --model A --model B --report page.html``.

DATA is a folder in GOPRO's layout, two folders, blurry and sharp, or, with --kohler, the unpacked benchmark of
Köhler et al.
"""

import argparse
import csv
import json
import math
from collections.abc import Callable, Iterator, Sequence
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar

import torch
from tqdm import tqdm

from deblur.commands.restore import DEFAULT_MODEL, DTYPES, choose_device

from .comparison import comparison_page, draw_example
from .data.pairs import find_pairs, match_pairs
from .figures import SSIM_LABELS, Figure, SsimWindow, average
from .kohler import find_kohler
from .origin import command_line, commit, device_name
from .scoring import (
    BLURRY,
    Computing,
    Contender,
    Example,
    check_pairs,
    load_contenders,
    main_figure,
    score_kohler,
    score_pairs,
)

Source = TypeVar("Source")
Scores = dict[str, dict[str, dict[Figure, float]]]
"""Figures by image and by column."""


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description=__doc__)
    parser.add_argument("data", type=Path, nargs="+", help="GOPRO's layout, <sequence>/{blur,sharp}, or two folders")
    parser.add_argument(
        "--model",
        action="append",
        help=f"catalogue name, .safetensors file or repository on the Hub; repeat it; default {DEFAULT_MODEL}",
    )
    parser.add_argument("--blurry", default="blur", help="name of the blurry images' folder: blur or blur_gamma")
    parser.add_argument("--kohler", action="store_true", help="the protocol of Köhler et al., best of all frames")
    parser.add_argument(
        "--ssim",
        choices=SSIM_LABELS,
        action="append",
        help="window, per channel or MATLAB's 3-D one that the papers used; repeat it; default gaussian",
    )
    parser.add_argument("--self-ensemble", action="store_true", help="average over eight flips and turns")
    parser.add_argument("--images", type=int, help="only so many, spread evenly")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, mps; default: the fastest there is")
    parser.add_argument("--dtype", choices=DTYPES, default="float32", help="precision of the computation")
    parser.add_argument("--tile", type=int, help="side of tiles in pixels, 0 for none; default: for large images")
    parser.add_argument("--csv", type=Path, help="a line for every image and model")
    parser.add_argument("--json", type=Path, help="everything, with what was measured and how")
    parser.add_argument("--report", type=Path, help="an HTML page with pictures, in one file")
    parser.add_argument("--pictures", type=int, default=12, help="examples shown in the report; default 12")
    parser.add_argument("--overwrite", action="store_true", help="replace results of an earlier run")
    options = parser.parse_args(arguments)
    if len(options.data) > 2 or (options.kohler and len(options.data) > 1):
        parser.error("give one folder in a known layout, or two folders: blurry and sharp")
    if options.kohler and options.ssim:
        parser.error("the Köhler protocol has a similarity of its own; leave --ssim out")
    for path in (options.csv, options.json, options.report):
        if path is not None and path.exists() and not options.overwrite:
            parser.error(f"{path} exists; choose another name or add --overwrite")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(arguments)
    computing = Computing(choose_device(options.device), DTYPES[options.dtype], options.tile, options.self_ensemble)
    windows: list[SsimWindow] = options.ssim or ["gaussian"]
    if options.kohler:
        sources = _spread(find_kohler(options.data[0]), options.images)
    else:
        folders = options.data
        pairs = match_pairs(*folders) if len(folders) == 2 else find_pairs(folders[0], options.blurry)
        sources = _spread(pairs, options.images)
        check_pairs(sources)
    contenders = load_contenders(options.model or [DEFAULT_MODEL], computing)

    def run(chosen: Sequence[Any]) -> Iterator[Example]:
        if options.kohler:
            return score_kohler(contenders, chosen, computing.device)
        return score_pairs(contenders, chosen, windows, computing.device)

    scores, articles = _score(run, sources, options.pictures if options.report else 0)
    origin = {
        "command": command_line(),
        "commit": commit(),
        "data": " and ".join(map(str, options.data)) + ("" if len(options.data) == 2 else f" ({_layout(options)})"),
        "images": f"{len(scores)}" + ("" if len(scores) == len(sources) else f" of {len(sources)}, interrupted"),
        "device": device_name(computing.device),
        "precision": options.dtype,
        "self-ensemble": "eight flips and turns" if options.self_ensemble else "no",
        "torch": torch.__version__,
    }
    print(_summary(scores))
    if options.csv:
        write(options.csv, as_csv(scores))
    if options.json:
        write(options.json, json.dumps(as_plain(scores, contenders, origin), indent=2, ensure_ascii=False) + "\n")
    if options.report:
        write(options.report, comparison_page(scores, contenders, articles, origin))


def write(path: Path, text: str) -> None:
    """Writes a result and says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")
    print(f"-> {path}")


def _score(
    run: Callable[[Sequence[Source]], Iterator[Example]], sources: Sequence[Source], shown: int
) -> tuple[Scores, list[str]]:
    """The figures of all images, and the pictures of some, from the largest loss to the largest gain.

    Only the figures are kept of a large set; the images that are shown are then restored once more.
    """
    scores: Scores = {}
    articles: dict[str, str] = {}
    gains: list[float] = []
    bar = tqdm(run(sources), total=len(sources), unit="image", dynamic_ncols=True)
    try:
        for example in bar:
            scores[example.name] = example.figures
            figure = main_figure(example)
            before, after = list(example.figures.values())[:2]
            gains.append(after[figure] - before[figure])
            tqdm.write(_row(example.name, example.figures))
            if len(sources) <= shown:
                articles[example.name] = draw_example(example)
    except KeyboardInterrupt:
        bar.close()
        if not scores:
            raise
        print(f"interrupted: the results are those of {len(scores)} of {len(sources)} images")
    order = sorted(range(len(gains)), key=lambda number: gains[number])
    if len(sources) > shown > 0:
        chosen = [sources[order[rank]] for rank in _ranks(len(order), min(shown, len(order)))]
        redrawn = tqdm(run(chosen), total=len(chosen), unit="picture", dynamic_ncols=True)
        return scores, [draw_example(example) for example in redrawn]
    names = list(scores)
    return scores, [articles[names[number]] for number in order if names[number] in articles]


def _ranks(count: int, chosen: int) -> list[int]:
    """Numbers below ``count`` from the first to the last, evenly spaced."""
    return [round(number * (count - 1) / max(1, chosen - 1)) for number in range(chosen)]


def _spread(entries: Sequence[Source], count: int | None) -> Sequence[Source]:
    if count is None or count >= len(entries):
        return entries
    if count < 1:
        raise SystemExit(f"expected at least one of the {len(entries)} images, found --images {count}")
    return [entries[rank] for rank in _ranks(len(entries), count)]


def _layout(options: argparse.Namespace) -> str:
    return "benchmark of Köhler et al." if options.kohler else f"{options.blurry} and sharp"


def as_csv(scores: Scores) -> str:
    """A line for every image and column, then the means; the columns ``image``, ``model`` and the figures' labels."""
    figures = list(next(iter(scores.values()))[BLURRY])
    text = StringIO()
    writer = csv.writer(text)
    writer.writerow(["image", "model", *(figure.label for figure in figures)])
    for image, columns in (*scores.items(), (f"mean of {len(scores)}", means(scores))):
        for model, values in columns.items():
            writer.writerow([image, model, *(f"{values[figure]:.6f}" for figure in figures)])
    return text.getvalue()


def means(scores: Scores) -> dict[str, dict[Figure, float]]:
    """The mean figures of every column."""
    columns = next(iter(scores.values()))
    return {column: average(entry[column] for entry in scores.values()) for column in columns}


def as_plain(scores: Scores, contenders: Sequence[Contender], origin: dict[str, str]) -> dict[str, Any]:
    """Plain data; an infinite PSNR, of equal images, is null."""

    def plain(columns: dict[str, dict[Figure, float]]) -> dict[str, dict[str, float | None]]:
        return {
            column: {figure.label: value if math.isfinite(value) else None for figure, value in values.items()}
            for column, values in columns.items()
        }

    return {
        "origin": origin,
        "models": [
            {"name": entry.name, "file": str(entry.file), "network": entry.network, "step": entry.step}
            for entry in contenders
        ],
        "mean": plain(means(scores)),
        "images": [{"image": name, "figures": plain(columns)} for name, columns in scores.items()],
    }


def _row(name: str, columns: dict[str, dict[Figure, float]]) -> str:
    parts = [f"{column} {' / '.join(f.text(v) for f, v in values.items())}" for column, values in columns.items()]
    return f"{name}  " + "  ".join(parts)


def _summary(scores: Scores) -> str:
    """The means as a table."""
    columns = means(scores)
    figures = list(columns[BLURRY])
    width = max(len(column) for column in columns)
    lines = [f"mean of {len(scores)} images"]
    for figure in figures:
        lines.append(f"  {figure.label}")
        lines += [
            f"    {column:{width}s}  {figure.text(values[figure]):>8s}"
            + ("" if column == BLURRY else f"  {values[figure] - columns[BLURRY][figure]:+.{figure.digits}f}")
            for column, values in columns.items()
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    try:
        main()
    except (OSError, ValueError) as error:
        raise SystemExit(f"error: {error}") from error
