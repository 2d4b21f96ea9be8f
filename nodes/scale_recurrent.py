"""DeblurScaleRecurrent: restoration with a scale-recurrent model."""

from comfy_api.latest import io
from torch import Tensor

from .model import DeblurModel
from .restoration import restore_whole
from .schema import (
    CATEGORY,
    SEARCH_ALIASES,
    image_input,
    mask_input,
    model_input,
    restored_output,
    strength_input,
)


class DeblurScaleRecurrent(io.ComfyNode):
    """Restores images with a scale-recurrent model."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DeblurScaleRecurrent",
            display_name="Deblur (Scale-Recurrent)",
            category=CATEGORY,
            description="Restores motion-blurred images with a scale-recurrent network (Tao et al. 2018, "
            "SRN-DeblurNet).",
            search_aliases=[*SEARCH_ALIASES, "SRN"],
            inputs=[model_input("a scale-recurrent model"), image_input(), mask_input(), strength_input()],
            outputs=[restored_output()],
        )

    @classmethod
    def execute(  # type: ignore[override]
        cls, model: DeblurModel, image: Tensor, strength: float, mask: Tensor | None = None
    ) -> io.NodeOutput:
        model.check_network("scale-recurrent", "DeblurScaleRecurrent")
        return io.NodeOutput(restore_whole(model, image, mask, strength))
