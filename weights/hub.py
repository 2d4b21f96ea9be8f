"""The Hugging Face Hub; the only module that knows huggingface_hub.

Tokens, ``HF_ENDPOINT``, ``HF_HOME``, ``HF_HUB_CACHE``, ``HF_HUB_OFFLINE`` and the other settings of the library's users
hold here too. Works with huggingface_hub 0.26 and newer; since 1.0 its HTTP client is another one.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huggingface_hub import (
    CommitOperationAdd,
    HfApi,
    constants,
    get_hf_file_metadata,
    hf_hub_download,
    hf_hub_url,
    try_to_load_from_cache,
)
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import repo_folder_name
from huggingface_hub.utils import WeakFileLock, build_hf_headers, get_session, hf_raise_for_status, tqdm

from .reference import DEFAULT_REVISION
from .remote import HubError, NoFileError, RemoteFile, TooShortError

BLOCK_BYTES = 2**14
RATE_LIMITED = 429
PASSING_STATUS = (408, RATE_LIMITED, 500, 502, 503, 504)
_PLAIN = r"[A-Za-z0-9_-]+"
LOG_IN = "log in with `hf auth login`, or set HF_TOKEN"
# The base of everything that the HTTP client raises: httpx.HTTPError, or an OSError before huggingface_hub 1.0.
_CLIENT_ERROR: type[BaseException] = HfHubHTTPError.__mro__[1]
_ERRORS = (_CLIENT_ERROR, OSError, EntryNotFoundError, HFValidationError)


def file_url(repository: str, file: str, revision: str | None = None) -> str:
    """Address to download a file from."""
    return hf_hub_url(repository, file, revision=revision, endpoint=constants.ENDPOINT)


def repository_url(repository: str) -> str:
    """Address of a repository's page."""
    return f"{constants.ENDPOINT}/{repository}"


def locate(repository: str, file: str, revision: str | None = None) -> RemoteFile:
    """Asks the Hub for a file's version, size and hash.

    Raises:
        HubError: There is none, or the Hub does not tell.
    """
    url = file_url(repository, file, revision)
    with _translated(repository, file, revision):
        found = get_hf_file_metadata(url, timeout=constants.HF_HUB_ETAG_TIMEOUT)
    names = [name for name in (found.commit_hash, found.etag) if name and re.fullmatch(_PLAIN, name)]  # become paths
    if found.commit_hash is None or found.etag is None or found.size is None or len(names) < 2:
        raise HubError(
            f"{url} does not answer as a Hugging Face Hub does (no commit, ETag or size)",
            "Check HF_ENDPOINT, and whether a proxy or a login page of the network answers instead",
        )
    return RemoteFile(
        repository,
        file,
        revision or DEFAULT_REVISION,
        commit=found.commit_hash,
        size=found.size,
        etag=found.etag,
        url=file_url(repository, file, found.commit_hash),
    )


def list_files(repository: str, revision: str | None = None) -> list[str]:
    """Paths of all files of a repository.

    Raises:
        HubError: There is no such repository or revision, or the Hub cannot be asked.
    """
    with _translated(repository, None, revision):
        info = HfApi(endpoint=constants.ENDPOINT).model_info(
            repository, revision=revision, timeout=constants.HF_HUB_ETAG_TIMEOUT
        )
    return [entry.rfilename for entry in info.siblings or []]


@contextmanager
def stream(remote: RemoteFile, first: int = 0, last: int | None = None) -> Iterator[tuple[int, Iterator[bytes]]]:
    """A file's content from byte ``first`` to byte ``last``, inclusive, as it arrives.

    Yields:
        The byte with which the content begins, 0 if the server ignores ranges; and the content's blocks.

    Raises:
        HubError: The Hub refuses, is silent, or breaks off; blocks may raise it too.
    """
    headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
    if first or last is not None:
        headers["Range"] = f"bytes={first}-{'' if last is None else last}"
    options: dict[str, Any] = {"headers": headers, "timeout": constants.HF_HUB_DOWNLOAD_TIMEOUT}
    session: Any = get_session()
    with _translated(remote.repository, remote.file, remote.revision):
        if callable(getattr(session, "stream", None)):  # httpx
            manager = session.stream("GET", remote.url, follow_redirects=True, **options)
            response = manager.__enter__()
        else:
            manager = response = session.get(remote.url, stream=True, **options)
    try:
        with _translated(remote.repository, remote.file, remote.revision):
            hf_raise_for_status(response)
        blocks = response.iter_bytes() if hasattr(response, "iter_bytes") else response.iter_content(BLOCK_BYTES)
        yield first if response.status_code == 206 else 0, _translated_blocks(blocks, remote)
    finally:
        manager.__exit__(None, None, None)


