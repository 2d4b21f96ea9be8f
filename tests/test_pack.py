"""Archives of photographs: limited in size, whole again afterwards, and nothing outside the folder."""

import zipfile

import pytest

from training import pack as command
from training.pack import pack, unpack


@pytest.fixture
def folder(tmp_path):
    for number in range(7):
        path = tmp_path / "photos" / f"part{number % 2}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes([number]) * (10_000 + number))
    return tmp_path / "photos"


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_packed_comes_out_again(folder, tmp_path):
    archives = pack(folder, tmp_path / "archives", 35_000)
    assert len(archives) == 3
    assert archives[0].name == "photos-001.zip"
    assert max(path.stat().st_size for path in archives) <= 35_000
    assert unpack(archives, tmp_path / "again") == 7
    assert contents(tmp_path / "again") == contents(folder)
    assert unpack(archives, tmp_path / "again") == 7, "a second time changes nothing"


def test_nothing_is_overwritten(folder, tmp_path):
    archives = pack(folder, tmp_path / "archives", 10**6)
    with pytest.raises(FileExistsError, match=r"photos-001\.zip exists"):
        pack(folder, tmp_path / "archives", 10**6)
    (tmp_path / "again" / "part0").mkdir(parents=True)
    (tmp_path / "again" / "part0" / "0.jpg").write_bytes(b"mine")
    unpack(archives, tmp_path / "again")
    assert (tmp_path / "again" / "part0" / "0.jpg").read_bytes() == b"mine"


def test_names_that_lead_out_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("../out.jpg", b"x")
    with pytest.raises(ValueError, match="leads out of the folder"):
        unpack([tmp_path / "evil.zip"], tmp_path / "inside")
    assert not (tmp_path / "out.jpg").exists()


def test_mistakes_are_explained(folder, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="give a larger --most"):
        pack(folder, tmp_path / "archives", 5_000)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="no file below"):
        pack(tmp_path / "empty", tmp_path / "archives", 5_000)
    monkeypatch.setattr("sys.argv", ["pack", str(tmp_path / "missing"), "-o", str(tmp_path / "archives")])
    with pytest.raises(SystemExit, match="no folder"):
        command.main()
