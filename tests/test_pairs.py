"""Pairs in folders, in GOPRO's layout and in its archive, and patches drawn of them."""

import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from training.data.gopro import SEQUENCES, find_gopro
from training.data.pairs import Pairs, find_pairs, match_pairs, sequence_name, store_pairs
from training.data.store import ImageStore, StoreOptions

IN_MEMORY = StoreOptions("memory", workers=2, progress=False)


def write_image(path, size=(24, 32), seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)).save(path)


def write_pair(folder, name, blurry="blur", size=(24, 32), sharp="sharp"):
    seed = sum(map(ord, name))
    write_image(folder / blurry / name, size, seed)
    write_image(folder / sharp / name, size, seed + 1)


def test_folders_are_matched_by_path_up_to_the_suffix(tmp_path):
    for name in ("2", "10", "deep/3"):
        write_image(tmp_path / "a" / f"{name}.jpg")
        write_image(tmp_path / "b" / f"{name}.png")
    (tmp_path / "b" / "notes.txt").write_text("no image")
    pairs = match_pairs(tmp_path / "a", tmp_path / "b")
    assert [(a.relative_to(tmp_path).as_posix(), b.relative_to(tmp_path).as_posix()) for a, b in pairs] == [
        (f"a/{name}.jpg", f"b/{name}.png") for name in ("2", "10", "deep/3")
    ]


def test_missing_partners_are_named_and_counted_on_both_sides(tmp_path):
    for number in range(6):
        write_image(tmp_path / "a" / f"{number}.png")
    for number in range(5, 8):
        write_image(tmp_path / "b" / f"{number}.png")
    with pytest.raises(FileNotFoundError) as caught:
        match_pairs(tmp_path / "a", tmp_path / "b")
    message = str(caught.value)
    assert message.startswith(f"{tmp_path}/b/6.png has no partner of this name below {tmp_path}/a, nor have ")
    assert f"{tmp_path}/b/7.png, {tmp_path}/a/0.png" in message
    assert message.endswith("without a partner are 5 of 6 blurry images and 2 of 3 sharp ones")


def test_empty_missing_and_ambiguous_folders_are_named(tmp_path):
    write_image(tmp_path / "a" / "1.png")
    (tmp_path / "b").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no image below .*b$"):
        match_pairs(tmp_path / "a", tmp_path / "b")
    with pytest.raises(FileNotFoundError, match=r"no folder .*c$"):
        match_pairs(tmp_path / "a", tmp_path / "c")
    write_image(tmp_path / "b" / "1.png")
    write_image(tmp_path / "b" / "1.jpg")
    with pytest.raises(ValueError, match="differ in the suffix alone"):
        match_pairs(tmp_path / "a", tmp_path / "b")


def test_gopros_layout_is_found_through_links(tmp_path):
    write_pair(tmp_path / "disk" / "one", "1.png")
    write_pair(tmp_path / "disk" / "two", "1.png")
    write_pair(tmp_path / "disk" / ".two.partial", "1.png")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "link").symlink_to(tmp_path / "disk")
    pairs = find_pairs(tmp_path / "data")
    assert [str(path.relative_to(tmp_path)) for pair in pairs for path in pair] == [
        f"data/link/{sequence}/{kind}/1.png" for sequence in ("one", "two") for kind in ("blur", "sharp")
    ]
    assert sequence_name(pairs[0][0]) == str(tmp_path / "data" / "link" / "one")


def test_a_blurry_image_without_a_sharp_one_is_an_error_in_gopros_layout_too(tmp_path):
    write_pair(tmp_path, "1.png")
    write_image(tmp_path / "blur" / "2.png")
    with pytest.raises(FileNotFoundError, match=r"blur/2\.png has no partner .* 1 of 2 blurry images and 0 of 1 sharp"):
        find_pairs(tmp_path)


def test_pairs_of_unequal_size_are_named(tmp_path):
    write_pair(tmp_path, "1.png")
    write_image(tmp_path / "sharp" / "1.png", (24, 30))
    with pytest.raises(ValueError, match=r"blur/1\.png: 24×32, .*sharp/1\.png: 24×30"):
        store_pairs(find_pairs(tmp_path), IN_MEMORY)


@pytest.fixture
def stored(tmp_path):
    write_pair(tmp_path / "one", "1.png", size=(20, 40))
    for number in range(9):
        write_pair(tmp_path / "two", f"{number}.png")
    pairs = find_pairs(tmp_path)
    return store_pairs(pairs, IN_MEMORY), [sequence_name(blurry) for blurry, _ in pairs]


def place_of(patch, image):
    """Where a patch lies in an image, or None."""
    windows = image.unfold(1, patch.shape[1], 1).unfold(2, patch.shape[2], 1)
    found = (windows == patch[:, None, None]).all(dim=(0, 3, 4)).nonzero()
    return tuple(found[0].tolist()) if len(found) else None


def test_patches_are_crops_at_one_place_in_blurry_and_sharp(stored):
    source = Pairs(stored[0], seed=1)
    for patch in source.draw(range(12), 16):
        assert patch.shape == (6, 16, 16)
        assert any(place_of(patch, image) is not None for image in stored[0])


def test_a_patch_depends_on_its_number_alone(stored):
    source = Pairs(stored[0], seed=1)
    together = source.draw([0, 5, 2], 16)
    assert together.dtype == torch.uint8
    for patch, number in zip(together, (0, 5, 2), strict=True):
        assert torch.equal(source.draw([number], 16)[0], patch)
    assert not torch.equal(Pairs(stored[0], seed=2).draw([0, 5, 2], 16), together)


