"""The evaluation command: figures, tables, and a report that stands alone."""

import csv
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from deblur import restore_network, self_ensemble
from deblur.commands.image_file import ImageFileError, read_rgb
from deblur.commands.restore import restore_pixels
from training.data.pairs import find_pairs
from training.evaluate import main
from training.figures import PSNR, SSIM_LABELS, compare, mean, measure
from training.pictures import telling_region
from training.scoring import example_names
from weights import read_checkpoint

COUNT = 4


def picture(seed, height=48, width=60):
    small = np.random.default_rng(seed).integers(0, 256, (height // 6, width // 6, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture
def pairs(tmp_path):
    for number in range(COUNT):
        folder = tmp_path / "GOPRO" / f"sequence{number % 2}"
        sharp = picture(number)
        for name, image in (("sharp", sharp), ("blur", sharp.resize((30, 24)).resize((60, 48)))):
            (folder / name).mkdir(parents=True, exist_ok=True)
            image.save(folder / name / f"{number:06}.png")
    return tmp_path / "GOPRO"


def evaluate(*arguments):
    main([*map(str, arguments), "--device", "cpu"])


def table(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def array(image):
    return image.permute(1, 2, 0).numpy()


def test_the_table_has_skimages_figures_of_every_image_and_the_means(pairs, model, tmp_path):
    evaluate(pairs, "--model", model, "--csv", tmp_path / "figures.csv")
    header, *rows = table(tmp_path / "figures.csv")
    assert header == ["image", "model", "PSNR, dB", SSIM_LABELS["gaussian"]]
    assert [row[:2] for row in rows[:2]] == [["sequence0/000000.png", "blurry"], ["sequence0/000000.png", "model"]]
    assert len(rows) == 2 * (COUNT + 1)
    checkpoint = read_checkpoint(model)
    network = restore_network(checkpoint.config, checkpoint.state_dict)
    options = {"channel_axis": -1, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    expected = []
    for blurry_path, sharp_path in find_pairs(pairs):
        blurry, sharp = (read_rgb(path) for path in (blurry_path, sharp_path))
        restored = restore_pixels(network, blurry.float() / 255, 0, lambda done, total: None)
        for image in (blurry, (restored * 255).round().byte()):
            psnr = peak_signal_noise_ratio(array(sharp), array(image))
            expected.append([psnr, structural_similarity(array(sharp), array(image), **options)])
    found = np.array([row[2:] for row in rows], dtype=float)
    np.testing.assert_allclose(found[:-2], expected, rtol=1e-4)
    np.testing.assert_allclose(found[-2:], [np.mean(expected[k::2], axis=0) for k in (0, 1)], rtol=1e-4)
    assert rows[-1][:2] == [f"mean of {COUNT}", "model"]


def test_the_figures_for_logs_are_the_same(pairs, model, tmp_path):
    evaluate(pairs, "--model", model, "--json", tmp_path / "figures.json")
    checkpoint = read_checkpoint(model)
    figures = mean(measure(restore_network(checkpoint.config, checkpoint.state_dict), find_pairs(pairs)))
    written = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    for column, key in (("blurry", "blurry"), ("model", "restored")):
        assert written["mean"][column]["PSNR, dB"] == pytest.approx(figures[f"{key} psnr"])
        assert written["mean"][column][SSIM_LABELS["gaussian"]] == pytest.approx(figures[f"{key} ssim"])
    assert written["models"][0]["file"] == str(model)
    assert len(written["images"]) == COUNT


def test_both_windows_of_ssim_are_labelled():
    image = torch.rand(1, 3, 24, 24)
    noisy = (image + 0.05 * torch.randn_like(image)).clamp(0, 1)
    figures = compare(noisy, image, ["gaussian", "gaussian-3d"])
    assert [figure.label for figure in figures] == ["PSNR, dB", SSIM_LABELS["gaussian"], SSIM_LABELS["gaussian-3d"]]
    assert len(set(figures.values())) == 3


def test_equal_images_are_null_in_json(pairs, model, tmp_path):
    evaluate(pairs / "sequence0" / "sharp", pairs / "sequence0" / "sharp", "--model", model, "--json", tmp_path / "f")
    written = json.loads((tmp_path / "f").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert written["mean"]["blurry"]["PSNR, dB"] is None


@pytest.mark.parametrize("shown", [2, 12])
def test_the_report_stands_alone_and_shows_what_it_should(pairs, model, tmp_path, shown):
    other = tmp_path / "other.safetensors"
    other.write_bytes(model.read_bytes())
    report = tmp_path / "report.html"
    models = ["--model", model, "--model", other]
    evaluate(pairs, *models, "--ssim", "gaussian-3d", "--report", report, "--pictures", shown)
    text = report.read_text(encoding="utf-8")
    sources = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert len(sources) == min(shown, COUNT) * 2 * 4
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert not re.search(r"url\(\s*['\"]?(?!#)", text)
    assert not re.search(r"@import|<link|<script[^>]*src|<iframe", text)
    assert SSIM_LABELS["gaussian-3d"].replace("'", "&#x27;") in text
    assert text.count("<article>") == min(shown, COUNT)
    for number in range(COUNT):
        assert f"sequence{number % 2}/{number:06}.png" in text
    assert "python -m" in text or "pytest" in text


def test_names_are_escaped(pairs, model, tmp_path):
    evil = tmp_path / "<script>alert(1)<"
    evil.mkdir()
    (evil / "m.safetensors").write_bytes(model.read_bytes())
    evaluate(pairs, "--model", evil / "m.safetensors", "--model", model, "--report", tmp_path / "report.html")
    assert "<script>alert" not in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_self_ensemble_and_tiles_are_what_they_say(pairs, model, tmp_path):
    evaluate(pairs, "--model", model, "--self-ensemble", "--tile", 32, "--images", 2, "--csv", tmp_path / "f.csv")
    rows = table(tmp_path / "f.csv")
    assert [row[0] for row in rows[1::2]] == ["sequence0/000000.png", "sequence1/000003.png", "mean of 2"]
    assert rows[2][1] == "model with self-ensemble"
    checkpoint = read_checkpoint(model)
    network = restore_network(checkpoint.config, checkpoint.state_dict)
    blurry, sharp = (read_rgb(path)[None].float() / 255 for path in find_pairs(pairs)[0])
    restored = self_ensemble(lambda image: restore_pixels(network, image[0], 0, lambda d, t: None)[None], blurry)
    expected = compare((restored * 255).round() / 255, sharp)[PSNR]
    assert float(rows[2][2]) == pytest.approx(expected, abs=1e-3)


def test_images_of_unequal_size_are_named(pairs, model):
    picture(0, 48, 66).save(pairs / "sequence1" / "sharp" / "000001.png")
    with pytest.raises(ImageFileError, match=r"found 60×48 in .*blur/000001\.png and 66×48 in .*sharp/000001\.png"):
        evaluate(pairs, "--model", model)


def test_a_file_that_is_no_image_is_named_before_anything_is_restored(pairs, model, monkeypatch):
    (pairs / "sequence1" / "sharp" / "000003.png").write_text("no image")
    monkeypatch.setattr("training.scoring.restore_pixels", lambda *_: pytest.fail("restored already"))
    with pytest.raises(ImageFileError, match=r"sharp/000003\.png: not an image"):
        evaluate(pairs, "--model", model)


@pytest.mark.parametrize("shown", [2, 12])
def test_what_was_measured_before_an_interruption_is_kept(pairs, model, tmp_path, monkeypatch, shown):
    calls = []

    def interrupted(image, sharp, windows):
        calls.append(1)
        if len(calls) == 7:  # in the fourth image
            raise KeyboardInterrupt
        return compare(image, sharp, windows)

    monkeypatch.setattr("training.scoring.compare", interrupted)
    results = ["--csv", tmp_path / "f.csv", "--report", tmp_path / "r.html", "--pictures", shown]
    evaluate(pairs, "--model", model, *results)
    assert table(tmp_path / "f.csv")[-1][0] == "mean of 3"
    assert "3 of 4, interrupted" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_results_are_not_overwritten(pairs, model, tmp_path, capsys):
    (tmp_path / "figures.csv").write_text("mine")
    with pytest.raises(SystemExit):
        evaluate(pairs, "--model", model, "--csv", tmp_path / "figures.csv")
    assert "exists; choose another name or add --overwrite" in capsys.readouterr().err
    assert (tmp_path / "figures.csv").read_text() == "mine"


def test_the_same_checkpoint_twice_is_refused(pairs, model):
    with pytest.raises(ValueError, match="give each checkpoint once"):
        evaluate(pairs, "--model", model, "--model", model)


def test_short_names_leave_out_what_all_share(tmp_path):
    files = [tmp_path / "test" / "a" / "blur" / "1.png", tmp_path / "test" / "b" / "blur" / "1.png"]
    assert example_names(files) == ["a/1.png", "b/1.png"]
    assert example_names(files[:1]) == ["1.png"]


def test_the_region_shown_is_where_the_images_differ():
    sharp = torch.rand(1, 3, 120, 160)
    blurry = (sharp + 0.02).clamp(0, 1)
    restored = blurry.clone()
    restored[..., 70:100, 90:130] = sharp[..., 70:100, 90:130] + 0.2
    region = telling_region([blurry, restored], sharp, 40, 48)
    assert region.crop(restored - blurry).abs().sum() > 0.95 * (restored - blurry).abs().sum()
    whole = telling_region([blurry, restored], sharp, 400, 480)
    assert (whole.top, whole.left, whole.height, whole.width) == (0, 0, 120, 160)
