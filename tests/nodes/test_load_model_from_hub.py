"""DeblurLoadModelFromHub, and catalogue entries that DeblurLoadModel downloads: progress, interrupts, files, errors."""

import hashlib
import os
import time

import pytest

from tests.hub_server import Fault

REPOSITORY = "someone/some-model"
FIELDS = {"repository": REPOSITORY, "file": "", "revision": "", "precision": "auto"}


@pytest.fixture
def folder(pack, tmp_path, monkeypatch):
    """An empty ``models/deblur``, registered as on start-up."""
    monkeypatch.setattr(pack.folder_paths, "models_dir", str(tmp_path / "models"))
    monkeypatch.setattr(pack.folder_paths, "folder_names_and_paths", {})
    pack.module("nodes.model_folder").register_model_folder()
    return tmp_path / "models" / "deblur"


@pytest.fixture
def network(pack, hub, tmp_path):
    """A network that a repository serves."""
    network = pack.model(channels=(8, 8, 8)).network
    checkpoint = pack.weights.Checkpoint(pack.deblur.config_to_dict(network.config), network.state_dict())
    pack.weights.write_checkpoint(tmp_path / "published.safetensors", checkpoint)
    hub.add(REPOSITORY, {"model.safetensors": (tmp_path / "published.safetensors").read_bytes()})
    return network


def load(pack, **fields):
    return pack.run("DeblurLoadModelFromHub", **{**FIELDS, **fields})


def test_downloads_once_to_the_users_folder(pack, hub, folder, network):
    for _ in range(2):
        model = load(pack)
        assert model.config == network.config
        assert model.name == REPOSITORY
    assert (folder / REPOSITORY / "model.safetensors").is_file()
    assert len([request for request in hub.downloads() if request.range is None]) == 1


def test_a_downloaded_file_needs_no_network_and_is_offered_by_the_other_loader(pack, hub, folder, network):
    load(pack)
    asked = len(hub.requests)
    name = f"{REPOSITORY}/model.safetensors"
    offered = next(
        entry.options for entry in pack.nodes["DeblurLoadModel"].GET_SCHEMA().inputs if entry.id == "model_name"
    )
    assert name in offered
    assert pack.run("DeblurLoadModel", model_name=name, precision="auto").config == network.config
    assert len(hub.requests) == asked


def test_a_file_that_the_other_loader_offered_and_that_is_gone_is_not_downloaded(pack, hub, folder, network):
    with pytest.raises(FileNotFoundError, match="no checkpoint file"):
        pack.run("DeblurLoadModel", model_name=f"{REPOSITORY}/model.safetensors", precision="auto")
    assert hub.requests == []


def test_the_node_shows_the_progress(pack, hub, folder, network, tmp_path):
    hub.faults.append(Fault("/cdn/", pause_seconds=0.02, times=99))
    load(pack)
    size = (tmp_path / "published.safetensors").stat().st_size
    reported = pack.progress.reported
    assert reported[-1] == (size, size)
    assert reported == sorted(reported)
    assert len({done for done, _ in reported}) > 2


@pytest.mark.parametrize("silent", [False, True])
def test_an_interrupt_ends_the_download_at_once_and_the_next_run_goes_on(pack, hub, folder, network, silent):
    whole = r"/cdn/\w+ $"  # not the look at the header before it
    hub.faults.append(Fault(whole, silent_seconds=5) if silent else Fault(whole, pause_seconds=0.3))
    pack.management.interrupt_at = 10
    start = time.monotonic()
    with pytest.raises(pack.management.InterruptProcessingException):
        load(pack)
    assert time.monotonic() - start < 3
    assert not list(folder.rglob("*.safetensors"))
    pack.management.reset()
    hub.faults.clear()
    assert load(pack).config == network.config


