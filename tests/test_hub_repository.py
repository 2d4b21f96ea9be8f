"""Any repository on the Hub: which file, which version, and what is refused before it is downloaded."""

import json
import pickle

import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from deblur import restore_network
from tests.hub_server import OWNER, READER, Fault
from weights import CheckpointError, WeightsNotFoundError, find_weights, read_checkpoint
from weights.download import DownloadError

REPOSITORY = "someone/some-model"


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr("weights.download.sleep", lambda seconds: None)


@pytest.fixture(params=["cache", "folder"])
def folder(request, tmp_path):
    """Where downloads go: none for the Hub's cache folder, or a folder of the user's."""
    return None if request.param == "cache" else tmp_path / "models" / "deblur"


@pytest.fixture
def checkpoint_bytes(model):
    return model.read_bytes()


@pytest.fixture
def bare_bytes(model, tmp_path):
    """The same tensors without our header, as another program would save them; and the configuration as text."""
    with safe_open(model, framework="pt") as file:
        config = file.metadata()["config"]
    save_file(load_file(model), tmp_path / "bare.safetensors", {"format": "pt"})
    return (tmp_path / "bare.safetensors").read_bytes(), config.encode()


@pytest.mark.parametrize(
    ("model_name", "file"),
    [
        (REPOSITORY, "model.safetensors"),
        (f"{REPOSITORY}/sub/other.safetensors", "sub/other.safetensors"),
        (f"{REPOSITORY}@main", "model.safetensors"),
    ],
)
def test_any_repository(hub, checkpoint_bytes, folder, model_name, file):
    hub.add(REPOSITORY, {"model.safetensors": checkpoint_bytes, "sub/other.safetensors": checkpoint_bytes + b""})
    path = find_weights(model_name, download_to=folder)
    assert path.read_bytes() == checkpoint_bytes
    assert path.as_posix().endswith(file)
    assert read_checkpoint(path).config["network"] == "scale-recurrent"
    asked = len(hub.requests)
    assert find_weights(model_name, [folder] if folder else [], download_to=folder) == path
    assert folder is None or len(hub.requests) == asked


def test_the_only_safetensors_file_is_chosen(hub, checkpoint_bytes, folder):
    hub.add(REPOSITORY, {"weights-7.safetensors": checkpoint_bytes, "README.md": b"text", "old.pth": b"PK"})
    assert find_weights(REPOSITORY, download_to=folder).name == "weights-7.safetensors"


def test_several_files_are_listed(hub, checkpoint_bytes, folder):
    hub.add(REPOSITORY, {"a.safetensors": checkpoint_bytes, "b.safetensors": checkpoint_bytes})
    with pytest.raises(CheckpointError, match=rf"name one of them: {REPOSITORY}/a\.safetensors, {REPOSITORY}/b\."):
        find_weights(REPOSITORY, download_to=folder)


def test_revisions_are_kept_apart(hub, checkpoint_bytes, folder):
    first = hub.add(REPOSITORY, {"model.safetensors": checkpoint_bytes})
    changed = checkpoint_bytes[:-4] + b"\0\0\0\0"
    hub.add(REPOSITORY, {"model.safetensors": changed})
    assert find_weights(REPOSITORY, download_to=folder).read_bytes() == changed
    assert find_weights(f"{REPOSITORY}@{first}", download_to=folder).read_bytes() == checkpoint_bytes
    asked = len(hub.requests)
    assert find_weights(f"{REPOSITORY}@{first}", download_to=folder).read_bytes() == checkpoint_bytes
    assert len(hub.requests) == asked, "a commit never changes, so the Hub is not asked"


def test_a_branch_is_followed_in_the_cache_and_kept_in_a_folder(hub, checkpoint_bytes, tmp_path):
    folder = tmp_path / "models"
    hub.add(REPOSITORY, {"model.safetensors": checkpoint_bytes})
    for where in (None, folder):
        find_weights(REPOSITORY, download_to=where)
    changed = checkpoint_bytes[:-4] + b"\0\0\0\0"
    hub.add(REPOSITORY, {"model.safetensors": changed})
    assert find_weights(REPOSITORY).read_bytes() == changed
    assert find_weights(REPOSITORY, download_to=folder).read_bytes() == checkpoint_bytes


