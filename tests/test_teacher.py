"""Learning from a larger network."""

import json
from dataclasses import replace

import pytest
import torch

from deblur import PRESETS, ScaleRecurrentConfig, build_network, config_to_dict
from tests.noise_images import write_pair
from tests.small_run import OPTIONS, TINY
from training.command_line import parse_options
from training.losses import multi_scale_loss
from training.options import RecipeError
from training.restoration import Restoration
from training.step import train_step
from training.teacher import open_teacher
from training.train import run, setup
from weights import Checkpoint, Provenance, read_checkpoint, write_checkpoint

CPU = torch.device("cpu")
LARGER = ScaleRecurrentConfig(scales=3, channels=(8, 12, 16), blocks=1, kernel_size=3, pyramid="area")


@pytest.fixture(autouse=True)
def tiny_preset(monkeypatch):
    monkeypatch.setitem(PRESETS, "tiny", TINY)


def write_network(path, config, provenance=None):
    torch.manual_seed(5)
    network = build_network(config)
    for parameter in network.parameters():
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    write_checkpoint(path, Checkpoint(config_to_dict(config), network.state_dict(), provenance or Provenance()))
    return path


def pairs():
    return torch.randint(256, (4, 6, 16, 16), generator=torch.Generator().manual_seed(0)).byte()


def one_step(file, share):
    plain = replace(OPTIONS, noise=0.0, flips=False, permute_channels=False, pixel_loss="mse")
    options = replace(plain, teacher=file, distillation=share)
    state, teacher = setup(options, CPU), opened(options)
    values = train_step(state, Restoration(state.network), None, pairs(), options, range(4), teacher=teacher)
    return state, float(values["loss"]), teacher, options


def opened(options):
    teacher = open_teacher(options, CPU)
    assert teacher is not None
    return teacher


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_the_loss_is_between_the_sharp_images_and_the_teachers(tmp_path, share):
    file = write_network(tmp_path / "larger.safetensors", LARGER)
    _, loss, teacher, options = one_step(file, share)
    student = setup(options, CPU).network
    blurry, sharp = pairs().float().div(255).chunk(2, dim=1)
    with torch.no_grad():
        restored = student(student.pyramid(blurry))
        taught = [level.clamp(0, 1) for level in teacher.network(teacher.network.pyramid(blurry))]
    to_sharp = float(multi_scale_loss(restored, student.pyramid(sharp), options))
    to_teacher = float(multi_scale_loss(restored, taught[:2], options))
    assert loss == pytest.approx((1 - share) * to_sharp + share * to_teacher, rel=1e-5)
    assert to_teacher != pytest.approx(to_sharp, rel=0.05)


def test_a_teacher_stays_as_it_is_and_the_student_moves(tmp_path):
    file = write_network(tmp_path / "larger.safetensors", LARGER)
    state, _, teacher, options = one_step(file, 0.5)
    for name, tensor in read_checkpoint(file).state_dict.items():
        assert torch.equal(teacher.network.state_dict()[name], tensor)
    before = setup(options, CPU).network.state_dict()
    assert any(not torch.equal(tensor, before[name]) for name, tensor in state.network.state_dict().items())


def test_the_coarser_scales_are_taught_alone(tmp_path):
    file = write_network(tmp_path / "larger.safetensors", LARGER)
    teacher = opened(replace(OPTIONS, teacher=file, distillation=0.5))
    blurry = torch.rand(1, 3, 32, 32)
    assert [tuple(level.shape[-2:]) for level in teacher(blurry, True)] == [(16, 16), (8, 8)]
    assert [tuple(level.shape[-2:]) for level in teacher(blurry, False)] == [(32, 32), (16, 16), (8, 8)]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"distillation": 0.5}, "takes both --teacher FILE and --distillation SHARE; found no teacher and 0.5"),
        ({"distillation": 0.0, "teacher": "larger"}, "larger.safetensors and 0"),
        ({"distillation": 0.5, "teacher": "larger", "crop": 24}, "takes multiples of 16, found 24"),
        ({"distillation": 0.5, "teacher": "missing"}, "missing.safetensors"),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path, fields, message):
    write_network(tmp_path / "larger.safetensors", LARGER)
    if "teacher" in fields:
        fields = fields | {"teacher": tmp_path / f"{fields['teacher']}.safetensors"}
    with pytest.raises((RecipeError, OSError, ValueError), match=message):
        open_teacher(replace(OPTIONS, **fields), CPU)


def test_the_command_learns_from_a_teacher_and_says_what_that_was_trained_on(tmp_path):
    file = write_network(tmp_path / "larger.safetensors", LARGER, Provenance(trained_on="a thousand walks"))
    for number in range(4):
        write_pair(tmp_path / "pairs", f"{number}.png", size=(40, 40))
    sources = ["--pairs", str(tmp_path / "pairs"), "--mix", "pairs=1", "--teacher", str(file)]
    sizes = ["--preset", "tiny", "--crop", "16", "--batch", "2", "--steps", "4", "--precision", "float32"]
    sizes += ["--device", "cpu", "--workers", "0"]
    run(parse_options(["modern-scale-recurrent-lite-distilled", *sources, *sizes, "--output", str(tmp_path / "run")]))
    provenance = read_checkpoint(tmp_path / "run/tiny.safetensors").provenance
    assert "results of larger.safetensors, trained on a thousand walks" in provenance.trained_on
    assert json.loads(provenance.recipe)["distillation"] == 0.5
