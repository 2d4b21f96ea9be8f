"""Videos and folders of frames: what is found, in which order, which way up, and what is refused."""

import av
import numpy as np
import pytest
import torch
from PIL import Image

from deblur.commands.image_file import ImageFileError
from tests.moving_scene import moving, turned, write_frames, write_video
from training.data.sequences import FrameFolder, find_sequences
from training.data.video import VideoError, count_frames, probe_video, video_frames


def test_a_videos_frames_are_what_was_written(tmp_path):
    frames = moving([1.5] * 5)
    path = write_video(tmp_path / "clip.mkv", frames)
    decoded = list(video_frames(path))
    assert len(decoded) == count_frames(path) == 6
    for found, expected in zip(decoded, frames, strict=True):
        assert found.dtype == torch.uint8
        assert torch.equal(found, expected)
    assert all(torch.equal(a, b) for a, b in zip(video_frames(path, start=4), frames[4:], strict=True))
    facts = probe_video(path)
    assert (facts.height, facts.width, round(facts.rate)) == (64, 80, 240)


def test_frames_are_turned_as_the_file_says(tmp_path):
    frames = moving([1.0])
    path = write_video(tmp_path / "clip.mp4", frames)
    (upright, _) = video_frames(path)
    for matrix, quarter_turns in (((0, 1, -1, 0), -1), ((-1, 0, 0, -1), 2), ((0, -1, 1, 0), 1)):
        turned(path, *matrix)  # (0, 1, -1, 0) takes what points right to point down: clockwise
        (found, _) = video_frames(path)
        assert torch.equal(found, torch.rot90(upright, quarter_turns, dims=(1, 2)))
        assert (probe_video(path).height, probe_video(path).width) == tuple(found.shape[1:])


def test_files_that_are_no_videos_are_named(tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    with av.open(str(tmp_path / "sound.mkv"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        sound.rate = 8000
        container.mux(stream.encode(sound))
    write_video(tmp_path / "clip.mp4", moving([1.0] * 5))
    (tmp_path / "half.mp4").write_bytes((tmp_path / "clip.mp4").read_bytes()[:2000])
    for name, message in (
        ("text.mp4", r"text\.mp4: not a readable video"),
        ("sound.mkv", r"sound\.mkv: expected a video, found a file without a video stream"),
        ("half.mp4", r"half\.mp4: not a readable video"),
    ):
        with pytest.raises(VideoError, match=message):
            probe_video(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="no video file"):
        probe_video(tmp_path / "gone.mp4")


def test_a_video_without_frames_is_named(tmp_path):
    with av.open(str(tmp_path / "empty.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=24)
        stream.height, stream.width, stream.pix_fmt = 64, 80, "bgr0"
        container.start_encoding()
    with pytest.raises(VideoError, match=r"empty\.mkv: the file ends before the first frame"):
        probe_video(tmp_path / "empty.mkv")


def test_folders_and_videos_are_found_and_named_by_their_path(tmp_path):
    write_frames(tmp_path / "in" / "train" / "one", moving([1]))
    write_video(tmp_path / "in" / "two.mkv", moving([1]))
    write_frames(tmp_path / "three", moving([1]))
    found = find_sequences([tmp_path / "in", tmp_path / "three"])
    assert [(type(sequence).__name__, sequence.name, sequence.count) for sequence in found] == [
        ("Video", "two", 2),
        ("FrameFolder", "train/one", 2),
        ("FrameFolder", "three", 2),
    ]
    with pytest.raises(ValueError, match="would both be sequence three"):
        find_sequences([tmp_path / "three", tmp_path / "three"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no frames below .*empty: expected folders of images, or videos"):
        find_sequences([tmp_path / "three", tmp_path / "empty"])
    with pytest.raises(FileNotFoundError, match="no file or folder"):
        find_sequences([tmp_path / "gone"])


def test_frames_come_in_the_order_of_their_numbers(tmp_path):
    frames = moving([1] * 11)
    folder = FrameFolder(write_frames(tmp_path / "f", frames, first=8), "f")
    assert folder.check() == (64, 80)
    assert folder.breaks == frozenset()
    assert all(torch.equal(a, b) for a, b in zip(folder.frames(), frames, strict=True))
    (tmp_path / "f" / "frame12.png").unlink()
    assert FrameFolder(tmp_path / "f", "f").breaks == {4}
    assert "skip at 1 places" in FrameFolder(tmp_path / "f", "f").remark()
    for index, path in enumerate(sorted((tmp_path / "f").iterdir())):
        path.rename(path.with_name(f"at{1000 * index * index}.png"))
    assert FrameFolder(tmp_path / "f", "f").breaks == frozenset()


def test_frames_of_unequal_size_and_unreadable_ones_are_named(tmp_path):
    folder = write_frames(tmp_path / "f", moving([1, 1]))
    Image.new("RGB", (80, 60)).save(folder / "frame3.png")
    with pytest.raises(ValueError, match=r"found 64×80 pixels .*frame1\.png and 60×80 in .*frame3\.png"):
        FrameFolder(folder, "f").check()
    (folder / "frame3.png").write_bytes(b"")
    with pytest.raises(ImageFileError, match=r"frame3\.png: not a readable image"):
        FrameFolder(folder, "f").check()
