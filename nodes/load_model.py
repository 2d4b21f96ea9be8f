"""DeblurLoadModel: from a name to a DEBLUR_MODEL."""

from comfy_api.latest import io

from .download import with_progress
from .model import load_model
from .model_folder import model_identity, model_names, model_path
from .schema import CATEGORY, SEARCH_ALIASES, DeblurModelType, precision_input


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
                precision_input(),
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
        path = with_progress(lambda report: model_path(model_name, report))
        return io.NodeOutput(load_model(model_name, path, precision))
