"""The Köhler protocol on a miniature of the benchmark with known best frames."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import correlate1d, gaussian_filter

from training.data.pairs import find_pairs
from training.evaluate import main
from training.kohler import (
    KOHLER_MSSIM,
    KOHLER_PSNR,
    WAVELET_LOW_PASS,
    align,
    best,
    find_kohler,
    kohler_figures,
    multi_scale_ssim,
)
from training.scoring import BLURRY, score_kohler

SIDE = 192
CPU = torch.device("cpu")


def scene(seed, height=SIDE, width=SIDE + 8):
    """A smooth random picture, ``(height, width, 3)`` in [0, 1], dark towards its edges."""
    noise = np.random.default_rng(seed).standard_normal((height, width, 3))
    smooth = gaussian_filter(noise, (3, 3, 0))
    window = np.outer(np.hanning(height), np.hanning(width))[:, :, None]
    return np.clip(0.5 + smooth / smooth.std() / 6, 0, 1) * window


def tensor(image):
    return torch.from_numpy(image).permute(2, 0, 1)[None]


def save(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((image * 255).round().astype(np.uint8)).save(path)


@pytest.fixture
def benchmark(tmp_path):
    """Two images; the blurry one is frame 2 of 3, a fifth darker."""
    for image in (1, 4):
        for frame in (1, 2, 3):
            sharp = scene(10 * image + frame)
            save(tmp_path / f"Image{image}" / "Kernel3" / f"GroundTruth{image}_3_{frame}.png", sharp)
            if frame == 2:
                save(tmp_path / "BlurryImages" / f"Blurry{image}_3.png", 0.8 * sharp)
    save(tmp_path / "Image1" / "Kernel3" / "GroundTruth1_3_30.png", np.zeros((SIDE, SIDE + 8, 3)))
    return tmp_path


def test_the_folder_is_read_by_its_names(benchmark):
    first, second = find_kohler(benchmark)
    assert (first.blurry.name, second.blurry.name) == ("Blurry1_3.png", "Blurry4_3.png")
    assert [path.name for path in first.frames] == [f"GroundTruth1_3_{n}.png" for n in (1, 2, 3)]  # frame 30 is missing


def test_missing_files_are_named(benchmark, tmp_path):
    for path in (benchmark / "Image4" / "Kernel3").iterdir():
        path.unlink()
    with pytest.raises(FileNotFoundError, match=r"Blurry4_3\.png has no frame GroundTruth4_3_<number>\.png"):
        find_kohler(benchmark)
    with pytest.raises(FileNotFoundError, match="no Blurry<image>_<trajectory>"):
        find_kohler(tmp_path / "Image1")


def test_the_best_frame_counts(benchmark):
    (example, _) = score_kohler([], find_kohler(benchmark), CPU)
    truth = np.array(Image.open(benchmark / "Image1" / "Kernel3" / "GroundTruth1_3_2.png")) / 255
    np.testing.assert_array_equal(example.sharp[0].permute(1, 2, 0).numpy(), truth.astype(np.float32))
    assert example.figures[BLURRY][KOHLER_PSNR] > 45  # but for rounding to 8 bits it is the frame
    assert example.figures[BLURRY][KOHLER_MSSIM] > 0.999
    (wrong,) = kohler_figures([example.images[BLURRY]], tensor(scene(11)))
    assert wrong[KOHLER_PSNR] < 30


def test_every_figure_has_its_own_best_frame():
    figures = [{KOHLER_PSNR: 20.0, KOHLER_MSSIM: 0.9}, {KOHLER_PSNR: 21.0, KOHLER_MSSIM: 0.8}]
    assert best(figures) == {KOHLER_PSNR: 21.0, KOHLER_MSSIM: 0.9}


@pytest.mark.parametrize("shift", [(0, 0), (7, -4), (-6, 9)])
def test_alignment_undoes_the_shift_after_the_scale(shift):
    """As in the authors' code, the factor is found before the shift, so it is exact only without one."""
    frame = tensor(scene(0))
    image = 0.7 * torch.roll(frame, shift, (-2, -1))
    aligned, masked = align(image, frame)
    inside = (slice(None), slice(None), slice(10, -10), slice(10, -10))
    factor = 0.7 * (frame * image).sum() / image.square().sum()
    torch.testing.assert_close(aligned[inside], factor * frame[inside], atol=1e-4, rtol=0)
    assert shift != (0, 0) or float(factor) == pytest.approx(1)
    down, right = (-offset for offset in shift)
    outside = torch.ones_like(frame)
    outside[..., max(0, down) : min(0, down) or None, max(0, right) : min(0, right) or None] = 0
    assert (aligned[outside == 1] == 0).all()
    torch.testing.assert_close(masked, frame * (1 - outside))


