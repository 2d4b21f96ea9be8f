"""Downloads from a server that speaks the Hub's protocol, with everything that can go wrong on the way."""

import errno
import hashlib
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

import weights.download as download_module
import weights.resolve as resolve
from tests.hub_server import READER, Fault
from weights import (
    CatalogueEntry,
    VerificationError,
    find_weights,
)
from weights.download import DownloadError

ROOT = Path(__file__).parents[1]
REPOSITORY = "someone/some-model"
CONTENT = random.Random(0).randbytes(300_000)


@pytest.fixture
def waits(monkeypatch):
    """How long was waited between tries, without waiting."""
    waited: list[float] = []
    monkeypatch.setattr(download_module, "sleep", waited.append)
    return waited


@pytest.fixture
def entry(hub, monkeypatch, waits):
    """A published catalogue entry."""
    commit = hub.add(REPOSITORY, {"model.safetensors": CONTENT})
    entry = CatalogueEntry(
        name="published",
        network="multi-scale",
        file="published.safetensors",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        bytes=len(CONTENT),
        licence="MIT",
        repository=REPOSITORY,
        revision=commit,
    )
    monkeypatch.setitem(resolve.CATALOGUE, entry.name, entry)
    return entry


@pytest.fixture(params=["cache", "folder"])
def folder(request, tmp_path):
    """Where downloads go: none for the Hub's cache folder, or a folder of the user's."""
    return None if request.param == "cache" else tmp_path / "models" / "deblur"


def files_under(*folders):
    """Complete files: whatever a program that looks for checkpoints would find."""
    found = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return [path for path in found if path.suffix not in (".incomplete", ".lock", ".TAG") and "refs" not in path.parts]


def test_a_published_entry_is_downloaded_once(hub, entry, folder, tmp_path):
    for _ in range(2):
        path = find_weights(entry.name, [folder] if folder else [], download_to=folder)
        assert path.read_bytes() == CONTENT
    assert path == folder / entry.file if folder else path.name == "model.safetensors"
    assert len(hub.downloads()) == 1
    assert not list(tmp_path.rglob("*.incomplete"))


def test_the_progress_is_told(entry, folder):
    told = []
    find_weights(entry.name, download_to=folder, report=lambda done, total: told.append((done, total)))
    assert told[0] == (0, len(CONTENT))
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert told == sorted(told)
    assert len(told) > 4


def test_the_terminal_shows_size_and_speed(entry, folder, capsys):
    find_weights(entry.name, download_to=folder)
    assert "300k/300k" in capsys.readouterr().err
    find_weights(entry.name, [folder] if folder else [], download_to=folder)
    assert capsys.readouterr().err == ""


class Interruption(BaseException):
    """What an interrupt button raises."""


def test_an_interrupted_download_goes_on_where_it_ended(hub, entry, folder, tmp_path):
    hub.faults.append(Fault("/cdn/", pause_seconds=0.005))

    def interrupt(done, total):
        if done > total / 3:
            raise Interruption

    with pytest.raises(Interruption):
        find_weights(entry.name, download_to=folder, report=interrupt)
    assert files_under(tmp_path) == []
    (partial,) = tmp_path.rglob("*.incomplete")
    kept = partial.stat().st_size
    assert len(CONTENT) / 3 < kept < len(CONTENT)
    assert find_weights(entry.name, download_to=folder).read_bytes() == CONTENT
    assert [request.range for request in hub.downloads()] == [None, f"bytes={kept}-"]


def test_a_connection_that_is_cut_goes_on_where_it_was_cut(hub, entry, folder, waits):
    hub.faults += [Fault("/cdn/", cut_after=100_000), Fault("/cdn/", cut_after=50_000)]
    assert find_weights(entry.name, download_to=folder).read_bytes() == CONTENT
    first, *resumed = [request.range for request in hub.downloads()]
    starts = [int(asked.removeprefix("bytes=").removesuffix("-")) for asked in resumed]
    assert first is None
    assert 80_000 < starts[0] <= 100_000 < starts[1] <= 150_000, "what came before the cut is not asked for again"
    assert waits == [1, 1]


def test_a_server_without_ranges_starts_again(hub, entry, folder):
    hub.faults += [Fault("/cdn/", cut_after=100_000), Fault("/cdn/", content=CONTENT, ignore_range=True)]
    assert find_weights(entry.name, download_to=folder).read_bytes() == CONTENT


