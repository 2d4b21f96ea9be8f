"""Motions and exposures: paths by their promises, averages by hand-computed ones."""

import math
from dataclasses import replace

import pytest
import torch

from training.data.exposure import FRAMES_AT_ONCE, Layer, expose, exposure_times
from training.data.motion import (
    Motion,
    Motions,
    MotionSettings,
    corner_tracks,
    draw_extent,
    draw_motion,
    frames_needed,
)

SIZE = (48, 64)
CPU = torch.device("cpu")


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def slide(x=0.0, y=0.0):
    """A steady translation by so many pixels over the exposure."""
    coefficients = torch.zeros(4, 4, dtype=torch.float64)
    coefficients[0, 0], coefficients[1, 0] = x, y
    return Motion(coefficients)


def placed(x, y):
    return torch.tensor([[1.0, 0, x], [0, 1.0, y], [0, 0, 1.0]], dtype=torch.float64)


@pytest.mark.parametrize("seed", range(20))
def test_nothing_moves_more_than_a_pixel_between_two_frames(seed):
    settings = MotionSettings(roll_std=0.03, zoom_std=0.03)
    camera, own = (draw_motion(settings, 30.0, SIZE, rng(2 * seed + number)) for number in range(2))
    for motion in (camera, Motions((camera, own))):
        tracks = corner_tracks(motion.homographies(exposure_times(frames_needed(motion, SIZE))), SIZE)
        assert tracks.diff(dim=0).norm(dim=-1).max() <= 1.0 + 1e-2


def test_the_middle_of_the_exposure_is_the_identity():
    motion = draw_motion(MotionSettings(), 30.0, SIZE, rng())
    identity = torch.eye(3, dtype=torch.float64)
    torch.testing.assert_close(Motions((motion, motion)).homographies(torch.zeros(1))[0], identity)


def test_the_path_has_the_length_that_was_asked_for():
    motion = draw_motion(MotionSettings(), 25.0, SIZE, rng())
    x, y, _, _ = motion.tracks(exposure_times(501))
    assert float(torch.stack((x, y)).diff(dim=1).norm(dim=0).sum()) == pytest.approx(25.0, rel=0.02)


def test_no_corner_goes_farther_than_the_longest_path():
    settings = MotionSettings(roll_std=0.1, zoom_std=0.1, extent_max=20.0)
    for seed in range(20):
        tracks = corner_tracks(draw_motion(settings, 20.0, SIZE, rng(seed)).homographies(exposure_times(101)), SIZE)
        assert (tracks - tracks[50]).norm(dim=-1).max() <= 20.0 * 1.02


def test_most_paths_are_nearly_straight():
    straightness = []
    for seed in range(200):
        tracks = draw_motion(MotionSettings(), 20.0, SIZE, rng(seed)).tracks(exposure_times(101))[:2]
        straightness.append(float((tracks[:, -1] - tracks[:, 0]).norm() / tracks.diff(dim=1).norm(dim=0).sum()))
    straightness = torch.tensor(straightness)
    assert straightness.median() > 0.9
    assert straightness.min() < 0.7


def test_roll_and_zoom_turn_and_magnify_about_the_centre():
    coefficients = torch.zeros(4, 4, dtype=torch.float64)
    coefficients[2, 0], coefficients[3, 0] = 0.2, 0.1
    maps = Motion(coefficients, centre=(5.0, -3.0)).homographies(torch.tensor([0.5]))
    torch.testing.assert_close(
        maps[0] @ torch.tensor([5.0, -3.0, 1.0]).double(), torch.tensor([5.0, -3.0, 1.0]).double()
    )
    turned = (maps[0] @ torch.tensor([15.0, -3.0, 1.0]).double())[:2] - torch.tensor([5.0, -3.0])
    assert turned.tolist() == pytest.approx([10.5 * math.cos(0.1), 10.5 * math.sin(0.1)])


def test_a_camera_that_turns_gives_perspective():
    """A turn by a small angle moves the middle by f tan(angle), and a point at u by f tan(angle + atan(u / f))."""
    focal, angle = 500.0, 0.02
    motion = replace(slide(x=2 * focal * math.tan(angle)), focal=focal)
    place = motion.homographies(torch.tensor([0.5]))[0] @ torch.tensor([100.0, 0, 1]).double()
    expected = focal * math.tan(angle + math.atan(100 / focal))
    assert float(place[0] / place[2]) == pytest.approx(expected, abs=1e-6)


