"""On a CUDA device the CPU asks ahead: nothing in a training step or in the making of its data waits for the device.

The device is pretended, see :mod:`tests.pretend_cuda`. Devices that do not match fail here too.
"""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from deblur import PRESETS, build_network, restore, restore_tiled
from tests.conftest import SMALL
from tests.pretend_cuda import DEVICE, pretend_cuda
from tests.small_run import OPTIONS, TINY, command
from training.command_line import parse_options
from training.data.frames import Frames
from training.data.kernels import KernelBlur, KernelSettings
from training.data.mixture import Mixture
from training.data.pairs import Pairs
from training.data.reuse import Reuse
from training.data.store import ImageStore
from training.data.virtual_camera import VirtualCamera
from training.options import TrainingOptions
from training.recipe_file import read_recipe
from training.restoration import Restoration
from training.step import train_step
from training.teacher import Teacher
from training.train import run, setup
from weights import read_checkpoint


def picture(seed, channels=3, height=150, width=170):
    return torch.randint(0, 256, (channels, height, width), generator=torch.Generator().manual_seed(seed)).byte()


def store(channels, count, device):
    buffer = torch.cat([picture(seed, channels).flatten() for seed in range(count)])
    names = [str(number) for number in range(count)]
    return ImageStore(buffer.to(device), [(channels, 150, 170)] * count, names)


@pytest.mark.parametrize(
    ("recipe", "network"),
    [
        ("modern-scale-recurrent", "scale-recurrent-lite"),
        ("scale-recurrent", "scale-recurrent"),
        ("srn-rnn", "srn-rnn"),
        ("multi-scale-k3", "multi-scale-k3"),
        ("multi-scale-k3-adversarial", "multi-scale-k3"),
        ("modern-multi-scale-k3", "multi-scale-k3"),
        ("deblurnet-wild", "deblurnet"),
    ],
)
def test_a_step(recipe, network, tmp_path, monkeypatch):
    monkeypatch.setitem(PRESETS, "small", SMALL[network])
    values = read_recipe(recipe) | {"preset": "small", "batch": 2, "output": tmp_path}
    options = replace(TrainingOptions(), **values)
    if not options.adversarial_weight:
        options = replace(options, crop=32, accumulate=2)
    with pretend_cuda() as cuda:
        state = setup(options, DEVICE)
        pairs = torch.randint(256, (2, 6, options.crop, options.crop), dtype=torch.uint8, device=DEVICE)
        cuda.waits.clear()
        forward = Restoration(state.network)
        train_step(state, forward, state.discriminator, pairs, options, range(2))
        losses = train_step(state, forward, state.discriminator, pairs, options, range(2))
        assert not cuda.waits
        assert all(loss.is_cuda and bool(loss.isfinite()) for loss in losses.values())
        assert all(tensor.is_cuda for tensor in state.average.values())


def test_a_step_with_a_teacher(monkeypatch):
    options = replace(OPTIONS, noise=0.0, distillation=0.5, deterministic=False)
    monkeypatch.setitem(PRESETS, "tiny", TINY)
    with pretend_cuda() as cuda:
        teacher = Teacher(build_network(SMALL["scale-recurrent"]).to(DEVICE), "bfloat16", "")
        state = setup(options, DEVICE)
        pairs = torch.randint(256, (4, 6, 16, 16), dtype=torch.uint8, device=DEVICE)
        cuda.waits.clear()
        train_step(state, Restoration(state.network), None, pairs, options, range(4), teacher=teacher)
        assert not cuda.waits


def sources(device):
    photographs = store(3, 6, device)
    sequence: Any = SimpleNamespace(count=12, breaks=frozenset(), path="frames")
    camera = VirtualCamera(photographs, seed=1, device=DEVICE)
    return {
        "pairs": Pairs(store(6, 5, device), 2),
        "frames": Frames(store(3, 12, device), [sequence], 3, (3, 5), (1.0, 2.2)),
        "photos": Reuse(camera, 64, 2, 8, 4, 4),
        "kernels": KernelBlur(photographs, KernelSettings(count=9), seed=5, device=DEVICE),
    }


