"""Augmentation: what blurry and sharp share, what they do not, and what it depends on."""

import numpy as np
import pytest
import torch
from skimage.color import hsv2rgb, rgb2hsv

from training.data.augmentation import augment, crop_patches, saturate
from training.options import Recipe

PLAIN = {"flips": False, "permute_channels": False}


def images(batch=8, size=6):
    image = torch.randint(0, 256, (batch, 3, size, size), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    return torch.cat((image, image), dim=1)


def augmented(batch=8, step=0, **fields):
    return augment(images(batch), Recipe(batch=batch, **fields), step, range(batch))


def test_nothing_asked_for_changes_nothing():
    blurry, sharp = augmented(**PLAIN)
    assert torch.equal(blurry, images()[:, :3].float() / 255)
    assert torch.equal(blurry, sharp)


def test_geometry_and_colour_are_the_same_for_blurry_and_sharp():
    blurry, sharp = augmented(saturation=0.5)
    assert torch.equal(blurry, sharp)
    assert not torch.equal(blurry, images()[:, :3].float() / 255)


def test_all_eight_positions_and_six_orders_come_up():
    pair = images(1).repeat(256, 1, 1, 1)
    blurry, _ = augment(pair, Recipe(batch=256, permute_channels=False), 0, range(256))
    assert len(blurry.unique(dim=0)) == 8
    blurry, _ = augment(pair, Recipe(batch=256, flips=False), 0, range(256))
    assert len(blurry.unique(dim=0)) == 6


def test_noise_is_on_the_blurry_image_alone_and_of_its_strength():
    pair = torch.full((400, 6, 16, 16), 128, dtype=torch.uint8)
    blurry, sharp = augment(pair, Recipe(batch=400, noise=2.0, **PLAIN), 0, range(400))
    assert sharp.unique().numel() == 1
    noise = (blurry - 128 / 255) * 255
    assert float(noise.std()) == pytest.approx(2.0, rel=0.1)
    assert float(noise.std(dim=(1, 2, 3)).std()) > 0.5, "the strength differs between images"
    black, _ = augment(torch.zeros(4, 6, 8, 8, dtype=torch.uint8), Recipe(batch=4, noise=50.0, **PLAIN), 0, range(4))
    assert float(black.min()) == 0


def test_saturation_is_that_of_hsv():
    image = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(1))
    for factor in (0.0, 0.5, 1.0, 1.4):
        hsv = rgb2hsv(image.permute(1, 2, 0).double().numpy())
        hsv[..., 1] = np.clip(hsv[..., 1] * factor, 0, 1)
        expected = torch.from_numpy(hsv2rgb(hsv)).permute(2, 0, 1)
        assert (
            float((saturate(image.double(), torch.tensor(factor, dtype=torch.float64)) - expected).abs().max()) < 1e-9
        )
    grey = torch.full((3, 2, 2), 0.3)
    assert torch.equal(saturate(grey, torch.tensor(1.5)), grey)


def test_a_sharp_image_can_be_its_own_input():
    pair = torch.cat((images()[:, :3], 255 - images()[:, :3]), dim=1)
    blurry, sharp = augment(pair, Recipe(batch=8, identity_probability=1.0, **PLAIN), 0, range(8))
    assert torch.equal(blurry, sharp)


@pytest.mark.parametrize("fields", [{}, {"saturation": 0.5, "noise": 3.0, "identity_probability": 0.3}])
def test_it_depends_on_seed_step_and_slot_alone(fields):
    whole, _ = augmented(step=5, **fields)
    recipe = Recipe(batch=8, **fields)
    parts = [augment(images()[a:b], recipe, 5, range(a, b))[0] for a, b in ((0, 2), (2, 8))]
    assert torch.equal(torch.cat(parts), whole)
    assert not torch.equal(augmented(step=6, **fields)[0], whole)
    assert not torch.equal(augmented(step=5, seed=1, **fields)[0], whole)


def test_patches_are_cropped_anywhere_and_alike_in_every_process():
    rows = torch.arange(12, dtype=torch.uint8).view(1, 1, 12, 1).expand(256, 6, 12, 12)
    recipe = Recipe(batch=256, crop=8)
    whole = crop_patches(rows, recipe, 3, range(256))
    assert whole.shape == (256, 6, 8, 8)
    assert set(whole[:, 0, 0, 0].tolist()) == set(range(5))
    parts = [crop_patches(rows[a:b], recipe, 3, range(a, b)) for a, b in ((0, 100), (100, 256))]
    assert torch.equal(torch.cat(parts), whole)
    assert crop_patches(whole, recipe, 3, range(256)) is whole
