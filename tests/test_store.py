"""The store that keeps images decoded: in shared memory, on a device, in a cache file."""

import os
import pickle
import zipfile

import pytest
import torch

from deblur.commands.image_file import ImageFileError
from tests.noise_images import write_image
from training.data import place as place_module
from training.data import store as store_module
from training.data.location import ZipMember, image_size
from training.data.place import StoreOptions, free_shared_memory
from training.data.store import ImageStore, decoded, fill_store, store_images


@pytest.fixture
def images(tmp_path):
    sizes = [(12, 10), (7, 9), (16, 16)]
    paths = [tmp_path / "images" / f"{number}.png" for number in range(3)]
    return paths, [
        write_image(path, size, number) for number, (path, size) in enumerate(zip(paths, sizes, strict=True))
    ]


def options(tmp_path, place="auto", **more):
    return StoreOptions(place=place, folder=tmp_path / "cache", workers=2, progress=False, **more)


@pytest.mark.parametrize("place", ["memory", "file"])
def test_a_store_gives_back_what_is_in_the_files(images, tmp_path, place):
    paths, pixels = images
    store = store_images([(path,) for path in paths], options(tmp_path, place))
    assert len(store) == 3
    for kept, expected in zip(store, pixels, strict=True):
        assert kept.dtype == torch.uint8
        assert torch.equal(kept, expected)
    assert torch.equal(store[-1], pixels[-1])
    assert [image.shape for image in store[1:]] == [image.shape for image in pixels[1:]]
    with pytest.raises(IndexError):
        store[3]
    assert (store.file is not None) == (place == "file")
    assert store.buffer.is_shared()


def test_groups_lie_on_top_of_each_other(tmp_path):
    expected = torch.cat([write_image(tmp_path / name, seed=seed) for seed, name in enumerate(("a.png", "b.png"))])
    store = store_images([(tmp_path / "a.png", tmp_path / "b.png")], options(tmp_path, "memory"))
    assert torch.equal(store[0], expected)


def test_a_cache_file_is_used_again_until_an_image_changes(images, tmp_path, monkeypatch):
    paths, _ = images
    groups = [(path,) for path in paths]
    first = store_images(groups, options(tmp_path, "file"))

    def fail(location):
        raise AssertionError(f"{location} was decoded again")

    with monkeypatch.context() as patch:
        patch.setattr(store_module, "read_pixels", fail)
        again = store_images(groups, options(tmp_path, "file"))
        assert torch.equal(first.buffer, again.buffer)
    changed = write_image(paths[1], (7, 9), seed=99)
    os.utime(paths[1], ns=(1, 1))
    assert torch.equal(store_images(groups, options(tmp_path, "file"))[1], changed)
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_a_process_that_gets_a_cache_file_maps_it_again(images, tmp_path):
    store = store_images([(path,) for path in images[0]], options(tmp_path, "file"))
    copy = pickle.loads(pickle.dumps(store))
    assert torch.equal(copy.buffer, store.buffer)
    assert len(pickle.dumps(store)) < store.buffer.numel()


def test_a_cache_file_that_cannot_be_finished_leaves_nothing(tmp_path):
    def interrupted():
        yield torch.zeros(3, 2, 2, dtype=torch.uint8)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fill_store(interrupted(), [(3, 2, 2)] * 2, ["a", "b"], "key", options(tmp_path, "file"))
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize(("share", "in_memory"), [(0.5, True), (1e-12, False)])
def test_auto_takes_memory_where_it_fits(images, tmp_path, monkeypatch, share, in_memory):
    monkeypatch.setattr(place_module, "free_shared_memory", lambda: 1 << 20)
    store = store_images([(path,) for path in images[0]], options(tmp_path, memory_share=share))
    assert (store.file is None) == in_memory


def test_a_place_that_is_too_small_is_refused_before_anything_is_decoded(images, tmp_path, monkeypatch):
    monkeypatch.setattr(place_module, "free_shared_memory", lambda: 100)
    monkeypatch.setattr(store_module, "read_pixels", None)
    with pytest.raises(ValueError, match="choose 'auto' or 'file'"):
        store_images([(path,) for path in images[0]], options(tmp_path, "memory"))
    with pytest.raises(ValueError, match="for place 'device' on cpu"):
        store_images([(path,) for path in images[0]], options(tmp_path, "device"))


