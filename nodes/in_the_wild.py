"""DeblurInTheWild: restoration with a deblurnet model."""

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


class DeblurInTheWild(io.ComfyNode):
    """Restores images with a deblurnet model."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DeblurInTheWild",
            display_name="Deblur (In the Wild)",
            category=CATEGORY,
            description="Restores motion-blurred images with DeblurNet (Noroozi et al. 2017, Motion Deblurring in the "
            "Wild).",
            search_aliases=[*SEARCH_ALIASES, "DeblurNet"],
            inputs=[model_input("a deblurnet model"), image_input(), mask_input(), strength_input()],
            outputs=[restored_output()],
        )

    @classmethod
    def execute(  # type: ignore[override]
        cls, model: DeblurModel, image: Tensor, strength: float, mask: Tensor | None = None
    ) -> io.NodeOutput:
        model.check_network("deblurnet", "DeblurInTheWild")
        return io.NodeOutput(restore_whole(model, image, mask, strength))