def cached(repository: str, file: str, revision: str | None = None) -> Path | None:
    """A file in the Hub's cache folder, without touching the network."""
    found = try_to_load_from_cache(repository, file, cache_dir=constants.HF_HUB_CACHE, revision=revision)
    return Path(found) if isinstance(found, str) else None


def cached_snapshot(repository: str, revision: str | None = None) -> Path | None:
    """The folder with a repository's files in the Hub's cache folder, without touching the network."""
    storage = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repository, repo_type="model")
    reference = storage / "refs" / (revision or DEFAULT_REVISION)
    commit = reference.read_text(encoding="utf-8") if reference.is_file() else revision
    folder = storage / "snapshots" / commit if commit else None
    return folder if folder is not None and folder.is_dir() else None


def cached_repositories() -> dict[str, Path]:
    """Repositories of models in the Hub's cache folder, and the folder of each one's snapshots."""
    cache = Path(constants.HF_HUB_CACHE)
    found = sorted(cache.glob("models--*--*")) if cache.is_dir() else []
    return {folder.name.removeprefix("models--").replace("--", "/"): folder / "snapshots" for folder in found}


def cache_blob(remote: RemoteFile) -> tuple[Path, Path]:
    """Where a file's content lies in the Hub's cache folder, and the lock that huggingface_hub takes to write it."""
    cache = Path(constants.HF_HUB_CACHE)
    folder = repo_folder_name(repo_id=remote.repository, repo_type="model")
    return cache / folder / "blobs" / remote.etag, cache / ".locks" / folder / f"{remote.etag}.lock"


def link_in_cache(remote: RemoteFile) -> Path:
    """Gives content that lies in the cache folder its place in the repository's snapshot there.

    Raises:
        HubError: The Hub cannot be asked any more.
        OSError: The cache folder cannot be written to.
    """
    try:
        path = hf_hub_download(
            remote.repository,
            remote.file,
            revision=remote.revision,
            cache_dir=constants.HF_HUB_CACHE,
            endpoint=constants.ENDPOINT,
        )
    except _ERRORS as error:
        if isinstance(error, OSError) and error.errno is not None and not isinstance(error, ConnectionError):
            raise  # of the file system: what the network raises has no number
        raise _hub_error(error, remote.repository, remote.file, remote.revision) from error
    return Path(path)


def lock(path: Path) -> Any:
    """A lock between processes; a context manager that waits until it has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return WeakFileLock(path)


@contextmanager
def progress_bar(name: str, done: int, total: int) -> Iterator[Callable[[int, int], None]]:
    """The library's progress bar, with size and speed; what it yields takes the bytes done and their total."""
    with tqdm(desc=name, total=total, initial=done, unit="B", unit_scale=True, name="weights.download") as bar:

        def report(now: int, _: int) -> None:
            bar.update(now - bar.n)

        yield report


def publish(repository: str, files: dict[str, Path | bytes], *, private: bool, message: str) -> str:
    """Writes files to a repository, which is made if there is none, in one commit.

    Args:
        repository: ``owner/name``.
        files: Path in the repository: the file or its content.
        private: Whether a new repository is private; an existing one stays as it is.
        message: Of the commit.

    Returns:
        The commit.

    Raises:
        HubError: The Hub refuses or cannot be reached.
    """
    api = HfApi(endpoint=constants.ENDPOINT)
    with _translated(repository, None, None, writing=True):
        api.create_repo(repository, private=private, exist_ok=True)
        operations = [CommitOperationAdd(path, content) for path, content in files.items()]
        return api.create_commit(repository, operations, commit_message=message).oid


