"""HTML pages that stand alone: one file, nothing loaded from anywhere, readable on paper and in the dark."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

STYLE = Path(__file__).with_name("page.css")
SCRIPT = Path(__file__).with_name("page.js")


@dataclass(frozen=True)
class Cell:
    """A cell of a table."""

    text: str
    value: float | None = None
    """What the column is sorted by; without it, the text. A cell with a value stands on the right."""
    best: bool = False
    """Printed bold."""


@dataclass(frozen=True)
class Picture:
    """A picture with what stands under it."""

    uri: str
    """A data URI."""
    caption: str = ""
    note: str = ""
    """A second, quieter line."""


def page(title: str, subtitle: str, sections: Sequence[str]) -> str:
    """A whole HTML document of sections that the other functions made."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{STYLE.read_text(encoding='utf-8')}</style>\n</head>\n<body>\n"
        f"<header><h1>{escape(title)}</h1><p>{escape(subtitle)}</p></header>\n"
        + "\n".join(sections)
        + f"\n<script>\n{SCRIPT.read_text(encoding='utf-8')}</script>\n</body>\n</html>\n"
    )


def section(heading: str, *parts: str, note: str = "") -> str:
    """A section under a heading, with a line that says what is seen."""
    lead = f'<p class="note">{escape(note)}</p>\n' if note else ""
    return f"<section>\n<h2>{escape(heading)}</h2>\n{lead}" + "\n".join(parts) + "\n</section>"


def table(headers: Sequence[str], rows: Sequence[Sequence[Cell]], folded: bool = False) -> str:
    """A table; a click on a header sorts by its column.

    Args:
        headers: One for each column.
        rows: Cells, as many as headers.
        folded: In a box that scrolls, for tables of many rows.
    """
    numeric = [all(row[column].value is not None for row in rows) for column in range(len(headers))]
    head = "".join(
        f'<th{" class=number" if number else ""}><button type="button">{escape(header)}</button></th>'
        for header, number in zip(headers, numeric, strict=True)
    )
    body = "\n".join("<tr>" + "".join(_cell(cell) for cell in row) + "</tr>" for row in rows)
    content = f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"
    return f'<div class="{"scroll tall" if folded else "scroll"}">{content}</div>'


def _cell(cell: Cell) -> str:
    text = f"<b>{escape(cell.text)}</b>" if cell.best else escape(cell.text)
    return f"<td>{text}</td>" if cell.value is None else f'<td class=number data-value="{cell.value!r}">{text}</td>'


def pictures(heading: str, rows: Sequence[Sequence[Picture]]) -> str:
    """Rows of pictures of equal number, one below the other, under a heading."""
    columns = len(rows[0])
    figures = "\n".join(_figure(picture) for row in rows for picture in row)
    title = f"<h3>{escape(heading)}</h3>\n" if heading else ""
    return f'<article>\n{title}<div class="pictures" style="--columns: {columns}">\n{figures}\n</div>\n</article>'


def _figure(picture: Picture) -> str:
    image = f'<img src="{picture.uri}" alt="{escape(picture.caption)}">'
    if not picture.caption:
        return f"<figure>{image}</figure>"
    caption = f"<b>{escape(picture.caption)}</b> <span>{escape(picture.note)}</span>"
    return f"<figure>{image}<figcaption>{caption}</figcaption></figure>"


def facts(entries: Mapping[str, object]) -> str:
    """Names and values, such as a command and a commit."""
    rows = "\n".join(
        f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>" for name, value in entries.items() if value != ""
    )
    return f"<dl>\n{rows}\n</dl>"