def test_without_a_network_the_cache_serves(hub, checkpoint_bytes, monkeypatch):
    from huggingface_hub import constants, utils

    hub.add(REPOSITORY, {"model.safetensors": checkpoint_bytes})
    path = find_weights(REPOSITORY)
    for fault in ({"silent_seconds": 1.2}, {"status": 500, "headers": {"Retry-After": "999"}}):
        hub.faults = [Fault("/", times=99, **fault)]
        assert find_weights(REPOSITORY) == path
        assert find_weights(f"{REPOSITORY}/model.safetensors") == path
    hub.faults = []
    reset_sessions = getattr(utils, "reset_sessions", lambda: None)  # before 1.0, they remember the mode
    with monkeypatch.context() as patch:
        patch.setattr(constants, "HF_HUB_OFFLINE", True)
        reset_sessions()
        assert find_weights(REPOSITORY) == path
        with pytest.raises(DownloadError, match="HF_HUB_OFFLINE is set"):
            find_weights("someone/other-model")
    reset_sessions()


def test_a_configuration_beside_the_file(hub, bare_bytes, folder):
    tensors, config = bare_bytes
    hub.add(REPOSITORY, {"sub/net.safetensors": tensors, "sub/config.json": config})
    path = find_weights(f"{REPOSITORY}/sub/net.safetensors", download_to=folder)
    checkpoint = read_checkpoint(path)
    assert checkpoint.config == json.loads(config)
    restore_network(checkpoint.config, checkpoint.state_dict)


PADDING = b"\0" * 200_000


@pytest.mark.parametrize(
    ("files", "name", "message"),
    [
        ({"model.safetensors": pickle.dumps([1], protocol=2) + PADDING}, REPOSITORY, "pickles can run code"),
        ({"model.safetensors": b"<html>no</html>" + PADDING}, REPOSITORY, "is not a safetensors file"),
        ({"model.safetensors": b""}, REPOSITORY, "is not a safetensors file"),
        ({"model.safetensors": (9).to_bytes(8, "little") + b"[[[[[[[[[" + PADDING}, REPOSITORY, "is not JSON"),
        ({"model.safetensors": (2).to_bytes(8, "little") + b"{}" + PADDING}, REPOSITORY, "no config.json in the rep"),
        ({"model.pth": b"PK" + PADDING}, REPOSITORY, "no .safetensors file.*Its files: model.pth"),
        ({"model.pth": b"PK" + PADDING}, f"{REPOSITORY}/model.pth", "only .safetensors files are read"),
        (
            {"model.safetensors": (2).to_bytes(8, "little") + b"{}" + PADDING, "config.json": b'{"network": "gpt"}'},
            REPOSITORY,
            "is for the network 'gpt', and this version knows multi-scale, scale-recurrent, deblurnet",
        ),
        (
            {"model.safetensors": (2).to_bytes(8, "little") + b"{}" + PADDING, "config.json": b"[1]"},
            REPOSITORY,
            "is not a JSON object",
        ),
    ],
)
def test_what_is_no_checkpoint_is_refused_before_it_is_downloaded(hub, folder, tmp_path, files, name, message):
    hub.add(REPOSITORY, files)
    with pytest.raises((CheckpointError, WeightsNotFoundError), match=message):
        find_weights(name, download_to=folder)
    assert not list(tmp_path.rglob("*.safetensors"))
    assert all(request.range for request in hub.downloads()), "more than the first bytes was asked for"


def test_what_is_too_large_is_refused(hub, checkpoint_bytes):
    hub.add(REPOSITORY, {"model.safetensors": checkpoint_bytes})
    hub.faults.append(Fault("/resolve/", method="HEAD", headers={"X-Linked-Size": str(3 * 2**30)}))
    with pytest.raises(CheckpointError, match=r"has 3\.0 GB.*not downloaded"):
        find_weights(REPOSITORY)


@pytest.mark.parametrize(
    ("kind", "token", "message"),
    [("private", None, "private.*HF_TOKEN"), ("gated", READER, "is gated.*accept its terms")],
)
def test_private_and_gated_repositories(hub, checkpoint_bytes, folder, monkeypatch, kind, token, message):
    hub.add(REPOSITORY, {"model.safetensors": checkpoint_bytes}, **{kind: True})
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(DownloadError, match=f"{message}.*By hand: save the .safetensors file of http"):
        find_weights(REPOSITORY, download_to=folder)
    monkeypatch.setenv("HF_TOKEN", OWNER)
    assert find_weights(REPOSITORY, download_to=folder).read_bytes() == checkpoint_bytes


def test_a_mistyped_path_is_no_repository(hub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models" / "deblur").mkdir(parents=True)
    with pytest.raises(WeightsNotFoundError, match=r"no checkpoint file models/deblur/mine\.safetensors"):
        find_weights("models/deblur/mine.safetensors")
    for text in ("/nowhere/mine.safetensors", "../mine.safetensors", "mine.safetensors", "~/x/mine.safetensors"):
        with pytest.raises(WeightsNotFoundError, match="no checkpoint file"):
            find_weights(text)
    assert hub.requests == []
