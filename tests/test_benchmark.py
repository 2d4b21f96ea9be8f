"""The benchmark: sane figures of a tiny network, and the official code beside ours where a checkout is named."""

import json
import os
import time
from pathlib import Path

import pytest
import torch

from deblur import PRESETS, MultiScaleConfig, build_network, cost
from training import official, workload
from training.benchmark import Measurement, main, measure, ratios, table
from training.throughput import PeakMemory, data_share, matrix_rate, time_calls
from training.workload import OFFICIAL, Workload, prepare

CPU = torch.device("cpu")
TINY = MultiScaleConfig(scales=2, blocks=1, channels=4, kernel_size=3)


@pytest.fixture(autouse=True)
def tiny_preset(monkeypatch):
    monkeypatch.setitem(PRESETS, "tiny", TINY)


def test_the_command_measures_every_combination(tmp_path, capsys):
    path = tmp_path / "benchmark.json"
    small = ["--batch", "2", "--size", "16", "--inference-size", "16", "24", "--matrix-side", "32"]
    brief = ["--repeats", "2", "--seconds", "0.001", "--device", "cpu", "--json", str(path)]
    main(["--preset", "tiny", "--dtype", "float32", "bfloat16", "--channels-last", "both", *small, *brief])
    written = json.loads(path.read_text())
    measured = written["measurements"]
    assert len(measured) == 2 * 2 * 2  # modes, dtypes, layouts
    for entry in measured:
        work = entry["workload"]
        expected = (2, 16, 16) if work["mode"] == "training" else (1, 16, 24)
        assert (work["batch"], work["height"], work["width"]) == expected
        assert 0 < entry["slowest"] <= entry["images_per_second"] <= entry["fastest"]
        assert entry["milliseconds"] == pytest.approx(1000 * work["batch"] / entry["images_per_second"])
        assert entry["tflops"] == pytest.approx(entry["operations"] / entry["milliseconds"] * 1e3 / 1e12)
        assert entry["share"] == pytest.approx(entry["tflops"] * 1e12 / written["matrix_flops"][work["dtype"]])
        assert entry["failure"] == ""
    output = capsys.readouterr().out
    assert "matrix product in bfloat16" in output
    assert sum(line.startswith("ours") for line in output.splitlines()) == len(measured)
    with pytest.raises(SystemExit):
        main(["--preset", "tiny", *small, *brief])
    assert "exists" in capsys.readouterr().err


def test_operations_are_those_of_the_cost():
    inference = Workload("ours", "multi-scale-k3", "inference", "float32", 2, 256, 256)
    training = Workload("ours", "multi-scale-k3", "training", "float32", 2, 256, 256)
    assert inference.operations == 2 * 2 * cost(PRESETS["multi-scale-k3"]).macs_256
    assert training.operations == 3 * inference.operations


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_training_step_trains(dtype, monkeypatch):
    network = build_network(TINY)
    monkeypatch.setattr(workload, "build_network", lambda config: network)
    step = prepare(Workload("ours", "tiny", "training", dtype, 1, 16, 16), CPU)
    before = [parameter.clone() for parameter in network.parameters()]
    step()
    assert all(not torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))


def test_ratios_compare_the_same_work_in_all_dtypes():
    def entry(code, dtype, batch, speed):
        return Measurement(Workload(code, "multi-scale-k3", "training", dtype, batch, 64, 64), speed)

    found = ratios(
        [
            entry("ours", "float32", 16, 30.0),
            entry("ours", "bfloat16", 16, 90.0),
            entry("ours", "bfloat16", 8, 80.0),
            entry("ours", "float16", 16, None),
            entry(OFFICIAL, "float32", 16, 20.0),
        ]
    )
    assert [(ratio.ours.dtype, ratio.official.dtype, ratio.times) for ratio in found] == [
        ("float32", "float32", 1.5),
        ("bfloat16", "float32", 4.5),
    ]


def test_too_little_memory_is_a_result(monkeypatch):
    def fail(*_):
        raise torch.OutOfMemoryError("no")

    monkeypatch.setattr("training.benchmark.prepare", fail)
    result = measure(Workload("ours", "tiny", "training", "float32", 1, 16, 16), CPU, 1e12, 1, 0.0)
    assert result.failure == "out of memory"
    assert "out of memory" in table([result])


def test_times_are_those_of_a_call():
    timing = time_calls(lambda: time.sleep(0.01), CPU, warm_up=1, repeats=3, seconds=0.03)
    assert 0.01 <= timing.fastest <= timing.median <= timing.slowest
    assert timing.calls <= 3


def test_the_matrix_rate_counts_two_operations_for_a_product_and_a_sum():
    began = time.perf_counter()
    rate = matrix_rate(CPU, torch.float32, 128, repeats=2, seconds=0.01)
    assert 2 * 128**3 / (time.perf_counter() - began) < rate < 1e14


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the system does not say")
def test_memory_is_that_of_the_span():
    with PeakMemory(CPU) as large:
        torch.ones(50_000_000).sum()
    with PeakMemory(CPU) as small:
        torch.ones(1_000_000).sum()
    assert large.bytes is not None
    assert small.bytes is not None
    assert 190e6 < large.bytes < 260e6
    assert small.bytes < 60e6


def test_the_share_of_data_is_what_waiting_adds():
    def slow_batch():
        time.sleep(0.006)
        return 1

    found = data_share(slow_batch, lambda batch: time.sleep(0.002), CPU, warm_up=1, steps=10, repeats=3)
    assert 0.6 < found.share < 0.9
    free = data_share(lambda: 1, lambda batch: time.sleep(0.004), CPU, warm_up=1, steps=10, repeats=3)
    assert free.share < 0.3


def test_a_folder_that_is_no_checkout_is_refused(tmp_path, capsys):
    with pytest.raises(FileNotFoundError, match=r"no src/model/MSResNet\.py in"):
        official.load_official(tmp_path, CPU)
    with pytest.raises(SystemExit):
        main(["--reference", str(tmp_path)])
    assert "is no checkout of SeungjunNah/DeepDeblur-PyTorch" in capsys.readouterr().err


def test_an_unknown_preset_lists_the_right_ones(capsys):
    with pytest.raises(SystemExit):
        main(["--preset", "multi-scale"])
    assert "multi-scale-k3" in capsys.readouterr().err


@pytest.mark.reference
def test_the_official_code_runs_beside_ours(tmp_path):
    checkout = os.environ.get("DEEPDEBLUR_ROOT")
    if not checkout:
        pytest.skip("needs DEEPDEBLUR_ROOT=<checkout of DeepDeblur-PyTorch>")
    path = tmp_path / "benchmark.json"
    small = ["--batch", "1", "--size", "16", "--inference-size", "16", "16", "--matrix-side", "32"]
    brief = ["--repeats", "1", "--seconds", "0", "--reference", checkout, "--json", str(path)]
    main(["--preset", "multi-scale-k3", "--dtype", "float32", *small, *brief])
    written = json.loads(path.read_text())
    assert {entry["workload"]["code"] for entry in written["measurements"]} == {"ours", OFFICIAL}
    assert {ratio["ours"]["mode"] for ratio in written["ratios"]} == {"training", "inference"}
    assert all(ratio["times"] > 0 for ratio in written["ratios"])


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_a_tiny_network_is_measured_on_cuda(dtype):
    device = torch.device("cuda")
    result = measure(Workload("ours", "tiny", "training", dtype, 2, 32, 32, True), device, 1e12, 2, 0.01)
    assert result.images_per_second
    assert result.peak_bytes
