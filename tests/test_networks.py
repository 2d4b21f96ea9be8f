"""The networks against published figures, and what every one of them must do."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from deblur import PRESETS, ScaleRecurrentConfig, build_network, cost, preset
from deblur.cost import parameter_count
from deblur.layers import ConvLSTM, ConvRNN, SameConv2d

# Computed from independent implementations of the papers; Tao et al. 2018, table 1, gives the srn ones in millions.
PUBLISHED_PARAMETERS = {
    "multi-scale-k1": 12_100_419,
    "multi-scale-k2": 11_910_870,
    "multi-scale-k3": 11_721_321,
    "scale-recurrent": 8_061_411,
    "deblurnet": 24_677_353,
    "srn-ss": 2_731_619,
    "srn-sc": 8_194_857,
    "srn-wo-r": 2_731_619,
    "srn-rnn": 3_026_659,
    "srn-flat": 2_659_939,
    "srn-rb": 2_659_939,
    "srn-ed": 3_764_195,
    "srn-edrb1": 2_214_115,
    "srn-edrb2": 2_989_155,
    "srn-edrb3": 3_764_195,
}


def test_every_preset_but_our_own_has_a_published_parameter_count():
    assert set(PRESETS) - set(PUBLISHED_PARAMETERS) == {"scale-recurrent-lite"}


@pytest.mark.parametrize(("name", "count"), PUBLISHED_PARAMETERS.items())
def test_parameters_equal_the_published_count(name, count):
    with torch.device("meta"):
        assert parameter_count(build_network(preset(name))) == count


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({"cell_kernel_size": 5}, 10_158_563),
        ({"cell": "none"}, 6_881_251),
        # Four input channels of 32·25 weights fewer, and two output channels with their biases.
        ({"cell": "none", "image_channels": 1}, 6_881_251 - 4 * 800 - 2 * 801),
        ({"image_channels": 1}, 8_061_411 - 4 * 800 - 2 * 801),
    ],
    ids=["5x5", "color", "gray", "lstm"],
)
def test_variants_of_scale_recurrent_have_the_known_counts(changes, count):
    with torch.device("meta"):
        assert parameter_count(build_network(replace(preset("scale-recurrent"), **changes))) == count


@pytest.mark.parametrize(
    ("name", "gmac", "radius", "finest"),
    [
        ("multi-scale-k1", 792.5, 240, 240),
        ("multi-scale-k2", 487.7, 368, 120),
        ("multi-scale-k3", 335.9, 584, 80),
        ("scale-recurrent", 89.8, 1315, 188),
        ("deblurnet", 236.3, 89, 19),
        ("srn-ss", 24.2, 99, 99),
    ],
)
def test_cost_equals_independent_figures(name, gmac, radius, finest):
    figures = cost(preset(name))
    assert figures.macs_256 / 1e9 == pytest.approx(gmac, abs=0.06)
    assert (figures.receptive_radius, figures.finest_radius) == (radius, finest)


def test_lite_stays_within_its_arithmetic():
    assert cost(preset("scale-recurrent-lite")).macs_256 <= 10e9


def test_every_parameter_gets_a_gradient(small_config):
    torch.manual_seed(0)
    network = build_network(small_config)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    side = 4 * network.size_multiple
    outputs = network(network.pyramid(torch.rand(2, 3, side, side)))
    sum(output.square().mean() for output in outputs).backward()
    without = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []


def test_forward_gives_every_scale(small_network):
    side = 2 * small_network.size_multiple
    levels = small_network.pyramid(torch.rand(2, 3, side, 2 * side))
    outputs = small_network(levels)
    assert [tuple(output.shape) for output in outputs] == [tuple(level.shape) for level in levels]


def test_stop_gradient_keeps_the_guide_from_reaching_the_coarser_scale():
    config = ScaleRecurrentConfig(channels=(4, 4, 4), blocks=1, cell="convolution", shared=False)
    for stop, reaches in ((True, False), (False, True)):
        network = build_network(replace(config, stop_gradient=stop))
        network(network.pyramid(torch.rand(1, 3, 32, 32)))[0].sum().backward()
        assert (network.bodies[1].head.weight.grad is not None) == reaches


GREY = ScaleRecurrentConfig(channels=(4, 6, 8), blocks=1, image_channels=1)


def test_a_network_of_one_channel_restores_every_colour_by_itself():
    torch.manual_seed(0)
    network = build_network(GREY).double().train(False)
    image = torch.rand(2, 3, 32, 48, dtype=torch.float64)
    outputs = network(network.pyramid(image))
    for colour in range(3):
        grey = image[:, colour : colour + 1].expand(-1, 3, -1, -1)
        for output, alone in zip(outputs, network(network.pyramid(grey)), strict=True):
            for channel in range(3):
                torch.testing.assert_close(output[:, colour], alone[:, channel])


def test_a_network_of_one_channel_costs_three_times_its_grey_network():
    pixels = 256**2 + 128**2 + 64**2
    ends = 4 * 25 * (6 + 3)  # multiply-accumulates a pixel of head and tail, with three channels
    between = cost(replace(GREY, image_channels=3)).macs_256 - ends * pixels
    figures = cost(GREY)
    assert figures.macs_256 == 3 * (between + ends // 3 * pixels)
    colour = cost(replace(GREY, image_channels=3))
    assert (figures.receptive_radius, figures.finest_radius) == (colour.receptive_radius, colour.finest_radius)


def test_conv_lstm_follows_its_equations():
    torch.manual_seed(0)
    cell = ConvLSTM(1, 1)
    x, c, h = (torch.randn(1, 1, 1, 1) for _ in range(3))
    weight, bias = cell.gates.weight[:, :, 0, 0], cell.gates.bias
    i, j, f, o = (weight @ torch.stack((x.squeeze(), h.squeeze())) + bias).unbind()
    expected_c = c.squeeze() * torch.sigmoid(f + 1) + torch.sigmoid(i) * torch.tanh(j)
    expected_h = torch.tanh(expected_c) * torch.sigmoid(o)
    output, (cell_state, hidden) = cell(x, (c, h))
    torch.testing.assert_close(output.squeeze(), expected_h)
    torch.testing.assert_close(hidden.squeeze(), expected_h)
    torch.testing.assert_close(cell_state.squeeze(), expected_c)


@pytest.mark.parametrize(("cell", "states"), [(ConvLSTM, 2), (ConvRNN, 1)])
def test_no_state_means_zeros(cell, states):
    torch.manual_seed(0)
    module, x = cell(4, 3), torch.randn(1, 4, 8, 8)
    torch.testing.assert_close(module(x, ())[0], module(x, (torch.zeros_like(x),) * states)[0])


def test_same_padding_puts_the_odd_pixel_at_the_bottom_right():
    convolution = SameConv2d(1, 1, 5, stride=2)
    nn.init.ones_(convolution.weight)
    nn.init.zeros_(convolution.bias)
    counted = convolution(torch.ones(1, 1, 6, 6))
    # On a size of 6, rows start at -1, 1, 3: 4, 5 and 3 of 5 kernel rows lie inside.
    line = torch.tensor([4.0, 5.0, 3.0])
    torch.testing.assert_close(counted[0, 0], torch.outer(line, line))


def test_initialisation_of_the_cell_is_small():
    gates = build_network(preset("srn-edrb1")).bodies[0].cell.gates
    assert gates.weight.std().item() == pytest.approx(1e-3, rel=0.05)
    assert not gates.bias.any()


def test_lite_begins_as_the_identity():
    network = build_network(preset("scale-recurrent-lite"))
    image = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(network(network.pyramid(image))[0], image)


@pytest.mark.gpu
def test_gpu_gives_what_the_cpu_gives(small_network):
    side = 4 * small_network.size_multiple
    image = torch.rand(1, 3, side, side)
    expected = small_network(small_network.pyramid(image))[0]
    network = small_network.cuda()
    torch.testing.assert_close(network(network.pyramid(image.cuda()))[0].cpu(), expected, atol=1e-3, rtol=1e-3)