def test_mssim_equals_its_formula_in_scipy():
    weights = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
    x = scene(1)[:, :, 0]
    y = np.clip(x + 0.05 * np.random.default_rng(2).standard_normal(x.shape), 0, 1)
    images = [torch.from_numpy(image)[None, None] for image in (x, y)]
    kernel = np.array(WAVELET_LOW_PASS) / sum(WAVELET_LOW_PASS)
    expected = 1.0
    for scale, weight in enumerate(weights):
        if scale:
            x, y = (
                correlate1d(correlate1d(i, kernel, axis=0, mode="reflect"), kernel, axis=1, mode="reflect")[::2, ::2]
                for i in (x, y)
            )
        mx, my, xx, yy, xy = (
            gaussian_filter(image, 1.5, radius=5)[5:-5, 5:-5] for image in (x, y, x * x, y * y, x * y)
        )
        sx, sy, cov = np.sqrt(xx - mx**2), np.sqrt(yy - my**2), xy - mx * my
        contrast = ((2 * sx * sy + 0.0009) / (sx**2 + sy**2 + 0.0009)).mean()
        structure = ((cov + 0.00045) / (sx * sy + 0.00045)).mean()
        expected *= contrast**weight * structure**weight
    expected *= ((2 * mx * my + 0.0001) / (mx**2 + my**2 + 0.0001)).mean() ** weights[-1]
    assert float(multi_scale_ssim(*images)) == pytest.approx(expected, rel=1e-9)
    assert 0.5 < expected < 0.99


def test_psnr_is_that_of_the_luminance():
    frame, image = tensor(scene(0)), tensor(scene(1))
    (figures,) = kohler_figures([image], frame)
    aligned, masked = align(image, frame)
    error = ((aligned - masked) * torch.tensor([0.299, 0.587, 0.114], dtype=image.dtype).view(1, 3, 1, 1)).sum(1)
    assert figures[KOHLER_PSNR] == pytest.approx(float(-10 * torch.log10(error.square().mean())))


def test_images_too_small_for_five_scales_are_refused():
    with pytest.raises(ValueError, match="at least 176 pixels a side"):
        kohler_figures([torch.rand(1, 3, 100, 200)], torch.rand(1, 3, 100, 200))


def test_the_command_scores_the_benchmark(benchmark, model, tmp_path, capsys):
    report = tmp_path / "kohler.csv"
    page = tmp_path / "kohler.html"
    results = ["--csv", str(report), "--report", str(page), "--device", "cpu"]
    main([str(benchmark), "--kohler", "--model", str(model), *results])
    assert KOHLER_MSSIM.label in page.read_text(encoding="utf-8")
    lines = report.read_text(encoding="utf-8").splitlines()
    assert lines[0] == f'image,model,"{KOHLER_PSNR.label}","{KOHLER_MSSIM.label}"'
    assert len(lines) == 1 + 2 * 3
    assert "mean of 2 images" in capsys.readouterr().out
    with pytest.raises(FileNotFoundError):
        find_pairs(benchmark)
