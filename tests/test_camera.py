"""The virtual camera: what it promises of its pictures, of its light and of its randomness."""

from dataclasses import replace

import pytest
import torch

from training import blur
from training.data.camera import CameraSettings, draw_development, photograph
from training.data.cutout import cut_box, soft_blob, soften
from training.data.development import Development, add_noise, develop, through_jpeg, to_light
from training.data.exposure import Layer, expose
from training.data.motion import Motion, MotionSettings
from training.data.virtual_camera import VirtualCamera

SIZE = (48, 64)
STILL = MotionSettings(extent_max=0.0)
PLAIN = CameraSettings(camera=STILL, objects=(1.0,), noise=0.0, highlights=0.0)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def picture(seed=0, height=200, width=240):
    return torch.randint(0, 256, (3, height, width), generator=rng(seed)).to(torch.uint8)


def smooth_picture(seed=0):
    coarse = torch.rand(1, 3, 20, 24, generator=rng(seed))
    fine = torch.nn.functional.interpolate(coarse, size=(200, 240), mode="bicubic").clamp(0, 1)
    return (fine[0] * 255).to(torch.uint8)


@pytest.mark.parametrize("gamma_linear", [0.0, 1.0])
def test_a_camera_that_stands_still_gives_no_blur(gamma_linear):
    settings = replace(PLAIN, gamma_linear=gamma_linear, gamma_full=1 - gamma_linear)
    (pair,) = photograph([[picture()]], SIZE, settings, [rng()])
    assert (pair[:3].int() - pair[3:].int()).abs().max() <= 1
    assert pair[3:].float().std() > 20


def test_an_image_depends_on_its_own_generator_alone():
    pictures = [[picture(3 * sample + number) for number in range(3)] for sample in range(5)]
    settings = replace(CameraSettings(), jpeg=0.5)
    batch = photograph(pictures, SIZE, settings, [rng(seed) for seed in range(5)])
    alone = [photograph([own], SIZE, settings, [rng(seed)]) for seed, own in enumerate(pictures)]
    assert torch.equal(batch, torch.cat(alone))
    assert batch.shape == (5, 6, *SIZE)
    assert batch.dtype == torch.uint8


def test_the_same_generator_gives_the_same_image_and_another_one_another():
    pictures = [[picture(number) for number in range(3)]] * 3
    first, second, third = photograph(pictures, SIZE, CameraSettings(), [rng(seed) for seed in (5, 5, 6)])
    assert torch.equal(first, second)
    assert not torch.equal(first, third)


def test_blur_takes_away_detail_and_a_longer_path_more_of_it():
    def detail(image):
        return float(image.float().diff(dim=-1).abs().mean() + image.float().diff(dim=-2).abs().mean())

    pictures = [[smooth_picture(seed)] for seed in range(6)]
    details = []
    for extent in (0.0, 6.0, 24.0):
        motion = MotionSettings(extent_mean=extent, extent_shape=8, extent_max=1.5 * extent, still=0.0)
        batch = photograph(pictures, SIZE, replace(PLAIN, camera=motion), [rng(seed) for seed in range(6)])
        details.append(detail(batch[:, :3]) / detail(batch[:, 3:]))
    assert details[0] == pytest.approx(1, abs=0.02)
    assert details[0] > details[1] > details[2]


def test_photographs_smaller_than_the_image_are_mirrored():
    (pair,) = photograph([[picture(height=40, width=50)]], SIZE, CameraSettings(), [rng()])
    assert pair.shape == (6, *SIZE)
    assert pair[3:].float().std(dim=1).min() > 0


def test_parts_beyond_a_picture_are_its_mirror_image():
    image = torch.arange(12).view(1, 3, 4)
    assert torch.equal(cut_box(image, 1, 1, 2, 3), image[:, 1:3, 1:4])
    mirrored = cut_box(image, -2, -5, 8, 11)
    rows, columns = [1, 0, 0, 1, 2, 2, 1, 0], [3, 3, 2, 1, 0, 0, 1, 2, 3, 3, 2]
    assert torch.equal(mirrored, image[:, rows][:, :, columns])


def test_light_and_values_are_each_others_inverse():
    values = torch.arange(256, dtype=torch.uint8).expand(3, 1, 256)
    for gamma in (1.0, 1.6, 2.2):
        development = Development(gamma=gamma)
        light = to_light(values, development)
        assert float(light[0, 0, 128]) == pytest.approx((128 / 255) ** gamma, rel=1e-6)
        assert torch.equal((develop(light, development) * 255).round().to(torch.uint8), values)


