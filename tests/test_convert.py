"""DeepDeblur-PyTorch's files in exactly the official layout, the convert command, and everything it refuses."""

import argparse
import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from deblur import MultiScaleConfig, restore, restore_network
from deblur.__main__ import main as deblur
from deblur.commands.image_file import read_rgb
from weights import read_checkpoint
from weights.commands.convert import add_parser
from weights.convert import ConversionError, convert, convert_deepdeblur

EXAMPLE = Path(__file__).parents[1] / "examples" / "blurry.png"


def weights(*arguments):
    """The command, as ``python -m weights`` runs it."""
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    options = parser.parse_args([str(argument) for argument in arguments])
    return options.run(options)


def deepdeblur(scales=3, blocks=2, channels=8, kernel_size=5, spread=1.0):
    """A state dict as DeepDeblur-PyTorch saves it under "G"; biases are ``spread`` times as large."""
    generator = torch.Generator().manual_seed(0)
    state = {}

    def convolution(name, in_channels, out_channels):
        bound = (in_channels * kernel_size**2) ** -0.5
        shape = (out_channels, in_channels, kernel_size, kernel_size)
        state[f"{name}.weight"] = (torch.rand(shape, generator=generator) * 2 - 1) * bound
        state[f"{name}.bias"] = (torch.rand(out_channels, generator=generator) * 2 - 1) * bound * spread

    for s in range(scales):
        convolution(f"body_models.{s}.body.0", 3 if s == scales - 1 else 6, channels)
        for i in range(1, blocks + 1):
            convolution(f"body_models.{s}.body.{i}.body.0", channels, channels)
            convolution(f"body_models.{s}.body.{i}.body.2", channels, channels)
        convolution(f"body_models.{s}.body.{blocks + 1}", channels, 3)
    for s in range(1, scales):
        convolution(f"conv_end_models.{s}.uppath.0", 3, 12)
    return state


def run_deepdeblur(state, levels, blocks, value_range):
    """The official network, as it is described: zero-centred, coarse to fine."""

    def convolution(name, x):
        return F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=2)

    carried, outputs = [], []
    for s in reversed(range(len(levels))):
        x = convolution(f"body_models.{s}.body.0", torch.cat([levels[s] - value_range / 2, *carried], dim=1))
        for i in range(1, blocks + 1):
            x = x + convolution(
                f"body_models.{s}.body.{i}.body.2", convolution(f"body_models.{s}.body.{i}.body.0", x).relu()
            )
        x = convolution(f"body_models.{s}.body.{blocks + 1}", x)
        outputs.insert(0, x + value_range / 2)
        carried = [F.pixel_shuffle(convolution(f"conv_end_models.{s}.uppath.0", x), 2)] if s else []
    return outputs


@pytest.mark.parametrize("scales", [1, 2, 3])
@pytest.mark.parametrize("value_range", [255, 1])
def test_a_converted_deepdeblur_network_gives_what_the_official_one_gives(scales, value_range):
    state = deepdeblur(scales, spread=value_range)
    network = restore_network(*convert_deepdeblur(state, value_range))
    assert network.config == MultiScaleConfig(scales=scales, blocks=2, channels=8)
    levels = network.pyramid(torch.rand(1, 3, 32, 48))
    expected = run_deepdeblur(state, [level * value_range for level in levels], 2, value_range)
    for output, reference in zip(network(levels), expected, strict=True):
        torch.testing.assert_close(output, reference / value_range, atol=2e-6, rtol=1e-5)


def test_the_official_sizes_are_the_published_network():
    state = deepdeblur(blocks=19, channels=64)
    assert len(state) == 244
    config, state_dict = convert_deepdeblur(state)
    assert restore_network(config, state_dict).config == MultiScaleConfig()
    assert sum(tensor.numel() for tensor in state_dict.values()) == 11_721_321


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("discriminator", [True, False])
def test_a_deepdeblur_file_restores_an_image(tmp_path, capsys, zipped, discriminator):
    source, target, image = tmp_path / "model-1000.pt", tmp_path / "nah.safetensors", tmp_path / "restored.png"
    content = {"G": deepdeblur()} | ({"D": {"dense.weight": torch.zeros(1)}} if discriminator else {})
    torch.save(content, source, _use_new_zipfile_serialization=zipped)
    assert weights("convert", source, "-o", target, "--licence", "MIT", "--trained-on", "GOPRO_Large") == 0
    printed = capsys.readouterr().out
    assert f"{source} -> {target}" in printed
    assert "40 tensors" in printed
    checkpoint = read_checkpoint(target)
    assert checkpoint.provenance.licence == "MIT"
    assert checkpoint.provenance.trained_on == "GOPRO_Large"
    assert "from 0 to 255" in checkpoint.provenance.note
    assert "blur_gamma" in checkpoint.provenance.note
    assert "convert model-1000.pt --range 255; SHA-256" in checkpoint.provenance.recipe
    assert deblur(["restore", str(EXAMPLE), "-o", str(image), "--model", str(target)]) == 0
    network = restore_network(checkpoint.config, checkpoint.state_dict)
    expected = restore(network, read_rgb(EXAMPLE)[None].float() / 255)[0]
    assert (read_rgb(image) - expected * 255).abs().max() <= 0.51


