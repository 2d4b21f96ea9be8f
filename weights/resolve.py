"""From a model's name to a file on this machine."""

from collections.abc import Sequence
from pathlib import Path

from .catalogue import CATALOGUE, CatalogueEntry
from .verify import verify_file

CHECKPOINT_SUFFIX = ".safetensors"


class WeightsNotFoundError(FileNotFoundError):
    """No file for a model; the message says where it was looked for and what to do."""


def find_weights(model: str | Path, folders: Sequence[Path] = ()) -> Path:
    """The checkpoint file of a model; the network is only touched when nothing local will do.

    A path that ends in ``.safetensors`` is a file, in one of the folders or anywhere. Any other text is a name of
    the catalogue, looked for in this order: the folders, the files bundled with this project, the Hub's cache
    folder, the Hub.

    Args:
        model: Path of a checkpoint file or name of a catalogue entry.
        folders: The user's own folders of checkpoints, searched first.

    Raises:
        WeightsNotFoundError: No such file, no such name, or weights that are not published yet.
        VerificationError: The file found under a catalogue name is not the one in the catalogue.
        DownloadError: The Hub cannot be reached or refuses.
    """
    text = str(model)
    if text.endswith(CHECKPOINT_SUFFIX):
        for candidate in (Path(text), *(folder / text for folder in folders)):
            if candidate.is_file():
                return candidate
        raise WeightsNotFoundError(f"no checkpoint file {text}{_looked_in(folders)}; check the path")
    entry = CATALOGUE.get(text)
    if entry is None:
        known = ", ".join(entry.name for entry in CATALOGUE.values() if entry.available) or "none"
        raise WeightsNotFoundError(
            f"no weights named {text!r} in the catalogue. Available: {known}. "
            f"A file of your own is given by its path, ending in {CHECKPOINT_SUFFIX}"
        )
    for candidate in (*(folder / entry.file for folder in folders), entry.bundled_path):
        if candidate.is_file():
            verify_file(candidate, entry)
            return candidate
    return _from_hub(entry, folders)


def _from_hub(entry: CatalogueEntry, folders: Sequence[Path]) -> Path:
    from . import hub  # huggingface_hub takes a second to import, and a local file does not need it

    if path := hub.cached(entry):
        verify_file(path, entry)
        return path
    if not entry.available:
        raise WeightsNotFoundError(
            f"the weights of {entry.name} are neither bundled nor published yet{_looked_in(folders)}. "
            f"Train them (python -m training.train --preset {entry.name} …) and give the file's path as the model"
        )
    return hub.download(entry)


def _looked_in(folders: Sequence[Path]) -> str:
    return f" (also looked in {', '.join(map(str, folders))})" if folders else ""
