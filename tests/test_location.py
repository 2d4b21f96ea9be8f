"""Image files in folders and in archives."""

import zipfile

import pytest
from PIL import Image

from deblur.commands.image_file import ImageFileError
from tests.noise_images import write_image
from training.data.location import ZipMember, image_size, natural_key, read_pixels, walk_folders


def test_damaged_archives_are_named(tmp_path):
    write_image(tmp_path / "2.png", (16, 16))
    archive = tmp_path / "images.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(tmp_path / "2.png", "2.png")
    whole = archive.read_bytes()
    archive.write_bytes(whole[:60] + bytes(40) + whole[100:])
    with pytest.raises(ImageFileError, match=r"images\.zip/2\.png: the image is truncated or damaged"):
        read_pixels(ZipMember(archive, "2.png"))
    archive.write_bytes(whole[:-20])
    with pytest.raises(ImageFileError, match="expected a zip archive"):
        image_size(ZipMember(archive, "2.png"))


def test_the_size_is_that_of_the_upright_image(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    write_image(tmp_path / "turned.jpg", (12, 10), exif=exif)
    assert image_size(tmp_path / "turned.jpg") == tuple(read_pixels(tmp_path / "turned.jpg").shape[1:]) == (10, 12)


def test_numbers_in_names_are_sorted_as_numbers():
    names = ["b/1", "a 10/1", "a 2/10", "a 2/9", "a/3", "a"]
    assert sorted(names, key=natural_key) == ["a", "a/3", "a 2/9", "a 2/10", "a 10/1", "b/1"]


def test_links_are_followed_and_loops_are_not(tmp_path):
    write_image(tmp_path / "elsewhere" / "1.png")
    root = tmp_path / "root"
    (root / "deep").mkdir(parents=True)
    (root / ".hidden").mkdir()
    (root / "deep" / "loop").symlink_to(root)
    (root / "deep" / "link").symlink_to(tmp_path / "elsewhere")
    (root / "._1.png").write_bytes(b"")
    assert list(walk_folders(root)) == [
        (root, []),
        (root / "deep", []),
        (root / "deep" / "link", [root / "deep" / "link" / "1.png"]),
    ]