def test_the_range_changes_the_biases_alone(tmp_path):
    source = tmp_path / "m.pt"
    torch.save({"G": deepdeblur()}, source)
    of_255, of_1 = (convert(source, value_range).state_dict for value_range in (None, 1))
    for name, tensor in of_1.items():
        assert torch.equal(of_255[name], tensor / 255 if name.endswith("bias") else tensor)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g: g.pop("body_models.1.body.2.body.2.bias"), "missing: body_models.1.body.2.body.2.bias"),
        (lambda g: g.update(extra=torch.zeros(1)), "unknown: extra"),
        (lambda g: g.update({"body_models.2.body.0.weight": torch.zeros(8, 6, 5, 5)}), r"found \(8, 6, 5, 5\)"),
        (lambda g: g["body_models.0.body.0.bias"].fill_(float("nan")), "not finite"),
        (lambda g: g.update({"body_models.0.body.0.bias": torch.zeros(8, dtype=torch.int64)}), "floating-point"),
        (lambda g: g.update({"body_models.0.body.0.bias": torch.zeros(1).expand(8)}), "dense tensor"),
        (lambda g: g.update({"body_models.0.body.0.bias": 3}), "expected a named, dense tensor, found int"),
        (lambda g: g.pop("body_models.0.body.0.weight"), "not the network of DeepDeblur-PyTorch"),
        (lambda g: g.clear(), "found none"),
    ],
)
def test_another_layout_is_refused_by_name(change, message):
    state = deepdeblur()
    change(state)
    with pytest.raises(ConversionError, match=message):
        convert_deepdeblur(state)


class Bomb:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return (os.mkdir, (str(self.marker),))


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("where", ["whole", "entry", "discriminator"])
def test_a_file_that_holds_code_is_refused_and_the_code_never_runs(tmp_path, zipped, where):
    marker, source = tmp_path / "ran", tmp_path / "m.pt"
    bomb = Bomb(marker)
    content = {
        "whole": bomb,
        "entry": {"G": deepdeblur() | {"x": bomb}},
        "discriminator": {"G": deepdeblur(), "D": bomb},
    }
    torch.save(content[where], source, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ConversionError, match=r"something else than tensors \(posix.mkdir|nt.mkdir") as caught:
        convert(source)
    assert "weights_only" not in str(caught.value)
    assert not marker.exists()
    with pytest.raises(ConversionError):
        weights("convert", source, "-o", tmp_path / "o.safetensors")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.pt"]


def test_a_bare_pickle_is_refused(tmp_path):
    source = tmp_path / "m.pt"
    for protocol in (2, 3, 4, 5):
        source.write_bytes(pickle.dumps(Bomb(tmp_path / "ran"), protocol))
        with pytest.raises(ConversionError, match=r"m\.pt"):
            convert(source)
    assert not (tmp_path / "ran").exists()


def test_every_truncation_of_a_pt_file_is_refused(tmp_path):
    source = tmp_path / "m.pt"
    for zipped in (True, False):
        torch.save({"G": deepdeblur(1, 0, 4)}, source, _use_new_zipfile_serialization=zipped)
        content = source.read_bytes()
        for length in (*range(0, 600, 60), len(content) // 2, len(content) - 1):
            source.write_bytes(content[:length])
            with pytest.raises(ConversionError, match=r"m\.pt"):
                convert(source)


def test_a_compressed_archive_is_refused(tmp_path):
    stored, packed = tmp_path / "m.pt", tmp_path / "packed.pt"
    torch.save({"G": deepdeblur(1, 0, 4)}, stored)
    with zipfile.ZipFile(stored) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
    with pytest.raises(ConversionError, match="compressed archive"):
        convert(packed)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "found list"),
        ({"state_dict": {}}, "found state_dict"),
        ({"G": deepdeblur(1, 0, 4), "optimizer": {}}, "also found optimizer"),
    ],
)
def test_another_dictionary_is_refused(tmp_path, content, message):
    torch.save(content, tmp_path / "m.pt")
    with pytest.raises(ConversionError, match=message):
        convert(tmp_path / "m.pt")


def test_nothing_is_overwritten_and_other_kinds_are_refused(tmp_path, model):
    source = tmp_path / "m.pt"
    torch.save({"G": deepdeblur(1, 0, 4)}, source)
    before = model.read_bytes()
    with pytest.raises(FileExistsError, match="not overwritten"):
        weights("convert", source, "-o", model)
    assert model.read_bytes() == before
    with pytest.raises(ValueError, match=r"must end in \.safetensors"):
        weights("convert", source, "-o", tmp_path / "o.pt")
    with pytest.raises(FileNotFoundError, match=r"no checkpoint .*none\.pt"):
        weights("convert", tmp_path / "none.pt", "-o", tmp_path / "o.safetensors")
    with pytest.raises(ConversionError, match="safetensors file already"):
        convert(model)
    (tmp_path / "m.t7").write_bytes(b"\x04\x00\x00\x00\x01\x00\x00\x00")
    with pytest.raises(ConversionError, match="no known kind"):
        convert(tmp_path / "m.t7")
    with pytest.raises(ConversionError, match="without a TensorFlow checkpoint"):
        convert(tmp_path)
