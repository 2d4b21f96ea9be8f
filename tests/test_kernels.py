"""The shift-invariant baseline: kernels that are paths, and convolution that is convolution."""

from dataclasses import replace

import pytest
import torch
from scipy.signal import convolve2d

from training.data.exposure import Layer, expose
from training.data.kernels import KernelBlur, KernelSettings, convolve, draw_path, motion_kernel
from training.data.motion import Motion, MotionSettings, draw_motion


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def steady(x, y):
    coefficients = torch.zeros(4, 4, dtype=torch.float64)
    coefficients[0, 0], coefficients[1, 0] = x, y
    return Motion(coefficients)


@pytest.mark.parametrize("number", [0, 1, 50_000, 99_999])
def test_kernels_are_paths_that_add_up_to_one(number):
    kernel = motion_kernel(number)
    assert kernel.shape == (41, 41)
    assert float(kernel.sum()) == pytest.approx(1, abs=1e-5)
    assert kernel.min() >= 0
    assert torch.equal(kernel, motion_kernel(number))
    assert not torch.equal(kernel, motion_kernel(number, seed=1))
    connected = torch.nn.functional.max_pool2d((kernel > 0).float()[None, None], 3, 1, 1)[0, 0]
    assert connected[20, 20] == 1  # the path passes the middle of the exposure


def test_there_are_as_many_kernels_as_the_settings_say():
    settings = KernelSettings(count=3)
    kernels = [motion_kernel(number, settings) for number in range(3)]
    assert not torch.equal(kernels[0], kernels[1])
    with pytest.raises(IndexError, match="from 0 to 2, found 3"):
        motion_kernel(3, settings)
    for wrong in ({"count": 0}, {"side": 40}):
        with pytest.raises(ValueError, match="odd side"):
            KernelSettings(**wrong)


def test_a_steady_path_is_an_even_line_about_the_middle():
    kernel = draw_path(steady(8.0, 0.0), 8.0, 13)
    expected = torch.zeros(13, 13)
    expected[6, 3:10] = 1 / 8
    expected[6, [2, 10]] = 1 / 16
    torch.testing.assert_close(kernel, expected, atol=2e-3, rtol=0)
    torch.testing.assert_close(draw_path(steady(0.0, 8.0), 8.0, 13), expected.T, atol=2e-3, rtol=0)
    point = torch.zeros(13, 13)
    point[6, 6] = 1
    torch.testing.assert_close(draw_path(steady(0.0, 0.0), 0.0, 13), point)


def test_a_path_that_does_not_fit_is_made_smaller():
    kernel = draw_path(steady(100.0, 50.0), 112.0, 21)
    assert float(kernel.sum()) == pytest.approx(1, abs=1e-5)
    columns, rows = ((kernel.sum(dim=dim) > 0).nonzero().flatten() for dim in (0, 1))
    assert (columns.min(), columns.max()) == (0, 20)
    assert (rows.min(), rows.max()) == (5, 15)


def test_convolution_is_that_of_scipy():
    images, kernels = torch.rand(3, 2, 40, 47, generator=rng()), torch.rand(3, 9, 9, generator=rng(1))
    convolved = convolve(images, kernels)
    assert convolved.shape == (3, 2, 32, 39)
    for image, kernel, result in zip(images, kernels, convolved, strict=True):
        for channel, expected in zip(image.numpy(), result, strict=True):
            direct = torch.from_numpy(convolve2d(channel, kernel.numpy(), mode="valid"))
            torch.testing.assert_close(expected, direct, atol=1e-4, rtol=0)


def test_a_kernel_is_what_the_virtual_camera_sees():
    motion = draw_motion(MotionSettings(roll_std=0.0, zoom_std=0.0), 12.0, (32, 32), rng(3))
    motion = Motion(motion.coefficients, motion.frequency)
    coarse = torch.rand(1, 3, 16, 16, generator=rng(4))
    light = torch.nn.functional.interpolate(coarse, size=(80, 80), mode="bicubic")[0]
    place = torch.tensor([[1.0, 0, 39.5], [0, 1, 39.5], [0, 0, 1]], dtype=torch.float64)
    blurry, sharp = expose([[Layer(light, motion, place)]], (40, 40), torch.device("cpu"))
    convolved = convolve(light[None, :, :, :], draw_path(motion, 12.0, 41)[None])
    torch.testing.assert_close(blurry[0], convolved[0], atol=0.01, rtol=0)
    torch.testing.assert_close(sharp[0], light[:, 20:60, 20:60], atol=1e-4, rtol=0)


def test_the_source_numbers_its_pairs():
    photographs = [torch.randint(0, 256, (3, 60, 70), generator=rng(seed)).to(torch.uint8) for seed in range(3)]
    source = KernelBlur(photographs, KernelSettings(count=50, side=21), seed=3)
    batch = source.draw([7, 0, 5], 48)
    assert batch.shape == (3, 6, 48, 48)
    assert batch.dtype == torch.uint8
    assert torch.equal(source.draw([5], 48)[0], batch[2])
    assert source.draw([], 48).shape == (0, 6, 48, 48)
    assert not torch.equal(replace(source, seed=4).draw([5], 48)[0], batch[2])
    whole = torch.cat([photograph.unfold(1, 48, 1).unfold(2, 48, 1).flatten(1, 2) for photograph in photographs], 1)
    assert any(torch.equal(batch[1, 3:], patch) for patch in whole.transpose(0, 1))
    with pytest.raises(ValueError, match="at least one photograph"):
        KernelBlur([])


def test_no_motion_gives_no_blur():
    photograph = torch.randint(0, 256, (3, 60, 70), generator=rng()).to(torch.uint8)
    settings = KernelSettings(motion=MotionSettings(extent_max=0.0))
    batch = KernelBlur([photograph], settings).draw(range(3), 40)
    assert torch.equal(batch[:, :3], batch[:, 3:])