def test_the_average_of_black_and_white_depends_on_the_response():
    """Half a bright edge's time in light is more than half in values: 0.5^(1/2.2) = 0.73 for 0.5."""
    edge = torch.tensor([0, 255], dtype=torch.uint8).expand(3, 1, 2)
    for gamma, expected in ((1.0, 0.5), (2.2, 0.7297)):
        development = Development(gamma=gamma)
        average = to_light(edge, development).mean(dim=2, keepdim=True)
        assert float(develop(average, development)[0]) == pytest.approx(expected, abs=1e-4)


def test_highlights_streak_brighter_than_they_were_clipped():
    """A white pixel that light of three times white fell on stays bright when spread over three pixels."""
    point = torch.zeros(3, 1, 3, dtype=torch.uint8)
    point[:, :, 1] = 255
    plain, boosted = (to_light(point, Development(boost=boost)) for boost in (1.0, 3.0))
    assert float(plain.mean()) == pytest.approx(1 / 3)
    assert float(boosted.mean()) == pytest.approx(1)
    assert torch.equal(develop(boosted, Development(boost=3.0)), point.float() / 255)
    grey = torch.full((3, 1, 1), 200, dtype=torch.uint8)
    assert torch.equal(to_light(grey, Development(boost=3.0)), to_light(grey, Development()))


def test_a_small_light_leaves_a_brighter_streak_when_its_clipped_light_is_known():
    lamp = torch.zeros(3, 21, 61, dtype=torch.uint8)
    lamp[:, 9:12, 29:32] = 255
    path = torch.zeros(4, 4, dtype=torch.float64)
    path[0, 0] = 12.0
    place = torch.tensor([[1.0, 0, 30], [0, 1, 10], [0, 0, 1]], dtype=torch.float64)
    streaks = []
    for boost in (1.0, 3.0):
        development = Development(boost=boost)
        layer = Layer(to_light(lamp, development), Motion(path), place)
        blurry, sharp = (develop(image[0], development) for image in expose([[layer]], (21, 61), torch.device("cpu")))
        assert torch.equal(sharp, lamp.float() / 255)
        streaks.append(float(blurry[0, 10, 30]))
    assert streaks == pytest.approx([3 / 12, 9 / 12], abs=0.02)


@pytest.mark.parametrize("value", [0.2, 0.5, 0.9])
def test_noise_has_the_variance_of_a_sensor(value):
    development = Development(shot_noise=2e-4, read_noise=2e-3, noise_seed=7)
    noisy = add_noise(torch.full((3, 200, 200), value), development)
    light = noisy.double() ** 2.2
    expected = 2e-4 * value**2.2 + 2e-3**2
    assert float(light.mean()) == pytest.approx(value**2.2, rel=0.01)
    assert float(light.var()) == pytest.approx(expected, rel=0.03)
    assert torch.equal(noisy, add_noise(torch.full((3, 200, 200), value), development))


def test_noise_is_on_the_blurry_image_alone():
    flat = torch.full((3, 100, 100), 128, dtype=torch.uint8)
    settings = replace(PLAIN, noise=1.0, read_noise_max=0.05)
    batch = photograph([[flat]] * 6, SIZE, settings, [rng(seed) for seed in range(6)])
    assert (batch[:, 3:].int() - 128).abs().max() <= 1
    assert batch[:, :3].float().std() > 2


def test_jpeg_is_asked_for_by_its_probability_and_loses_more_at_lower_quality():
    generator = rng()
    drawn = [draw_development(replace(CameraSettings(), jpeg=0.3), generator).jpeg_quality for _ in range(400)]
    qualities = [quality for quality in drawn if quality is not None]
    assert len(qualities) == pytest.approx(120, abs=30)
    assert min(qualities) >= 70
    assert max(qualities) <= 98
    assert all(draw_development(CameraSettings(), generator).jpeg_quality is None for _ in range(50))
    image = smooth_picture()[:, :64, :64]
    errors = [(through_jpeg(image, quality).int() - image.int()).abs().float().mean() for quality in (98, 70, 20)]
    assert 0 < errors[0] < errors[1] < errors[2] < 10


