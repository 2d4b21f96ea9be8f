"""The report of a training run, one HTML file: ``python -m training.report RUN_FOLDER``.

Made from the run's ``log.jsonl`` and, where there is one, its folder ``pictures``.
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from .curves import Points, Scale, charts, line_chart
from .page import Cell, Picture, facts, page, pictures, section, table
from .pictures import jpeg_uri
from .run_log import LOG_FILE, RunLog, read_log

REPORT_FILE = "report.html"
PICTURE_FOLDER = "pictures"
MOST_POINTS = 600
MOST_PICTURES = 8
PICTURE_WIDTH = 1440
QUANTITIES: tuple[tuple[str, str, Scale], ...] = (
    ("loss", "loss", "logarithmic"),
    ("learning_rate", "learning rate", "linear"),
    ("images_per_second", "images a second", "zero"),
)
VALIDATION = (("psnr", "PSNR, dB", 2), ("ssim", "SSIM (11×11 Gaussian, per channel)", 4))


def write_report(run: Path, output: Path | None = None) -> Path:
    """Writes the report of a run and returns its path.

    Args:
        run: The run's folder.
        output: Where to; ``report.html`` in the folder, replaced each time, by default.

    Raises:
        FileNotFoundError: The folder has no log.
        FileExistsError: The output is there already and is not the run's own report.
    """
    own = run / REPORT_FILE
    output = output or own
    if output.exists() and output.resolve() != own.resolve():
        raise FileExistsError(f"{output} exists; choose another name or move it away")
    text = run_page(run.resolve().name, read_log(run / LOG_FILE), newest_pictures(run / PICTURE_FOLDER))
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text, encoding="utf-8")
    return output


def run_page(name: str, log: RunLog, shown: Sequence[Path]) -> str:
    """The whole page."""
    sections = []
    if log.validations:
        note = "The moving average of the weights on the validation pairs; best by PSNR."
        sections.append(section("Figures", _figures(log), note=note))
    if drawings := _curves(log):
        sections.append(section("Curves", charts(*drawings)))
    if shown:
        articles = [pictures("", [[Picture(_uri(path), path.stem)]]) for path in shown]
        note = "Blurry, restored and sharp, from left to right; the newest first."
        sections.append(section("Pictures", *articles, note=note))
    sections.append(section("How this was made", facts(_facts(log))))
    last = (log.steps or log.validations or [{}])[-1]
    reached = [f"{int(last['step']):,} steps"] if "step" in last else ["no step logged yet"]
    if last.get("minutes") is not None:
        reached.append(f"{last['minutes']:,.1f} minutes")
    return page(f"Training run {name}", ", ".join(reached), sections)


def newest_pictures(folder: Path, most: int = MOST_PICTURES) -> list[Path]:
    """The last pictures of a folder, by the numbers in their names, the newest first."""

    def key(path: Path) -> list[tuple[int, str]]:
        return [(int(number or 0), text) for number, text in re.findall(r"(\d+)|(\D+)", path.stem)]

    return sorted(folder.glob("*.png"), key=key, reverse=True)[:most]


def thinned(points: Points, most: int = MOST_POINTS) -> Points:
    """Means of neighbouring points, so that no more than so many are left."""
    xs, ys = points
    size = -(-len(xs) // most)
    if size <= 1:
        return points
    blocks = range(0, len(xs), size)

    def means(values: Sequence[float]) -> list[float]:
        return [sum(values[at : at + size]) / len(values[at : at + size]) for at in blocks]

    return means(xs), means(ys)


def _curves(log: RunLog) -> list[str]:
    drawings = []
    for key, label, _ in VALIDATION:
        series = {kind: log.series(f"{kind} {key}") for kind in ("restored", "blurry")}
        if series["restored"][0]:
            drawings.append(line_chart("step", label, {kind: points for kind, points in series.items() if points[0]}))
    for name, label, scale in QUANTITIES:
        points = thinned(log.series(name))
        if len(points[0]) > 1:
            drawings.append(line_chart("step", label, {label: points}, scale))
    return drawings


def _figures(log: RunLog) -> str:
    best = max(log.validations, key=lambda entry: entry.get("restored psnr", 0))
    rows = []
    for name, entry in (("last", log.validations[-1]), ("best", best)):
        minutes = entry.get("minutes")
        row = [Cell(name), Cell(f"{int(entry['step']):,}", entry["step"])]
        row.append(Cell("—" if minutes is None else f"{minutes:,.1f}", minutes or 0))
        for key, _, digits in VALIDATION:
            for kind in ("blurry", "restored"):
                value = entry.get(f"{kind} {key}")
                row.append(Cell("—", 0.0) if value is None else Cell(f"{value:.{digits}f}", value, kind == "restored"))
        rows.append(row)
    headers = ["Validation", "Step", "Minutes"]
    headers += [f"{kind} {label}" for _, label, _ in VALIDATION for kind in ("Blurry:", "Restored:")]
    return table(headers, rows)


def _facts(log: RunLog) -> dict[str, object]:
    entries: dict[str, object] = dict(log.starts[-1]) if log.starts else {}
    if len(log.starts) > 1:
        entries["started and went on"] = f"{len(log.starts)} times"
    if speeds := log.series("images_per_second")[1]:
        entries["images a second, median"] = f"{sorted(speeds)[len(speeds) // 2]:.1f}"
    if log.unreadable:
        entries["unreadable lines of the log"] = log.unreadable
    return entries or {"log": "says nothing of the command"}


def _uri(path: Path) -> str:
    with Image.open(path) as file:
        picture = file.convert("RGB")
    picture.thumbnail((PICTURE_WIDTH, PICTURE_WIDTH), Image.Resampling.LANCZOS)
    return jpeg_uri(picture)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m training.report", description=__doc__)
    parser.add_argument("run", type=Path, help="folder that python -m training.train wrote to")
    parser.add_argument("-o", "--output", type=Path, help=f"default: {REPORT_FILE} in the run's folder")
    options = parser.parse_args(arguments)
    print(f"-> {write_report(options.run, options.output)}")


if __name__ == "__main__":
    try:
        main()
    except (OSError, ValueError) as error:
        raise SystemExit(f"error: {error}") from error
