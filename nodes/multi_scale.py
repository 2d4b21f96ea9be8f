"""DeblurMultiScale: restoration with a multi-scale model, from an image or from its pyramid."""

from comfy_api.latest import io
from torch import Tensor

from ..deblur import MultiScaleNet
from .model import DeblurModel
from .pyramid import Pyramid
from .restoration import restore_whole
from .schema import (
    CATEGORY,
    SEARCH_ALIASES,
    DeblurPyramidType,
    image_input,
    mask_input,
    model_input,
    restored_output,
    strength_input,
)


class DeblurMultiScale(io.ComfyNode):
    """Restores images with a multi-scale model."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DeblurMultiScale",
            display_name="Deblur (Multi-Scale)",
            category=CATEGORY,
            description="Restores motion-blurred images with a multi-scale network (Nah et al. 2017), from the images "
            "or from a pyramid of them: connect one of the two.",
            search_aliases=[*SEARCH_ALIASES, "DeepDeblur"],
            inputs=[
                model_input("a multi-scale model"),
                image_input(optional=True, more=" Leave it open where a pyramid is connected."),
                DeblurPyramidType.Input(
                    "pyramid",
                    optional=True,
                    tooltip="From DeblurBuildPyramid, instead of the image: restores its image from levels made with "
                    "its kernel. It needs at least as many levels as the model has scales.",
                ),
                mask_input(),
                strength_input(),
            ],
            outputs=[restored_output()],
        )

    @classmethod
    def execute(  # type: ignore[override]
        cls,
        model: DeblurModel,
        strength: float,
        image: Tensor | None = None,
        pyramid: Pyramid | None = None,
        mask: Tensor | None = None,
    ) -> io.NodeOutput:
        model.check_network("multi-scale", "DeblurMultiScale")
        if pyramid is None and image is not None:
            return io.NodeOutput(restore_whole(model, image, mask, strength))
        if pyramid is None or image is not None:
            found = "none of them" if pyramid is None else "both"
            raise ValueError(
                f"DeblurMultiScale expects an image or a pyramid, found {found}. Connect exactly one of the two inputs"
            )
        _check_levels(model, pyramid)
        return io.NodeOutput(restore_whole(model, pyramid.image, mask, strength, pyramid.kernel))


def _check_levels(model: DeblurModel, pyramid: Pyramid) -> None:
    assert isinstance(model.network, MultiScaleNet)
    needed, found = model.network.config.scales, len(pyramid.levels)
    if found < needed:
        raise ValueError(
            f"{model.name!r} has {needed} scales and the pyramid {found} level{'s' if found > 1 else ''}. "
            f"Set levels in DeblurBuildPyramid to {needed} or more"
        )
