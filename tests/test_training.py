"""Training: losses, schedule, batches, and whole short runs."""

import json
import math

import numpy as np
import pytest
import torch
from PIL import Image

from deblur import PRESETS, ScaleRecurrentConfig, build_network, psnr, restore_network
from training.data.camera import CameraSettings
from training.data.pairs import find_pairs
from training.data.photos import Mixture, Renderings, augment, batches, read_photographs
from training.evaluate import mean, measure
from training.losses import multi_scale_loss
from training.train import fit, learning_rate, main, parse_options, setup, train_step, validate_and_save
from weights import read_checkpoint

TINY = ScaleRecurrentConfig(
    scales=2, channels=(8, 8, 8), blocks=1, kernel_size=3, residual_output=True, stop_gradient=False, pyramid="area"
)


@pytest.fixture(autouse=True)
def tiny_preset(monkeypatch):
    monkeypatch.setitem(PRESETS, "tiny", TINY)


@pytest.fixture
def photographs(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(3):
        coarse = Image.fromarray(rng.integers(0, 256, (12, 14, 3), dtype=np.uint8))
        coarse.resize((140, 120), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def pairs(tmp_path):
    rng = np.random.default_rng(1)
    for name in ("1.png", "2.png"):
        for kind in ("blur", "sharp"):
            path = tmp_path / "pairs" / "sequence" / kind / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (64, 72, 3), dtype=np.uint8)).save(path)
    return tmp_path / "pairs"


def run_arguments(photographs, output, *more):
    return [
        *("--preset", "tiny", "--data", str(photographs), "--output", str(output), "--steps", "6", "--batch", "2"),
        *("--crop", "32", "--rendering", "48", "--window", "4", "--reuse", "2", "--workers", "0", *more),
    ]


def test_losses_by_hand():
    restored = [torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 2, 2)]
    sharp = [torch.full((2, 3, 4, 4), 0.5), torch.full((2, 3, 2, 2), -0.1)]
    assert float(multi_scale_loss(restored, sharp, "mse", 0)) == pytest.approx(0.25 + 0.01)
    assert float(multi_scale_loss(restored, sharp, "l1", 0)) == pytest.approx(0.5 + 0.1)
    expected = 0.01 * (math.log(1 + 250) + math.log(1 + 10))
    assert float(multi_scale_loss(restored, sharp, "psnr", 0)) == pytest.approx(expected)


def test_the_fourier_term_by_hand():
    """A constant error of a over H×W pixels has one coefficient, a·H·W, among H·(W/2 + 1)·2 numbers."""
    error = multi_scale_loss([torch.zeros(1, 3, 4, 4)], [torch.full((1, 3, 4, 4), 0.5)], "l1", 1.0)
    assert float(error) == pytest.approx(0.5 + 0.5 * 16 / (4 * 3 * 2))


def test_equal_images_cost_nothing():
    levels = [torch.rand(1, 3, 8, 8), torch.rand(1, 3, 4, 4)]
    for kind in ("mse", "l1", "psnr"):
        assert float(multi_scale_loss(levels, levels, kind, 0.1)) == 0


def test_the_learning_rate_rises_and_falls():
    rates = [learning_rate(progress / 100, 1e-3, 0.1) for progress in range(101)]
    assert max(rates) == rates[10] == pytest.approx(1e-3)
    assert rates[:11] == sorted(rates[:11])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[100] == pytest.approx(1e-5)


def test_augmentation_is_the_same_for_blurry_and_sharp():
    image = torch.randint(0, 256, (8, 3, 6, 6)).to(torch.uint8)
    augmented = augment(torch.cat((image, image), dim=1), torch.Generator().manual_seed(0))
    assert torch.equal(augmented[:, :3], augmented[:, 3:])
    assert not torch.equal(augmented[:, :3], image)
    for before, after in zip(image, augmented[:, :3], strict=True):
        assert torch.equal(before.flatten().sort().values, after.flatten().sort().values)


def test_batches_go_on_where_they_left_off(photographs, pairs):
    renderings = Renderings(read_photographs(photographs, 48), 48, CameraSettings(), seed=3, count=100)
    mixture = Mixture(renderings, find_pairs(pairs), share=0.3)

    def stream(first_step):
        return batches(mixture, 2, 32, 2, window=8, seed=3, first_step=first_step, workers=0)

    from_the_start = stream(0)
    expected = [next(from_the_start) for _ in range(12)]
    resumed = stream(7)
    for blurry, sharp in expected[7:]:
        again = next(resumed)
        assert torch.equal(again[0], blurry)
        assert torch.equal(again[1], sharp)
        assert blurry.shape == sharp.shape == (2, 3, 32, 32)
        assert 0 <= blurry.min() <= blurry.max() <= 1


def test_real_pairs_are_mixed_in_by_their_share(photographs, pairs):
    renderings = Renderings(read_photographs(photographs, 48), 48, CameraSettings(), seed=3, count=100)
    for share in (0.0, 1.0):
        mixture = Mixture(renderings, find_pairs(pairs), share)
        same = [torch.equal(mixture[i], renderings[i]) for i in range(5)]
        assert same == [share == 0.0] * 5
        assert torch.equal(mixture[4], mixture[4])


def test_a_pair_smaller_than_a_rendering_is_named(photographs, pairs):
    renderings = Renderings(read_photographs(photographs, 96), 96, CameraSettings(), seed=0, count=9)
    with pytest.raises(ValueError, match=r"1\.png is smaller than 96 pixels"):
        Mixture(renderings, find_pairs(pairs), 0.5)


