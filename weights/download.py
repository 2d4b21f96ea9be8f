"""Downloads a file once: locked, resumed, checked, and only then under its final name."""

import errno
import os
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import TypeVar
from urllib.parse import quote

from . import hub
from .remote import HubError, RemoteFile, TooShortError
from .report import Report
from .verify import VerificationError, file_sha256

Answer = TypeVar("Answer")

TRIES = 5
"""Tries in a row that bring nothing before a download is given up."""
LONGEST_WAIT_SECONDS = 60.0
LONG_ANSWER_SECONDS = 5.0


class DownloadError(OSError):
    """Weights that could not be had from the Hub; the message says how to get them by hand."""


@dataclass(frozen=True)
class Place:
    """Where a file goes."""

    final: Path
    """Only ever a complete and checked file."""
    partial: Path
    """What has come so far, in the same file system."""
    lock: Path
    """Held while the file is written."""


def folder_place(folder: Path, path: str, remote: RemoteFile) -> Place:
    """A place in a folder of the user's; what is not complete lies where huggingface_hub puts it, out of sight."""
    hidden = folder / ".cache" / "huggingface" / "download"
    name = f"{quote(path, safe='')}.{remote.etag[:16]}"
    return Place(folder / path, hidden / f"{name}.incomplete", hidden / f"{name}.lock")


def cache_place(remote: RemoteFile) -> Place:
    """The content's place in the Hub's cache folder."""
    blob, lock = hub.cache_blob(remote)
    return Place(blob, blob.with_name(f"{blob.name}.incomplete"), lock)


def download(remote: RemoteFile, place: Place, *, sha256: str | None = None, report: Report | None = None) -> None:
    """Downloads a file to its place, unless it is there by then.

    A download that broke off goes on where it ended, in this process or a later one. Of several processes, one
    downloads and the others wait for it.

    Args:
        remote: What ``hub.locate`` gave.
        place: Where to.
        sha256: What the content's hash must be; default: what the Hub says.
        report: Told about the progress; without one there is a progress bar on the terminal.

    Raises:
        HubError: The Hub refuses, or stays silent or broken after several tries.
        OSError: The folder cannot be written to, or the disk is full.
        VerificationError: What came is not what was asked for; it is deleted.
    """
    sha256 = sha256 or remote.sha256
    for folder in (place.final.parent, place.partial.parent):
        folder.mkdir(parents=True, exist_ok=True)
    with hub.lock(place.lock):
        if place.final.is_file() and _is(place.final, remote.size, sha256):
            return
        have = _size(place.partial)
        if have > remote.size:
            place.partial.unlink()
            have = 0
        _check_space(place.partial.parent, remote.size - have)
        shown = hub.progress_bar(remote.file, have, remote.size) if report is None else nullcontext(report)
        with shown as tell:
            try:
                _receive(remote, place.partial, tell)
            except TooShortError:
                place.partial.unlink(missing_ok=True)
                raise
        if not _is(place.partial, remote.size, sha256):
            found = f"{_size(place.partial)} bytes with SHA-256 {file_sha256(place.partial)}"
            place.partial.unlink()
            raise VerificationError(
                f"expected {remote.size} bytes with SHA-256 {sha256} from {remote.url}, found {found}: it was damaged "
                "on the way, or the server has another file. It was deleted; try again"
            )
        with place.partial.open("r+b") as file:
            os.fsync(file.fileno())
        place.partial.chmod(0o644)
        place.partial.replace(place.final)


def patiently(action: Callable[[], Answer]) -> Answer:
    """Repeats a question that the Hub answers with "later", a few times.

    Some versions of huggingface_hub do so themselves; then the answer has taken long, and is the last.

    Raises:
        HubError: The last answer, or any other one.
    """
    for attempt in range(1, TRIES):
        started = monotonic()
        try:
            return action()
        except HubError as error:
            asked_again = monotonic() - started > LONG_ANSWER_SECONDS
            if asked_again or not error.answered or not _wait(error, attempt):
                raise
    return action()


def _receive(remote: RemoteFile, partial: Path, report: Report) -> None:
    failures = 0
    done = _size(partial)
    report(done, remote.size)
    while done < remote.size:
        error = HubError(f"{remote.url} ends before {remote.size} bytes", "Try again later", wait=1, answered=False)
        before = done
        try:
            with hub.stream(remote, first=done) as (start, blocks), partial.open("r+b" if done else "wb") as file:
                file.seek(start)
                file.truncate()
                for block in blocks:
                    file.write(block)
                    report(min(file.tell(), remote.size), remote.size)
                    if file.tell() > remote.size:
                        break
        except HubError as found:
            error = found
        done = _size(partial)
        report(done, remote.size)  # before waiting, because it may be told to end
        if done < remote.size:
            failures = 1 if done > before else failures + 1
            if failures >= TRIES or not _wait(error, failures):
                raise error


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _wait(error: HubError, attempt: int) -> bool:
    """Waits as long as the Hub asks, and a little more with every attempt; false if there is no point in it."""
    if error.wait is None or error.wait > LONGEST_WAIT_SECONDS:
        return False
    sleep(error.wait * (1 if error.answered else 2 ** (attempt - 1)))
    return True


def _is(path: Path, size: int, sha256: str | None) -> bool:
    return path.stat().st_size == size and sha256 in (None, file_sha256(path))


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OSError(errno.ENOSPC, f"{needed:,} bytes are needed and {free:,} are free", str(folder))
