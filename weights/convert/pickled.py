"""PyTorch pickles; the only module of the project that opens one, and it lets nothing but tensors through."""

import pickle
import re
import warnings
import zipfile
from pathlib import Path

import torch
from torch import Tensor

from .layout import ConversionError


def load_tensors(path: Path) -> object:
    """What ``torch.save`` wrote, on the CPU: containers, numbers, text and tensors.

    Raises:
        ConversionError: The file holds anything else, such as code, is damaged, or is compressed.
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                _check_stored(path, archive)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except ConversionError:
        raise
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f" ({named[1]})" if named else ""
        raise ConversionError(
            f"{path} holds something else than tensors{what}, and opening that could run code, so it is refused. "
            "Ask its author for a file of the tensors alone"
        ) from error
    except Exception as error:  # a hostile file can make the reader stumble over anything
        raise ConversionError(
            f"{path} is damaged or not written by torch.save ({type(error).__name__}); download or copy it again"
        ) from error


def own_bytes(tensor: Tensor) -> bool:
    """Whether every number of a dense tensor has its own place in the file, rather than one standing for many."""
    return tensor.layout == torch.strided and tensor.untyped_storage().nbytes() >= tensor.numel() * tensor.itemsize


def _check_stored(path: Path, archive: zipfile.ZipFile) -> None:
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
        raise ConversionError(f"{path} is a compressed archive, which torch.save never writes, so it is not opened")