def test_the_token_goes_to_the_hub_and_not_to_the_host_of_the_content(hub, entry, folder, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", READER)
    find_weights(entry.name, download_to=folder)
    asked = {request.authorization for request in hub.requests if "/resolve/" in request.path}
    assert asked == {f"Bearer {READER}"}
    assert {request.authorization for request in hub.downloads()} == {None}


def _refused(status, **headers):
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return lambda hub, entry: hub.faults.append(Fault("/resolve/", status=status, headers=named, times=99))


def _content(**changes):
    return lambda hub, entry: hub.faults.append(Fault("/cdn/", times=99, **changes))


FAULTS = {
    "401": (_refused(401, X_Error_Message="Invalid credentials in Authorization header"), DownloadError, "HF_TOKEN"),
    "401 repository": (_refused(401, X_Error_Code="RepoNotFound"), DownloadError, "no repository someone/some-model"),
    "403": (_refused(403), DownloadError, "does not let you read"),
    "403 gated": (_refused(403, X_Error_Code="GatedRepo"), DownloadError, "is gated.*accept its terms"),
    "404 repository": (_refused(404, X_Error_Code="RepoNotFound"), DownloadError, "or it is private"),
    "404 revision": (_refused(404, X_Error_Code="RevisionNotFound"), DownloadError, "has no revision"),
    "404 file": (_refused(404, X_Error_Code="EntryNotFound"), DownloadError, "has no file model.safetensors"),
    "429": (_refused(429, Retry_After="7"), DownloadError, "asked too often.*Wait 7 s"),
    "429 as the Hub says it": (_refused(429, RateLimit='"api";r=0;t=55'), DownloadError, "Wait 55 s"),
    "429 for long": (_refused(429, Retry_After="7200"), DownloadError, "Wait 7200 s"),
    "500": (_refused(500), DownloadError, "has a fault .HTTP 500.*later"),
    "503 of the content": (_content(status=503), DownloadError, "HTTP 503"),
    "no hub": (_refused(200), DownloadError, "does not answer as a Hugging Face Hub does.*HF_ENDPOINT"),
    "no plain hash": (
        lambda hub, entry: hub.faults.append(Fault("/resolve/", headers={"X-Linked-ETag": '"../../../x"'})),
        DownloadError,
        "does not answer as a Hugging Face Hub does",
    ),
    "cut": (_content(cut_after=0), DownloadError, "cannot be reached, or broke off.*Check the network"),
    "silent": (
        lambda hub, entry: hub.faults.append(Fault("/resolve/", silent_seconds=1.3, times=99)),
        DownloadError,
        "cannot be reached.*Check the network",
    ),
    "wrong hash": (_content(content=CONTENT[::-1]), VerificationError, "found 300000 bytes with SHA-256.*deleted"),
    "too long": (_content(content=CONTENT + b"more"), VerificationError, "found 300004 bytes"),
    "too short": (_content(content=CONTENT[:-10]), DownloadError, "less of the file than it announced"),
    "another file": (
        lambda hub, entry: hub.faults.append(
            Fault("/resolve/", headers={"X-Linked-ETag": f'"{"0" * 64}"', "X-Linked-Size": "300000"})
        ),
        VerificationError,
        "the catalogue promises.*not downloaded",
    ),
    "another size": (
        lambda hub, entry: hub.faults.append(Fault("/resolve/", headers={"X-Linked-Size": "5"})),
        VerificationError,
        "has 5 bytes.*the catalogue promises 300000",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_after_a_fault_there_is_advice_no_file_and_a_second_try_that_works(
    hub, entry, folder, tmp_path, monkeypatch, fault
):
    arrange, kind, message = FAULTS[fault]
    arrange(hub, entry)
    with pytest.raises(kind, match=f"(?s){message}") as caught:
        find_weights(entry.name, download_to=folder)
    assert_advice(str(caught.value), entry, folder)
    assert files_under(tmp_path) == []
    hub.faults.clear()
    assert find_weights(entry.name, download_to=folder).read_bytes() == CONTENT


def assert_advice(text, entry, folder):
    """The message names the address, the folder and the file name for doing it by hand."""
    assert f"/{REPOSITORY}/resolve/{entry.revision}/model.safetensors" in text
    if folder is None:
        assert f"in a folder, say {Path.cwd()}, as {entry.file}, and give that path as the model" in text
    else:
        assert f"as {folder / entry.file}" in text


def test_waits_as_long_as_the_hub_asks(hub, entry, folder, waits):
    hub.faults += [Fault("/resolve/", status=429, headers={"Retry-After": "7"}), Fault("/cdn/", status=503)]
    assert find_weights(entry.name, download_to=folder).read_bytes() == CONTENT
    assert waits == [7, 1]


def test_what_will_not_change_is_not_tried_again(hub, entry, folder, waits):
    hub.faults.append(Fault("/resolve/", status=403, times=99))
    with pytest.raises(DownloadError):
        find_weights(entry.name, download_to=folder)
    assert waits == []
    assert len(hub.requests) == 1


def test_a_hub_that_is_not_there(hub, entry, folder, waits):
    hub.shutdown()
    hub.server_close()
    with pytest.raises(DownloadError, match="cannot be reached") as caught:
        find_weights(entry.name, download_to=folder)
    assert_advice(str(caught.value), entry, folder)
    assert waits == []


class FullDisk:
    """A file that has room for so many bytes."""

    def __init__(self, file, room):
        self.file, self.room = file, room

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def __getattr__(self, name):
        return getattr(self.file, name)

    def write(self, data):
        if self.file.tell() + len(data) > self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.file.name)
        return self.file.write(data)


def test_a_disk_that_gets_full(hub, entry, folder, tmp_path, monkeypatch):
    opened = Path.open

    def open_on_a_full_disk(path, mode="r", **options):
        file = opened(path, mode, **options)
        return FullDisk(file, 150_000) if path.suffix == ".incomplete" and mode in ("wb", "r+b") else file

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", open_on_a_full_disk)
        with pytest.raises(DownloadError, match=r"could not be saved.*No space left.*Make room") as caught:
            find_weights(entry.name, download_to=folder)
    assert_advice(str(caught.value), entry, folder)
    assert files_under(tmp_path) == []
    assert find_weights(entry.name, download_to=folder).read_bytes() == CONTENT
    assert hub.downloads()[-1].range.startswith("bytes=")


def test_a_disk_that_is_too_small_is_known_before(hub, entry, folder, tmp_path, monkeypatch):
    usage = download_module.shutil.disk_usage(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(download_module.shutil, "disk_usage", lambda _: usage._replace(free=1000))
        with pytest.raises(DownloadError, match="300,000 bytes are needed and 1,000 are free") as caught:
            find_weights(entry.name, download_to=folder)
    assert_advice(str(caught.value), entry, folder)
    assert hub.downloads() == []
    assert find_weights(entry.name, download_to=folder).read_bytes() == CONTENT


def test_a_folder_without_the_right_to_write(hub, entry, folder, tmp_path, monkeypatch):
    made = Path.mkdir

    def refuse(path, *arguments, **options):
        if tmp_path in path.parents:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        made(path, *arguments, **options)

    with monkeypatch.context() as patch:  # not by chmod, because root may write everywhere
        patch.setattr(Path, "mkdir", refuse)
        with pytest.raises(DownloadError, match=r"could not be saved.*Permission denied.*HF_HUB_CACHE") as caught:
            find_weights(entry.name, download_to=folder)
    assert_advice(str(caught.value), entry, folder)
    assert find_weights(entry.name, download_to=folder).read_bytes() == CONTENT


def test_a_damaged_file_in_the_cache_is_replaced(hub, entry, tmp_path):
    path = find_weights(entry.name)
    path.resolve().write_bytes(CONTENT[::-1])
    assert find_weights(entry.name).read_bytes() == CONTENT
    assert len(hub.downloads()) == 2


CHILD = """
import sys
from pathlib import Path
from weights import find_weights
sys.stdin.readline()
for folder in (None, Path(sys.argv[1])):
    path = find_weights("someone/some-model", download_to=folder)
    print(path, path.stat().st_size)
"""


def environment(hub, tmp_path, **more):
    """What a user sets to talk to another Hub; nothing is left of the settings of who runs the tests."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    home = {"HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1", "OMP_NUM_THREADS": "1"}
    return {**kept, **home, "HF_ENDPOINT": hub.endpoint, **more}


def test_two_processes_at_once_make_one_download(hub, model, tmp_path):
    hub.add(REPOSITORY, {"model.safetensors": model.read_bytes()})
    hub.faults.append(Fault("/cdn/", pause_seconds=0.02, times=99))
    children = [
        subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path / "models")],
            cwd=ROOT,
            env=environment(hub, tmp_path),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    results = [child.communicate("\n", timeout=60)[0].split() for child in children]
    assert results[0] == results[1]
    assert results[0][1::2] == [str(model.stat().st_size)] * 2
    assert results[0][2] == str(tmp_path / "models" / REPOSITORY / "model.safetensors")
    whole = [request for request in hub.downloads() if request.range is None]
    assert len(whole) == 2, "one for the cache folder and one for the folder of the user's"
