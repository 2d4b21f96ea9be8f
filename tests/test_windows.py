"""Optical flow and the windows that it lets pass."""

import pytest
import torch
from torch.nn import functional as F

from tests.moving_scene import moving, texture
from training.data.flow import measure_motion
from training.data.windows import NAH, NOROOZI, Recipe, windows


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
