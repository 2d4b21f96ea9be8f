"""Pyramids and resizing against skimage, SciPy and hand-computed values."""

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate
from skimage.transform import pyramid_gaussian

from deblur import PYRAMID_KERNELS, build_pyramid
from deblur.padding import pad_to_multiple
from deblur.resize import double


@pytest.mark.parametrize("size", [(64, 48), (37, 51), (8, 5), (1, 3), (2, 2)])
def test_gaussian_equals_skimage(size):
    image = np.random.default_rng(0).random((*size, 3))
    expected = list(pyramid_gaussian(image, max_layer=2, channel_axis=-1))
    levels = build_pyramid(torch.from_numpy(image).permute(2, 0, 1)[None], len(expected))
    for level, reference in zip(levels, expected, strict=True):
        np.testing.assert_allclose(level[0].permute(1, 2, 0).numpy(), reference, atol=1e-12)


def test_gaussian_torch7_is_a_zero_padded_3x3_filter_on_the_mean_free_image():
    image = np.random.default_rng(0).random((3, 11, 8))
    line = np.array([0.2256, 0.5488, 0.2256])
    mean = image.mean(axis=(1, 2), keepdims=True)
    filtered = np.stack([correlate(plane, np.outer(line, line), mode="constant") for plane in image - mean])
    level = build_pyramid(torch.from_numpy(image)[None], 2, "gaussian-torch7")[1]
    np.testing.assert_allclose(level[0].numpy(), filtered[:, ::2, ::2] + mean, atol=1e-12)


def test_area_takes_means_of_2x2_pixels_and_of_what_is_there_at_odd_edges():
    image = torch.arange(15.0).view(1, 1, 3, 5)
    level = build_pyramid(image, 2, "area")[1]
    torch.testing.assert_close(level[0, 0], torch.tensor([[3.0, 5.0, 6.5], [10.5, 12.5, 14.0]]))


def test_bilinear_samples_every_level_from_the_full_resolution():
    image = torch.rand(1, 3, 16, 24)
    _, half, quarter = build_pyramid(image, 3, "bilinear")
    torch.testing.assert_close(half, torch.nn.functional.avg_pool2d(image, 2))
    middle = image.unfold(2, 4, 4).unfold(3, 4, 4)[..., 1:3, 1:3].mean(dim=(-2, -1))
    torch.testing.assert_close(quarter, middle)


def test_bilinear_legacy_takes_every_second_and_fourth_pixel():
    image = torch.rand(1, 3, 16, 24)
    _, half, quarter = build_pyramid(image, 3, "bilinear-legacy")
    assert torch.equal(half, image[..., ::2, ::2])
    assert torch.equal(quarter, image[..., ::4, ::4])


def test_doubling_as_tensorflow_1_copies_and_averages():
    image = torch.tensor([[[[0.0, 4.0], [8.0, 12.0]]]])
    expected = [[0.0, 2, 4, 4], [4, 6, 8, 8], [8, 10, 12, 12], [8, 10, 12, 12]]
    torch.testing.assert_close(double(image, "bilinear-legacy")[0, 0], torch.tensor(expected))


def test_doubling_with_half_pixel_centres():
    doubled = double(torch.tensor([[[[0.0, 4.0]]]]), "bilinear")
    torch.testing.assert_close(doubled[0, 0], torch.tensor([[0.0, 1, 3, 4], [0, 1, 3, 4]]))


@pytest.mark.parametrize("kernel", PYRAMID_KERNELS)
@pytest.mark.parametrize("size", [(1, 1), (5, 7), (32, 16)])
def test_sizes_are_halved_and_rounded_up(kernel, size):
    levels = build_pyramid(torch.rand(2, 3, *size), 3, kernel)
    expected = [tuple(-(-n // 2**k) for n in size) for k in range(3)]
    assert [tuple(level.shape[-2:]) for level in levels] == expected


@pytest.mark.parametrize("kernel", PYRAMID_KERNELS)
def test_a_flat_image_stays_flat_inside(kernel):
    for level in build_pyramid(torch.full((1, 3, 33, 20), 0.7), 3, kernel):
        torch.testing.assert_close(level, torch.full_like(level, 0.7))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((torch.rand(3, 8, 8), 2), "batch of images"),
        ((torch.zeros(1, 3, 8, 8, dtype=torch.uint8), 2), "floating-point"),
        ((torch.rand(1, 3, 8, 8), 0), "at least 1 pyramid level"),
        ((torch.rand(1, 3, 8, 8), 2, "lanczos"), "unknown pyramid kernel 'lanczos'; choose one of gaussian"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        build_pyramid(*arguments)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 6), (3, 50), (16, 17), (32, 32)])
@pytest.mark.parametrize(("border", "mode"), [("reflect", "reflect"), ("edge", "edge")])
def test_padding_equals_numpys(height, width, border, mode):
    image = torch.rand(1, 3, height, width)
    bottom, right = -height % 16, -width % 16
    expected = np.pad(image.numpy(), ((0, 0), (0, 0), (0, bottom), (0, right)), mode=mode)
    np.testing.assert_array_equal(pad_to_multiple(image, 16, border).numpy(), expected)
