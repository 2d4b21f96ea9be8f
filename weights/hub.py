"""The Hugging Face Hub; the only module that knows huggingface_hub."""

from pathlib import Path

from huggingface_hub import hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

from .catalogue import CatalogueEntry
from .verify import verify_file


class DownloadError(OSError):
    """Weights that could not be had from the Hub; the message says how to get them by hand."""


def cached(entry: CatalogueEntry) -> Path | None:
    """The entry's file in the Hub's cache folder, without touching the network."""
    if entry.repository is None or entry.revision is None:
        return None
    found = try_to_load_from_cache(entry.repository, entry.file, revision=entry.revision)
    return Path(found) if isinstance(found, str) else None


def download(entry: CatalogueEntry) -> Path:
    """Downloads a published entry into the Hub's cache folder and checks its size and hash.

    Raises:
        DownloadError: The Hub cannot be reached or refuses.
        VerificationError: What came is not what the catalogue promises.
    """
    assert entry.repository is not None
    try:
        path = Path(hf_hub_download(entry.repository, entry.file, revision=entry.revision))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise DownloadError(
            f"{entry.file} could not be downloaded from {entry.repository} at {entry.revision} on the Hugging Face "
            f"Hub ({error}). Download it by hand and give the file's path as the model"
        ) from error
    verify_file(path, entry)
    return path
