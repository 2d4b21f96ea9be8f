"""Charts as SVG that stands in a page, legible on light and on dark ground."""

import math
import re
from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any, Literal

from matplotlib import rc_context
from matplotlib.figure import Figure

NEUTRAL = "#808893"
COLOURS = ("#2f7ed8", "#e07b1a", "#2a9d6f", "#b5539c", "#8a6fd1", "#c0433c")
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "motion-deblur",
    "font.family": "sans-serif",
    "font.size": 11,
    "text.color": NEUTRAL,
    "axes.labelcolor": NEUTRAL,
    "axes.edgecolor": NEUTRAL,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": NEUTRAL,
    "grid.alpha": 0.25,
    "xtick.color": NEUTRAL,
    "ytick.color": NEUTRAL,
    "legend.frameon": False,
}
Scale = Literal["linear", "zero", "logarithmic"]
Points = tuple[Sequence[float], Sequence[float]]


def line_chart(x_label: str, y_label: str, series: Mapping[str, Points], scale: Scale = "linear") -> str:
    """Lines through points ``(xs, ys)`` by name; a series of few points is marked at each.

    Args:
        x_label: Name and unit of the horizontal axis.
        y_label: Name and unit of the vertical axis.
        series: Points by name, drawn in this order.
        scale: Of the vertical axis; ``zero`` is linear from 0, and a value that is not positive makes a logarithmic
            axis linear.
    """
    with rc_context(STYLE):
        figure, axes = _axes(x_label, y_label)
        for (name, (xs, ys)), colour in zip(series.items(), _colours(len(series)), strict=True):
            axes.plot(xs, ys, label=name, color=colour, linewidth=1.6, marker="o" if len(xs) < 30 else "", markersize=3)
        if scale == "zero":
            axes.set_ylim(bottom=0)
        if scale == "logarithmic" and all(y > 0 for _, ys in series.values() for y in ys):
            axes.set_yscale("log")
        if len(series) > 1:
            axes.legend(fontsize=10)
        return _svg(figure)


def scatter_chart(x_label: str, y_label: str, series: Mapping[str, Points]) -> str:
    """Points ``(xs, ys)`` by name, with the diagonal on which both are equal."""
    with rc_context(STYLE):
        figure, axes = _axes(x_label, y_label)
        for (name, (xs, ys)), colour in zip(series.items(), _colours(len(series)), strict=True):
            axes.scatter(xs, ys, s=28 if len(xs) < 200 else 10, alpha=0.6, label=name, color=colour, linewidths=0)
        values = [value for xs, ys in series.values() for value in (*xs, *ys) if math.isfinite(value)]
        axes.plot([min(values), max(values)], [min(values), max(values)], color=NEUTRAL, linewidth=1, linestyle="--")
        if len(series) > 1:
            axes.legend(fontsize=10)
        return _svg(figure)


def charts(*drawings: str) -> str:
    """Charts side by side where there is room."""
    return '<div class="charts">\n' + "\n".join(drawings) + "\n</div>"


def _axes(x_label: str, y_label: str):
    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.subplots()
    axes.patch.set_alpha(0)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    return figure, axes


def _colours(count: int) -> list[str]:
    return [COLOURS[number % len(COLOURS)] for number in range(count)]


def _svg(figure: Figure) -> str:
    """The drawing alone: no XML prologue and no metadata, which name addresses on the web."""
    buffer = StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    drawing = buffer.getvalue()
    drawing = drawing[drawing.index("<svg") :]
    return re.sub(r"<metadata>.*?</metadata>", "", drawing, flags=re.DOTALL)
