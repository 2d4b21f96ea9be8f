"""DeblurBuildPyramid: from images to a DEBLUR_PYRAMID."""

from comfy_api.latest import io
from torch import Tensor

from ..deblur import PYRAMID_KERNELS
from ..deblur.resize import PyramidKernel
from .frames import check_images
from .pyramid import pyramid_of
from .schema import CATEGORY, SEARCH_ALIASES, DeblurPyramidType, image_input

MAX_LEVELS = 6


class DeblurBuildPyramid(io.ComfyNode):
    """Builds an image pyramid, each level half the size of the one before it."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DeblurBuildPyramid",
            display_name="Build Deblur Pyramid",
            category=CATEGORY,
            description="Builds the image pyramid that multi-scale deblurring starts from, to look at its levels or to "
            "restore from another pyramid than the model's own.",
            search_aliases=[*SEARCH_ALIASES, "gaussian pyramid", "image pyramid"],
            inputs=[
                image_input(),
                io.Int.Input(
                    "levels",
                    default=3,
                    min=1,
                    max=MAX_LEVELS,
                    tooltip="Number of levels, the image itself included. A model of K scales needs K of them.",
                ),
                io.Combo.Input(
                    "kernel",
                    options=list(PYRAMID_KERNELS),
                    default="gaussian",
                    advanced=True,
                    tooltip="How an image is halved. gaussian: what multi-scale models are trained with here. "
                    "gaussian-torch7: the official torch7 code. area: means of 2×2 pixels. bilinear, bilinear-legacy: "
                    "sampled from the full resolution, with half-pixel centres or as TensorFlow 1 does it.",
                ),
            ],
            outputs=[DeblurPyramidType.Output("pyramid", tooltip="The image and all of its levels, and the kernel.")],
        )

    @classmethod
    def execute(cls, image: Tensor, levels: int, kernel: PyramidKernel) -> io.NodeOutput:  # type: ignore[override]
        check_images(image)
        return io.NodeOutput(pyramid_of(image, levels, kernel))