def test_the_responses_are_drawn_with_their_probabilities():
    generator = rng()
    gammas = torch.tensor([draw_development(CameraSettings(), generator).gamma for _ in range(2000)])
    assert float((gammas == 1.0).float().mean()) == pytest.approx(0.5, abs=0.04)
    assert float((gammas == 2.2).float().mean()) == pytest.approx(0.2, abs=0.04)
    assert gammas.min() == 1
    assert gammas.max() <= 2.2


def test_softening_is_a_gaussian():
    point = torch.zeros(1, 21, 21)
    point[0, 10, 10] = 1
    spread = soften(point, 1.5)[0]
    offsets = torch.arange(21.0) - 10
    assert float(spread.sum()) == pytest.approx(1, abs=1e-5)
    assert float(spread.sum(dim=0) @ offsets.square()) == pytest.approx(1.5**2, rel=0.05)
    torch.testing.assert_close(spread, spread.T)
    assert torch.equal(soften(point, 0.0), point)


def test_an_objects_outline_is_closed():
    for seed in range(5):
        blob = soft_blob(64, rng(seed), torch.device("cpu"))
        border = torch.cat((blob[0], blob[-1], blob[:, 0], blob[:, -1]))
        assert border.max() == 0
        assert 0 <= blob.min() <= blob.max() <= 1
        assert blob.mean() > 0.02


def test_objects_appear_with_their_probability():
    black, white = torch.zeros(3, 200, 240, dtype=torch.uint8), torch.full((3, 200, 240), 255, dtype=torch.uint8)
    for objects, share in (((1.0,), 0.0), ((0.0, 1.0), 1.0)):
        settings = replace(PLAIN, object=STILL, objects=objects)
        batch = photograph([[black, white]] * 12, SIZE, settings, [rng(seed) for seed in range(12)])
        with_object = (batch[:, 3:].flatten(1).amax(dim=1) > 128).float().mean()
        assert float(with_object) >= 0.7 * share
        assert float(with_object) <= share


def test_the_source_numbers_its_renderings():
    camera = VirtualCamera([picture(seed) for seed in range(4)], seed=3)
    batch = camera.draw([7, 0, 5], 32)
    assert batch.shape == (3, 6, 32, 32)
    assert torch.equal(camera.draw([5], 32)[0], batch[2])
    assert camera.draw([], 32).shape == (0, 6, 32, 32)
    assert not torch.equal(replace(camera, seed=4).draw([5], 32)[0], batch[2])
    with pytest.raises(ValueError, match="at least one photograph"):
        VirtualCamera([])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_renders_what_the_cpu_renders():
    pictures = [picture(seed) for seed in range(4)]
    settings = replace(CameraSettings(), noise=0.0)
    on_cpu = VirtualCamera(pictures, settings).draw(range(8), 64)
    on_gpu = VirtualCamera([image.cuda() for image in pictures], settings, device="cuda").draw(range(8), 64)
    assert on_gpu.is_cuda
    assert ((on_gpu.cpu().int() - on_cpu.int()).abs() <= 1).float().mean() > 0.99


@pytest.mark.parametrize(
    "wrong",
    [{"noise": 1.5}, {"gamma_linear": 0.7, "gamma_full": 0.7}, {"objects": ()}, {"scale_min": 0.0}],
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match="expected"):
        replace(CameraSettings(), **wrong)


def test_the_command_blurs_a_photograph(tmp_path, monkeypatch, capsys):
    from deblur.commands.image_file import ImageFile, read_rgb, write_image

    source, blurry, sharp = (tmp_path / name for name in ("photo.png", "blurry.png", "sharp.png"))
    write_image(source, ImageFile(smooth_picture().float() / 255))
    arguments = ["blur", str(source), "-o", str(blurry), "--sharp", str(sharp), "--size", "48", "64", "--seed", "3"]
    monkeypatch.setattr("sys.argv", arguments)
    blur.main()
    assert read_rgb(blurry).shape == read_rgb(sharp).shape == (3, 48, 64)
    assert not torch.equal(read_rgb(blurry), read_rgb(sharp))
    with pytest.raises(SystemExit):
        blur.main()
    assert "exists; choose another name" in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", [*arguments[:2], "-o", str(tmp_path / "b.png"), "--sharp", str(tmp_path / "s.png")])
    with pytest.raises(SystemExit):
        blur.main()
    assert "is smaller than 480×720" in capsys.readouterr().err