def test_a_full_disk_is_noticed_before_anything_is_decoded(images, tmp_path, monkeypatch):
    usage = store_module.shutil.disk_usage(tmp_path)._replace(free=10)
    monkeypatch.setattr(store_module.shutil, "disk_usage", lambda path: usage)
    monkeypatch.setattr(store_module, "read_pixels", None)
    with pytest.raises(OSError, match="free space or choose another folder"):
        store_images([(path,) for path in images[0]], options(tmp_path, "file"))


def test_the_place_is_said_in_a_line(images, tmp_path, capsys):
    store_images([(path,) for path in images[0]], StoreOptions("file", folder=tmp_path / "cache"))
    assert f"3 images, 0.00 GiB as uint8, kept in {tmp_path / 'cache'}" in capsys.readouterr().out


def test_free_memory_is_what_the_machine_has():
    assert 0 <= free_shared_memory() < 1 << 50


@pytest.mark.gpu
def test_images_are_kept_on_the_device(images, tmp_path):
    store = store_images([(path,) for path in images[0]], options(tmp_path, device="cuda"))
    assert store.device.type == "cuda"
    assert all(torch.equal(kept.cpu(), expected) for kept, expected in zip(store, images[1], strict=True))


def test_unreadable_images_are_named_before_anything_is_decoded(images, tmp_path, monkeypatch):
    monkeypatch.setattr(store_module, "read_pixels", None)
    broken = tmp_path / "images" / "broken.png"
    broken.write_bytes(b"not an image")
    with pytest.raises(ImageFileError, match=r"broken\.png: not a readable image"):
        store_images([(images[0][0],), (broken,)], options(tmp_path, "memory"))
    with pytest.raises(FileNotFoundError, match=r"gone\.png"):
        store_images([(tmp_path / "gone.png",)], options(tmp_path, "memory"))
    with pytest.raises(ValueError, match="expected images to keep, found none"):
        store_images([], options(tmp_path, "memory"))


def test_a_truncated_image_is_named(images, tmp_path):
    path = images[0][2]
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(ImageFileError, match=r"2\.png: the image is truncated"):
        store_images([(path,)], options(tmp_path, "memory"))


def test_images_of_a_group_have_equal_size(images, tmp_path):
    with pytest.raises(ValueError, match=r"found .*0\.png: 12×10, .*1\.png: 7×9"):
        store_images([images[0][:2]], options(tmp_path, "memory"))


def test_other_images_than_announced_are_refused(tmp_path):
    zeros = torch.zeros(3, 2, 2, dtype=torch.uint8)
    for count, shape, message in ((1, (3, 2, 2), "b: expected 2 images, found 1"), (2, (3, 4, 4), "a: expected an")):
        with pytest.raises(ValueError, match=message):
            fill_store([zeros] * count, [shape] * 2, ["a", "b"], "key", options(tmp_path, "memory"))


def test_decoding_stays_in_order_and_can_be_left(images):
    groups = [(path,) for path in images[0]] * 5
    shapes = [tuple(image.shape) for image in decoded(groups, threads=2)]
    assert shapes == [tuple(image.shape) for image in images[1]] * 5
    assert torch.equal(next(decoded(groups, threads=2)), images[1][0])


def test_members_of_an_archive_are_read_in_place(images, tmp_path):
    archive = tmp_path / "images.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in images[0]:
            file.write(path, f"folder/{path.name}")
    members = [ZipMember(archive, f"folder/{path.name}") for path in images[0]]
    assert image_size(members[1]) == (7, 9)
    store = store_images([(member,) for member in members], options(tmp_path, "memory"))
    assert all(torch.equal(kept, expected) for kept, expected in zip(store, images[1], strict=True))
    assert store.names[0] == f"{archive}/folder/0.png"


def test_a_store_with_different_sizes_has_its_images_one_after_the_other():
    store = ImageStore(torch.arange(10, dtype=torch.uint8), [(1, 2, 2), (1, 2, 3)], ["a", "b"])
    assert store[1].tolist() == [[[4, 5, 6], [7, 8, 9]]]
