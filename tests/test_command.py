"""``python -m deblur``: what a user types, and what can go wrong."""

import json

import numpy as np
import pytest
from PIL import Image

from deblur import PRESETS, restore, restore_network
from deblur.__main__ import main
from deblur.commands.image_file import read_rgb
from weights import read_checkpoint


def save_picture(path, height=40, width=56):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)).save(path)
    return path


@pytest.fixture
def blurry(tmp_path):
    return save_picture(tmp_path / "in" / "photo.png")


def test_one_image_to_one_file(model, blurry, tmp_path, capsys):
    assert main(["restore", str(blurry), "-o", str(tmp_path / "restored.png"), "--model", str(model)]) == 0
    checkpoint = read_checkpoint(model)
    network = restore_network(checkpoint.config, checkpoint.state_dict)
    expected = restore(network, read_rgb(blurry)[None].float() / 255)
    difference = read_rgb(tmp_path / "restored.png").float() - expected[0] * 255
    assert difference.abs().max() <= 0.51
    assert f"{blurry} -> {tmp_path / 'restored.png'}" in capsys.readouterr().out


def test_a_folder_keeps_its_structure(model, tmp_path):
    for name in ("a/x.png", "a/deeper/y.jpg", "a/z.gif"):
        save_picture(tmp_path / name)
    (tmp_path / "a" / "notes.txt").write_text("not an image")
    assert main(["restore", str(tmp_path / "a"), "-o", str(tmp_path / "out"), "--model", str(model)]) == 0
    written = sorted(p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*") if p.is_file())
    assert written == ["deeper/y.jpg", "x.png", "z.png"]


@pytest.mark.parametrize("size", [(1, 1), (3, 4000), (4000, 3), (31, 1)])
def test_extreme_sizes_come_back_as_they_were(model, tmp_path, size):
    save_picture(tmp_path / "in.png", *size)
    assert main(["restore", str(tmp_path / "in.png"), "-o", str(tmp_path / "o.png"), "--model", str(model)]) == 0
    assert read_rgb(tmp_path / "o.png").shape[1:] == size


def test_bad_files_are_passed_over_and_listed(model, tmp_path, capsys):
    folder = tmp_path / "in"
    good = save_picture(folder / "good.png")
    (folder / "truncated.png").write_bytes(good.read_bytes()[:1000])
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.png").write_text("not a picture")
    assert main(["restore", str(folder), "-o", str(tmp_path / "out"), "--model", str(model)]) == 1
    output = capsys.readouterr().out
    assert "3 of 4 images failed:" in output
    for name, reason in (("truncated", "truncated or damaged"), ("empty", "is empty"), ("text", "no image format")):
        assert any(f"{name}.png" in line and reason in line for line in output.splitlines()[-3:])
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good.png"]


def test_an_input_is_never_overwritten(model, blurry, capsys):
    before = blurry.read_bytes()
    arguments = ["restore", str(blurry), "-o", str(blurry.parent), "--model", str(model), "--overwrite"]
    assert main(arguments) == 1
    assert "is an input and is never overwritten" in capsys.readouterr().out
    assert blurry.read_bytes() == before


def test_an_existing_result_is_only_replaced_on_request(model, blurry, tmp_path, capsys):
    target = tmp_path / "restored.png"
    target.write_text("precious")
    arguments = ["restore", str(blurry), "-o", str(target), "--model", str(model)]
    assert main(arguments) == 1
    assert target.read_text() == "precious"
    assert "add --overwrite" in capsys.readouterr().out
    assert main([*arguments, "--overwrite"]) == 0
    assert read_rgb(target).shape == (3, 40, 56)


def test_comparison_and_figures(model, blurry, tmp_path, capsys):
    sharp = save_picture(tmp_path / "sharp.png")
    arguments = ["restore", str(blurry), "-o", str(tmp_path / "r.png"), "--model", str(model), "--compare"]
    assert main([*arguments, "--sharp", str(sharp)]) == 0
    output = capsys.readouterr().out
    assert "blurry   PSNR inf dB  SSIM 1.0000" in output
    assert "restored PSNR" in output
    assert read_rgb(tmp_path / "r_comparison.png").shape == (3, 40, 3 * 56)


def test_a_sharp_image_of_another_size_is_refused_before_anything_is_written(model, blurry, tmp_path, capsys):
    sharp = save_picture(tmp_path / "sharp.png", 40, 57)
    target = tmp_path / "r.png"
    assert main(["restore", str(blurry), "-o", str(target), "--model", str(model), "--sharp", str(sharp)]) == 1
    assert "expected a sharp image of 56×40 pixels, found 57×40" in capsys.readouterr().out
    assert not target.exists()


def test_tiles_give_the_same_file(model, tmp_path):
    save_picture(tmp_path / "in.png", 150, 210)
    for name, extra in (("whole.png", ["--tile", "0"]), ("tiled.png", ["--tile", "64"])):
        arguments = ["restore", str(tmp_path / "in.png"), "-o", str(tmp_path / name), "--model", str(model)]
        assert main([*arguments, *extra]) == 0
    difference = read_rgb(tmp_path / "whole.png").int() - read_rgb(tmp_path / "tiled.png").int()
    assert difference.abs().max() <= 1
    assert (difference != 0).float().mean() < 1e-3


def test_dtype_is_the_callers_choice(model, blurry, tmp_path):
    target = tmp_path / "r.png"
    arguments = ["restore", str(blurry), "-o", str(target), "--model", str(model), "--dtype", "bfloat16"]
    assert main(arguments) == 0
    assert read_rgb(target).shape == (3, 40, 56)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{tmp}/missing-folder/", "-o", "{tmp}/out"], "no image file"),
        (["{tmp}/empty", "-o", "{tmp}/out"], "no images in the folder"),
        (["{photo}", "{other}", "-o", "{tmp}/one.png"], "2 images cannot go to the one file"),
        (["{photo}", "{photo}", "-o", "{tmp}/out"], "several images would be written to"),
        (["{photo}", "{other}", "-o", "{tmp}/out", "--sharp", "{photo}"], "one sharp image"),
        (["{photo}", "-o", "{tmp}/out", "--device", "gpu7"], "no device 'gpu7' on this machine"),
        (["{photo}", "-o", "{tmp}/out", "--model", "srn"], "no weights named 'srn'"),
        (["{photo}", "-o", "{tmp}/out", "--model", "{tmp}/none.safetensors"], "no checkpoint file"),
        (["{photo}", "-o", "{tmp}/out", "--model", "{tmp}/text.safetensors"], "not a complete safetensors file"),
    ],
)
def test_a_mistake_gets_an_error_that_says_so(model, blurry, tmp_path, capsys, arguments, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.safetensors").write_text("not a checkpoint")
    names = {"tmp": str(tmp_path), "photo": str(blurry), "other": str(save_picture(tmp_path / "other.png"))}
    arguments = [argument.format(**names) for argument in arguments]
    if "--model" not in arguments:
        arguments += ["--model", str(model)]
    assert main(["restore", *arguments]) in (1, 2)
    captured = capsys.readouterr()
    assert message in captured.out + captured.err
    assert "Traceback" not in captured.out + captured.err


def test_networks_lists_every_preset(capsys):
    assert main(["networks"]) == 0
    table = capsys.readouterr().out
    assert main(["networks", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert list(rows) == list(PRESETS)
    assert all(name in table for name in PRESETS)
    row = rows["multi-scale-k3"]
    assert row["parameters"] == 11_721_321
    assert row["receptive_radius"] == 584
    assert row["size_multiple"] == 4
    assert row["weights"] == "none yet"
    assert row["macs_720p"] == pytest.approx(4.72e12, rel=0.01)
