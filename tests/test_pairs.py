"""Pairs in two folders and in GOPRO's layout, and patches drawn of them."""

import pytest
import torch

from tests.noise_images import write_image, write_pair
from training.data.pairs import Pairs, find_pairs, match_pairs, sequence_name, store_pairs
from training.data.place import StoreOptions
from training.data.store import ImageStore

IN_MEMORY = StoreOptions("memory", workers=2, progress=False)


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
