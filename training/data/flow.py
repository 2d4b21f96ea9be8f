"""Motion between neighbouring frames by OpenCV's dense inverse search, and how far it is to be trusted.

Kroeger, Timofte, Dai, Van Gool: Fast Optical Flow using Dense Inverse Search, ECCV 2016.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from torch import Tensor

SMALLEST_SIDE = 16


@dataclass(frozen=True)
class Motion:
    """What optical flow says of two frames."""

    displacement: float
    """Length of the flow vectors at the percentile that was asked for, in pixels."""
    matching_error: float
    """Root of the mean squared difference, in grey levels of 255, between the first frame and the second one warped
    back onto it by the flow. What comes from outside the frame is not counted."""


def measure_motion(first: Tensor, second: Tensor, percentile: float) -> Motion:
    """Optical flow from one frame to the next and its frame-matching error (Noroozi et al. 2017, section 4).

    Args:
        first: ``(3, H, W)`` uint8, sides of at least 16 pixels.
        second: As ``first``.
        percentile: Of the flow's length, 0 to 100. The maximum is decided by the few vectors that any flow has wrong
            at occlusions and borders.

    Raises:
        ValueError: The frames are too small for the method.
    """
    if min(first.shape[1:]) < SMALLEST_SIDE:
        raise ValueError(
            f"optical flow needs frames of at least {SMALLEST_SIDE} pixels a side, found {first.shape[1]}×"
            f"{first.shape[2]}; downsample less"
        )
    grey = [cv2.cvtColor(image.permute(1, 2, 0).contiguous().numpy(), cv2.COLOR_RGB2GRAY) for image in (first, second)]
    method = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow = np.asarray(method.calc(grey[0], grey[1], None))  # type: ignore[call-overload]  # (H, W, 2): x, y
    height, width = grey[0].shape
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    x, y = x + flow[..., 0], y + flow[..., 1]
    warped = cv2.remap(grey[1], x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    difference = warped.astype(np.float32) - grey[0].astype(np.float32)
    error = float(np.sqrt(np.mean(np.square(difference), where=inside))) if inside.any() else float("inf")
    return Motion(float(np.percentile(np.linalg.norm(flow, axis=2), percentile)), error)
