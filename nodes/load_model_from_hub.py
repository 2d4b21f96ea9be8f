"""DeblurLoadModelFromHub: from any repository on the Hugging Face Hub to a DEBLUR_MODEL."""

from comfy_api.latest import io

from .download import with_progress
from .model import load_model
from .model_folder import hub_identity, hub_path, hub_reference
from .schema import CATEGORY, SEARCH_ALIASES, DeblurModelType, precision_input


class DeblurLoadModelFromHub(io.ComfyNode):
    """Downloads a checkpoint once, to ``models/deblur``, and reads it."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DeblurLoadModelFromHub",
            display_name="Load Deblur Model from Hub",
            category=CATEGORY,
            description="Loads anybody's motion deblurring model from the Hugging Face Hub. It is downloaded once.",
            search_aliases=[*SEARCH_ALIASES, "hugging face", "download model"],
            inputs=[
                io.String.Input(
                    "repository",
                    default="",
                    placeholder="owner/name",
                    tooltip="Repository on the Hugging Face Hub. Its files go to models/deblur/owner/name, and are not "
                    "downloaded again while they are there. Nobody has checked them, but only safetensors files are "
                    "read, which cannot run code.",
                ),
                io.String.Input(
                    "file",
                    default="",
                    placeholder="model.safetensors",
                    tooltip="A .safetensors file of the repository. Empty: model.safetensors, or the only one.",
                ),
                io.String.Input(
                    "revision",
                    default="",
                    placeholder="main",
                    tooltip="Branch, tag or commit. Empty: the default branch. A commit gives the same file for ever.",
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
    def fingerprint_inputs(  # type: ignore[override]
        cls, repository: str, file: str, revision: str, precision: str
    ) -> str:
        try:
            reference = hub_reference(repository, file, revision)
        except ValueError as error:
            return str(error)  # execute shows it on the node
        return f"{hub_identity(reference)} {precision}"

    @classmethod
    def execute(  # type: ignore[override]
        cls, repository: str, file: str, revision: str, precision: str
    ) -> io.NodeOutput:
        reference = hub_reference(repository, file, revision)
        path = with_progress(lambda report: hub_path(reference, report))
        return io.NodeOutput(load_model(str(reference), path, precision))
