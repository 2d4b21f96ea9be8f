"""The user's folder of checkpoints, ``models/deblur``, and the names that the loader offers."""

import os
from pathlib import Path

import folder_paths

from ..weights import CATALOGUE, find_weights

FOLDER = "deblur"
EXTENSIONS = {".safetensors"}


def register_model_folder() -> None:
    """Makes ``models/deblur`` known to ComfyUI, beside the folders that ``extra_model_paths.yaml`` names for it."""
    folder_paths.add_model_folder_path(FOLDER, os.path.join(folder_paths.models_dir, FOLDER))
    folders, _ = folder_paths.folder_names_and_paths[FOLDER]
    folder_paths.folder_names_and_paths[FOLDER] = (folders, EXTENSIONS)


def model_names() -> list[str]:
    """Catalogue names that are bundled or published, then the files in the user's folders."""
    return [entry.name for entry in CATALOGUE.values() if entry.available] + folder_paths.get_filename_list(FOLDER)


def model_path(name: str) -> Path:
    """The checkpoint file of a name that ``model_names`` gave; catalogue names may be downloaded.

    Raises:
        WeightsNotFoundError: There is no such file or name any more.
    """
    local = None if name in CATALOGUE else folder_paths.get_full_path(FOLDER, name)
    return find_weights(local or name, [Path(folder) for folder in folder_paths.get_folder_paths(FOLDER)])


def model_identity(name: str) -> str:
    """Text that changes when the name stands for other weights: a hash, or a file's path, time and size."""
    if name in CATALOGUE:
        return CATALOGUE[name].sha256
    path = model_path(name)
    status = path.stat()
    return f"{path} {status.st_mtime_ns} {status.st_size}"
