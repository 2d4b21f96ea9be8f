"""Configurations: as data and back, and everything that is refused."""

import json
import time

import pytest
import torch

from deblur import (
    PRESETS,
    DeblurNetConfig,
    MultiScaleConfig,
    ScaleRecurrentConfig,
    StateDictError,
    build_network,
    config_to_dict,
    preset,
    restore_network,
)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_survives_json(name):
    data = json.loads(json.dumps(config_to_dict(preset(name))))
    with torch.device("meta"):
        state_dict = build_network(preset(name)).state_dict()
    assert restore_network(data, state_dict).config == preset(name)


def test_restored_network_has_the_same_tensors_and_is_ready_for_inference(small_config):
    network = build_network(small_config)
    restored = restore_network(config_to_dict(small_config), network.state_dict())
    assert not restored.training
    assert not any(parameter.requires_grad for parameter in restored.parameters())
    for key, tensor in network.state_dict().items():
        torch.testing.assert_close(restored.state_dict()[key], tensor)


def test_half_precision_tensors_are_brought_to_float32(small_config):
    tensors = build_network(small_config).state_dict().items()
    state_dict = {key: tensor.half() if tensor.is_floating_point() else tensor for key, tensor in tensors}
    restored = restore_network(config_to_dict(small_config), state_dict)
    assert {p.dtype for p in restored.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(network="transformer"), "unknown network 'transformer'"),
        (lambda c: c.pop("network"), "unknown network None"),
        (lambda c: c.update(network=["multi-scale"]), "unknown network"),
        (lambda c: c.update(depth=3), "unknown configuration key depth"),
        (lambda c: c.pop("blocks"), "lacks blocks"),
        (lambda c: c.update(blocks=10**9), "blocks must be an integer from 0 to 64"),
        (lambda c: c.update(blocks="3"), "blocks must be an integer"),
        (lambda c: c.update(blocks=True), "blocks must be an integer"),
        (lambda c: c.update(channels=[4, 4]), "three numbers"),
        (lambda c: c.update(channels=[4, 4, 10**7]), "channels must be an integer"),
        (lambda c: c.update(channels=4), "channels must be a list of numbers"),
        (lambda c: c.update(kernel_size=[3]), "kernel_size must be an integer"),
        (lambda c: c.update(cell="gru"), "cell must be one of"),
        (lambda c: c.update(shared="yes"), "shared must be true or false"),
        (lambda c: c.update(kernel_size=4), "must be odd"),
        (lambda c: c.update(image_channels=2), "must be 1 or 3"),
        (lambda c: c.update(image_channels=True), "image_channels must be an integer"),
    ],
)
def test_a_wrong_configuration_is_refused(change, message):
    config = ScaleRecurrentConfig(channels=(4, 4, 4), blocks=1)
    data = config_to_dict(config)
    change(data)
    with pytest.raises(ValueError, match=message):
        restore_network(data, build_network(config).state_dict())


def test_a_file_from_before_a_field_was_added_means_its_default():
    config = ScaleRecurrentConfig(channels=(4, 4, 4), blocks=1)
    data = config_to_dict(config)
    assert "image_channels" not in data
    assert restore_network(data, build_network(config).state_dict()).config == config


def test_what_a_message_shows_of_a_configuration_is_short_and_printable():
    config = ScaleRecurrentConfig(channels=(4, 4, 4), blocks=1)
    deep: list = []
    for _ in range(900):
        deep = [deep]
    for change in (
        {"\x1b[2J\ud800" + "k" * 10**6: 1},
        {"cell": deep},
        {"blocks": "9" * 10**6},
        {"channels": [9] * 10**6},
    ):
        with pytest.raises(ValueError, match="scale-recurrent") as caught:
            restore_network(config_to_dict(config) | change, {})
        assert len(str(caught.value)) < 2000
        assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "config",
    [
        MultiScaleConfig(scales=6, blocks=256, channels=1024, kernel_size=15),
        ScaleRecurrentConfig(scales=6, blocks=64, channels=(1024, 1024, 1024), shared=False, kernel_size=15),
        DeblurNetConfig(channels=(4096,) * 6, fine_channels=4096),
    ],
)
def test_a_gigantic_network_is_refused_before_it_is_built(config):
    before = time.process_time()
    with pytest.raises(StateDictError, match=r"ResBlocks, which have|missing: n1"):
        restore_network(config_to_dict(config), {"a": torch.zeros(1)})
    assert time.process_time() - before < 0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("bodies.0.head.bias"), "missing: bodies.0.head.bias"),
        (lambda s: s.update(extra=torch.zeros(1)), "not of this network: extra"),
        (lambda s: s.update({"bodies.0.head.bias": torch.zeros(5)}), r"expected shape \(4,\), found \(5,\)"),
        (lambda s: s.update({"bodies.0.head.bias": torch.zeros(4, dtype=torch.int64)}), "expected torch.float32"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(change, message):
    config = ScaleRecurrentConfig(channels=(4, 4, 4), blocks=1)
    state_dict = build_network(config).state_dict()
    change(state_dict)
    with pytest.raises(StateDictError, match=message):
        restore_network(config_to_dict(config), state_dict)


@pytest.mark.parametrize(
    "build",
    [
        lambda: MultiScaleConfig(scales=0),
        lambda: MultiScaleConfig(pyramid="lanczos"),
        lambda: MultiScaleConfig(kernel_size=4),
        lambda: DeblurNetConfig(channels=(8, 8)),
    ],
)
def test_values_out_of_range_are_refused(build):
    with pytest.raises(ValueError, match="must be"):
        build()


def test_an_unknown_preset_lists_the_known_ones():
    with pytest.raises(ValueError, match="scale-recurrent-lite"):
        preset("srn")
