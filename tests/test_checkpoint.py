"""Checkpoint files: round trip, and a clear error for everything that is not one."""

import json
import pickle
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from deblur import build_network, config_to_dict, restore_network
from weights import Checkpoint, CheckpointError, Provenance, read_checkpoint, write_checkpoint
from weights.checkpoint import FORMAT_VERSION

PROVENANCE = Provenance(
    trained_on="nothing", recipe="none", step=7, licence="MIT", metrics={"PSNR dB": 25.5}, note="a test"
)


@pytest.fixture
def file(tmp_path, small_config):
    torch.manual_seed(0)
    path = tmp_path / "network.safetensors"
    state_dict = build_network(small_config).state_dict()
    write_checkpoint(path, Checkpoint(config_to_dict(small_config), state_dict, PROVENANCE))
    return path


def test_round_trip(file, small_config):
    checkpoint = read_checkpoint(file)
    assert checkpoint.provenance == PROVENANCE
    network = restore_network(checkpoint.config, checkpoint.state_dict)
    assert network.config == small_config
    torch.manual_seed(0)
    for key, tensor in build_network(small_config).state_dict().items():
        assert torch.equal(network.state_dict()[key], tensor)


def test_writing_leaves_nothing_but_the_file(file):
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_failed_write_leaves_the_old_file(file, monkeypatch):
    before = file.read_bytes()

    def fail(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr("weights.checkpoint.save_file", fail)
    with pytest.raises(OSError, match="No space left"):
        write_checkpoint(file, Checkpoint({"network": "x"}, {}))
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_every_truncation_is_refused(file):
    content = file.read_bytes()
    for length in (0, 1, 7, 8, 9, 100, len(content) // 2, len(content) - 1):
        file.write_bytes(content[:length])
        with pytest.raises(CheckpointError, match="not a complete safetensors file"):
            read_checkpoint(file)


@pytest.mark.parametrize("kind", ["zip", "pickle"])
def test_a_pickle_under_another_name_is_refused_and_not_opened(tmp_path, kind):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("the pickle was executed",))

    path = tmp_path / "network.safetensors"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", pickle.dumps(Bomb()))
    else:
        path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(CheckpointError, match="is a PyTorch pickle"):
        read_checkpoint(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no checkpoint file .*missing\.safetensors"):
        read_checkpoint(tmp_path / "missing.safetensors")


def valid_metadata():
    return {"format": f"motion-deblur {FORMAT_VERSION}", "config": "{}", "provenance": "{}"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": None}, "without a network configuration"),
        ({"config": None}, "without a network configuration"),
        ({"format": "other 1"}, "expected format 'motion-deblur'"),
        ({"format": "motion-deblur"}, "expected format"),
        ({"format": f"motion-deblur {FORMAT_VERSION + 1}"}, "update it"),
        ({"config": "{"}, "configuration in the header is not JSON"),
        ({"config": "[]"}, "not a JSON object, but list"),
        ({"config": "[" * 100_000}, "is not JSON"),
        ({"provenance": '{"author": "x"}'}, "unknown provenance key author"),
        ({"provenance": '{"step": "many"}'}, "not of its kind"),
        ({"provenance": '{"metrics": {"PSNR": "high"}}'}, "not of its kind"),
        ({"provenance": '{"metrics": {"PSNR": NaN}}'}, "not of its kind"),
        ({"provenance": '{"licence": 3}'}, "not of its kind"),
    ],
)
def test_a_wrong_header_is_refused(tmp_path, change, message):
    metadata = {key: value for key, value in (valid_metadata() | change).items() if value is not None}
    path = tmp_path / "network.safetensors"
    save_file({"a": torch.zeros(2)}, path, metadata)
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(path)


def test_an_old_file_without_provenance_is_read(tmp_path):
    path = tmp_path / "network.safetensors"
    metadata = {key: value for key, value in valid_metadata().items() if key != "provenance"}
    save_file({"a": torch.zeros(2)}, path, metadata)
    assert read_checkpoint(path).provenance == Provenance()


def test_the_header_is_json_that_other_programs_can_read(file, small_config):
    content = file.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert json.loads(header["__metadata__"]["config"])["network"] == small_config.network
