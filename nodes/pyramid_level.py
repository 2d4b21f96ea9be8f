"""DeblurPyramidLevel: one level of a DEBLUR_PYRAMID as an image."""

from comfy_api.latest import io

from .build_pyramid import MAX_LEVELS
from .pyramid import Pyramid
from .schema import CATEGORY, SEARCH_ALIASES, DeblurPyramidType


class DeblurPyramidLevel(io.ComfyNode):
    """Takes one level out of a pyramid."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DeblurPyramidLevel",
            display_name="Deblur Pyramid Level",
            category=CATEGORY,
            description="Takes one level out of an image pyramid, to look at it.",
            search_aliases=[*SEARCH_ALIASES, "gaussian pyramid", "image pyramid"],
            inputs=[
                DeblurPyramidType.Input("pyramid", tooltip="From DeblurBuildPyramid."),
                io.Int.Input(
                    "level",
                    default=1,
                    min=1,
                    max=MAX_LEVELS,
                    tooltip="1 is the finest, the image itself; each following level is half as wide and high.",
                ),
            ],
            outputs=[io.Image.Output("image", tooltip="The level at its own size, values in 0…1.")],
        )

    @classmethod
    def execute(cls, pyramid: Pyramid, level: int) -> io.NodeOutput:  # type: ignore[override]
        count = len(pyramid.levels)
        if not 1 <= level <= count:
            raise ValueError(
                f"expected a level from 1 to {count}, found {level}: the pyramid has {count} "
                f"level{'s' if count > 1 else ''}. Choose a lower level, or set levels in DeblurBuildPyramid to {level}"
            )
        return io.NodeOutput(pyramid.levels[level - 1])
