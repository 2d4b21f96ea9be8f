"""DEBLUR_MODEL: a network with its place in ComfyUI's memory management."""

import logging
from dataclasses import dataclass
from pathlib import Path

import torch
from comfy import model_management
from comfy.model_patcher import ModelPatcher

from ..deblur import Config, Network, restore_network
from ..weights import read_checkpoint

NODE_FOR_NETWORK = {
    "multi-scale": "DeblurMultiScale",
    "scale-recurrent": "DeblurScaleRecurrent",
    "deblurnet": "DeblurInTheWild",
}
PRECISIONS = ("auto", "float32")


@dataclass(frozen=True)
class DeblurModel:
    """What travels on a DEBLUR_MODEL link; shared between nodes."""

    name: str
    """What the user chose in the loader."""
    network: Network
    """In inference mode; ComfyUI decides on which device it is."""
    patcher: ModelPatcher
    """Its handle in ComfyUI's memory management, one for as long as the model lives."""

    @property
    def config(self) -> Config:
        """The network's configuration."""
        return self.network.config

    @property
    def dtype(self) -> torch.dtype:
        """What the network computes with."""
        return next(self.network.parameters()).dtype

    def check_network(self, expected: str, node_id: str) -> None:
        """Raises ValueError, naming the right node, unless the network is the expected one."""
        found = self.config.network
        if found != expected:
            raise ValueError(
                f"{node_id} runs {expected} models, but {self.name!r} is a {found} model. "
                f"Connect it to {NODE_FOR_NETWORK[found]}, or to DeblurTiled, which runs every kind"
            )

    def load(self, memory: int) -> None:
        """Puts the network on the computing device and frees that much memory there, in bytes."""
        model_management.load_models_gpu([self.patcher], memory_required=memory, force_full_load=True)


def load_model(name: str, path: Path, precision: str) -> DeblurModel:
    """Reads a checkpoint.

    Args:
        name: What the user chose.
        path: The checkpoint file.
        precision: ``auto`` is float16 where ComfyUI says that the device is fast and right with it. bfloat16 is never
            used: its 8 bits of mantissa are fewer than a picture needs.

    Raises:
        CheckpointError: The file cannot be read.
        ValueError: Its configuration or tensors do not make a network.
    """
    checkpoint = read_checkpoint(path)
    try:
        network = restore_network(checkpoint.config, checkpoint.state_dict)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    device = model_management.get_torch_device()
    if precision == "auto" and model_management.should_use_fp16(device):
        network.half()
    offload_device = model_management.unet_offload_device()
    network.to(offload_device)
    logging.info("Deblurring model %s: %s, %s", name, checkpoint.config["network"], next(network.parameters()).dtype)
    return DeblurModel(name, network, ModelPatcher(network, load_device=device, offload_device=offload_device))
