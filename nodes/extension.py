"""What ComfyUI loads: the list of nodes, and the folder for models."""

from comfy_api.latest import ComfyExtension, io

from .build_pyramid import DeblurBuildPyramid
from .in_the_wild import DeblurInTheWild
from .load_model import DeblurLoadModel
from .load_model_from_hub import DeblurLoadModelFromHub
from .model_folder import register_model_folder
from .multi_scale import DeblurMultiScale
from .pyramid_level import DeblurPyramidLevel
from .scale_recurrent import DeblurScaleRecurrent
from .tiled import DeblurTiled


class DeblurExtension(ComfyExtension):
    """The motion deblurring nodes."""

    async def on_load(self) -> None:
        register_model_folder()

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [
            DeblurLoadModel,
            DeblurLoadModelFromHub,
            DeblurScaleRecurrent,
            DeblurMultiScale,
            DeblurInTheWild,
            DeblurTiled,
            DeblurBuildPyramid,
            DeblurPyramidLevel,
        ]