def test_extents_keep_to_their_settings():
    settings, generator = MotionSettings(), rng()
    extents = torch.tensor([draw_extent(settings, generator) for _ in range(4000)])
    assert extents.min() >= 0
    assert extents.max() <= settings.extent_max
    assert extents.mean() == pytest.approx(settings.extent_mean * (1 - settings.still), rel=0.08)
    assert float((extents <= 1).float().mean()) == pytest.approx(settings.still, abs=0.02)


@pytest.mark.parametrize("wrong", [{"still": 2.0}, {"extent_mean": -1.0}, {"focal_min": 0.0}, {"focal_max": 10.0}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match="expected"):
        MotionSettings(**wrong)


def test_frames_come_at_the_middles_of_equal_parts():
    assert exposure_times(4).tolist() == [-0.375, -0.125, 0.125, 0.375]


def test_a_moving_edge_is_averaged_over_its_path():
    """A vertical edge that moves evenly by 8 pixels becomes a ramp 8 pixels wide."""
    light = torch.zeros(3, 32, 64)
    light[..., 32:] = 1
    blurry, sharp = expose([[Layer(light, slide(x=8.0), placed(31.5, 15.5))]], (4, 40), CPU)
    torch.testing.assert_close(sharp[0, 0], light[0, 10:14, 12:52])
    ramp = ((torch.arange(40) - 19.5) / 8 + 0.5).clamp(0, 1)
    torch.testing.assert_close(blurry[0, 0, 0], ramp, atol=0.02, rtol=0)


def test_a_translation_is_the_average_along_a_line():
    light = torch.rand(3, 40, 60, generator=rng())
    blurry, sharp = expose([[Layer(light, slide(x=4 * FRAMES_AT_ONCE), placed(29.5, 19.5))]], (20, 30), CPU)
    torch.testing.assert_close(sharp[0], light[:, 10:30, 15:45], atol=1e-4, rtol=0)
    offsets = exposure_times(4 * FRAMES_AT_ONCE) * 4 * FRAMES_AT_ONCE
    expected = torch.zeros(3, 20, 30)
    for offset in offsets.tolist():  # halves of pixels: the mean of two neighbours
        left = 15 + math.floor(offset)
        expected += (light[:, 10:30, left : left + 30] + light[:, 10:30, left + 1 : left + 31]) / 2
    torch.testing.assert_close(blurry[0], expected / len(offsets), atol=1e-4, rtol=0)


def test_an_object_hides_what_is_behind_it_and_blurs_where_it_moves():
    background = torch.rand(3, 120, 120, generator=rng())
    front = torch.zeros(4, 21, 21)
    front[:3], front[3, 5:16, 5:16] = 1, 1
    layers = [Layer(background, slide(), placed(60.0, 60.0)), Layer(front, slide(x=12.0), placed(10.0, 10.0))]
    (blurry,), (sharp,) = expose([layers], (81, 81), CPU)
    assert torch.equal(sharp[:, 36:45, 36:45], torch.ones(3, 9, 9))
    seen = background[:, 20:101, 20:101]
    uncovered = torch.ones(81, 81, dtype=torch.bool)
    uncovered[34:47, 28:53] = False  # the square of 11 pixels and 6 more to either side
    torch.testing.assert_close(blurry[:, uncovered], seen[:, uncovered], atol=1e-4, rtol=0)
    # Where the square's edge passes in the middle of the exposure it hides the background half of the time.
    expected = (1 + seen[:, 36:45, [34, 46]]) / 2
    torch.testing.assert_close(blurry[:, 36:45, [34, 46]], expected, atol=0.06, rtol=0)


def test_exposures_with_other_numbers_of_layers_and_frames_do_not_mix():
    exposures = []
    for seed, (length, count) in enumerate([(3, 1), (30, 2), (0, 1), (12, 3), (7, 2)]):
        layers = [Layer(torch.rand(3, 90, 90, generator=rng(seed)), slide(x=length), placed(44.5, 44.5))]
        for depth in range(1, count):
            front = torch.rand(4, 20, 20, generator=rng(10 * seed + depth))
            layers.append(Layer(front, Motions((slide(x=length), slide(y=5.0))), placed(10.0 + 5 * depth, 10.0)))
        exposures.append(layers)
    together = expose(exposures, (32, 40), CPU)
    for index, layers in enumerate(exposures):
        alone = expose([layers], (32, 40), CPU)
        assert torch.equal(alone[0][0], together[0][index])
        assert torch.equal(alone[1][0], together[1][index])