def test_a_catalogue_entry_is_downloaded_with_progress(pack, hub, folder, network, tmp_path, monkeypatch):
    content = (tmp_path / "published.safetensors").read_bytes()
    entry = pack.weights.CatalogueEntry(
        name="published",
        network="scale-recurrent",
        file="published.safetensors",
        sha256=hashlib.sha256(content).hexdigest(),
        bytes=len(content),
        licence="MIT",
        repository=REPOSITORY,
        revision=hub.repositories[REPOSITORY].head,
    )
    monkeypatch.setitem(pack.weights.CATALOGUE, "published", entry)
    model = pack.run("DeblurLoadModel", model_name="published", precision="auto")
    assert model.config == network.config
    assert (folder / "published.safetensors").read_bytes() == content
    assert pack.progress.reported[-1] == (len(content), len(content))


def test_a_file_and_a_revision(pack, hub, folder, network, tmp_path):
    first = hub.repositories[REPOSITORY].head
    other = pack.model(channels=(6, 6, 6)).network
    checkpoint = pack.weights.Checkpoint(pack.deblur.config_to_dict(other.config), other.state_dict())
    pack.weights.write_checkpoint(tmp_path / "other.safetensors", checkpoint)
    content = (tmp_path / "other.safetensors").read_bytes()
    hub.add(REPOSITORY, {"model.safetensors": content, "sub/other.safetensors": content})
    assert load(pack, revision=first).config == network.config
    assert load(pack).config == other.config
    assert load(pack, file="sub/other.safetensors").config == other.config
    assert load(pack, repository=f"{REPOSITORY}/sub/other.safetensors@main").config == other.config


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"repository": " "}, "expected a repository"),
        ({"repository": "no-owner"}, "is no repository"),
        ({"file": "model.ckpt"}, "only .safetensors files are read"),
        ({"file": "../x.safetensors"}, "no path of a file"),
        ({"repository": f"{REPOSITORY}@v1", "revision": "v2"}, "the revision is given twice"),
        ({"repository": f"{REPOSITORY}/a.safetensors", "file": "b.safetensors"}, "the file is given twice"),
    ],
)
def test_what_was_typed_wrong_is_said_without_asking_the_hub(pack, hub, folder, fields, message):
    with pytest.raises(ValueError, match=message):
        load(pack, **fields)
    pack.nodes["DeblurLoadModelFromHub"].fingerprint_inputs(**{**FIELDS, **fields})
    assert hub.requests == []


def test_a_refusal_tells_the_folder_and_the_file_for_doing_it_by_hand(pack, hub, folder, network):
    with pytest.raises(OSError, match="no revision 'v9'") as caught:
        load(pack, file="model.safetensors", revision="v9")
    assert f"{hub.endpoint}/{REPOSITORY}/resolve/v9/model.safetensors" in str(caught.value)
    by_hand = folder / f"{REPOSITORY}@v9" / "model.safetensors"
    assert str(by_hand) in str(caught.value)
    by_hand.parent.mkdir(parents=True)
    hub.faults.append(Fault("/", status=500, times=99))
    pack.weights.write_checkpoint(
        by_hand, pack.weights.Checkpoint(pack.deblur.config_to_dict(network.config), network.state_dict())
    )
    assert load(pack, file="model.safetensors", revision="v9").config == network.config


def test_the_identity_follows_the_file_and_not_its_download(pack, folder, network):
    fingerprint = pack.nodes["DeblurLoadModelFromHub"].fingerprint_inputs
    first = fingerprint(**FIELDS)
    load(pack)
    assert fingerprint(**FIELDS) == first
    assert fingerprint(**{**FIELDS, "precision": "float32"}) != first
    path = folder / REPOSITORY / "model.safetensors"
    os.utime(path, ns=(1, 1))
    replaced = fingerprint(**FIELDS)
    path.unlink()
    deleted = fingerprint(**FIELDS)
    assert len({first, replaced, deleted}) == 3
    load(pack)
    assert fingerprint(**FIELDS) == deleted
