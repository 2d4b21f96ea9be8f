"""From a model's name to a file on this machine."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from .catalogue import CATALOGUE, CatalogueEntry
from .reference import CHECKPOINT_SUFFIX, InvalidReferenceError, Reference, parse_reference
from .report import Report
from .verify import verify_file


class WeightsNotFoundError(FileNotFoundError):
    """No file for a model; the message says where it was looked for and what to do."""


def find_weights(
    model: str | Path | Reference,
    folders: Sequence[Path] = (),
    *,
    download_to: Path | None = None,
    report: Report | None = None,
) -> Path:
    """The checkpoint file of a model; the network is only touched when nothing local will do.

    A path that ends in ``.safetensors`` is a file, in one of the folders or anywhere. A name of the catalogue is
    looked for in this order: the folders, the files bundled with this project, the Hub's cache folder, the Hub.
    ``owner/name`` and ``owner/name/file.safetensors``, each with an optional ``@revision``, are files of any
    repository on the Hub; they are not checked by anyone, but they are safetensors and cannot run code.

    Args:
        model: Path of a checkpoint file, name of a catalogue entry, or repository,
            as text or as ``parse_reference`` gives it.
        folders: The user's own folders of checkpoints, searched first.
        download_to: Where a download goes; default: the Hub's cache folder.
        report: Is given the bytes done and their total during a download, and may raise to end it; what came so far
            is kept for the next time. Default: a progress bar on the terminal.

    Raises:
        WeightsNotFoundError: No such file, no such name, or weights that are not published yet.
        VerificationError: The file found is not the one in the catalogue or on the Hub.
        CheckpointError: The repository's file is not safetensors, or for an unknown network.
        DownloadError: The Hub cannot be reached or refuses.
    """
    if isinstance(model, Reference):
        return _of_reference(model, folders, download_to, report)
    text = str(model)
    if text.endswith(CHECKPOINT_SUFFIX) and (path := _local(text, folders)):
        return path
    if entry := CATALOGUE.get(text):
        for candidate in (*(folder / entry.file for folder in folders), entry.bundled_path):
            if candidate.is_file():
                verify_file(candidate, entry)
                return candidate
        return _published(entry, folders, download_to, report)
    return _of_reference(_reference(text, folders), folders, download_to, report)


def copy_to(path: Path, target: Path) -> Path:
    """Copies a file, which appears under its new name only when it is complete; returns that name.

    Raises:
        FileExistsError: There is another file of that name.
    """
    if target.exists():
        if target.stat().st_size == path.stat().st_size and target.read_bytes() == path.read_bytes():
            return target
        raise FileExistsError(f"{target} is another file; move it away or choose another folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}.incomplete")
    try:
        shutil.copyfile(path, partial)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return target


def _local(text: str, folders: Sequence[Path]) -> Path | None:
    candidates = (Path(text), *(folder / text for folder in folders))
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _reference(text: str, folders: Sequence[Path]) -> Reference:
    """The repository that a text names, if it does; a file name mistyped in an existing folder is none."""
    missing_file = text.endswith(CHECKPOINT_SUFFIX)
    mistyped = missing_file and Path(text).parent.is_dir()
    if "/" in text and not mistyped:
        try:
            return parse_reference(text)
        except InvalidReferenceError as error:
            if not missing_file:
                raise WeightsNotFoundError(str(error)) from error
    if missing_file:
        raise WeightsNotFoundError(f"no checkpoint file {text}{_looked_in(folders)}; check the path")
    known = ", ".join(entry.name for entry in CATALOGUE.values() if entry.available) or "none"
    raise WeightsNotFoundError(
        f"no weights named {text!r} in the catalogue. Available: {known}. A file of your own is given by its path, "
        f"ending in {CHECKPOINT_SUFFIX}, and a repository on the Hugging Face Hub as owner/name"
    )


def _of_reference(
    reference: Reference, folders: Sequence[Path], download_to: Path | None, report: Report | None
) -> Path:
    for folder in folders:
        if path := reference.find_in(folder):
            return path
    from . import repository  # huggingface_hub takes a second to import, and a local file does not need it

    return repository.fetch_reference(reference, download_to, report)


def _published(entry: CatalogueEntry, folders: Sequence[Path], download_to: Path | None, report: Report | None) -> Path:
    if not entry.available:
        raise WeightsNotFoundError(
            f"the weights of {entry.name} are neither bundled nor published yet{_looked_in(folders)}. "
            f"Train them (python -m training.train --preset {entry.name} …) and give the file's path as the model"
        )
    from . import repository

    return repository.fetch_entry(entry, download_to, report)


def _looked_in(folders: Sequence[Path]) -> str:
    return f" (also looked in {', '.join(map(str, folders))})" if folders else ""
