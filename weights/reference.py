"""References to files on the Hugging Face Hub, as users type them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

CHECKPOINT_SUFFIX = ".safetensors"
USUAL_FILE = "model.safetensors"
DEFAULT_REVISION = "main"
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?"
_COMMIT = r"[0-9a-f]{40}"
_FORBIDDEN = r"[\x00-\x1f\\:*?\"<>|]"


class InvalidReferenceError(ValueError):
    """Text that names no file on the Hub; the message says what is wrong with it."""


@dataclass(frozen=True)
class Reference:
    """``owner/name``, ``owner/name/file.safetensors``, either with ``@revision``."""

    repository: str
    """``owner/name``."""
    file: str | None = None
    """The file's path in the repository; none for the one that the repository is about."""
    revision: str | None = None
    """Branch, tag or commit; none for the default branch."""

    @property
    def pinned(self) -> bool:
        """Whether the revision is a commit, which never changes."""
        return self.revision is not None and re.fullmatch(_COMMIT, self.revision) is not None

    @property
    def folder(self) -> str:
        """Path below a folder of downloaded checkpoints, one for every repository and revision."""
        return self.repository if self.revision is None else f"{self.repository}@{quote(self.revision, safe='')}"

    def find_in(self, folder: Path) -> Path | None:
        """The file that an earlier download put into a folder of the user's."""
        place = folder / self.folder
        files = (path.name for path in place.glob(f"*{CHECKPOINT_SUFFIX}")) if place.is_dir() else ()
        file = self.file or choose_file(files)
        return place / file if file and (place / file).is_file() else None

    def __str__(self) -> str:
        file = f"/{self.file}" if self.file else ""
        return f"{self.repository}{file}" + (f"@{self.revision}" if self.revision else "")


def parse_reference(text: str) -> Reference:
    """The reference in a text.

    Raises:
        InvalidReferenceError: The text is none, or names a file that is not safetensors.
    """
    path, at, revision = text.strip().partition("@")
    owner, _, rest = path.partition("/")
    name, _, file = rest.partition("/")
    if not re.fullmatch(rf"{_NAME}/{_NAME}", f"{owner}/{name}") or "--" in owner + name or ".." in owner + name:
        raise InvalidReferenceError(
            f"{text!r} is no repository on the Hugging Face Hub. Expected owner/name or "
            "owner/name/file.safetensors, each with an optional @revision"
        )
    if at and (not revision or re.search(_FORBIDDEN, revision) or ".." in revision):
        raise InvalidReferenceError(f"{text!r}: expected a branch, a tag or a commit after @, found {revision!r}")
    if file:
        if re.search(_FORBIDDEN, file) or any(part in ("", ".", "..") for part in file.split("/")):
            raise InvalidReferenceError(f"{text!r}: {file!r} is no path of a file in a repository")
        if not file.endswith(CHECKPOINT_SUFFIX):
            raise InvalidReferenceError(
                f"{text!r}: only .safetensors files are read, because others can run code. "
                "Name a .safetensors file of the repository, or none to have it chosen"
            )
    return Reference(f"{owner}/{name}", file or None, revision or None)


def choose_file(files: Iterable[str]) -> str | None:
    """The checkpoint among a repository's files: ``model.safetensors``, or the only safetensors file."""
    candidates = [file for file in files if file.endswith(CHECKPOINT_SUFFIX)]
    if USUAL_FILE in candidates:
        return USUAL_FILE
    return candidates[0] if len(candidates) == 1 else None
