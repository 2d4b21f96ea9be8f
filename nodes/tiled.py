"""DeblurTiled: restoration of images of any size with any model."""

from comfy_api.latest import io
from torch import Tensor

from .model import DeblurModel
from .restoration import restore_in_tiles
from .schema import (
    CATEGORY,
    SEARCH_ALIASES,
    image_input,
    mask_input,
    model_input,
    restored_output,
    strength_input,
)

EXACT_HALOS = {
    "scale-recurrent-lite": 87,
    "scale-recurrent": 188,
    "multi-scale-k1": 240,
    "multi-scale-k2": 120,
    "multi-scale-k3": 80,
    "deblurnet": 19,
}
"""``deblur.finest_radius`` of the published configurations, in pixels."""


class DeblurTiled(io.ComfyNode):
    """Restores images with the coarse scales on the whole image and the finest scale in tiles."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        halos = ", ".join(f"{radius} for {name}" for name, radius in EXACT_HALOS.items())
        return io.Schema(
            node_id="DeblurTiled",
            display_name="Deblur (Tiled)",
            category=CATEGORY,
            description="Restores motion-blurred images of any size with any deblurring model. The coarse scales see "
            "the whole image; only the finest scale, which takes most of the memory, runs in tiles.",
            search_aliases=[*SEARCH_ALIASES, "tiled deblur", "large image"],
            inputs=[
                model_input("a model of any kind"),
                image_input(),
                mask_input(),
                strength_input(),
                io.Int.Input(
                    "tile_size",
                    default=512,
                    min=64,
                    max=8192,
                    step=32,
                    tooltip="Side of a tile in pixels. Smaller tiles take less memory and more time. When the memory "
                    "does not suffice all the same, it is halved as often as needed, down to 128.",
                ),
                io.Int.Input(
                    "halo",
                    default=64,
                    min=0,
                    max=1024,
                    step=8,
                    advanced=True,
                    tooltip="Pixels around a tile that the network sees and that are then cut off. From the radius of "
                    f"the finest scale on the result is that of the whole image: {halos}. Less is faster and mostly "
                    "looks the same; 0 leaves seams.",
                ),
            ],
            outputs=[restored_output()],
        )

    @classmethod
    def execute(  # type: ignore[override]
        cls,
        model: DeblurModel,
        image: Tensor,
        strength: float,
        tile_size: int,
        halo: int,
        mask: Tensor | None = None,
    ) -> io.NodeOutput:
        return io.NodeOutput(restore_in_tiles(model, image, mask, strength, tile_size, halo))
