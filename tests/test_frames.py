"""High-speed frames: videos, folders, flow, windows, averages, patches of them."""

import struct
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from deblur.commands.image_file import ImageFileError
from training.data.flow import measure_motion
from training.data.frames import Frames, average_frames
from training.data.sequences import FrameFolder, find_sequences, store_sequences
from training.data.store import StoreOptions
from training.data.video import VideoError, count_frames, probe_video, video_frames
from training.data.windows import NAH, NOROOZI, Recipe, windows

IN_MEMORY = StoreOptions("memory", workers=2, progress=False)


def texture(height=64, width=80, seed=0):
    """A smooth random image, so that flow has something to hold on to."""
    coarse = torch.rand(1, 3, height // 8, width // 8, generator=torch.Generator().manual_seed(seed))
    return (255 * F.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1))[0]


def moved(image, pixels):
    """The image as seen when everything moves to the right; rounded to uint8."""
    _, height, width = image.shape
    grid = F.affine_grid(torch.tensor([[[1, 0, -2 * pixels / width], [0, 1, 0]]]).float(), [1, 3, height, width], False)
    shifted = F.grid_sample(image[None], grid, mode="bicubic", padding_mode="border", align_corners=False)[0]
    return shifted.clamp(0, 255).round().to(torch.uint8)


def moving(steps, start=0.0, seed=0):
    """Frames of a scene that moves by these numbers of pixels from one to the next."""
    places = np.cumsum([start, *steps])
    return [moved(texture(seed=seed), float(place)) for place in places]


def write_frames(folder, frames, first=1, suffix="png"):
    folder.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(frames, start=first):
        Image.fromarray(frame.permute(1, 2, 0).numpy()).save(folder / f"frame{number}.{suffix}")
    return folder


def write_video(path, frames, rate=240):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1" if path.suffix == ".mkv" else "mpeg4", rate=Fraction(rate))
        stream.height, stream.width = frames[0].shape[1:]
        stream.pix_fmt = "bgr0" if path.suffix == ".mkv" else "yuv420p"
        if path.suffix != ".mkv":
            stream.bit_rate = 8_000_000
        for frame in frames:
            array = np.ascontiguousarray(frame.permute(1, 2, 0).numpy())
            container.mux(stream.encode(av.VideoFrame.from_ndarray(array, format="rgb24")))
        container.mux(stream.encode())
    return path


def turned(path, a, b, c, d):
    """Writes a display matrix into an MP4's track header, where telephones put it."""
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 4 + 40
    content[matrix : matrix + 20] = struct.pack(">5i", a << 16, b << 16, 0, c << 16, d << 16)
    path.write_bytes(content)


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
    with pytest.raises(FileNotFoundError, match="no folder"):
        find_sequences([tmp_path / "gone"])


def test_frames_come_in_the_order_of_their_numbers(tmp_path):
    frames = moving([1] * 11)
    folder = FrameFolder(write_frames(tmp_path / "f", frames, first=8), "f")
    assert folder.check() == (64, 80)
    assert folder.breaks == frozenset()
    assert all(torch.equal(a, b) for a, b in zip(folder.frames(), frames, strict=True))
    (tmp_path / "f" / "frame12.png").unlink()
    assert FrameFolder(tmp_path / "f", "f").breaks == {4}
    assert "1 gaps" in FrameFolder(tmp_path / "f", "f").remark()


def test_frames_of_unequal_size_and_unreadable_ones_are_named(tmp_path):
    folder = write_frames(tmp_path / "f", moving([1, 1]))
    Image.new("RGB", (80, 60)).save(folder / "frame3.png")
    with pytest.raises(ValueError, match=r"found 64×80 pixels .*frame1\.png and 60×80 in .*frame3\.png"):
        FrameFolder(folder, "f").check()
    (folder / "frame3.png").write_bytes(b"")
    with pytest.raises(ImageFileError, match=r"frame3\.png: not a readable image"):
        FrameFolder(folder, "f").check()


@pytest.mark.parametrize("pixels", [0.25, 0.75, 1.5, 3.0])
def test_flow_finds_a_known_displacement(pixels):
    before, after = moving([pixels], start=2)
    motion = measure_motion(before, after, 50)
    assert motion.displacement == pytest.approx(pixels, abs=0.1)
    assert motion.matching_error < 1.5


def test_a_small_fast_object_is_in_the_percentile_and_not_in_the_median():
    before, after = (texture().round().to(torch.uint8) for _ in range(2))
    square = texture(24, 24, seed=5).round().to(torch.uint8)
    before[:, 20:44, 20:44] = square
    after[:, 20:44, 24:48] = square
    assert measure_motion(before, after, 50).displacement < 0.5
    assert measure_motion(before, after, 99).displacement == pytest.approx(4, abs=0.7)


def test_the_matching_error_is_the_difference_that_flow_cannot_explain():
    flat = torch.full((3, 32, 32), 100, dtype=torch.uint8)
    assert measure_motion(flat, flat + 7, 99).matching_error == pytest.approx(7, abs=1e-3)
    with pytest.raises(ValueError, match="at least 16 pixels a side, found 8×32"):
        measure_motion(flat[:, :8], flat[:, :8], 99)


