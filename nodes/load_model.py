"""DeblurLoadModel: from a name to a DEBLUR_MODEL."""

from comfy_api.latest import io

from .model import PRECISIONS, load_model
from .model_folder import model_identity, model_names, model_path
from .schema import CATEGORY, SEARCH_ALIASES, DeblurModelType


class DeblurLoadModel(io.ComfyNode):
    """Reads a checkpoint from the catalogue or from ``models/deblur``."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DeblurLoadModel",
            display_name="Load Deblur Model",
            category=CATEGORY,
            description="Loads a motion deblurring model for the deblurring nodes.",
            search_aliases=SEARCH_ALIASES,
            inputs=[
                io.Combo.Input(
                    "model_name",
                    options=model_names(),
                    tooltip="A model of the catalogue, or a .safetensors file in models/deblur (press R after adding "
                    "one). A catalogue model that is not on this machine is downloaded once.",
                ),
                io.Combo.Input(
                    "precision",
                    options=list(PRECISIONS),
                    default=PRECISIONS[0],
                    advanced=True,
                    tooltip="auto computes in float16 where ComfyUI finds the device good at it, in float32 elsewhere. "
                    "Choose float32 if a picture comes out wrong.",
                ),
            ],
            outputs=[
                DeblurModelType.Output(
                    "model", tooltip="For the node of its kind: Scale-Recurrent, Multi-Scale, In the Wild; or Tiled."
                )
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, model_name: str, precision: str) -> str:  # type: ignore[override]
        return f"{model_identity(model_name)} {precision}"

    @classmethod
    def execute(cls, model_name: str, precision: str) -> io.NodeOutput:  # type: ignore[override]
        return io.NodeOutput(load_model(model_name, model_path(model_name), precision))
