"""The report of an evaluation: a table, a chart, pictures, and every figure of every image."""

from collections.abc import Mapping, Sequence

from .curves import charts, scatter_chart
from .figures import Figure, average
from .page import Cell, Picture, facts, page, pictures, section, table
from .pictures import jpeg_uri, telling_region, thumbnail, to_pillow
from .scoring import BLURRY, Contender, Example

CROP_HEIGHT, CROP_WIDTH = 240, 320
THUMBNAIL = 480
FEW_IMAGES = 5
"""Below this number of images a chart of them says less than the table."""


def draw_example(example: Example) -> str:
    """Blurry, restored and sharp side by side: the most telling region, and the whole image small."""
    region = telling_region(list(example.images.values()), example.sharp, CROP_HEIGHT, CROP_WIDTH)
    crops, wholes = [], []
    for name, image in (*example.images.items(), ("sharp", example.sharp)):
        figures = example.figures.get(name, {})
        note = ", ".join(
            f"{figure.short} {figure.text(value)} {figure.unit}".strip() for figure, value in figures.items()
        )
        crops.append(Picture(jpeg_uri(to_pillow(region.crop(image))), name, note))
        wholes.append(Picture(jpeg_uri(thumbnail(image, THUMBNAIL, region), quality=80)))
    return pictures(example.name, [wholes, crops])


def comparison_page(
    scores: Mapping[str, Mapping[str, dict[Figure, float]]],
    contenders: Sequence[Contender],
    articles: Sequence[str],
    origin: Mapping[str, str],
) -> str:
    """The whole page.

    Args:
        scores: Figures by image and by column.
        contenders: The columns after the blurry one.
        articles: What ``draw_example`` made, in the order to show them.
        origin: Command, commit and the like.
    """
    columns = list(next(iter(scores.values())))
    figures = list(next(iter(scores.values()))[BLURRY])
    sections = [
        section("Mean figures", _means_table(scores, contenders, figures), note=f"Over {len(scores)} images."),
    ]
    if len(scores) >= FEW_IMAGES:
        drawings = [
            scatter_chart(
                figure.heading("of the blurry image"),
                figure.heading("of the restored image"),
                {
                    column: (
                        [entry[BLURRY][figure] for entry in scores.values()],
                        [entry[column][figure] for entry in scores.values()],
                    )
                    for column in columns[1:]
                },
            )
            for figure in figures
        ]
        note = "A point for every image; above the dashed line the restored image is nearer to the sharp one."
        sections.append(section("Before and after", charts(*drawings), note=note))
    if articles:
        note = (
            "From the largest loss to the largest gain of the first model. Below each whole image, at its own "
            "resolution, the outlined region, where the images differ most."
        )
        sections.append(section("Examples", *articles, note=note))
    sections.append(section("Every image", _images_table(scores, figures), note="A click on a heading sorts."))
    sections.append(section("How this was made", facts(origin)))
    return page("Evaluation", f"{', '.join(entry.name for entry in contenders)} on {origin['data']}", sections)


def _means_table(
    scores: Mapping[str, Mapping[str, dict[Figure, float]]], contenders: Sequence[Contender], figures: Sequence[Figure]
) -> str:
    names = list(next(iter(scores.values())))
    means = {name: average(entry[name] for entry in scores.values()) for name in names}
    about = {entry.name: entry for entry in contenders}
    rows = []
    for name in names:
        contender = about.get(name)
        row = [Cell(name), Cell(contender.network if contender else "—")]
        row.append(Cell(f"{contender.step:,}", contender.step) if contender else Cell("—", -1))
        for figure in figures:
            value, before = means[name][figure], means[BLURRY][figure]
            row.append(Cell(figure.text(value), value, value == max(entry[figure] for entry in means.values())))
            gain = value - before
            row.append(Cell(f"{gain:+.{figure.digits}f}" if contender else "—", gain if contender else 0.0))
        rows.append(row)
    headers = ["Model", "Network", "Steps"]
    for figure in figures:
        headers += [figure.label, "Gain"]
    return table(headers, rows)


def _images_table(scores: Mapping[str, Mapping[str, dict[Figure, float]]], figures: Sequence[Figure]) -> str:
    columns = list(next(iter(scores.values())))
    headers = ["Image", *(figure.heading(column) for figure in figures for column in columns)]
    rows = []
    for image, entry in scores.items():
        row = [Cell(image)]
        for figure in figures:
            highest = max(entry[column][figure] for column in columns)
            row += [
                Cell(figure.text(entry[column][figure]), entry[column][figure], entry[column][figure] == highest)
                for column in columns
            ]
        rows.append(row)
    return table(headers, rows, folded=True)
