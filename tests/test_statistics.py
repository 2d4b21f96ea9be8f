"""Measuring blur: known kernels are found again, and the command compares real and rendered pairs."""

import json
import math

import pytest
import torch

from deblur.commands.image_file import ImageFile, write_image
from training import statistics
from training.blur_profile import estimate_kernels, gradient_spectrum, kernel_extent, profile, wasserstein
from training.data.kernels import convolve, draw_path
from training.data.motion import Motion

SIDE = 128


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def textured(height, width, seed=0):
    """Edges and detail at all sizes, somewhat like a photograph."""
    image = torch.zeros(3, height, width)
    for cells in (4, 8, 16, 32, 64, 128):
        noise = torch.rand(1, 3, cells, cells, generator=rng(seed + cells))
        image += torch.nn.functional.interpolate(noise, size=(height, width))[0] / 6
    return image


def line_pair(length, angle, seed=0):
    coefficients = torch.zeros(4, 4, dtype=torch.float64)
    coefficients[0, 0], coefficients[1, 0] = length * math.cos(angle), length * math.sin(angle)
    image = textured(SIDE + 60, SIDE + 60, seed)
    blurry = convolve(image[None], draw_path(Motion(coefficients), length, 61)[None])[0]
    pair = torch.cat((blurry, image[:, 30 : 30 + SIDE, 30 : 30 + SIDE]))
    return (pair.clamp(0, 1) * 255).round().to(torch.uint8)


@pytest.mark.parametrize("length", [6.0, 15.0, 30.0])
@pytest.mark.parametrize("angle", [0.0, 0.7, 2.2])
def test_the_extent_and_direction_of_a_line_are_found(length, angle):
    measured = profile(torch.stack([line_pair(length, angle, seed) for seed in range(4)]))
    assert float(measured.extent.median()) == pytest.approx(length, rel=0.15, abs=0.5)
    assert float(measured.width.median()) < 4
    off = (measured.direction.median() - angle + math.pi / 2) % math.pi - math.pi / 2
    assert abs(float(off)) < 0.1


def test_no_blur_has_nearly_no_extent():
    sharp = line_pair(0.0, 0.0)[3:]
    measured = profile(torch.cat((sharp, sharp))[None])
    assert float(measured.extent[0]) < 3
    assert float(measured.psnr[0]) == 60
    torch.testing.assert_close(measured.blurry_spectrum, measured.sharp_spectrum)


def test_estimated_kernels_are_like_the_true_ones():
    grey = line_pair(15.0, 0.0).float().view(1, 2, 3, SIDE, SIDE).mean(dim=2) / 255
    (kernel,) = estimate_kernels(grey[:, 0], grey[:, 1])
    assert float(kernel.sum()) == pytest.approx(1, abs=1e-4)
    assert float(kernel[39:42, 32:49].sum()) > 0.95


def test_the_extent_of_kernels_by_hand():
    line = torch.zeros(1, 21, 21)
    line[0, 10, 6:15] = 1 / 9  # nine pixels: the variance is (81 - 1) / 12
    length, width, direction = kernel_extent(line)
    assert float(length) == pytest.approx(math.sqrt(80), rel=1e-4)
    assert float(width) == pytest.approx(0, abs=0.05)
    assert float(direction) == pytest.approx(0, abs=1e-5)
    assert float(kernel_extent(line.transpose(1, 2))[2]) == pytest.approx(math.pi / 2)


def test_a_wave_has_its_power_at_its_frequency():
    x = torch.arange(SIDE)
    wave = torch.sin(2 * math.pi * x / 8).expand(1, SIDE, SIDE)  # 1/8 per pixel: band 8 of 32 up to 1/2
    assert int(gradient_spectrum(wave)[0].argmax()) == 8


def test_the_distance_of_two_samples():
    sample = torch.rand(500, generator=rng())
    assert wasserstein(sample, sample) == 0
    assert wasserstein(sample, sample + 3) == pytest.approx(3)
    assert wasserstein(torch.tensor([0.0, 1.0]), torch.tensor([0.0, 3.0])) == pytest.approx(1, abs=0.01)


def test_patches_that_tell_nothing_are_refused():
    with pytest.raises(ValueError, match="S of at least 96, found"):
        profile(torch.zeros(2, 6, 64, 64, dtype=torch.uint8))
    with pytest.raises(ValueError, match="all of the 2 patches are flat"):
        profile(torch.zeros(2, 6, 128, 128, dtype=torch.uint8))
    flat = torch.stack((line_pair(5.0, 0.0), torch.zeros(6, SIDE, SIDE, dtype=torch.uint8)))
    assert profile(flat).flat == pytest.approx(0.5)


@pytest.fixture
def folders(tmp_path):
    pair = line_pair(10.0, 0.5)
    for name, part in (("blur", pair[:3]), ("sharp", pair[3:])):
        write_image(tmp_path / "real" / "sequence" / name / "1.png", ImageFile(part.float() / 255))
    write_image(tmp_path / "photographs" / "a.png", ImageFile(textured(300, 320)))
    return tmp_path


def test_the_command_writes_plots_and_figures(folders, monkeypatch, capsys):
    output = folders / "plots.png"
    arguments = ["statistics", str(folders / "real"), "--data", str(folders / "photographs"), "-o", str(output)]
    monkeypatch.setattr("sys.argv", [*arguments, "--patches", "12"])
    statistics.main()
    report = json.loads(output.with_suffix(".json").read_text())
    assert output.stat().st_size > 10_000
    assert set(report["profiles"]) == {"real", "virtual camera"}
    assert report["profiles"]["real"]["extent"]["mean"] == pytest.approx(10, abs=1.5)
    assert report["distances to the virtual camera"]["real"]["extent"] > 0
    assert report["settings"]["camera"]["extent_mean"] > 0
    assert "real: psnr" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        statistics.main()
    assert "exists; choose another name" in capsys.readouterr().err


def test_the_command_refuses_what_it_cannot_do(folders, monkeypatch, capsys):
    arguments = ["statistics", "--data", str(folders / "photographs"), str(folders / "real")]
    for more, message in (
        ([str(folders / "other" / "real"), "-o", str(folders / "plots.png")], "expected names that differ"),
        ([str(folders / "nothing"), "-o", str(folders / "plots.png")], "no folder"),
        (["-o", str(folders / "plots.bmp")], "expected a name that ends in"),
        (["-o", str(folders / "plots.png"), "--patches", "2"], "expected at least 10"),
    ):
        monkeypatch.setattr("sys.argv", [*arguments, *more])
        with pytest.raises(SystemExit):
            statistics.main()
        assert message in capsys.readouterr().err


def test_pairs_smaller_than_a_patch_are_named(tmp_path):
    paths = []
    for name in ("blurry.png", "sharp.png"):
        write_image(tmp_path / name, ImageFile(torch.rand(3, 60, 200)))
        paths.append(tmp_path / name)
    with pytest.raises(ValueError, match=r"blurry\.png: expected two images of one size from 128 pixels on"):
        statistics.real_patches([(paths[0], paths[1])], 4, 0)
