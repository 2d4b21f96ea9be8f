"""The GOPRO dataset, unpacked and in its archive, whole and in part."""

import zipfile

import numpy as np
import pytest
from PIL import Image

from tests.noise_images import write_pair
from training.data.gopro import SEQUENCES, find_gopro
from training.data.pairs import sequence_name, store_pairs
from training.data.place import StoreOptions

IN_MEMORY = StoreOptions("memory", workers=2, progress=False)
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
    with pytest.raises(ValueError, match="GOPR3_11_00 in train are not in GOPRO's train split"):
        find_gopro(gopro, "train", partial=True, expected=MINIATURE)


def test_half_an_archive_is_named(gopro):
    archive = zipped(gopro, "")
    archive.write_bytes(archive.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"GOPRO_Large\.zip: expected a zip archive, found 1,000 bytes"):
        find_gopro(archive, "train")
