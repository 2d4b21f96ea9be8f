"""Publishing: what is sent, what the Hub understands of it, and what comes back."""

import json
import re
from dataclasses import asdict, replace

import pytest
from huggingface_hub import ModelCard
from PIL import Image

from tests.hub_server import OWNER, READER, Fault
from weights import (
    CATALOGUE,
    CatalogueEntry,
    Checkpoint,
    CheckpointError,
    Provenance,
    find_weights,
    read_checkpoint,
    write_checkpoint,
)
from weights.model_card import model_card
from weights.publish import PublishError, prepare, send

REPOSITORY = "someone/new-model"
PROVENANCE = Provenance(
    trained_on="GOPRO: 2103 pairs | CC BY 4.0",
    recipe="python -m training.train --preset scale-recurrent-lite",
    step=1000,
    licence="MIT",
    metrics={
        "PSNR of blurry images, dB, 3 GOPRO pairs: a; b": 25.0,
        "PSNR, dB, 3 GOPRO pairs: a; b": 26.5,
        "SSIM, 3 GOPRO pairs: a; b": 0.8,
        "seconds of a frame": 0.5,
    },
    note='Works best on "mild" blur: # see below',
)


@pytest.fixture
def checkpoint(model):
    """The file of a small network, with an origin."""
    write_checkpoint(model, replace(read_checkpoint(model), provenance=PROVENANCE))
    return model


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "before after.png"
    Image.new("RGB", (8, 4), "orange").save(path)
    return path


