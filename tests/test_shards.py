"""Saved states: shards of limited size, written as a whole or not at all."""

import json

import pytest
import torch

from training import shards
from training.shards import INDEX_FILE, read_shards, write_shards


def tensors():
    torch.manual_seed(0)
    return {
        "large": torch.randn(7, 50),
        "small": torch.randn(3),
        "half": torch.randn(40).half(),
        "step": torch.tensor(3),
    }


@pytest.mark.parametrize("shard_bytes", [100, 400, 10**9])
def test_what_was_written_is_read(tmp_path, shard_bytes):
    write_shards(tmp_path / "state", tensors(), {"step": "3"}, shard_bytes)
    found, metadata = read_shards(tmp_path / "state")
    assert metadata == {"step": "3"}
    assert set(found) == set(tensors())
    for name, tensor in tensors().items():
        assert torch.equal(found[name], tensor)
        assert found[name].dtype == tensor.dtype
        assert found[name].shape == tensor.shape
    sizes = [path.stat().st_size for path in (tmp_path / "state").glob("*.safetensors")]
    assert max(sizes) < shard_bytes + 1000
    assert (len(sizes) == 1) == (shard_bytes == 10**9)


def test_the_index_is_that_of_safetensors(tmp_path):
    write_shards(tmp_path / "state", tensors(), {}, 10**9)
    index = json.loads((tmp_path / "state" / INDEX_FILE).read_text())
    assert index["weight_map"]["small"] == "model-00001-of-00001.safetensors"


def test_a_failure_leaves_nothing_under_the_name(tmp_path, monkeypatch):
    calls = []

    def full(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")
        return write(*arguments)

    write = shards.write_atomically
    monkeypatch.setattr(shards, "write_atomically", full)
    with pytest.raises(OSError, match="No space left"):
        write_shards(tmp_path / "state", tensors(), {}, 400)
    assert list(tmp_path.iterdir()) == []
    write_shards(tmp_path / "state", tensors(), {}, 400)
    with pytest.raises(FileExistsError):
        write_shards(tmp_path / "state", tensors(), {}, 400)


def test_missing_and_damaged_files_are_named(tmp_path):
    folder = tmp_path / "state"
    with pytest.raises(FileNotFoundError, match=f"no {INDEX_FILE}"):
        read_shards(folder)
    write_shards(folder, tensors(), {}, 400)
    lost = sorted(folder.glob("*.safetensors"))[1]
    lost.unlink()
    with pytest.raises(FileNotFoundError, match=f"lacks {lost.name}"):
        read_shards(folder)
    (folder / INDEX_FILE).write_text("{")
    with pytest.raises(ValueError, match="is damaged"):
        read_shards(folder)
