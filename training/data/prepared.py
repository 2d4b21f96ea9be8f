"""Sequences of pairs written in GOPRO's layout, one after the other, so that a stopped run can go on.

``<output>/<sequence>/{blur,blur_gamma,sharp}/NNNNNN.png`` with ``report.csv``, one line for every window, and
``recipe.json``. Until a sequence is complete it lies in a hidden folder beside its place.
"""

import csv
import errno
import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from torch import Tensor
from tqdm import tqdm

from deblur import psnr
from deblur.commands.image_file import ImageFile, write_image

from .frames import GAMMA, average_frames
from .sequences import FrameSequence
from .windows import Recipe, Verdict, Window, windows

FORMAT = "motion-deblur frames 1"
GAMMAS = {"blur": 1.0, "blur_gamma": GAMMA}


@dataclass(frozen=True)
class Row:
    """A line of a sequence's report."""

    number: int
    """The window's number from 1, also the name of the pair's files."""
    first: int
    """Index of the first frame, from 0."""
    frames: int
    """Number of frames that were to be averaged."""
    following: int
    """Index of the first frame of the next window."""
    verdict: Verdict
    """``written``, or why the window was dropped."""
    flow: float
    """Longest flow between neighbours that were looked at, in pixels; 0 where flow was not looked at."""
    matching_error: float
    """Largest frame-matching error, in grey levels."""
    change: float
    """Largest change of neighbouring frames made small, in grey levels."""
    psnr: float
    """PSNR of the first of the recipe's averages against the sharp image, in dB; 0 for a dropped window."""


def prepared_rows(sequence: FrameSequence, recipe: Recipe, output: Path) -> list[Row] | None:
    """The report of a sequence that is there and complete, or None.

    Raises:
        FileExistsError: Something else is in its place, or what a run with other options or frames left unfinished.
    """
    place, partial = _places(output, sequence)
    mine = _description(sequence, recipe)
    for folder in (place, partial):
        content = [path for path in folder.iterdir() if not path.name.startswith(".")] if folder.is_dir() else []
        if (folder.exists() and not folder.is_dir()) or (content and _read_description(folder) != mine):
            raise FileExistsError(
                f"{folder} exists and is not what this recipe makes of {sequence.path}; choose another output folder "
                "or move it away"
            )
    return _read_report(place) if (place / "recipe.json").is_file() else None


def prepare_sequence(sequence: FrameSequence, recipe: Recipe, output: Path, progress: bool = True) -> list[Row]:
    """Writes the pairs of a sequence, or those that a stopped run has not written; returns the report.

    Frames are read one at a time. The sequence appears in its place when it is complete.

    Raises:
        FileExistsError: Something else is in its place.
        ValueError: A frame cannot be read.
        OSError: The disk is full; what is written stays for a later run.
    """
    if (complete := prepared_rows(sequence, recipe, output)) is not None:
        return complete
    place, partial = _places(output, sequence)
    try:
        partial.mkdir(parents=True, exist_ok=True)
        for half_written in partial.rglob(".*"):
            half_written.unlink()
        _write_text(partial / "recipe.json", json.dumps(_description(sequence, recipe), indent=2, ensure_ascii=False))
        rows = _read_report(partial)
        _write_text(partial / "report.csv", _csv([field.name for field in fields(Row)], *map(_values, rows)))
        rows += _write_windows(sequence, recipe, partial, rows[-1] if rows else None, progress)
        if place.is_dir():
            place.rmdir()
        partial.rename(place)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise OSError(
            f"no space left for sequence {sequence.name} in {output}; what is written is in {partial}. Free space and "
            "give the same command again, it goes on from there"
        ) from error
    return rows


def _write_windows(
    sequence: FrameSequence, recipe: Recipe, folder: Path, last: Row | None, progress: bool
) -> list[Row]:
    start, number = (last.following, last.number) if last else (0, 0)
    frames = tqdm(
        sequence.frames(start),
        desc=sequence.name,
        unit="frame",
        initial=start,
        total=sequence.likely_count or None,
        disable=not progress,
        leave=False,
    )
    rows = []
    with (folder / "report.csv").open("a", newline="") as report, ThreadPoolExecutor(len(GAMMAS) + 1) as pool:
        for window in windows(frames, recipe, sequence.name, sequence.breaks, start, number):
            decibels = 0.0
            if window.verdict == "written":
                images = {kind: average_frames(window.frames, GAMMAS[kind]) for kind in recipe.averages}
                images["sharp"] = window.frames[window.length // 2]
                decibels = _psnr(images[recipe.averages[0]], images["sharp"])
                paths = [folder / kind / f"{window.number + 1:06d}.png" for kind in images]
                list(pool.map(_write_png, paths, images.values()))
            rows.append(_row(window, decibels))
            report.write(_csv(_values(rows[-1])))
            report.flush()
    frames.close()
    return rows


def _row(window: Window, decibels: float) -> Row:
    measures = (round(value, 3) for value in (window.flow, window.matching_error, window.change, decibels))
    return Row(window.number + 1, window.first, window.length, window.following, window.verdict, *measures)


def _psnr(blurry: Tensor, sharp: Tensor) -> float:
    return min(100.0, float(psnr(blurry[None].float() / 255, sharp[None].float() / 255)))


def _write_png(path: Path, image: Tensor) -> None:
    write_image(path, ImageFile(image.float() / 255))


def _places(output: Path, sequence: FrameSequence) -> tuple[Path, Path]:
    place = output / sequence.name
    return place, place.with_name(f".{place.name}.partial")


def _description(sequence: FrameSequence, recipe: Recipe) -> dict[str, object]:
    text = json.dumps({"format": FORMAT, "recipe": asdict(recipe), "frames": sequence.fingerprint()})
    return json.loads(text)


def _read_description(folder: Path) -> dict[str, object] | None:
    try:
        return json.loads((folder / "recipe.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _read_report(folder: Path) -> list[Row]:
    """The complete lines of a report; a line that a stopped run wrote half is left out."""
    if not (folder / "report.csv").is_file():
        return []
    text = (folder / "report.csv").read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1].splitlines()
    return [
        Row(
            number=int(line["number"]),
            first=int(line["first"]),
            frames=int(line["frames"]),
            following=int(line["following"]),
            verdict=line["verdict"],  # type: ignore[arg-type]
            flow=float(line["flow"]),
            matching_error=float(line["matching_error"]),
            change=float(line["change"]),
            psnr=float(line["psnr"]),
        )
        for line in csv.DictReader(whole)
    ]


def _values(row: Row) -> Iterable[object]:
    return asdict(row).values()


def _csv(*lines: Iterable[object]) -> str:
    return "".join(",".join(map(str, line)) + "\n" for line in lines)


def _write_text(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
