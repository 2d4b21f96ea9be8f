"""A checkpoint as a repository on the Hub: its files, and sending them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .catalogue import CatalogueEntry
from .checkpoint import CONFIG_FILE, Checkpoint, read_checkpoint
from .model_card import model_card
from .preview import MAX_FILE_BYTES, check_config
from .reference import USUAL_FILE, InvalidReferenceError, parse_reference
from .remote import HubError
from .verify import file_sha256

CARD_FILE = "README.md"
PICTURES_FOLDER = "pictures"
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif")


class PublishError(OSError):
    """The Hub did not take the files; the message says why and what to do."""


@dataclass(frozen=True)
class Publication:
    """What is sent, and the catalogue entry for it."""

    entry: CatalogueEntry
    """Without a revision until it is sent."""
    files: dict[str, Path | bytes]
    """Path in the repository: the file or its content."""

    @property
    def card(self) -> str:
        """The model card."""
        content = self.files[CARD_FILE]
        assert isinstance(content, bytes)
        return content.decode()

    def sizes(self) -> dict[str, int]:
        """Bytes of every file, by its path in the repository."""
        return {
            path: content.stat().st_size if isinstance(content, Path) else len(content)
            for path, content in self.files.items()
        }


def catalogue_entry(name: str, path: Path, checkpoint: Checkpoint) -> CatalogueEntry:
    """The entry that describes a checkpoint's file, without a repository."""
    provenance = checkpoint.provenance
    return CatalogueEntry(
        name=name,
        network=checkpoint.config["network"],
        file=path.name,
        sha256=file_sha256(path),
        bytes=path.stat().st_size,
        licence=provenance.licence,
        figures=provenance.metrics,
        trained_on=provenance.trained_on,
        note=provenance.note,
    )


def prepare(
    path: Path,
    repository: str,
    *,
    name: str | None = None,
    licence: str | None = None,
    pictures: Sequence[Path] = (),
    datasets: Sequence[str] = (),
) -> Publication:
    """Everything that is to be sent; nothing is written and no network touched.

    Args:
        path: The checkpoint.
        repository: ``owner/name``.
        name: What the model is called; default: the repository's name.
        licence: Of the weights; default: the one in the checkpoint.
        pictures: Image files for the model card.
        datasets: Names of the training data as the Hub lists them.

    Raises:
        FileNotFoundError: A file is not there.
        CheckpointError: The file is not a checkpoint of a known network.
        ValueError: No repository's name, no licence, or pictures that are none or have the same name.
    """
    reference = parse_reference(repository)
    if reference.file or reference.revision:
        raise InvalidReferenceError(f"expected a repository to write to, owner/name, found {repository!r}")
    checkpoint = read_checkpoint(path)
    config = json.dumps(checkpoint.config, indent=2) + "\n"
    check_config(str(path), config)
    provenance = checkpoint.provenance
    if not (licence := (licence or provenance.licence).strip()):
        raise ValueError(f"{path} does not say under which licence its weights are; add --licence, such as MIT")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise ValueError(f"{path} has more than {MAX_FILE_BYTES} bytes, and nobody could download it with this program")
    name = name or reference.repository.partition("/")[2]
    entry = replace(
        catalogue_entry(name, path, checkpoint),
        file=f"{name}.safetensors",
        licence=licence,
        repository=reference.repository,
        repository_file=USUAL_FILE,
    )
    shown = _pictures(pictures)
    card = model_card(name, checkpoint, entry, list(shown), datasets=datasets)
    return Publication(entry, {USUAL_FILE: path, CONFIG_FILE: config.encode(), CARD_FILE: card.encode(), **shown})


def send(publication: Publication, *, private: bool = False) -> CatalogueEntry:
    """Creates or updates the repository, in one commit; its earlier versions stay in its history.

    Args:
        publication: What ``prepare`` gave.
        private: Whether a new repository is private; one that is there stays as it is.

    Returns:
        The catalogue entry with the commit to pin.

    Raises:
        PublishError: The Hub refuses or cannot be reached.
    """
    from . import hub  # huggingface_hub takes a second to import

    entry = publication.entry
    assert entry.repository is not None
    try:
        commit = hub.publish(
            entry.repository, publication.files, private=private, message=f"{entry.name}: {entry.sha256[:12]}"
        )
    except HubError as error:
        raise PublishError(
            f"{entry.name} could not be sent to {entry.repository}: {error}. The same command sends again what is "
            f"missing; by hand: add the files at {hub.repository_url(entry.repository)}/upload/main"
        ) from error
    return replace(entry, revision=commit)


def _pictures(pictures: Sequence[Path]) -> dict[str, Path]:
    shown: dict[str, Path] = {}
    for picture in pictures:
        if not picture.is_file():
            raise FileNotFoundError(f"no picture {picture}")
        if picture.suffix.lower() not in PICTURE_SUFFIXES:
            raise ValueError(f"{picture} is no picture for a web page; expected {', '.join(PICTURE_SUFFIXES)}")
        path = f"{PICTURES_FOLDER}/{picture.name.replace(' ', '-')}"
        if path in shown:
            raise ValueError(f"two pictures are called {picture.name}; rename one")
        shown[path] = picture
    return shown
