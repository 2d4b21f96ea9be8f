"""Motion deblurring networks, pyramids, inference and metrics, on tensors alone."""

from .config import config_to_dict
from .cost import Cost, cost, finest_radius
from .ensemble import self_ensemble
from .in_the_wild import DeblurNet, DeblurNetConfig
from .metrics import psnr, ssim
from .multi_scale import MultiScaleConfig, MultiScaleNet
from .presets import PRESETS, Config, Network, StateDictError, build_network, preset, restore_network
from .pyramid import PYRAMID_KERNELS, build_pyramid
from .restore import restore
from .scale_recurrent import ScaleRecurrentConfig, ScaleRecurrentNet
from .tiled import restore_tiled

__all__ = [
    "PRESETS",
    "PYRAMID_KERNELS",
    "Config",
    "Cost",
    "DeblurNet",
    "DeblurNetConfig",
    "MultiScaleConfig",
    "MultiScaleNet",
    "Network",
    "ScaleRecurrentConfig",
    "ScaleRecurrentNet",
    "StateDictError",
    "build_network",
    "build_pyramid",
    "config_to_dict",
    "cost",
    "finest_radius",
    "preset",
    "psnr",
    "restore",
    "restore_network",
    "restore_tiled",
    "self_ensemble",
    "ssim",
]
