"""Motion deblurring nodes for ComfyUI.

ComfyUI imports this file and calls ``comfy_entrypoint``. Without ComfyUI the import does nothing.
"""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .nodes.extension import DeblurExtension

WEB_DIRECTORY = "./web"
MINIMUM_COMFYUI = (0, 18, 0)

__all__ = ["WEB_DIRECTORY", "comfy_entrypoint"]


def _check_comfyui() -> None:
    """Raises ImportError on a ComfyUI that lacks what the nodes use; without the check it fails in obscure ways."""
    try:
        from comfyui_version import __version__ as found
    except ModuleNotFoundError:
        return  # not inside ComfyUI
    numbers = tuple(int(number) for number in re.findall(r"\d+", found)[:3])
    if numbers < MINIMUM_COMFYUI:
        expected = ".".join(map(str, MINIMUM_COMFYUI))
        raise ImportError(
            f"the motion deblurring nodes need ComfyUI {expected} or newer and this is ComfyUI {found}. "
            "Update ComfyUI, then start it again"
        )


_check_comfyui()


async def comfy_entrypoint() -> "DeblurExtension":
    """What ComfyUI calls once to get the nodes."""
    from .nodes.extension import DeblurExtension

    return DeblurExtension()
