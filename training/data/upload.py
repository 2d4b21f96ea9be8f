"""From the memory of the CPU to the device that trains."""

import torch
from torch import Tensor


def upload(values: Tensor, device: torch.device) -> Tensor:
    """The values on the device, by a copy that the CPU does not wait for.

    A plain ``values.to(device)`` waits until a CUDA device has done all that it was asked for before. A GPU that
    renders, augments and trains would stand still at every small table, because nothing is asked of it ahead of time.
    """
    if device.type != "cuda" or values.is_cuda:
        return values.to(device)
    return values.contiguous().pin_memory().to(device, non_blocking=True)
