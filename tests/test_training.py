"""The loop: steps, saved states, killed and resumed runs, several processes, runs that go wrong."""

import json
import math
import multiprocessing
import random
import socket
import time
from dataclasses import replace

import pytest
import torch

from deblur import PRESETS, MultiScaleConfig, build_network, restore_network
from tests.small_run import OPTIONS, TINY, mixture, train, train_as
from training import step as step_module
from training.data.mixture import batches
from training.distributed import Team, join_team
from training.log_writer import LogWriter
from training.losses import multi_scale_loss
from training.options import Recipe
from training.restoration import Restoration
from training.shards import read_shards
from training.state import state_folders, update_average
from training.step import clip_gradients, train_step
from training.train import DivergenceError, check_disk, fit, main, setup
from weights import read_checkpoint

ALONE = Team(0, 1, torch.device("cpu"))


@pytest.fixture(autouse=True)
def tiny_preset(monkeypatch):
    monkeypatch.setitem(PRESETS, "tiny", TINY)


@pytest.fixture
def processes():
    """Processes that start quickly, with the modules already loaded."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.small_run"])
    return context


def saved(output):
    (folder,) = state_folders(output)
    tensors, metadata = read_shards(folder)
    return tensors, int(metadata["step"])


def losses(output):
    lines = [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]
    return [(entry["step"], entry["loss"]) for entry in lines if "loss" in entry]


def assert_same_run(output, expected):
    (tensors, step), (expected_tensors, expected_step) = saved(output), saved(expected)
    assert step == expected_step
    assert set(tensors) == set(expected_tensors)
    for name, tensor in expected_tensors.items():
        assert torch.equal(tensors[name], tensor), name
    assert losses(output) == losses(expected)


def one_step(fields, step=0):
    """Weights after one step, from the same start."""
    options = replace(OPTIONS, noise=0.0, **fields)
    state = setup(options, ALONE.device)
    pairs = next(batches(mixture(options), range(options.batch), 16, step, step + 1, 0))
    values = train_step(state, Restoration(state.network), None, pairs, options, range(options.batch))
    return state, values


def test_a_run_learns_and_leaves_weights_that_can_be_loaded(tmp_path):
    state = train(tmp_path, steps=60, learning_rate=5e-3, schedule="constant")
    curve = [loss for _, loss in losses(tmp_path)]
    assert sum(curve[-10:]) < 0.9 * sum(curve[:10])
    checkpoint = read_checkpoint(tmp_path / "tiny.safetensors")
    network = restore_network(checkpoint.config, checkpoint.state_dict)
    assert network.config == TINY
    assert checkpoint.provenance.step == 60
    assert json.loads(checkpoint.provenance.recipe)["learning_rate"] == 5e-3
    for name, tensor in checkpoint.state_dict.items():
        assert torch.equal(tensor, state.average[name])


@pytest.mark.parametrize("stop", [1, 5, 11])
def test_a_run_that_was_stopped_goes_on_bit_for_bit(tmp_path, stop):
    train(tmp_path / "whole")
    # The schedule belongs to the whole run, so the first part ends by a kill after its state was saved.
    options = replace(OPTIONS, output=tmp_path / "parts")
    with pytest.raises(KeyboardInterrupt):
        interrupted(options, stop)
    train(tmp_path / "parts")
    assert_same_run(tmp_path / "parts", tmp_path / "whole")


def interrupted(options, stop, device=ALONE.device):
    source = mixture(options)
    draw = source.draw

    def draw_until_stopped(step, *arguments):
        if step == stop:
            raise KeyboardInterrupt
        return draw(step, *arguments)

    source.draw = draw_until_stopped
    state, team = setup(options, device), Team(0, 1, device)
    fit(state, replace(options, save_steps=1), source, team, LogWriter(options.output, state.step, {}))


def test_a_run_killed_at_random_moments_is_the_run_that_was_not(tmp_path, processes):
    steps = 150
    train(tmp_path / "whole", steps=steps)
    rng, kills, starts = random.Random(0), 0, 0
    while True:
        process = processes.Process(
            target=train, args=(tmp_path / "killed",), kwargs={"steps": steps, "save_steps": 1, "shard_megabytes": 1}
        )
        process.start()
        starts += 1
        process.join(rng.uniform(0.2, 0.7) if kills < 12 else None)
        if process.exitcode == 0:
            break
        if process.exitcode is None:
            process.kill()
            process.join()
            kills += 1
        else:
            pytest.fail(f"start {starts} ended with {process.exitcode}")
    assert kills >= 3
    assert_same_run(tmp_path / "killed", tmp_path / "whole")


def test_sigterm_saves_and_ends(tmp_path, processes):
    process = processes.Process(target=train, args=(tmp_path,), kwargs={"steps": 10**6})
    process.start()
    deadline = time.monotonic() + 60
    while not ((tmp_path / "log.jsonl").is_file() and losses(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.terminate()
    process.join(60)
    assert process.exitcode == 0
    assert saved(tmp_path)[1] >= 1


@pytest.mark.parametrize("fields", [{}, {"accumulate": 2}])
def test_two_processes_give_the_curve_of_one(tmp_path, processes, fields):
    train(tmp_path / "one")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    team = [processes.Process(target=train_as, args=(rank, 2, port, tmp_path / "two", fields)) for rank in range(2)]
    for process in team:
        process.start()
    for process in team:
        process.join(120)
        assert process.exitcode == 0
    (one, _), (two, _) = saved(tmp_path / "one"), saved(tmp_path / "two")
    for name, tensor in one.items():
        if name.startswith("network."):
            torch.testing.assert_close(two[name], tensor, rtol=1e-3, atol=1e-5)
    curves = [[loss for _, loss in losses(tmp_path / name)] for name in ("one", "two")]
    assert curves[1] == pytest.approx(curves[0], rel=1e-3)


def test_parts_of_a_batch_give_the_step_of_the_whole():
    (whole, values), (parts, part_values) = one_step({}), one_step({"accumulate": 4})
    assert float(part_values["loss"]) == pytest.approx(float(values["loss"]), rel=1e-5)
    for name, tensor in whole.network.state_dict().items():
        torch.testing.assert_close(parts.network.state_dict()[name], tensor, rtol=1e-3, atol=1e-6)


def test_the_loss_of_a_step_is_that_of_its_images():
    _, values = one_step({"flips": False, "permute_channels": False})
    pairs = mixture(OPTIONS).draw(0, range(4), 16).float() / 255
    torch.manual_seed(OPTIONS.seed)
    network = build_network(TINY)
    expected = multi_scale_loss(network(network.pyramid(pairs[:, :3])), network.pyramid(pairs[:, 3:]), OPTIONS)
    assert float(values["loss"]) == pytest.approx(float(expected.detach()), rel=1e-5)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_learns_too(tmp_path, precision):
    full, half = (train(tmp_path / kind, precision=kind) for kind in ("float32", precision))
    for (_, a), (_, b) in zip(losses(tmp_path / "float32"), losses(tmp_path / precision), strict=True):
        assert b == pytest.approx(a, rel=0.05)
    for a, b in zip(full.network.parameters(), half.network.parameters(), strict=True):
        assert not torch.equal(a, b)
        assert b.dtype == torch.float32


def test_coarse_scales_can_be_trained_alone(monkeypatch):
    config = MultiScaleConfig(scales=2, blocks=1, channels=8)
    monkeypatch.setitem(PRESETS, "tiny", config)
    options = replace(OPTIONS, optimiser="adam")
    state = setup(options, ALONE.device)
    before = {name: tensor.clone() for name, tensor in state.network.state_dict().items()}
    pairs = mixture(options).draw(0, range(4), 32)
    train_step(state, Restoration(state.network), None, pairs, options, range(4), coarse_only=True)
    changed = {name for name, tensor in state.network.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {name for name in before if name.startswith("bodies.1.")}


def test_the_first_part_of_a_run_can_leave_out_the_finest_scale(tmp_path, monkeypatch):
    sizes, phases = [], []

    def watch(state, forward, judge, pairs, options, slots, coarse_only, teacher):
        sizes.append(pairs.shape[-1])
        phases.append(coarse_only)
        return train_step(state, forward, judge, pairs, options, slots, coarse_only, teacher)

    monkeypatch.setattr("training.train.train_step", watch)
    train(tmp_path, coarse_only=0.5)
    assert phases == [True] * 6 + [False] * 6
    assert sizes == [32] * 6 + [16] * 6


def test_adversarial_training_moves_both_networks(monkeypatch):
    options = replace(OPTIONS, adversarial_weight=1e-2, crop=256, batch=1)
    state = setup(options, ALONE.device)
    before = [parameter.detach().clone() for parameter in state.discriminator.parameters()]
    pairs = mixture(OPTIONS).sources["pairs"].draw([0], 256)
    values = train_step(state, Restoration(state.network), state.discriminator, pairs, options, range(1))
    assert set(values) == {"loss", "generator", "discriminator"}
    assert float(values["discriminator"]) == pytest.approx(2 * math.log(2), abs=0.05)
    for old, new in zip(before, state.discriminator.parameters(), strict=True):
        assert not torch.equal(old, new)
        assert new.requires_grad


def test_the_adversarial_term_reaches_the_network():
    def gradients(weight):
        options = replace(OPTIONS, adversarial_weight=weight, crop=256, batch=1, learning_rate=0.0)
        state = setup(options, ALONE.device)
        pairs = mixture(OPTIONS).sources["pairs"].draw([0], 256)
        train_step(state, Restoration(state.network), state.discriminator, pairs, options, range(1))
        return torch.cat([parameter.grad.flatten() for parameter in state.network.parameters()])

    without, with_it = gradients(1e-12), gradients(1.0)
    assert float((with_it - without).norm()) > 1e-3 * float(without.norm())


def test_gradients_are_clipped_to_their_norms():
    network = build_network(TINY)
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    clip_gradients(network, Recipe(cell_gradient_norm=3.0))
    cell = [p.grad for name, p in network.named_parameters() if ".cell." in name]
    others = [p.grad for name, p in network.named_parameters() if ".cell." not in name]
    assert float(torch.cat([g.flatten() for g in cell]).norm()) == pytest.approx(3.0, rel=1e-4)
    assert all(bool((g == 1).all()) for g in others)
    clip_gradients(network, Recipe(gradient_norm=0.5))
    whole = torch.cat([p.grad.flatten() for p in network.parameters()])
    assert float(whole.norm()) == pytest.approx(0.5, rel=1e-4)


def test_the_average_follows_the_weights():
    state = setup(OPTIONS, ALONE.device)
    state.step = 10_000
    start = state.average["bodies.0.head.bias"].clone()
    with torch.no_grad():
        for parameter in state.network.parameters():
            parameter.add_(1.0)
    update_average(state, 0.9)
    torch.testing.assert_close(state.average["bodies.0.head.bias"], start + 0.1)
    update_average(state, 0.0)
    torch.testing.assert_close(state.average["bodies.0.head.bias"], start + 1.0)


def test_every_kind_of_network_learns_one_pair(small_config):
    torch.manual_seed(0)
    network = build_network(small_config)
    side = 2 * max(network.size_multiple, 8)
    sharp = torch.rand(1, 3, side // 8, side // 8).repeat_interleave(8, 2).repeat_interleave(8, 3)
    blurry = torch.nn.functional.avg_pool2d(sharp, (1, 7), 1, (0, 3))
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    curve = []
    for _ in range(60):
        loss = multi_scale_loss(network(network.pyramid(blurry)), network.pyramid(sharp), Recipe(pixel_loss="mse"))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        curve.append(float(loss.detach()))
    assert curve[-1] < 0.8 * curve[0]


def test_an_exploding_loss_ends_the_run_and_keeps_the_state(tmp_path, monkeypatch):
    train(tmp_path, steps=4)
    before = saved(tmp_path)

    def explode(restored, sharp, recipe):
        explode.calls += 1
        return multi_scale_loss(restored, sharp, recipe) * (math.nan if explode.calls == 3 else 1)

    explode.calls = 0
    monkeypatch.setattr(step_module, "multi_scale_loss", explode)
    with pytest.raises(DivergenceError, match="the loss is nan at step 6, on batch 6"):
        train(tmp_path, steps=12)
    after = saved(tmp_path)
    assert after[1] == before[1] == 4
    for name, tensor in before[0].items():
        assert torch.equal(after[0][name], tensor)


def test_a_finite_explosion_ends_the_run_too(tmp_path):
    with pytest.raises(DivergenceError, match="at step"):
        train(tmp_path, steps=200, learning_rate=1e4, schedule="constant", optimiser="adam")


def test_a_run_that_is_boxed_in_time_ends_with_its_schedule(tmp_path):
    began = time.monotonic()
    train(tmp_path, steps=10**9, max_minutes=1 / 60, log_steps=1)
    assert time.monotonic() - began < 20
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    rates = [entry["learning_rate"] for entry in lines if "learning_rate" in entry]
    assert rates[0] > 0.9 * OPTIONS.learning_rate
    assert rates[-1] < 0.1 * OPTIONS.learning_rate


def test_a_full_disk_ends_the_run_and_keeps_the_earlier_state(tmp_path, monkeypatch):
    train(tmp_path, steps=4)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("training.shards.write_atomically", full)
    with pytest.raises(OSError, match="No space left"):
        train(tmp_path, steps=8)
    assert saved(tmp_path)[1] == 4
    monkeypatch.undo()
    monkeypatch.setitem(PRESETS, "tiny", TINY)
    train(tmp_path, steps=8)
    assert saved(tmp_path)[1] == 8


def test_too_small_a_disk_is_noticed_at_once(tmp_path, monkeypatch):
    state = setup(OPTIONS, ALONE.device)
    check_disk(state, tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(OSError, match="has 0 MB free"):
        check_disk(state, tmp_path)


def test_a_state_of_another_network_is_refused(tmp_path, monkeypatch):
    train(tmp_path, steps=2)
    monkeypatch.setitem(PRESETS, "tiny", replace(TINY, channels=(8, 8, 16)))
    with pytest.raises(ValueError, match="is the state of another network"):
        setup(replace(OPTIONS, output=tmp_path), ALONE.device)


def test_training_can_start_from_weights(tmp_path, monkeypatch):
    train(tmp_path / "first", steps=2)
    weights = tmp_path / "first" / "tiny.safetensors"
    state = setup(replace(OPTIONS, output=tmp_path / "second", initial=weights), ALONE.device)
    for name, tensor in read_checkpoint(weights).state_dict.items():
        assert torch.equal(state.network.state_dict()[name], tensor)
    monkeypatch.setitem(PRESETS, "tiny", replace(TINY, channels=(8, 8, 16)))
    with pytest.raises(ValueError, match="holds another network than tiny"):
        setup(replace(OPTIONS, output=tmp_path / "third", initial=weights), ALONE.device)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"crop": 18}, "crop: tiny takes multiples of 8, found 18"),
        ({"adversarial_weight": 1e-4, "crop": 128}, "patches of 256 pixels"),
        ({"adversarial_weight": 1e-4, "crop": 256, "accumulate": 2}, "whole batches"),
        ({"preset": "unknown"}, "unknown preset 'unknown'"),
    ],
)
def test_options_that_do_not_go_together_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        setup(replace(OPTIONS, **fields), ALONE.device)


def test_a_device_without_enough_memory_is_explained(monkeypatch):
    def fill(options):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nMore about it.")

    monkeypatch.setattr("training.train.run", fill)
    monkeypatch.setattr("sys.argv", ["training.train", "modern"])
    with pytest.raises(SystemExit, match=r"Tried to allocate 2.00 GiB. Split the batch with --accumulate 2"):
        main()


def test_a_missing_cuda_device_is_explained(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RuntimeError, match=r"--device cuda: no CUDA device can be used here"):
        join_team("cuda")
    assert join_team("auto").device.type == "cpu"
