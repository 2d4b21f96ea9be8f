"""The number format of a forward pass."""

import torch

from deblur.commands.restore import DTYPES


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """A context in which the device computes in ``bfloat16`` or ``float16`` what bears it; none for ``float32``."""
    return torch.autocast(device.type, DTYPES[precision], enabled=precision != "float32")
