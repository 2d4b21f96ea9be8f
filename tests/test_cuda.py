"""What only a CUDA device can show of training: precisions, compilation, exact resumption, and that nothing waits."""

import json
import math
from dataclasses import replace

import pytest
import torch

from deblur import PRESETS
from tests.small_run import OPTIONS, TINY, command, train
from tests.test_training import assert_same_run, interrupted, losses
from training.command_line import parse_options
from training.data.camera import CameraSettings
from training.data.virtual_camera import VirtualCamera
from training.restoration import Restoration
from training.step import train_step
from training.train import run, setup

pytestmark = pytest.mark.gpu
CUDA = torch.device("cuda", 0)


@pytest.fixture(autouse=True)
def tiny_preset(monkeypatch):
    monkeypatch.setitem(PRESETS, "tiny", TINY)


@pytest.fixture
def exact(monkeypatch):
    """Float32 without TF32."""
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


def trained_on(device, steps=3):
    """The state after some steps on a device, and the last losses."""
    options = replace(OPTIONS, noise=0.0)
    state = setup(options, device)
    forward = Restoration(state.network)
    values = {}
    for step in range(steps):
        rng = torch.Generator().manual_seed(step)
        pairs = torch.randint(256, (options.batch, 6, 16, 16), generator=rng).byte().to(device)
        values = train_step(state, forward, None, pairs, options, range(options.batch))
    return state, values


def test_steps_are_those_of_the_cpu(exact):
    (here, expected), (there, found) = trained_on(torch.device("cpu")), trained_on(CUDA)
    assert found["loss"].item() == pytest.approx(expected["loss"].item(), rel=1e-3)
    for (name, one), other in zip(here.network.named_parameters(), there.network.parameters(), strict=True):
        torch.testing.assert_close(other.detach().cpu(), one.detach(), atol=1e-3, rtol=1e-2, msg=name)


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("compiled", [False, True])
def test_a_run_learns(tmp_path, precision, compiled):
    fields = {"steps": 60, "learning_rate": 5e-3, "schedule": "constant", "deterministic": False}
    train(tmp_path, device="cuda", precision=precision, compile=compiled, **fields)
    curve = [loss for _, loss in losses(tmp_path)]
    assert all(map(math.isfinite, curve))
    assert sum(curve[-10:]) < 0.9 * sum(curve[:10])


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_a_run_that_was_stopped_goes_on_bit_for_bit(tmp_path, precision):
    fields = {"device": "cuda", "precision": precision}
    torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(True)
    try:
        train(tmp_path / "whole", **fields)
        with pytest.raises(KeyboardInterrupt):
            interrupted(replace(OPTIONS, output=tmp_path / "parts", **fields), 5, CUDA)
        train(tmp_path / "parts", **fields)
    finally:
        torch.use_deterministic_algorithms(False)
    assert_same_run(tmp_path / "parts", tmp_path / "whole")


def test_nothing_in_a_step_or_in_the_camera_waits_for_the_device():
    trained_on(CUDA)
    photographs = [torch.randint(256, (3, 200, 240), dtype=torch.uint8, device=CUDA) for _ in range(3)]
    camera = VirtualCamera(photographs, CameraSettings(jpeg=0.0), device=CUDA)
    camera.draw(range(4), 64)
    options = replace(OPTIONS, noise=0.0)
    state = setup(options, CUDA)
    pairs = torch.randint(256, (options.batch, 6, 16, 16), dtype=torch.uint8, device=CUDA)
    torch.cuda.set_sync_debug_mode("error")
    try:
        camera.draw(range(4, 8), 64)
        train_step(state, Restoration(state.network), None, pairs, options, range(options.batch))
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_the_command_from_photographs_and_pairs_to_weights(tmp_path):
    run(parse_options(command(tmp_path, "--steps", "20", "--log-steps", "5")))
    lines = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert any(torch.cuda.get_device_name(CUDA) in str(line) for line in lines)
    assert any(line.get("validation", {}).get("restored psnr", 0) > 5 for line in lines)
    assert (tmp_path / "run/tiny.safetensors").is_file()
