"""Shared fixtures: small networks of every kind, and markers that skip with a reason."""

import os

import pytest
import torch

from deblur import DeblurNetConfig, MultiScaleConfig, ScaleRecurrentConfig, build_network, config_to_dict
from tests.hub_server import running_hub
from weights import Checkpoint, write_checkpoint

SMALL = {
    "multi-scale-k1": MultiScaleConfig(scales=1, blocks=2, channels=8),
    "multi-scale-k3": MultiScaleConfig(scales=3, blocks=1, channels=8),
    "multi-scale-torch7": MultiScaleConfig(scales=2, blocks=1, channels=8, pyramid="gaussian-torch7"),
    "scale-recurrent": ScaleRecurrentConfig(channels=(4, 6, 8), blocks=1),
    "scale-recurrent-tensorflow": ScaleRecurrentConfig(
        channels=(4, 6, 8), blocks=1, pyramid="bilinear-legacy", resize="bilinear-legacy", padding="same", border="edge"
    ),
    "scale-recurrent-lite": ScaleRecurrentConfig(
        channels=(4, 6, 8),
        blocks=1,
        kernel_size=3,
        unshuffle=2,
        residual_output=True,
        stop_gradient=False,
        pyramid="area",
    ),
    "srn-ss": ScaleRecurrentConfig(channels=(4, 6, 8), blocks=1, kernel_size=3, scales=1, cell="convolution"),
    "srn-sc": ScaleRecurrentConfig(channels=(4, 6, 8), blocks=1, kernel_size=3, shared=False, cell="convolution"),
    "srn-rnn": ScaleRecurrentConfig(channels=(4, 6, 8), blocks=1, kernel_size=3, cell="conv-rnn"),
    "srn-flat": ScaleRecurrentConfig(
        channels=(4, 6, 8), blocks=1, kernel_size=3, cell="convolution", strided=False, skips=False
    ),
    "srn-color": ScaleRecurrentConfig(channels=(4, 6, 8), blocks=1, cell="none"),
    "srn-lstm": ScaleRecurrentConfig(
        channels=(4, 6, 8),
        blocks=1,
        pyramid="bilinear-legacy",
        resize="bilinear-legacy",
        padding="same",
        border="edge",
        image_channels=1,
    ),
    "deblurnet": DeblurNetConfig(channels=(6, 8, 8, 8, 6, 6), fine_channels=8),
}


@pytest.fixture(params=SMALL)
def small_config(request):
    return SMALL[request.param]


@pytest.fixture
def small_network(small_config):
    torch.manual_seed(0)
    network = build_network(small_config).train(False)
    for parameter in network.parameters():  # no zero biases or tails, so that nothing is hidden
        parameter.data.add_(0.02 * torch.randn_like(parameter))
    return network.requires_grad_(False)


@pytest.fixture
def model(tmp_path):
    """A checkpoint file of a small network with random weights."""
    torch.manual_seed(0)
    config = SMALL["scale-recurrent-lite"]
    network = build_network(config)
    for parameter in network.parameters():
        parameter.data.add_(0.02 * torch.randn_like(parameter))
    path = tmp_path / "model.safetensors"
    write_checkpoint(path, Checkpoint(config_to_dict(config), network.state_dict()))
    return path


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A running Hub that huggingface_hub talks to, with an empty cache folder, without a token, by plain HTTP."""
    from huggingface_hub import constants, file_download

    monkeypatch.delenv("HF_TOKEN", raising=False)
    with running_hub() as server:
        addresses = server.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(file_download, "HUGGINGFACE_CO_URL_TEMPLATE", addresses, raising=False)  # before 1.0
        for name, value in {
            "ENDPOINT": server.endpoint,
            "HUGGINGFACE_CO_URL_TEMPLATE": addresses,
            "HF_HUB_CACHE": str(tmp_path / "hub-cache"),
            "HF_TOKEN_PATH": str(tmp_path / "no-token"),
            "HF_STORED_TOKENS_PATH": str(tmp_path / "no-tokens"),
            "HF_HUB_DISABLE_XET": True,
            "HF_HUB_DOWNLOAD_TIMEOUT": 1,
            "HF_HUB_ETAG_TIMEOUT": 1,
        }.items():
            monkeypatch.setattr(constants, name, value, raising=False)
        yield server


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("gpu") and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))
        if item.get_closest_marker("comfyui") and not os.environ.get("COMFYUI_ROOT"):
            item.add_marker(pytest.mark.skip(reason="needs COMFYUI_ROOT=<checkout of ComfyUI>"))