@contextmanager
def _translated(repository: str, file: str | None, revision: str | None, writing: bool = False) -> Iterator[None]:
    caught = (*_ERRORS, ValueError, RuntimeError) if writing else _ERRORS
    try:
        yield
    except caught as error:
        raise _hub_error(error, repository, file, revision, writing) from error


def _translated_blocks(blocks: Iterator[bytes], remote: RemoteFile) -> Iterator[bytes]:
    with _translated(remote.repository, remote.file, remote.revision):
        yield from blocks


def _hub_error(
    error: BaseException, repository: str, file: str | None, revision: str | None, writing: bool = False
) -> HubError:
    if isinstance(error, LocalEntryNotFoundError) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, RuntimeError) and error.__cause__ is not None:  # "Error while uploading"
        error = error.__cause__
    page = repository_url(repository)
    if isinstance(error, GatedRepoError):
        advice = f"Open {page}, accept its terms, then {LOG_IN}"
        return HubError(f"{repository} is gated: its owner decides who gets it", advice)
    if isinstance(error, RepositoryNotFoundError):
        return HubError(
            f"there is no repository {repository}, or it is private and not yours to see",
            f"Check the name at {page}; for a private one {LOG_IN}",
        )
    if isinstance(error, RevisionNotFoundError):
        return HubError(
            f"{repository} has no revision {revision!r}", f"See {page}/commits/main for the commits there are"
        )
    if isinstance(error, EntryNotFoundError):
        at = f" at {revision}" if revision else ""
        return NoFileError(f"{repository} has no file {file}{at}", f"See {page}/tree/{revision or DEFAULT_REVISION}")
    if isinstance(error, OfflineModeIsEnabled):
        return HubError(
            "HF_HUB_OFFLINE is set, so the Hub is not asked", "Unset it, or get the file by hand", answered=False
        )
    if isinstance(error, HFValidationError):
        return HubError(f"{repository!r} is no name of a repository", "Expected owner/name")
    if isinstance(error, HfHubHTTPError) and error.response is not None:
        return _status_error(error, repository, writing)
    if writing and isinstance(error, ValueError):
        return HubError(f"the Hub refuses the files ({_first_line(error)})", f"Look at {page}")
    return HubError(
        f"{constants.ENDPOINT} cannot be reached, or broke off ({_first_line(error)})",
        "Check the network; HF_ENDPOINT names a mirror",
        wait=1,
        answered=False,
    )


def _status_error(error: HfHubHTTPError, repository: str, writing: bool) -> HubError:
    status = error.response.status_code
    if status in PASSING_STATUS:
        wait = _seconds_to_wait(error.response.headers)
        if status == RATE_LIMITED:
            advice = f"Wait {wait:.0f} s and try again; who has logged in may ask more often"
            return HubError(f"the Hub is asked too often (HTTP {status})", advice, wait=wait)
        return HubError(f"the Hub has a fault (HTTP {status})", "Try again later", wait=wait)
    if status == 416:
        return TooShortError("the server has less of the file than it announced", "Try again")
    if status in (401, 403):
        right = "write to" if writing else "read"
        reason = f"the Hub does not let you {right} {repository} (HTTP {status}: {_first_line(error)})"
        return HubError(reason, f"With a token that may {right} it, {LOG_IN}")
    return HubError(f"the Hub refuses (HTTP {status}: {_first_line(error)})", "Look at the message and the repository")


def _seconds_to_wait(headers: Any) -> float:
    """From ``Retry-After``, or from the Hub's own ``RateLimit: "api";r=0;t=55``; 1 if there is neither."""
    after = headers.get("Retry-After", "")
    found = re.search(r"\bt=(\d+)", headers.get("RateLimit", ""))
    return float(after) if after.isdecimal() else float(found[1]) if found else 1.0


def _first_line(error: BaseException) -> str:
    """What the server said about it, or else the library."""
    text = getattr(error, "server_message", None) or str(error)
    return next((line.strip() for line in text.splitlines() if line.strip()), type(error).__name__)