def test_every_place_of_every_pair_is_drawn(stored):
    image = stored[0][0]
    source = Pairs(ImageStore(image.flatten(), [image.shape], ["a pair"]), seed=0)
    assert {place_of(patch, image) for patch in source.draw(range(200), 20)} == {(0, x) for x in range(21)}


@pytest.mark.parametrize(("by_sequence", "share"), [(False, 0.1), (True, 0.5)])
def test_pairs_are_alike_or_sequences_are(stored, by_sequence, share):
    store, sequences = stored
    source = Pairs(store, 0, sequences if by_sequence else None)
    drawn = source.draw(range(400), 20)
    first = sum(place_of(patch, store[0]) is not None for patch in drawn) / 400
    assert first == pytest.approx(share, abs=0.08)


def test_patches_larger_than_a_pair_are_refused_by_its_name(stored):
    source = Pairs(stored[0], seed=0)
    source.check(20)
    with pytest.raises(ValueError, match=r"one/blur/1\.png is 20×40 pixels, smaller than patches of 21×21"):
        source.check(21)
    with pytest.raises(ValueError, match="choose a crop of at most 20"):
        source.draw([0], 21)


MINIATURE = {"train": {"GOPR1_07_00": 2, "GOPR2_11_00": 1}, "test": {"GOPR3_11_00": 1}}


@pytest.fixture
def gopro(tmp_path):
    root = tmp_path / "GOPRO_Large"
    for split, sequences in MINIATURE.items():
        for sequence, count in sequences.items():
            for number in range(count):
                for blurry in ("blur", "blur_gamma"):
                    write_pair(root / split / sequence, f"{number + 47:06d}.png", blurry)
    return root


def zipped(root, prefix):
    archive = root.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w") as file:
        for path in root.rglob("*"):
            file.write(path, f"{prefix}{path.relative_to(root).as_posix()}")
        file.writestr("__MACOSX/GOPRO_Large/train/GOPR1_07_00/blur/._000047.png", b"resource fork")
    return archive


def test_the_published_sequences_add_up():
    assert {split: (len(counts), sum(counts.values())) for split, counts in SEQUENCES.items()} == {
        "train": (22, 2103),
        "test": (11, 1111),
    }
    by_frames = {n: sum(c for name, c in SEQUENCES["train"].items() if name[9:11] == n) for n in ("07", "11", "13")}
    assert by_frames == {"07": 175, "11": 1818, "13": 110}
    assert not set(SEQUENCES["train"]) & set(SEQUENCES["test"])


@pytest.mark.parametrize("blurry", ["blur", "blur_gamma"])
@pytest.mark.parametrize("prefix", [None, "", "GOPRO_Large/"])
def test_gopro_is_read_from_the_folder_and_from_the_archive(gopro, blurry, prefix):
    root = gopro if prefix is None else zipped(gopro, prefix)
    for split, count in (("train", 3), ("test", 1)):
        found = find_gopro(root, split, blurry, expected=MINIATURE)
        assert found.missing == ""
        assert len(found.pairs) == count
        for image, (path, _) in zip(
            store_pairs(found.pairs, IN_MEMORY), find_gopro(gopro, split, blurry, expected=MINIATURE).pairs, strict=True
        ):
            assert path.parent.name == blurry
            expected = np.concatenate([Image.open(p) for p in (path, path.parents[1] / "sharp" / path.name)], axis=2)
            assert np.array_equal(image.permute(1, 2, 0), expected)
    names = [sequence_name(blurry) for blurry, _ in find_gopro(root, "train", blurry, expected=MINIATURE).pairs]
    assert [name.split("/")[-1] for name in names] == ["GOPR1_07_00", "GOPR1_07_00", "GOPR2_11_00"]


@pytest.mark.parametrize("as_archive", [False, True])
def test_what_a_partial_copy_lacks_is_named(gopro, as_archive):
    (gopro / "train" / "GOPR1_07_00" / "blur" / "000047.png").unlink()
    for path in (gopro / "train" / "GOPR2_11_00").rglob("*.png"):
        path.unlink()
    root = zipped(gopro, "") if as_archive else gopro
    with pytest.raises(FileNotFoundError, match="or say that a partial copy will do") as caught:
        find_gopro(root, "train", expected=MINIATURE)
    assert "train has 1 of 3 pairs and 1 of 2 sequences; lacks the sequences GOPR2_11_00" in str(caught.value)
    assert "pairs of GOPR1_07_00: 2 were published, found 1 blur and 2 sharp images, 1 in pairs" in str(caught.value)
    found = find_gopro(root, "train", partial=True, expected=MINIATURE)
    assert len(found.pairs) == 1
    assert found.missing in str(caught.value)
    assert find_gopro(root, "train", "blur_gamma", partial=True, expected=MINIATURE).pairs


def test_gopro_without_a_pair_is_an_error_whatever_is_asked(gopro, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder .*train; expected GOPRO_Large with train and test"):
        find_gopro(gopro / "train", "train", partial=True)
    (tmp_path / "empty" / "train").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="0 of 2,103 pairs and 0 of 22 sequences"):
        find_gopro(tmp_path / "empty", "train", partial=True)
    with pytest.raises(FileNotFoundError, match="no folder"):
        find_gopro(tmp_path / "nothing.zip", "train")


def test_what_is_not_of_the_split_is_refused(gopro):
    write_pair(gopro / "train" / "GOPR3_11_00", "000047.png")
    with pytest.raises(ValueError, match="GOPR3_11_00 in train belong not to GOPRO's train split"):
        find_gopro(gopro, "train", partial=True, expected=MINIATURE)


def test_half_an_archive_is_named(gopro):
    archive = zipped(gopro, "")
    archive.write_bytes(archive.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"GOPRO_Large\.zip: expected a zip archive, found 1,000 bytes"):
        find_gopro(archive, "train")