def test_every_kind_of_network_learns_one_pair(small_config):
    torch.manual_seed(0)
    network = build_network(small_config)
    side = 2 * max(network.size_multiple, 8)
    sharp = torch.rand(1, 3, side // 8, side // 8).repeat_interleave(8, 2).repeat_interleave(8, 3)
    blurry = torch.nn.functional.avg_pool2d(sharp, (1, 7), 1, (0, 3))
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    losses = []
    for _ in range(60):
        loss = multi_scale_loss(network(network.pyramid(blurry)), network.pyramid(sharp), "mse", 0)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]


def test_a_run_writes_weights_that_can_be_loaded(photographs, pairs, tmp_path, monkeypatch):
    output = tmp_path / "run"
    arguments = run_arguments(photographs, output, "--validation", str(pairs), "--pairs", str(pairs))
    monkeypatch.setattr("sys.argv", ["train", *arguments])
    main()
    checkpoint = read_checkpoint(output / "tiny.safetensors")
    network = restore_network(checkpoint.config, checkpoint.state_dict)
    assert network.config == TINY
    assert checkpoint.provenance.step == 6
    assert set(checkpoint.provenance.metrics) == {
        f"validation {a} {b}" for a in ("blurry", "restored") for b in ("psnr", "ssim")
    }
    (entry,) = [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]
    assert entry["step"] == 6
    assert entry["restored psnr"] == pytest.approx(mean(measure(network, find_pairs(pairs)))["restored psnr"], abs=1e-3)


def test_a_run_that_was_stopped_goes_on(photographs, tmp_path, monkeypatch):
    output = tmp_path / "run"
    monkeypatch.setattr("sys.argv", ["train", *run_arguments(photographs, output)])
    main()
    before = read_checkpoint(output / "tiny.safetensors")
    state = setup(parse_options(run_arguments(photographs, output)))
    assert state.step == 6
    assert state.optimiser.state
    for name, tensor in before.state_dict.items():
        assert torch.equal(state.average[name], tensor)
    monkeypatch.setattr("sys.argv", ["train", *run_arguments(photographs, output, "--steps", "9")])
    main()
    assert read_checkpoint(output / "tiny.safetensors").provenance.step == 9


def test_stopping_and_going_on_gives_the_run_that_was_not_stopped(photographs, tmp_path):
    """In float32 and with the schedule by steps; the state carries everything a step depends on."""

    def train(output, stop_at):
        options = parse_options(run_arguments(photographs, tmp_path / output, "--no-bf16"))
        state = setup(options)
        (tmp_path / output).mkdir(exist_ok=True)
        renderings = Renderings(read_photographs(photographs, 48), 48, CameraSettings(), options.seed, 100)
        data = batches(Mixture(renderings, [], 0), 2, 32, 2, 4, options.seed, state.step, workers=0)

        def until_stopped():
            while state.step < stop_at:
                yield next(data)

        try:
            fit(state, options, until_stopped())
        except StopIteration:
            validate_and_save(state, options, 0.0)
        return state

    train("stopped", 3)
    resumed, whole = train("stopped", 99), train("whole", 99)
    assert resumed.step == whole.step == 6
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(resumed.network.state_dict()[name], tensor)
        assert torch.equal(resumed.average[name], whole.average[name])


def test_a_state_of_another_network_is_refused(photographs, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["train", *run_arguments(photographs, tmp_path / "run")])
    main()
    with pytest.raises(ValueError, match="is the state of another network"):
        setup(parse_options(run_arguments(photographs, tmp_path / "run", "--preset", "srn-edrb1")))


def test_a_loss_that_is_not_a_number_stops_before_the_step(photographs, tmp_path):
    options = parse_options(run_arguments(photographs, tmp_path / "run"))
    state = setup(options)
    before = {name: tensor.clone() for name, tensor in state.network.state_dict().items()}
    with pytest.raises(FloatingPointError, match="the loss is nan at step 0"):
        train_step(state, torch.full((1, 3, 32, 32), math.nan), torch.rand(1, 3, 32, 32), options)
    assert all(torch.equal(tensor, before[name]) for name, tensor in state.network.state_dict().items())


@pytest.mark.parametrize(
    ("arrange", "message"),
    [
        (lambda folder: None, "no folder"),
        (lambda folder: folder.mkdir(), "no image with both sides of at least 48 pixels"),
    ],
)
def test_a_folder_without_photographs_is_named(tmp_path, arrange, message):
    arrange(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match=message):
        read_photographs(tmp_path / "none", 48)


def test_missing_partners_and_folders_are_named(pairs):
    (pairs / "sequence" / "blur" / "2.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"2\.png has no partner"):
        find_pairs(pairs)
    with pytest.raises(FileNotFoundError, match="has no folder blur_gamma beside it"):
        find_pairs(pairs, "blur_gamma")
    with pytest.raises(FileNotFoundError, match="no pair below"):
        find_pairs(pairs / "sequence" / "blur")


def test_measured_figures_are_those_of_the_files(pairs):
    network = build_network(TINY).train(False)  # its last layer is zero, so it gives its input
    (first, _) = measure(network, find_pairs(pairs))
    images = [np.array(Image.open(path)) for path in find_pairs(pairs)[0]]
    blurry, sharp = (torch.from_numpy(image).permute(2, 0, 1)[None] / 255 for image in images)
    assert first["blurry psnr"] == pytest.approx(float(psnr(blurry, sharp)))
    assert first["restored psnr"] == pytest.approx(first["blurry psnr"])
    assert mean([{"a": 1.0}, {"a": 2.0}]) == {"a": 1.5}


def test_a_wrong_option_lists_the_right_ones(capsys):
    with pytest.raises(SystemExit):
        parse_options(["--data", "x", "--output", "y", "--pixel-loss", "charbonnier"])
    assert "'mse', 'l1', 'psnr'" in capsys.readouterr().err
