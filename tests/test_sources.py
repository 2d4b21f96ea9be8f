"""From the command line to a run on images: every source, and what is wrong with them said in time."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from deblur import PRESETS, restore_network
from tests.small_run import OPTIONS, TINY
from training import data_share, train
from training.data.sources import chosen_mix, describe_sources, open_sources
from training.distributed import Team
from training.options import RecipeError
from weights import read_checkpoint

ALONE = Team(0, 1, torch.device("cpu"))


@pytest.fixture(autouse=True)
def tiny_preset(monkeypatch):
    monkeypatch.setitem(PRESETS, "tiny", TINY)


def write_images(folder, names, size, seed=0):
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        coarse = Image.fromarray(rng.integers(0, 256, (12, 14, 3), dtype=np.uint8))
        coarse.resize((size[1], size[0]), Image.Resampling.BICUBIC).save(folder / name)
    return folder


@pytest.fixture
def photos(tmp_path):
    return write_images(tmp_path / "photos", [f"{n}.png" for n in range(4)], (90, 100))


@pytest.fixture
def pairs(tmp_path):
    for kind in ("blur", "sharp"):
        write_images(tmp_path / "pairs" / "sequence" / kind, [f"{n}.png" for n in range(4)], (64, 72), seed=len(kind))
    return tmp_path / "pairs"


@pytest.fixture
def gopro(tmp_path):
    for kind in ("blur", "sharp"):
        write_images(
            tmp_path / "GOPRO" / "train" / "GOPR0372_07_00" / kind, [f"{n:06d}.png" for n in range(4)], (64, 72)
        )
    return tmp_path / "GOPRO"


@pytest.fixture
def frames(tmp_path):
    return write_images(tmp_path / "frames" / "clip", [f"{n:06d}.png" for n in range(16)], (64, 72))


def options(tmp_path, **fields):
    return replace(OPTIONS, **({"output": tmp_path / "run", "rendering": 48, "window": 16, "reuse": 2} | fields))


@pytest.mark.parametrize("kind", ["photos", "kernels", "pairs", "frames", "gopro"])
def test_every_source_gives_batches(tmp_path, request, kind):
    folder = request.getfixturevalue("photos" if kind == "kernels" else kind)
    given = {kind: (folder,) if kind == "pairs" else folder, "gopro_partial": True}
    chosen = options(tmp_path, mix={kind: 1.0}, **given)
    mixture = open_sources(chosen, ALONE)
    batch = mixture.draw(3, range(4), 32)
    assert batch.shape == (4, 6, 32, 32)
    assert batch.dtype == torch.uint8
    assert torch.equal(open_sources(chosen, ALONE).draw(3, range(4), 32), batch)
    assert not torch.equal(batch[0], batch[1])
    assert folder.name in describe_sources(chosen) or kind == "gopro"


def test_pairs_of_two_folders(tmp_path, pairs):
    folders = (pairs / "sequence" / "blur", pairs / "sequence" / "sharp")
    batch = open_sources(options(tmp_path, pairs=folders, mix={"pairs": 1.0}), ALONE).draw(0, range(4), 32)
    assert batch.shape == (4, 6, 32, 32)


def test_only_what_is_given_is_mixed(tmp_path, photos, pairs):
    recipe = {"photos": 0.5, "pairs": 0.3, "gopro": 1.0}
    assert chosen_mix(options(tmp_path, photos=photos, mix=recipe)) == {"photos": 0.5}
    assert chosen_mix(options(tmp_path, photos=photos, pairs=(pairs,), mix=recipe)) == {"photos": 0.5, "pairs": 0.3}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"mix": {"gopro": 1.0}}, "no training data: this recipe takes --gopro GOPRO_Large"),
        ({"photos": "photos", "mix": {"gopro": 1.0}}, "no weight to photos; say how to mix: --mix photos=1"),
        ({"photos": "photos", "mix": {"photos": 1.0}, "crop": 64}, "rendering: patches of 64 pixels"),
        ({"photos": "photos", "mix": {"photos": 1.0}, "crop": 32, "coarse_only": 0.5}, "rendering: patches of 64"),
        (
            {"photos": "photos", "mix": {"photos": 1.0}, "rendering": 200},
            "with both sides of at least 200",
        ),
        ({"photos": "photos", "mix": {"photos": 1.0}, "batch": 8}, "photos: 4 images are fewer than the batch of 8"),
        ({"photos": "none", "mix": {"photos": 1.0}}, "no folder"),
        ({"pairs": "pairs", "mix": {"pairs": 1.0}, "crop": 72}, "smaller than patches of 72×72"),
        ({"pairs": "photos", "mix": {"pairs": 1.0}}, "no pair below"),
        ({"pairs": "pairs", "mix": {"pairs": 1.0}, "validation": "pairs"}, "4 of its pairs are training pairs"),
        ({"gopro": "GOPRO", "mix": {"gopro": 1.0}}, "of 2,103 pairs"),
        ({"frames": "empty", "mix": {"frames": 1.0}}, "no frames below"),
    ],
)
def test_unusable_data_is_explained(tmp_path, photos, pairs, gopro, fields, message):
    (tmp_path / "empty").mkdir()
    located = {name: tmp_path / value if isinstance(value, str) else value for name, value in fields.items()}
    if "pairs" in located:
        located["pairs"] = (located["pairs"],)
    with pytest.raises((RecipeError, OSError, ValueError), match=message):
        open_sources(options(tmp_path, **located), ALONE)


def test_an_unreadable_image_is_named(tmp_path, photos):
    (photos / "9.png").write_bytes(b"not an image")
    with pytest.raises(ValueError, match=r"9\.png"):
        open_sources(options(tmp_path, photos=photos, mix={"photos": 1.0}), ALONE)


def command(monkeypatch, *words):
    monkeypatch.setattr("sys.argv", ["train", *map(str, words)])
    train.main()


def arguments(tmp_path, photos):
    words = (
        "--preset tiny --steps 6 --batch 2 --crop 32 --rendering 48 --window 16 --reuse 2 --device cpu --log-steps 2"
    )
    return [*words.split(), "--photos", photos, "--output", tmp_path / "run"]


def test_a_run_by_the_command(tmp_path, photos, pairs, monkeypatch, capsys):
    words = [*arguments(tmp_path, photos), "--mix", "photos=1", "--validation", pairs, "--workers", "1"]
    command(monkeypatch, *words)
    checkpoint = read_checkpoint(tmp_path / "run" / "tiny.safetensors")
    assert restore_network(checkpoint.config, checkpoint.state_dict).config == TINY
    assert checkpoint.provenance.trained_on == "photographs of photos, blurred by the virtual camera (weight 1)"
    assert set(checkpoint.provenance.metrics) == {
        f"validation {a} {b}" for a in ("blurry", "restored") for b in ("psnr", "ssim")
    }
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert " --preset tiny --steps 6 " in lines[0]["run"]["command"]
    assert "data:image/jpeg" in (tmp_path / "run" / "report.html").read_text()
    assert [entry["step"] for entry in lines if "loss" in entry] == [2, 4, 6]
    assert lines[-1]["validation"]["restored psnr"] > 0
    assert list((tmp_path / "run" / "tensorboard").iterdir())
    pictures = [Image.open(path).size for path in sorted((tmp_path / "run" / "pictures").glob("*.png"))]
    assert pictures == [(3 * 72, 64)] * 3
    command(monkeypatch, *words, "--steps", "9")
    assert read_checkpoint(tmp_path / "run" / "tiny.safetensors").provenance.step == 9


def test_mistakes_end_the_command_with_a_sentence(tmp_path, photos, monkeypatch):
    with pytest.raises(SystemExit, match=r"^training\.train: no training data"):
        command(monkeypatch, "scale-recurrent", "--output", tmp_path / "run", "--device", "cpu")
    with pytest.raises(SystemExit, match=r"^training\.train: unknown preset 'tinny'"):
        command(monkeypatch, *arguments(tmp_path, photos), "--preset", "tinny")


def test_the_share_of_data_is_measured(tmp_path, photos, monkeypatch, capsys):
    monkeypatch.setattr(data_share, "STEPS", 3)
    monkeypatch.setattr("sys.argv", ["data_share", *map(str, arguments(tmp_path, photos)), "--workers", "0"])
    data_share.main()
    printed = capsys.readouterr().out
    found = json.loads(printed[printed.index("{") :])
    assert found["fed_seconds"] > 0
    assert 0 <= found["share"] <= 1
    assert not (tmp_path / "run").exists()
