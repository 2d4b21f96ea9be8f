"""Types, inputs and outputs that several nodes share; inputs and outputs are new objects for every schema."""

from comfy_api.latest import io

from .model import PRECISIONS

CATEGORY = "image/restoration"
SEARCH_ALIASES = ["deblur", "unblur", "motion blur", "camera shake", "sharpen", "restore photo"]

DeblurModelType = io.Custom("DEBLUR_MODEL")
DeblurPyramidType = io.Custom("DEBLUR_PYRAMID")


def model_input(kinds: str) -> io.Input:
    """The model; ``kinds`` says which are accepted."""
    return DeblurModelType.Input("model", tooltip=f"From a loader of Deblur models: {kinds}.")


def precision_input() -> io.Input:
    """What the network computes with."""
    return io.Combo.Input(
        "precision",
        options=list(PRECISIONS),
        default=PRECISIONS[0],
        advanced=True,
        tooltip="auto computes in float16 where ComfyUI finds the device good at it, in float32 elsewhere. "
        "Choose float32 if a picture comes out wrong.",
    )


def image_input(optional: bool = False, more: str = "") -> io.Input:
    """The blurry image."""
    return io.Image.Input(
        "image",
        optional=optional,
        tooltip="Blurry images, one or a batch (the frames of a video), RGB, RGBA or grey. Frames are restored one by "
        "one. Values outside 0…1 are clamped, alpha is kept as it is." + more,
    )


def mask_input() -> io.Input:
    """Where to restore."""
    return io.Mask.Input(
        "mask",
        optional=True,
        tooltip="Restores only where the mask is white, in part where it is grey. One mask for all images or one for "
        "each; it is resized to the images. Note that Load Image gives an all-black mask for a picture without alpha.",
    )


def strength_input() -> io.Input:
    """How much of the restored image."""
    return io.Float.Input(
        "strength",
        default=1.0,
        min=0.0,
        max=1.0,
        step=0.01,
        tooltip="1 gives the restored image, 0 the input, between them a blend of both.",
    )


def restored_output() -> io.Output:
    """The restored images."""
    return io.Image.Output(
        "restored",
        tooltip="The restored images: size, channels and number as they came in, values in 0…1.",
    )