def test_what_is_pushed_can_be_pulled(hub, checkpoint, picture, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", OWNER)
    publication = prepare(checkpoint, REPOSITORY, pictures=[picture])
    entry = send(publication)
    assert entry.revision == hub.repositories[REPOSITORY].head
    stored = hub.repositories[REPOSITORY].commits[entry.revision]
    assert set(stored) == {
        ".gitattributes",
        "model.safetensors",
        "config.json",
        "README.md",
        "pictures/before-after.png",
    }
    assert stored["pictures/before-after.png"] == picture.read_bytes()
    assert json.loads(stored["config.json"]) == read_checkpoint(checkpoint).config
    assert json.loads(json.dumps(asdict(entry)))["figures"] == PROVENANCE.metrics
    monkeypatch.setitem(CATALOGUE, entry.name, entry)
    assert find_weights(entry.name).read_bytes() == checkpoint.read_bytes()
    assert find_weights(REPOSITORY).read_bytes() == checkpoint.read_bytes()


def test_large_files_go_another_way_than_small_ones(hub, checkpoint, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", OWNER)
    send(prepare(checkpoint, REPOSITORY))
    asked = [(request.method, request.path.rpartition("/")[2]) for request in hub.requests]
    assert sum(method == "PUT" for method, _ in asked) == 1, "the checkpoint and nothing else"
    assert asked.index(("POST", "batch")) < asked.index(("POST", "verify")) < asked.index(("POST", "main"), -1)


def test_an_update_is_a_new_commit_and_the_old_one_stays(hub, checkpoint, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", OWNER)
    first = send(prepare(checkpoint, REPOSITORY))
    before = checkpoint.read_bytes()
    write_checkpoint(checkpoint, replace(read_checkpoint(checkpoint), provenance=replace(PROVENANCE, step=2000)))
    second = send(prepare(checkpoint, REPOSITORY))
    assert first.revision != second.revision
    assert find_weights(f"{REPOSITORY}@{first.revision}").read_bytes() == before
    assert find_weights(REPOSITORY).read_bytes() == checkpoint.read_bytes()


def test_a_private_repository(hub, checkpoint, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", OWNER)
    send(prepare(checkpoint, REPOSITORY), private=True)
    assert hub.repositories[REPOSITORY].private


REFUSALS = {
    "no token": (None, [], "does not let you write.*HF_TOKEN|no repository.*HF_TOKEN"),
    "wrong token": ("unknown", [], "HTTP 401.*HF_TOKEN"),
    "no right": (READER, [], "does not let you write to someone/new-model.*HTTP 403"),
    "content refused": (OWNER, [Fault("/lfs/", method="PUT", status=403)], "does not let you write"),
    "commit refused": (OWNER, [Fault("/commit/", status=400)], "HTTP 400"),
    "too often": (OWNER, [Fault("/repos/create", status=429, headers={"Retry-After": "0"}, times=99)], "too often"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_after_a_refusal_there_is_advice_no_commit_and_a_second_try_that_works(hub, checkpoint, monkeypatch, name):
    token, faults, message = REFUSALS[name]
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    hub.faults += faults
    publication = prepare(checkpoint, REPOSITORY)
    with pytest.raises(PublishError, match=f"(?s){message}") as caught:
        send(publication)
    assert f"by hand: add the files at {hub.endpoint}/{REPOSITORY}/upload/main" in str(caught.value)
    repository = hub.repositories.get(REPOSITORY)
    assert repository is None or list(repository.commits[repository.head]) == [".gitattributes"]
    hub.faults.clear()
    monkeypatch.setenv("HF_TOKEN", OWNER)
    assert send(publication).revision == hub.repositories[REPOSITORY].head


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"repository": "new-model"}, "is no repository"),
        ({"repository": "a/b/model.safetensors"}, "expected a repository to write to"),
        ({"repository": "a/b@main"}, "expected a repository to write to"),
        ({"pictures": ["missing.png"]}, "no picture missing.png"),
        ({"pictures": ["model.safetensors"]}, "is no picture"),
    ],
)
def test_what_cannot_be_sent_is_known_before(hub, checkpoint, tmp_path, arguments, message):
    given = {"repository": REPOSITORY, **arguments}
    given["pictures"] = [tmp_path / name if (tmp_path / name).exists() else name for name in given.get("pictures", ())]
    given["pictures"] = [type(tmp_path)(picture) for picture in given["pictures"]]
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        prepare(checkpoint, **given)
    assert hub.requests == []


def test_a_licence_is_needed(model):
    with pytest.raises(ValueError, match="add --licence"):
        prepare(model, REPOSITORY)
    assert prepare(model, REPOSITORY, licence="CC-BY-4.0").entry.licence == "CC-BY-4.0"


def test_a_network_that_nobody_could_build_is_not_sent(checkpoint):
    found = read_checkpoint(checkpoint)
    write_checkpoint(checkpoint, replace(found, config={**found.config, "network": "gpt"}))
    with pytest.raises(CheckpointError, match="is for the network 'gpt'"):
        prepare(checkpoint, REPOSITORY)


@pytest.fixture
def card(checkpoint):
    publication = prepare(checkpoint, REPOSITORY, datasets=["snah/REDS", "yes"])
    return publication.card


def test_the_hub_understands_the_card(card):
    data = ModelCard(card, ignore_metadata_errors=False).data
    assert (data.library_name, data.pipeline_tag, data.license) == ("motion-deblur", "image-to-image", "mit")
    assert data.datasets == ["snah/REDS", "yes"]
    assert data.metrics == ["psnr", "ssim"]
    assert "scale-recurrent" in data.tags
    results = {(result.metric_type, result.dataset_name): result.metric_value for result in data.eval_results}
    assert results == {("psnr", "3 GOPRO pairs: a; b"): 26.5, ("ssim", "3 GOPRO pairs: a; b"): 0.8}
    assert {result.task_type for result in data.eval_results} == {"image-to-image"}
    assert data.model_name == "new-model"


def test_the_card_says_what_a_user_needs(card, checkpoint):
    for text in (
        PROVENANCE.trained_on,
        PROVENANCE.recipe,
        PROVENANCE.note,
        f"--model {REPOSITORY}",
        f'find_weights("{REPOSITORY}")',
        "Load Deblur Model from Hub",
        "| 3 GOPRO pairs: a; b | PSNR, dB | 25 | 26.5 |",
        "| 3 GOPRO pairs: a; b | SSIM |  | 0.8 |",
        "|  | seconds of a frame |  | 0.5 |",
        f"{checkpoint.stat().st_size:,} bytes",
    ):
        assert text in card


def test_a_licence_that_the_hub_does_not_know_is_other(checkpoint):
    card = prepare(checkpoint, REPOSITORY, licence='Terms of "X": ask').card
    data = ModelCard(card).data.to_dict()
    assert (data["license"], data["license_name"]) == ("other", 'Terms of "X": ask')


def test_a_card_without_figures_or_origin(model):
    checkpoint = read_checkpoint(model)
    entry = CatalogueEntry("bare", "scale-recurrent", "bare.safetensors", "0" * 64, 1, "MIT")
    card = model_card("bare", Checkpoint(checkpoint.config, checkpoint.state_dict), entry, ["pictures/a.png"])
    assert "None were measured." in card
    assert "![a](pictures/a.png)" in card
    assert ModelCard(card, ignore_metadata_errors=False).data.license == "mit"
    assert not re.search(r"\n\n\n", card)
