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
        ({"format": "motion-deblur ²"}, "expected format"),
        ({"format": "motion-deblur " + "9" * 5000}, "expected format"),
        ({"format": f"motion-deblur {FORMAT_VERSION + 1}"}, "update it"),
        ({"config": "{"}, "configuration in the header is not JSON to rely on"),
        ({"config": "[]"}, "not a JSON object, but list"),
        ({"config": "[" * 100_000}, "is not JSON"),
        ({"provenance": '{"author": "x"}'}, "unknown provenance key 'author'"),
        ({"provenance": '{"step": "many"}'}, "not of its kind"),
        ({"provenance": '{"metrics": {"PSNR": "high"}}'}, "not of its kind"),
        ({"provenance": '{"metrics": {"PSNR": NaN}}'}, "not of its kind"),
        ({"provenance": '{"licence": 3}'}, "not of its kind"),
        ({"provenance": '{"metrics": {"PSNR": 1%s}}' % ("0" * 400)}, "not of its kind"),
        ({"provenance": '{"step": -1}'}, "not of its kind"),
        ({"provenance": '{"note": "\\u001b[2J"}'}, "unprintable characters at the key 'note'"),
        ({"provenance": '{"note": "\\ud800"}'}, "unprintable characters at the key 'note'"),
        ({"provenance": '{"\u202e": 1}'}, r"unknown provenance key '\\u202e'"),
        ({"config": '{"network": "a", "network": "b"}'}, "the key 'network' twice"),
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


def test_a_later_change_of_the_file_does_not_reach_the_tensors(file):
    checkpoint = read_checkpoint(file)
    before = {key: tensor.clone() for key, tensor in checkpoint.state_dict.items()}
    with file.open("r+b") as opened:
        opened.write(b"\xff" * file.stat().st_size)
    for key, tensor in checkpoint.state_dict.items():
        assert torch.equal(tensor, before[key])


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (float("nan"), torch.float32),
        (float("inf"), torch.float16),
        (float("-inf"), torch.bfloat16),
        (1e300, torch.float64),
    ],
)
def test_numbers_that_are_not_finite_are_refused_by_the_tensors_name(tmp_path, value, dtype):
    path, weight = tmp_path / "network.safetensors", torch.zeros(3, 4, dtype=dtype)
    weight[1, 2] = value
    save_file({"fine": torch.ones(2), "head.weight": weight}, path, valid_metadata())
    with pytest.raises(CheckpointError, match=r"tensor head\.weight has numbers that are not finite"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"a": torch.zeros(2, dtype=torch.int8)}, "tensor 'a': expected one of F64, F32, F16, BF16, I64, found I8"),
        ({"a": torch.zeros(2).to(torch.float8_e4m3fn)}, "found F8_E4M3"),
        ({"a": torch.zeros(2, 0)}, r"expected at least one number .*found shape \[2, 0\]"),
        ({"a": torch.zeros([1] * 9)}, "at most 8 dimensions"),
        ({"n" * 201: torch.zeros(2)}, "longer than 200 characters"),
        ({"é": torch.zeros(2)}, r"the tensor name '\\xe9'"),
    ],
)
def test_tensors_that_no_network_has_are_refused(tmp_path, tensors, message):
    path = tmp_path / "network.safetensors"
    save_file(tensors, path, valid_metadata())
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(path)


def write_header(path, header, data=b"\0" * 8):
    path.write_bytes(len(header).to_bytes(8, "little") + header + data)


ENTRY = b'{"dtype":"F32","shape":[2],"data_offsets":[0,8]}'
METADATA = b'"__metadata__":{"format":"motion-deblur 1","config":"{}"}'


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b'{%s,"a":%s,"a":%s}' % (METADATA, ENTRY, ENTRY), "the key 'a' twice"),
        (b'{%s,"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}' % METADATA, "'dtype' twice"),
        (b'{%s,"a":%s,"b":%s}' % (METADATA, ENTRY, ENTRY), "not a complete safetensors file"),
        (b'{%s,"a\\u001b":%s}' % (METADATA, ENTRY), "unprintable characters"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"a":' * 100_000, "nested too deep"),
        (b"[]", "its header is not a JSON object, but list"),
        (
            b'{%s,"a":%s}' % (METADATA, ENTRY.replace(b"[2]", b"[99999999999999999999]")),
            "not a complete safetensors file",
        ),
        (b'{%s,"a":%s}' % (METADATA, ENTRY.replace(b"F32", b"Q" * 9000)), "not a complete safetensors file"),
        ((b'{%s,"a":%s}' % (METADATA, ENTRY)).decode().encode("utf-16-le"), "not JSON to rely on"),
        (b"{}" + b" " * 2**20, "checkpoints of this project have at most"),
    ],
)
def test_a_header_that_two_programs_may_read_differently_is_refused(tmp_path, header, message):
    path = tmp_path / "network.safetensors"
    write_header(path, header)
    with pytest.raises(CheckpointError, match=message) as caught:
        read_checkpoint(path)
    assert len(str(caught.value)) < 1000
