"""The user's folder of checkpoints, ``models/deblur``, and the names that the loader offers."""

import os
from pathlib import Path

import folder_paths

from ..weights import CATALOGUE, Reference, Report, WeightsNotFoundError, find_weights, parse_reference

FOLDER = "deblur"
EXTENSIONS = {".safetensors"}

_downloads: dict[str, list[str]] = {}
"""Identities of the files that this process downloaded, by what was asked for."""


def register_model_folder() -> None:
    """Makes ``models/deblur`` known to ComfyUI, beside the folders that ``extra_model_paths.yaml`` names for it."""
    folder_paths.add_model_folder_path(FOLDER, os.path.join(folder_paths.models_dir, FOLDER))
    folders, _ = folder_paths.folder_names_and_paths[FOLDER]
    folder_paths.folder_names_and_paths[FOLDER] = (folders, EXTENSIONS)


def model_names() -> list[str]:
    """Catalogue names that are bundled or published, then the files in the user's folders."""
    return [entry.name for entry in CATALOGUE.values() if entry.available] + folder_paths.get_filename_list(FOLDER)


def model_path(name: str, report: Report | None = None) -> Path:
    """The checkpoint file of a name that ``model_names`` gave; a catalogue name may be downloaded to the first folder.

    Raises:
        WeightsNotFoundError: There is no such file or name any more.
        DownloadError, VerificationError: As ``find_weights``.
    """
    local = None if name in CATALOGUE else folder_paths.get_full_path(FOLDER, name)
    if local is None and name not in CATALOGUE:
        raise WeightsNotFoundError(
            f"no checkpoint file {name} in {', '.join(map(str, _folders()))}; press R after a change"
        )
    return find_weights(local or name, _folders(), download_to=_folders()[0], report=report)


def hub_reference(repository: str, file: str, revision: str) -> Reference:
    """What the user typed into the fields of DeblurLoadModelFromHub.

    Raises:
        ValueError: It names nothing on the Hub, or names a file or a revision twice.
    """
    if not repository.strip():
        raise ValueError("expected a repository on the Hugging Face Hub, owner/name, found nothing")
    given = parse_reference(repository)
    for what, first, second in (("file", given.file, file), ("revision", given.revision, revision)):
        if first and second.strip():
            raise ValueError(f"the {what} is given twice: {first!r} in the repository's field, and {second!r}")
    file, revision = given.file or file.strip(), given.revision or revision.strip()
    return parse_reference(given.repository + (f"/{file}" if file else "") + (f"@{revision}" if revision else ""))


def hub_path(reference: Reference, report: Report | None = None) -> Path:
    """The file in one of the user's folders; downloaded to the first one if it is in none.

    Raises:
        CheckpointError, DownloadError, VerificationError: As ``find_weights``.
    """
    here = _find(reference)
    path = find_weights(reference, _folders(), download_to=_folders()[0], report=report)
    if here is None:
        _downloads.setdefault(str(reference), []).append(_file_identity(path))
    return path


def hub_identity(reference: Reference) -> str:
    """Text that changes when the file is replaced or deleted; downloading it changes nothing."""
    path, downloads = _find(reference), _downloads.get(str(reference), [])
    if path is None:
        return f"{reference} download {len(downloads) + 1}"
    identity = _file_identity(path)
    return f"{reference} download {len(downloads)}" if identity in downloads[-1:] else f"{reference} {identity}"


def _find(reference: Reference) -> Path | None:
    return next(filter(None, map(reference.find_in, _folders())), None)


def model_identity(name: str) -> str:
    """Text that changes when the name stands for other weights: a hash, or a file's path, time and size."""
    if name in CATALOGUE:
        return CATALOGUE[name].sha256
    return _file_identity(model_path(name))


def _file_identity(path: Path) -> str:
    status = path.stat()
    return f"{path} {status.st_mtime_ns} {status.st_size}"


def _folders() -> list[Path]:
    return [Path(folder) for folder in folder_paths.get_folder_paths(FOLDER)]
