"""Files of repositories on the Hub: which one, whether it can be one of ours, and where it goes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from . import hub
from .catalogue import CatalogueEntry
from .checkpoint import CONFIG_FILE, MAX_CONFIG_BYTES, CheckpointError
from .download import DownloadError, cache_place, download, folder_place, patiently
from .preview import check_config, header_config, header_end
from .reference import CHECKPOINT_SUFFIX, USUAL_FILE, Reference, choose_file
from .remote import HubError, NoFileError, RemoteFile
from .report import Report
from .verify import VerificationError, verify_file


def fetch_entry(entry: CatalogueEntry, folder: Path | None, report: Report | None = None) -> Path:
    """A published catalogue entry's file, from the Hub's cache folder or from the Hub.

    Args:
        entry: With a repository and a revision.
        folder: Where the file goes, under the entry's file name; none for the Hub's cache folder.
        report: As in ``download``.

    Raises:
        DownloadError: The Hub cannot be reached or refuses, or there is no place for the file.
        VerificationError: The Hub has another file than the catalogue promises.
    """
    assert entry.repository is not None
    path = hub.cached(entry.repository, entry.repository_file, entry.revision)
    if path is not None and _verified(path, entry):
        return path
    reference = Reference(entry.repository, entry.repository_file, entry.revision)
    by_hand = _by_hand(reference, folder, entry.file)
    with _explained(entry.name, by_hand):
        remote = _locate(reference, entry.repository_file)
        if remote.size != entry.bytes or remote.sha256 not in (None, entry.sha256):
            raise VerificationError(
                f"{remote.url} has {remote.size} bytes and SHA-256 {remote.sha256}, and the catalogue promises "
                f"{entry.bytes} and {entry.sha256}, so it is not downloaded"
            )
        path = _fetch(remote, folder, entry.file, entry.sha256, report)
        verify_file(path, entry)
        return path


def fetch_reference(reference: Reference, folder: Path | None, report: Report | None = None) -> Path:
    """A file of any repository, with the ``config.json`` beside it if its header has no configuration.

    In the Hub's cache folder a branch is followed as the library's users know it. In a folder of the user's, a file
    that is there is not looked for again.

    Args:
        reference: The repository, and perhaps the file and the revision.
        folder: Where the file goes, under the repository's name; none for the Hub's cache folder.
        report: As in ``download``.

    Raises:
        DownloadError: The Hub cannot be reached or refuses, or there is no place for the file.
        CheckpointError: The file is not safetensors, has no configuration, or is for an unknown network.
        VerificationError: What came is not what the Hub announced.
    """
    if folder is not None and (path := reference.find_in(folder)):
        return path
    if folder is None and reference.pinned and (path := _cached(reference)):
        return path
    by_hand = _by_hand(reference, folder, f"{reference.folder}/{reference.file or USUAL_FILE}")
    with _explained(str(reference), by_hand):
        try:
            file = reference.file or _choose(reference)
            remote = _locate(reference, file)
        except HubError as error:
            passing = error.wait is not None or not error.answered
            if folder is None and passing and (path := _cached(reference)):
                return path
            raise
        if folder is None and hub.cached(remote.repository, file, remote.commit):
            return hub.link_in_cache(remote)
        if config := _check(remote):
            _fetch(config, folder, f"{reference.folder}/{config.file}", None, report)
        return _fetch(remote, folder, f"{reference.folder}/{file}", None, report)


def _cached(reference: Reference) -> Path | None:
    if reference.file:
        return hub.cached(reference.repository, reference.file, reference.revision)
    folder = hub.cached_snapshot(reference.repository, reference.revision)
    file = choose_file(path.name for path in folder.iterdir()) if folder else None
    return folder / file if folder and file else None


def _choose(reference: Reference) -> str:
    files = patiently(lambda: hub.list_files(reference.repository, reference.revision))
    if file := choose_file(files):
        return file
    candidates = [file for file in files if file.endswith(CHECKPOINT_SUFFIX)]
    if not candidates:
        raise CheckpointError(
            f"{reference} has no {CHECKPOINT_SUFFIX} file, and nothing else is read, because it could run code. "
            f"Its files: {', '.join(files[:12]) or 'none'}"
        )
    raise CheckpointError(
        f"{reference} has no {USUAL_FILE} and several other files; name one of them: "
        + ", ".join(f"{reference.repository}/{file}" for file in candidates[:12])
    )


def _locate(reference: Reference, file: str) -> RemoteFile:
    return patiently(lambda: hub.locate(reference.repository, file, reference.revision))


def _check(remote: RemoteFile) -> RemoteFile | None:
    """Refuses what cannot be one of our checkpoints; the ``config.json`` that has to come with it, if any."""
    name = f"{remote.repository}/{remote.file}"
    end = header_end(name, b"" if remote.size < 8 else _read(remote, 8), remote.size)
    config = header_config(name, _read(remote, end)[8:])
    if config is not None:
        check_config(name, config)
        return None
    path = str(PurePosixPath(remote.file).with_name(CONFIG_FILE))
    try:
        beside = patiently(lambda: hub.locate(remote.repository, path, remote.commit))
    except NoFileError as error:
        raise CheckpointError(
            f"{name} has no network configuration in its header, and there is no {path} in the repository, so it is "
            "no checkpoint of this project"
        ) from error
    if beside.size > MAX_CONFIG_BYTES:
        raise CheckpointError(f"{path} of {remote.repository} has {beside.size} bytes, so it is no configuration")
    check_config(name, _read(beside, beside.size))
    return beside


def _read(remote: RemoteFile, count: int) -> bytes:
    """The first bytes of a file."""

    def read() -> bytes:
        content = b""
        with hub.stream(remote, last=count - 1) as (_, blocks):
            for block in blocks:
                content += block
                if len(content) >= count:
                    break
        return content[:count]

    return patiently(read)


def _fetch(remote: RemoteFile, folder: Path | None, path: str, sha256: str | None, report: Report | None) -> Path:
    place = cache_place(remote) if folder is None else folder_place(folder, path, remote)
    download(remote, place, sha256=sha256, report=report)
    return hub.link_in_cache(remote) if folder is None else place.final


def _verified(path: Path, entry: CatalogueEntry) -> bool:
    try:
        verify_file(path, entry)
    except VerificationError:
        return False
    return True


def _by_hand(reference: Reference, folder: Path | None, path: str) -> str:
    if reference.file:
        source = hub.file_url(reference.repository, reference.file, reference.revision)
    else:
        source = f"the {CHECKPOINT_SUFFIX} file of {hub.repository_url(reference.repository)}"
    if folder is not None:
        return f"By hand: save {source} as {folder / path}"
    name = PurePosixPath(path).name
    return f"By hand: save {source} in a folder, say {Path.cwd()}, as {name}, and give that path as the model"


@contextmanager
def _explained(name: str, by_hand: str) -> Iterator[None]:
    """Says in every error how to get the file by hand."""
    try:
        yield
    except HubError as error:
        raise DownloadError(f"{name} could not be downloaded: {error}. {by_hand}") from error
    except VerificationError as error:
        raise VerificationError(f"{name}: {error}. {by_hand}") from error
    except OSError as error:
        raise DownloadError(
            f"{name} could not be saved: {error}. Make room or get the right to write there; HF_HUB_CACHE names "
            f"another folder for downloads. {by_hand}"
        ) from error
