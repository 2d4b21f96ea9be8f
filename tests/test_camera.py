"""The virtual camera: what it promises of its frames and of its light."""

from dataclasses import replace

import pytest
import torch

from training.data.camera import CameraSettings, Layer, Motion, draw_extent, expose, photograph, soft_blob

SIZE = (48, 64)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def picture(seed=0, height=200, width=240):
    return torch.randint(0, 256, (3, height, width), generator=rng(seed)).to(torch.uint8)


def corner_tracks(motion, frames):
    h, w = SIZE
    corners = torch.tensor([[x, y, 1.0] for x in (-w / 2, 0, w / 2) for y in (-h / 2, 0, h / 2)])
    moved = corners @ motion.homographies(torch.linspace(-0.5, 0.5, frames)).transpose(1, 2)
    return moved[..., :2] / moved[..., 2:]


@pytest.mark.parametrize("seed", range(20))
def test_nothing_moves_more_than_a_pixel_between_two_frames(seed):
    motion = Motion(CameraSettings(), extent=30.0, rng=rng(seed))
    frames = motion.frames_needed(SIZE)
    assert frames % 2 == 1
    assert corner_tracks(motion, frames).diff(dim=0).norm(dim=-1).max() <= 1.0 + 1e-3


def test_the_middle_of_the_exposure_is_the_identity():
    motion = Motion(CameraSettings(), extent=30.0, rng=rng())
    torch.testing.assert_close(motion.homographies(torch.zeros(1))[0], torch.eye(3), atol=1e-5, rtol=0)


def test_the_path_has_the_length_that_was_asked_for():
    motion = Motion(replace(CameraSettings(), roll_std=0.0, zoom_std=0.0, perspective_std=0.0), 25.0, rng())
    length = corner_tracks(motion, 501)[:, 4].diff(dim=0).norm(dim=-1).sum()
    assert float(length) == pytest.approx(25.0, rel=0.02)


def test_a_moving_edge_is_averaged_over_its_path():
    """A vertical edge that moves evenly by 8 pixels becomes a ramp 8 pixels wide, in the light of the picture."""

    class Slide:
        def homographies(self, t):
            shift = torch.eye(3).repeat(len(t), 1, 1)
            shift[:, 0, 2] = 8 * t
            return shift

    light = torch.zeros(3, 32, 64)
    light[..., 32:] = 1
    place = torch.tensor([[1.0, 0, 31.5], [0, 1.0, 15.5], [0, 0, 1.0]])
    blurry, sharp = expose([Layer(light, Slide(), place)], frames=801, size=(4, 40))
    torch.testing.assert_close(sharp[0, 0], light[0, 0, 12:52])
    ramp = ((torch.arange(40) - 19.5) / 8 + 0.5).clamp(0, 1)
    torch.testing.assert_close(blurry[0, 0], ramp, atol=0.02, rtol=0)


def test_a_camera_that_stands_still_gives_no_blur():
    settings = replace(CameraSettings(), extent_max=0.0, still=0.0, objects=(1.0,), noise_max=0.0, highlights=0.0)
    blurry, sharp = photograph([picture()], SIZE, settings, rng())
    assert (blurry.int() - sharp.int()).abs().max() <= 1


def test_a_moving_object_blurs_only_where_it_is():
    settings = replace(CameraSettings(), extent_max=0.0, noise_max=0.0, highlights=0.0, gamma_linear=1.0)
    still, moving = Motion(settings, 0.0, rng()), Motion(replace(settings, roll_std=0.0), 12.0, rng(1))
    place = torch.tensor([[1.0, 0, 100.0], [0, 1.0, 100.0], [0, 0, 1.0]])
    front = torch.zeros(4, 21, 21)
    front[:, 5:16, 5:16] = 1
    centred = torch.tensor([[1.0, 0, 10.0], [0, 1.0, 10.0], [0, 0, 1.0]])
    layers = [Layer(picture().float() / 255, still, place), Layer(front, moving, centred)]
    blurry, sharp = expose(layers, moving.frames_needed((81, 81)), (81, 81))
    changed = (blurry - sharp).abs().amax(dim=0) > 1e-3
    assert changed[25:56, 25:56].any()
    changed[20:61, 20:61] = False
    assert not changed.any()


def test_the_same_seed_gives_the_same_images_and_another_one_others():
    pictures = [picture(seed) for seed in range(3)]
    first, second, third = (photograph(pictures, SIZE, CameraSettings(), rng(seed)) for seed in (5, 5, 6))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not torch.equal(first[0], third[0])
    assert [image.shape for image in first] == [(3, *SIZE)] * 2
    assert {image.dtype for image in first} == {torch.uint8}


def test_noise_is_on_the_blurry_image_alone():
    settings = replace(CameraSettings(), extent_max=0.0, still=0.0, objects=(1.0,), noise_max=20.0, highlights=0.0)
    flat = torch.full((3, 100, 100), 128, dtype=torch.uint8)
    images = [photograph([flat], SIZE, settings, rng(seed)) for seed in range(12)]
    assert all((sharp.int() - 128).abs().max() <= 1 for _, sharp in images)
    assert any(blurry.float().std() > 2 for blurry, _ in images)


def test_extents_keep_to_their_settings():
    settings = CameraSettings()
    extents = torch.tensor([draw_extent(settings, generator) for generator in [rng()] for _ in range(4000)])
    assert extents.min() >= 0
    assert extents.max() <= settings.extent_max
    assert extents.mean() == pytest.approx(settings.extent_mean * (1 - settings.still), rel=0.12)


def test_an_objects_outline_is_closed():
    for seed in range(5):
        blob = soft_blob(64, rng(seed))
        border = torch.cat((blob[0], blob[-1], blob[:, 0], blob[:, -1]))
        assert border.max() == 0
        assert 0 <= blob.min() <= blob.max() <= 1
        assert blob.mean() > 0.02
