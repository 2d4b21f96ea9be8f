"""Checks files against the catalogue before they are used."""

import hashlib
from pathlib import Path

from .catalogue import CatalogueEntry


class VerificationError(ValueError):
    """A file that is not the one the catalogue names."""


def file_sha256(path: Path) -> str:
    """The file's SHA-256, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def verify_file(path: Path, entry: CatalogueEntry) -> None:
    """Raises VerificationError unless the file has the entry's size and hash."""
    size = path.stat().st_size
    if size != entry.bytes:
        raise VerificationError(
            f"{path} has {size} bytes, {entry.name} has {entry.bytes}: it is incomplete or another version. "
            "Delete it and get it again"
        )
    found = file_sha256(path)
    if found != entry.sha256:
        raise VerificationError(
            f"{path} has SHA-256 {found}, {entry.name} has {entry.sha256}: it is damaged or another version. "
            "Delete it and get it again"
        )
