"""A file on the Hub, and what can go wrong in asking for it; plain data, without huggingface_hub."""

import re
from dataclasses import dataclass

_SHA256 = r"[0-9a-f]{64}"


class HubError(Exception):
    """What the Hub refused or why it could not be asked: what happened, and what to do."""

    def __init__(self, reason: str, advice: str, *, wait: float | None = None, answered: bool = True) -> None:
        super().__init__(f"{reason}. {advice}")
        self.reason = reason
        self.advice = advice
        self.wait = wait
        """Seconds after which it may be otherwise; none if it will not be."""
        self.answered = answered
        """Whether the Hub said so itself."""


class NoFileError(HubError):
    """The repository is there and has no such file."""


class TooShortError(HubError):
    """The server has less of a file than it announced."""


@dataclass(frozen=True)
class RemoteFile:
    """One version of a file on the Hub."""

    repository: str
    """``owner/name``."""
    file: str
    """Path in the repository."""
    revision: str
    """What was asked for: a branch, a tag or a commit."""
    commit: str
    """What this is at the moment."""
    size: int
    """In bytes."""
    etag: str
    """The Hub's name for the content; the SHA-256 of large files."""
    url: str
    """Address of exactly this version."""

    @property
    def sha256(self) -> str | None:
        """The hash, hexadecimal, where the Hub tells it: for all files but small texts."""
        return self.etag if re.fullmatch(_SHA256, self.etag) else None
