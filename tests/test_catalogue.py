"""The catalogue and the way from a name to a file."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

import weights.resolve as resolve
from deblur import PRESETS, psnr, restore, restore_network
from deblur.commands.image_file import read_rgb
from weights import (
    CATALOGUE,
    CatalogueEntry,
    VerificationError,
    WeightsNotFoundError,
    find_weights,
    read_checkpoint,
)

CONTENT = b"weights"
ENTRY = CatalogueEntry(
    name="test-model",
    network="multi-scale",
    file="test-model.safetensors",
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    bytes=len(CONTENT),
    licence="MIT",
)


@pytest.fixture
def entry(monkeypatch, tmp_path):
    monkeypatch.setattr("weights.catalogue.BUNDLED_FOLDER", tmp_path / "bundled")
    monkeypatch.setitem(resolve.CATALOGUE, ENTRY.name, ENTRY)
    (tmp_path / "bundled").mkdir()
    return ENTRY


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("the network was touched")

    monkeypatch.setattr("weights.hub.get_session", refuse)
    monkeypatch.setattr("weights.hub.get_hf_file_metadata", refuse)


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_entry_is_of_a_preset_and_its_bundled_file_is_the_one_described(name):
    entry = CATALOGUE[name]
    assert PRESETS[name].network == entry.network
    assert entry.figures
    assert entry.trained_on
    if entry.bundled_path.is_file():
        checkpoint = read_checkpoint(find_weights(name))
        network = restore_network(checkpoint.config, checkpoint.state_dict)
        assert network.config == PRESETS[name]
        assert checkpoint.provenance.metrics == entry.figures
        assert checkpoint.provenance.licence == entry.licence


def test_the_first_command_works_without_the_hub():
    assert CATALOGUE["scale-recurrent-lite"].bundled_path.is_file()


def test_the_bundled_weights_do_not_make_the_example_worse():
    checkpoint = read_checkpoint(find_weights("scale-recurrent-lite"))
    network = restore_network(checkpoint.config, checkpoint.state_dict)
    folder = Path(__file__).parents[1] / "examples"
    blurry, sharp = (read_rgb(folder / name)[None].float() / 255 for name in ("blurry.png", "sharp.png"))
    assert psnr(restore(network, blurry), sharp) > psnr(blurry, sharp) + 0.2


def test_a_folder_of_the_users_comes_before_the_bundled_file(entry, tmp_path):
    for folder in ("mine", "bundled"):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / entry.file).write_bytes(CONTENT)
    assert find_weights(entry.name, [tmp_path / "mine"]) == tmp_path / "mine" / entry.file
    assert find_weights(entry.name) == tmp_path / "bundled" / entry.file
    assert find_weights(entry.name, [tmp_path / "empty"]) == tmp_path / "bundled" / entry.file


def test_a_file_in_the_hub_cache_needs_no_network(entry, tmp_path, monkeypatch):
    published = replace(entry, repository="someone/some-model", revision="0" * 40)
    monkeypatch.setitem(resolve.CATALOGUE, entry.name, published)
    (tmp_path / "cached").write_bytes(CONTENT)
    monkeypatch.setattr("weights.hub.try_to_load_from_cache", lambda *_, **__: str(tmp_path / "cached"))
    assert find_weights(entry.name) == tmp_path / "cached"


@pytest.mark.parametrize(("content", "message"), [(b"w", "has 1 bytes"), (CONTENT[::-1], "has SHA-256")])
def test_a_local_file_that_is_not_the_catalogues_is_refused(entry, tmp_path, content, message):
    (tmp_path / "bundled" / entry.file).write_bytes(content)
    with pytest.raises(VerificationError, match=message):
        find_weights(entry.name)


def test_a_file_is_found_by_its_path_and_by_its_name_in_a_folder(tmp_path):
    file = tmp_path / "own.safetensors"
    file.write_bytes(b"anything")
    assert find_weights(file) == file
    assert find_weights("own.safetensors", [tmp_path]) == file
    with pytest.raises(WeightsNotFoundError, match=r"no checkpoint file other\.safetensors \(also looked in"):
        find_weights("other.safetensors", [tmp_path])


def test_unpublished_weights_say_so(entry):
    with pytest.raises(WeightsNotFoundError, match="neither bundled nor published yet"):
        find_weights(entry.name)


def test_an_unknown_name_lists_what_is_available():
    with pytest.raises(WeightsNotFoundError, match=r"no weights named 'nothing' in the catalogue\. Available: "):
        find_weights("nothing")
