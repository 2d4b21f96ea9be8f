"""Averages of frames and patches drawn of them."""

import pytest
import torch

from tests.moving_scene import moving, write_frames, write_video
from training.data.frames import Frames, average_frames
from training.data.place import StoreOptions
from training.data.sequences import find_sequences, store_sequences

IN_MEMORY = StoreOptions("memory", workers=2, progress=False)


def test_averages_by_hand():
    frames = [torch.tensor([value], dtype=torch.uint8) for value in (0, 100, 255)]
    assert average_frames(frames, 1).tolist() == [118]
    light = ((100 / 255) ** 2.2 + 1) / 3
    assert average_frames(frames, 2.2).tolist() == [round(255 * light ** (1 / 2.2))] == [163]
    still = torch.arange(256).to(torch.uint8)
    for gamma in (1.0, 2.2):
        assert torch.equal(average_frames([still] * 9, gamma), still)


@pytest.fixture
def stored(tmp_path):
    write_frames(tmp_path / "in" / "folder", moving([1.0] * 9))
    (tmp_path / "in" / "folder" / "frame4.png").unlink()  # 3 frames, then 6
    write_video(tmp_path / "in" / "video.mkv", moving([2.0] * 6, seed=1))
    sequences = find_sequences([tmp_path / "in"])
    return store_sequences(sequences, IN_MEMORY), sequences


def test_patches_are_averages_of_a_window_and_its_middle_frame(stored):
    store, sequences = stored
    assert [image.shape for image in store] == [(3, 64, 80)] * 16
    whole = Frames(store, sequences, 0, (3, 5), (1.0, 2.2))
    windows_by_hand = [
        (torch.cat((average_frames(store[a : a + n], gamma), store[a + n // 2])), (a, n, gamma))
        for run in ((0, 7), (7, 10), (10, 16))
        for n in (3, 5)
        for a in range(run[0], run[1] - n + 1)
        for gamma in (1.0, 2.2)
    ]
    found = set()
    for patch in whole.draw(range(300), 64):
        matches = [
            what
            for pair, what in windows_by_hand
            if any(torch.equal(pair[:, :, x : x + 64], patch) for x in range(80 - 64 + 1))
        ]
        assert matches
        found |= set(matches)
    assert found == {what for _, what in windows_by_hand}


def test_a_patch_of_frames_depends_on_its_number_alone(stored):
    source = Frames(*stored, seed=3, frames=(3, 5))
    together = source.draw([4, 9, 1], 20)
    assert together.shape == (3, 6, 20, 20)
    for patch, number in zip(together, (4, 9, 1), strict=True):
        assert torch.equal(source.draw([number], 20)[0], patch)
    assert not torch.equal(Frames(*stored, seed=4, frames=(3, 5)).draw([4, 9, 1], 20), together)


def test_too_few_frames_and_too_large_patches_are_refused(stored):
    with pytest.raises(ValueError, match=r"up to 9 frames need as many that follow each other; .* has 7"):
        Frames(*stored, seed=0, frames=(7, 9))
    with pytest.raises(ValueError, match="expected odd numbers of frames"):
        Frames(*stored, seed=0, frames=(4, 6))
    with pytest.raises(ValueError, match=r"video\.mkv, frame 0 is 64×80 pixels, smaller than patches of 65×65"):
        Frames(*stored, seed=0, frames=(3, 5)).draw([0], 65)
