"""PSNR and SSIM against skimage and SciPy."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from deblur import psnr, ssim


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    sharp = gaussian_filter(rng.random((2, 40, 53, 3)), (0, 1, 1, 0))
    return sharp, np.clip(sharp + 0.05 * rng.standard_normal(sharp.shape), 0, 1)


def tensors(images):
    return [torch.from_numpy(batch).permute(0, 3, 1, 2) for batch in images]


def test_psnr_equals_skimage(images):
    sharp, noisy = images
    expected = [peak_signal_noise_ratio(s, n, data_range=1) for s, n in zip(*images, strict=True)]
    np.testing.assert_allclose(psnr(*tensors((noisy, sharp))).numpy(), expected, rtol=1e-12)


def test_psnr_of_equal_images_is_infinite():
    image = torch.rand(1, 3, 16, 16)
    assert psnr(image, image).isinf().all()


@pytest.mark.parametrize("data_range", [1.0, 255.0])
def test_gaussian_ssim_equals_skimage(images, data_range):
    sharp, noisy = (batch * data_range for batch in images)
    options = {"channel_axis": -1, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    expected = [
        structural_similarity(s, n, data_range=data_range, **options) for s, n in zip(sharp, noisy, strict=True)
    ]
    np.testing.assert_allclose(ssim(*tensors((noisy, sharp)), data_range).numpy(), expected, rtol=1e-10)


def test_uniform_ssim_equals_skimages_default(images):
    expected = [structural_similarity(s, n, data_range=1, channel_axis=-1) for s, n in zip(*images, strict=True)]
    np.testing.assert_allclose(ssim(*tensors(images), window="uniform").numpy(), expected, rtol=1e-10)


def test_3d_ssim_is_wangs_formula_with_a_replicated_11x11x11_window(images):
    def average(volume):
        return gaussian_filter(volume, 1.5, mode="nearest", radius=5)

    expected = []
    for x, y in zip(*images, strict=True):
        mx, my = average(x), average(y)
        vx, vy, cov = average(x * x) - mx**2, average(y * y) - my**2, average(x * y) - mx * my
        c1, c2 = 0.01**2, 0.03**2
        value = (2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
        expected.append(value.mean())
    np.testing.assert_allclose(ssim(*tensors(images), window="gaussian-3d").numpy(), expected, rtol=1e-10)


def test_equal_images_have_ssim_one():
    image = torch.rand(1, 3, 16, 16)
    for window in ("gaussian", "uniform", "gaussian-3d"):
        torch.testing.assert_close(ssim(image, image, window=window), torch.ones(1))


def test_gradients_flow():
    image = torch.rand(1, 3, 16, 16, requires_grad=True)
    (ssim(image, torch.rand(1, 3, 16, 16)) + psnr(image, torch.rand(1, 3, 16, 16))).sum().backward()
    assert image.grad is not None
    assert image.grad.isfinite().all()


def test_unequal_shapes_and_tiny_images_are_refused():
    with pytest.raises(ValueError, match="of one shape"):
        psnr(torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 9))
    with pytest.raises(ValueError, match="11×11"):
        ssim(torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8))
