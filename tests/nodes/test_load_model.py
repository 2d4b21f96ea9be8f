"""DeblurLoadModel: names, files, errors and identities."""

import hashlib
import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch.testing import assert_close


@pytest.fixture
def folder(pack, tmp_path, monkeypatch):
    """An empty ``models/deblur``, registered as on start-up."""
    monkeypatch.setattr(pack.folder_paths, "models_dir", str(tmp_path))
    monkeypatch.setattr(pack.folder_paths, "folder_names_and_paths", {})
    pack.module("nodes.model_folder").register_model_folder()
    folder = tmp_path / "deblur"
    folder.mkdir()
    return folder


@pytest.fixture
def write(pack, folder):
    def write_model(name, kind="scale-recurrent", **changes):
        network = pack.model(kind, **changes).network
        checkpoint = pack.weights.Checkpoint(pack.deblur.config_to_dict(network.config), network.state_dict())
        pack.weights.write_checkpoint(folder / name, checkpoint)
        return network

    return write_model


def options(pack):
    schema = pack.nodes["DeblurLoadModel"].GET_SCHEMA()
    return next(entry.options for entry in schema.inputs if entry.id == "model_name")


def load(pack, name, precision="auto"):
    return pack.run("DeblurLoadModel", model_name=name, precision=precision)


def test_lists_the_catalogue_and_the_safetensors_files_of_the_folder(pack, folder, write):
    write("b.safetensors")
    (folder / "sub").mkdir()
    write("sub/a.safetensors")
    (folder / "notes.txt").write_text("no model")
    (folder / "old.pth").write_bytes(b"no model")
    available = [entry.name for entry in pack.weights.CATALOGUE.values() if entry.available]
    assert options(pack) == [*available, "b.safetensors", os.path.join("sub", "a.safetensors")]


def test_a_missing_folder_is_no_error(pack, folder):
    folder.rmdir()
    assert all(not name.endswith(".safetensors") for name in options(pack))


def test_folders_of_extra_model_paths_come_first(pack, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(pack.folder_paths, "folder_names_and_paths", {"deblur": ([str(tmp_path / "mine")], set())})
    pack.module("nodes.model_folder").register_model_folder()
    assert pack.folder_paths.get_folder_paths("deblur") == [str(tmp_path / "mine"), str(folder)]


@pytest.mark.parametrize("kind", ["scale-recurrent", "multi-scale", "deblurnet"])
def test_loads_every_kind(pack, write, images, kind):
    network = write("tiny.safetensors", kind)
    model = load(pack, "tiny.safetensors")
    assert model.name == "tiny.safetensors"
    assert model.config == network.config
    assert model.dtype == torch.float32
    assert not any(module.training for module in model.network.modules())
    restored = pack.run("DeblurTiled", model=model, image=images, strength=1.0, tile_size=64, halo=0)
    assert_close(restored, pack.restored(model, images), atol=1e-5, rtol=0)


def test_half_precision_only_where_comfyui_says_so(pack, write):
    write("tiny.safetensors")
    pack.management.fp16 = True
    assert load(pack, "tiny.safetensors").dtype == torch.float16
    assert load(pack, "tiny.safetensors", "float32").dtype == torch.float32


def test_a_catalogue_name_loads_the_file_in_the_folder(pack, folder, write, monkeypatch):
    network = write("published.safetensors")
    content = (folder / "published.safetensors").read_bytes()
    entry = pack.weights.CatalogueEntry(
        name="published",
        network="scale-recurrent",
        file="published.safetensors",
        sha256=hashlib.sha256(content).hexdigest(),
        bytes=len(content),
        licence="MIT",
    )
    monkeypatch.setitem(pack.weights.CATALOGUE, "published", entry)
    assert load(pack, "published").config == network.config
    assert entry.sha256 in pack.nodes["DeblurLoadModel"].fingerprint_inputs("published", "auto")


@pytest.mark.skipif(
    not (Path(__file__).parents[2] / "weights/bundled/scale-recurrent-lite.safetensors").is_file(),
    reason="the weights of scale-recurrent-lite are not bundled yet",
)
def test_the_bundled_model_loads_by_name(pack, folder):
    assert "scale-recurrent-lite" in options(pack)
    assert load(pack, "scale-recurrent-lite").config == pack.deblur.preset("scale-recurrent-lite")


def test_identity_follows_the_file(pack, folder, write):
    write("tiny.safetensors")
    fingerprint = pack.nodes["DeblurLoadModel"].fingerprint_inputs
    first = fingerprint("tiny.safetensors", "auto")
    assert fingerprint("tiny.safetensors", "auto") == first
    assert fingerprint("tiny.safetensors", "float32") != first
    os.utime(folder / "tiny.safetensors", ns=(1, 1))
    assert fingerprint("tiny.safetensors", "auto") != first


def _pickle(folder):
    (folder / "bad.safetensors").write_bytes(pickle.dumps({"weights": 1}, protocol=2))


def _truncated(folder):
    content = (folder / "tiny.safetensors").read_bytes()
    (folder / "bad.safetensors").write_bytes(content[: len(content) // 2])


def _foreign(folder):
    save_file({"weight": torch.zeros(1)}, folder / "bad.safetensors")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_pickle, "is a PyTorch pickle"),
        (_truncated, "is not a complete safetensors file"),
        (_foreign, "without a network configuration"),
        (lambda folder: None, "no checkpoint file"),
    ],
)
def test_the_errors_of_the_core_reach_the_user(pack, folder, write, damage, message):
    write("tiny.safetensors")
    damage(folder)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        load(pack, "bad.safetensors")


def test_tensors_that_do_not_fit_are_an_error_that_names_the_file(pack, folder):
    small, large = pack.model(), pack.model(channels=(8, 8, 8))
    config = pack.deblur.config_to_dict(small.config)
    checkpoint = pack.weights.Checkpoint(config, large.network.state_dict())
    pack.weights.write_checkpoint(folder / "mixed.safetensors", checkpoint)
    with pytest.raises(ValueError, match=r"mixed\.safetensors: the tensors do not fit"):
        load(pack, "mixed.safetensors")
