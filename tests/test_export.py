"""Publishing: from a run's state or weights to a measured file and its catalogue entry."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.amp.grad_scaler import GradScaler

from deblur import ScaleRecurrentConfig, build_network, config_to_dict, restore_network
from training.data.pairs import find_pairs
from training.export import main, shareable, to_dtype, trained_checkpoint
from training.figures import SSIM_LABELS, mean, measure
from training.options import TrainingOptions
from training.state import TrainingState, save_state
from weights import CatalogueEntry, Checkpoint, CheckpointError, Provenance, read_checkpoint, verify_file
from weights import write_checkpoint as write

CONFIG = ScaleRecurrentConfig(
    scales=2, channels=(4, 4, 4), blocks=1, kernel_size=3, residual_output=True, stop_gradient=False, pyramid="area"
)
WORDS = ["--trained-on", "noise", "--licence", "MIT", "--note", "a test", "--device", "cpu"]


@pytest.fixture
def pairs(tmp_path):
    rng = np.random.default_rng(1)
    for folder in ("first", "second"):
        for kind in ("blur", "sharp"):
            path = tmp_path / folder / "sequence" / kind / "1.png"
            path.parent.mkdir(parents=True)
            Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)).save(path)
    return tmp_path


@pytest.fixture
def run(tmp_path):
    """The folder of a run whose network and average differ."""
    torch.manual_seed(0)
    network = build_network(CONFIG)
    average = {name: torch.randn_like(tensor) * 0.05 for name, tensor in network.state_dict().items()}
    optimiser = torch.optim.AdamW(network.parameters())
    state = TrainingState(network, optimiser, average, GradScaler("cpu", enabled=False), step=123)
    photos = Path("/home/somebody/photographs")
    save_state(state, TrainingOptions(preset="tiny", output=tmp_path / "run", photos=photos))
    return tmp_path / "run", average


def test_a_state_is_published_as_its_average_in_half_precision(run, pairs, tmp_path, capsys):
    path, average = run
    target = tmp_path / "published.safetensors"
    measured = ["--pairs", str(pairs / "first"), "one pair", "--pairs", str(pairs / "second"), "another"]
    card = tmp_path / "card.md"
    main([str(path), "-o", str(target), *measured, *WORDS, "--card", str(card)])
    shown = card.read_text(encoding="utf-8")
    assert "| one pair | PSNR, dB |" in shown
    assert f"| another | {SSIM_LABELS['gaussian']} |" in shown
    assert "noise" in shown
    entry = CatalogueEntry(**json.loads(capsys.readouterr().out))
    verify_file(target, entry)
    assert (entry.name, entry.network, entry.licence) == ("published", "scale-recurrent", "MIT")
    checkpoint = read_checkpoint(target)
    for name, tensor in average.items():
        assert torch.equal(checkpoint.state_dict[name], tensor.half())
    assert checkpoint.provenance.metrics == entry.figures
    assert checkpoint.provenance.step == 123
    recipe = json.loads(checkpoint.provenance.recipe)
    assert (recipe["preset"], recipe["crop"]) == ("tiny", 256)
    assert "somebody" not in checkpoint.provenance.recipe
    network = restore_network(checkpoint.config, checkpoint.state_dict)
    for folder, name in (("first", "one pair"), ("second", "another")):
        figures = mean(measure(network, find_pairs(pairs / folder)))
        assert entry.figures[f"PSNR, dB, {name}"] == pytest.approx(figures["restored psnr"], abs=1e-3)
        label = f"{SSIM_LABELS['gaussian']}, {name}"
        assert entry.figures[label] == pytest.approx(figures["restored ssim"], abs=1e-4)


def test_weights_are_published_with_their_origin_and_their_own_precision_on_request(model, pairs, tmp_path, capsys):
    trained = read_checkpoint(model)
    trained_path = tmp_path / "trained.safetensors"
    write(trained_path, Checkpoint(trained.config, trained.state_dict, Provenance(recipe="by hand", step=7)))
    target = tmp_path / "published.safetensors"
    more = ["--pairs", str(pairs / "first"), "one pair", "--dtype", "float32", "--name", "lite"]
    main([str(trained_path), "-o", str(target), *more, *WORDS])
    assert json.loads(capsys.readouterr().out)["name"] == "lite"
    published = read_checkpoint(target)
    assert (published.provenance.recipe, published.provenance.step) == ("by hand", 7)
    for name, tensor in trained.state_dict.items():
        assert torch.equal(published.state_dict[name], tensor)


def test_nothing_is_overwritten(model, pairs, tmp_path, capsys):
    target = tmp_path / "published.safetensors"
    target.write_text("mine")
    with pytest.raises(SystemExit):
        main([str(model), "-o", str(target), "--pairs", str(pairs / "first"), "one pair", *WORDS])
    assert "exists; choose another name" in capsys.readouterr().err
    assert target.read_text() == "mine"


def test_weights_that_diverged_are_refused(model, pairs, tmp_path):
    trained = read_checkpoint(model)
    name = next(iter(trained.state_dict))
    trained.state_dict[name][0] = torch.nan
    write(tmp_path / "nan.safetensors", trained)
    target = tmp_path / "published.safetensors"
    with pytest.raises(ValueError, match=f"tensor {name} has numbers that are not finite"):
        main([str(tmp_path / "nan.safetensors"), "-o", str(target), "--pairs", str(pairs / "first"), "x", *WORDS])
    assert not target.exists()


def test_values_too_large_for_half_precision_are_refused():
    with pytest.raises(ValueError, match=r"values of weight do not fit torch\.float16"):
        to_dtype({"weight": torch.tensor([1e6])}, torch.float16)


def test_what_is_no_result_of_training_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file"):
        trained_checkpoint(tmp_path / "none.safetensors")
    (tmp_path / "text.safetensors").write_text("not a checkpoint at all")
    with pytest.raises(CheckpointError, match="not a complete safetensors file"):
        trained_checkpoint(tmp_path / "text.safetensors")


def test_paths_of_the_machine_are_left_out_of_a_recipe():
    options = {"data": "/home/me/photos", "old": "C:\\photos", "batch": 4, "pixel_loss": "l1", "pairs": None}
    options["folders"] = ["/home/me/a", "b"]
    assert shareable(options) == {"batch": 4, "pixel_loss": "l1", "pairs": None}


def test_a_checkpoint_whose_network_is_unknown_is_refused(pairs, tmp_path):
    network = build_network(CONFIG)
    config = config_to_dict(CONFIG) | {"network": "another"}
    odd = tmp_path / "odd.safetensors"
    write(odd, Checkpoint(config, network.state_dict()))
    with pytest.raises(ValueError, match="another"):
        main([str(odd), "-o", str(tmp_path / "p.safetensors"), "--pairs", str(pairs / "first"), "x", *WORDS])
