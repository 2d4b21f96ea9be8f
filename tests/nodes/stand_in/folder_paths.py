"""Stand-in for ComfyUI's model folders."""

import os

models_dir = "models"
folder_names_and_paths: dict[str, tuple[list[str], set[str]]] = {}


def add_model_folder_path(folder_name, full_folder_path, is_default=False):
    folders, _ = folder_names_and_paths.setdefault(folder_name, ([], set()))
    if full_folder_path not in folders:
        folders.insert(0 if is_default else len(folders), full_folder_path)


def get_folder_paths(folder_name):
    return list(folder_names_and_paths[folder_name][0])


def get_filename_list(folder_name):
    folders, extensions = folder_names_and_paths[folder_name]
    found = set()
    for folder in folders:
        for directory, _, names in os.walk(folder):
            for name in names:
                if not extensions or os.path.splitext(name)[1].lower() in extensions:
                    found.add(os.path.relpath(os.path.join(directory, name), folder))
    return sorted(found)


def get_full_path(folder_name, filename):
    for folder in get_folder_paths(folder_name):
        path = os.path.join(folder, os.path.relpath(os.path.join("/", filename), "/"))
        if os.path.isfile(path):
            return path
    return None