def test_averages_by_hand():
    frames = [torch.tensor([value], dtype=torch.uint8) for value in (0, 100, 255)]
    assert average_frames(frames, 1).tolist() == [118]
    light = ((100 / 255) ** 2.2 + 1) / 3
    assert average_frames(frames, 2.2).tolist() == [round(255 * light ** (1 / 2.2))] == [163]
    still = torch.arange(256).to(torch.uint8)
    for gamma in (1.0, 2.2):
        assert torch.equal(average_frames([still] * 9, gamma), still)


def cut(frames, recipe, **more):
    return list(windows(iter(frames), recipe, "s", **more))


def numbered(count):
    return [torch.full((3, 18, 32), index, dtype=torch.uint8) for index in range(count)]


def test_windows_follow_each_other_and_the_rest_is_reported():
    found = cut(numbered(17), Recipe(frames=(5, 5)))
    assert [(w.first, w.length, w.verdict) for w in found] == [
        *((5 * k, 5, "written") for k in range(3)),
        (15, 5, "too few frames"),
    ]
    assert [[int(frame[0, 0, 0]) for frame in w.frames] for w in found[:3]] == [
        list(range(5 * k, 5 * k + 5)) for k in range(3)
    ]
    assert [(w.number, w.following) for w in found] == [(0, 5), (1, 10), (2, 15), (3, 17)]
    assert len(cut(numbered(15), Recipe(frames=(5, 5)))) == 3


@pytest.mark.parametrize(("advance", "firsts"), [(2, range(0, 13, 2)), (7, (0, 7))])
def test_windows_may_overlap_or_leave_frames_out(advance, firsts):
    found = [w for w in cut(numbered(17), Recipe(frames=(5, 5), advance=advance)) if w.verdict == "written"]
    assert [w.first for w in found] == list(firsts)
    assert all([int(f[0, 0, 0]) for f in w.frames] == list(range(w.first, w.first + 5)) for w in found)


def test_lengths_are_odd_random_and_repeatable():
    lengths = [NAH.length("s", number) for number in range(200)]
    assert set(lengths) == {7, 9, 11, 13}
    assert lengths == [NAH.length("s", number) for number in range(200)]
    assert lengths != [NAH.length("t", number) for number in range(200)]
    assert {NOROOZI.length("s", number) for number in range(300)} == set(range(7, 24, 2))


def test_going_on_after_any_window_gives_the_rest():
    frames = moving([0.3] * 9 + [2] + [0.3] * 20)
    recipe = Recipe(frames=(3, 7), advance=2, max_flow=1.0)
    whole = cut(frames, recipe)
    assert {w.verdict for w in whole} == {"written", "flow too large", "too few frames"}
    for last in whole[:-1]:
        rest = windows(iter(frames[last.following :]), recipe, "s", start=last.following, number=last.number + 1)
        assert list(rest) == whole[last.number + 1 :]


def test_windows_are_dropped_where_something_moves_too_far():
    frames = moving([0.5] * 7 + [2.0] + [0.5] * 7)
    recipe = Recipe(frames=(5, 5), max_flow=1.0)
    found = cut(frames, recipe)
    assert [(w.first, w.verdict) for w in found] == [
        (0, "written"),
        (5, "flow too large"),
        (8, "written"),
        (13, "too few frames"),
    ]
    assert found[0].flow == pytest.approx(0.5, abs=0.15)
    assert found[1].flow == pytest.approx(2.0, abs=0.3)
    assert [w.verdict for w in cut(frames, Recipe(frames=(5, 5)))] == ["written"] * 3 + ["too few frames"]


def test_downsampling_makes_frames_and_flow_smaller():
    frames = [F.interpolate(frame[None].float(), scale_factor=3.0)[0].to(torch.uint8) for frame in moving([0.5] * 6)]
    (found,) = cut(frames, Recipe(frames=(7, 7), downsample=3, max_flow=1.0))
    assert found.verdict == "written"
    assert torch.equal(found.frames[3], moving([0.5] * 6)[3])
    assert cut([torch.zeros(3, 65, 82, dtype=torch.uint8)], Recipe(downsample=3))[0].verdict == "too few frames"


def test_windows_do_not_cross_scene_cuts_gaps_and_flow_that_cannot_be_trusted():
    one, other = moving([0.2] * 5), [255 - frame for frame in moving([0.2] * 5)]
    for recipe in (Recipe(frames=(5, 5)), Recipe(frames=(5, 5), max_flow=1.0)):
        assert [(w.first, w.verdict) for w in cut(one + other, recipe)] == [
            (0, "written"),
            (5, "scene cut"),
            (6, "written"),
            (11, "too few frames"),
        ]
    assert [w.verdict for w in cut(numbered(6), Recipe(frames=(3, 3)), breaks=frozenset({2}))] == [
        "gap in the numbering",
        "written",
        "too few frames",
    ]
    flicker = [frame // 2 + 10 * (index % 2) for index, frame in enumerate(moving([0.2] * 3))]
    assert cut(flicker, Recipe(frames=(3, 3), max_flow=1.0))[0].verdict == "flow not trusted"


@pytest.mark.parametrize(
    "wrong",
    [
        {"frames": (6, 12)},
        {"frames": (9, 7)},
        {"frames": (1, 7)},
        {"advance": -1},
        {"downsample": 0},
        {"averages": ("blurry",)},
        {"averages": ()},
        {"max_flow": 0.0},
        {"flow_percentile": 101.0},
    ],
)
def test_recipes_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match="expected"):
        Recipe(**wrong)


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