@pytest.mark.parametrize("kind", ["pairs", "frames", "photos", "kernels"])
def test_patches_of_images_on_the_device(kind):
    with pretend_cuda() as cuda:
        source = sources(DEVICE)[kind]
        cuda.waits.clear()
        patches = source.draw(range(4), 48)
        assert not cuda.waits
        assert patches.is_cuda
        drawn = patches.cpu()
    expected = sources(torch.device("cpu"))[kind]
    if kind in ("photos", "kernels"):
        target = expected.source if kind == "photos" else expected
        object.__setattr__(target, "device", torch.device("cpu"))
    assert torch.equal(drawn, expected.draw(range(4), 48)), "what the CPU makes"


def test_a_mixture_of_images_on_the_device_and_in_memory():
    with pretend_cuda() as cuda:
        mixture = Mixture(sources(torch.device("cpu")), {"pairs": 1, "frames": 1, "photos": 1, "kernels": 1}, 8, 6)
        cuda.waits.clear()
        patches = [mixture.draw(step, range(8), 48) for step in range(3)]
        assert not cuda.waits
        assert all(patch.is_cuda for patch in patches)


def test_a_whole_run_waits_only_where_it_logs_saves_and_measures(tmp_path, monkeypatch):
    monkeypatch.setitem(PRESETS, "tiny", TINY)
    pretended = {"is_available": lambda: True, "set_device": lambda device: None, "get_device_name": lambda _: "none"}
    for name, function in (pretended | {"mem_get_info": lambda _: (10**9, 10**9)}).items():
        monkeypatch.setattr(torch.cuda, name, function)
    arguments = command(tmp_path, "--coarse-only", "0.3", "--save-steps", "4")
    with pretend_cuda() as cuda:
        for steps in ("5", "10"):
            run(parse_options([*arguments, "--steps", steps]))
    assert read_checkpoint(tmp_path / "run/tiny.safetensors").provenance.step == 10
    allowed = ("train", "monitor", "state", "shards", "validation", "figures", "log_writer", "store", "checkpoint")
    assert cuda.waits
    assert {Path(wait.split(":")[0]).stem for wait in cuda.waits} <= {*allowed, "image_file"}


def test_restoring(small_config):
    torch.manual_seed(0)
    with pretend_cuda() as cuda:
        network = build_network(small_config).train(False).to(DEVICE)
        blurry = torch.rand(1, 3, 70, 90).to(DEVICE)
        cuda.waits.clear()
        assert restore(network, blurry).is_cuda
        assert restore_tiled(network, blurry, tile=64).is_cuda
        assert not cuda.waits


def test_the_pretended_device_tells_devices_apart_and_notes_waits():
    with pretend_cuda() as cuda:
        here, there = torch.ones(3), torch.ones(3, device=DEVICE)
        with pytest.raises(RuntimeError, match="on the CPU"):
            _ = here + there
        assert not cuda.waits
        with pytest.raises(RuntimeError, match="on the CPU"):
            _ = there + there.cpu()
        cuda.waits.clear()
        for number, wait in enumerate(
            (
                lambda: float(there.sum()),
                lambda: there.tolist(),
                lambda: there.cpu(),
                lambda: here.to(DEVICE),
                lambda: there[there > 0],
                lambda: torch.tensor([1.0], device=DEVICE),
                lambda: torch.ones(2**16).to(DEVICE, non_blocking=True),
            ),
            start=1,
        ):
            wait()
            assert sum(cuda.waits.values()) >= number, number
        cuda.waits.clear()
        assert (there + torch.ones(2**16).pin_memory().to(DEVICE, non_blocking=True)[:3]).is_cuda
        assert not cuda.waits
