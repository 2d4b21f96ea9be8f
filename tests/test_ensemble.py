"""The self-ensemble turns with the image and averages eight restorations."""

from functools import partial

import pytest
import torch

from deblur import restore, self_ensemble


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_the_result_turns_with_the_image(small_network, turns, mirrored):
    small_network = small_network.double()
    blurry = torch.rand(1, 3, 33, 46, dtype=torch.float64)

    def move(image):
        return torch.rot90(image.flip(-1) if mirrored else image, turns, (-2, -1))

    run = partial(restore, small_network)
    torch.testing.assert_close(self_ensemble(run, move(blurry)), move(self_ensemble(run, blurry)), atol=1e-12, rtol=0)


def test_it_is_the_mean_of_eight_different_views():
    seen = []

    def remember(image):
        seen.append(image)
        return image * 0 + len(seen)

    blurry = torch.rand(2, 3, 5, 5)
    averaged = self_ensemble(remember, blurry)
    assert len({tuple(image.flatten().tolist()) for image in seen}) == 8
    torch.testing.assert_close(averaged, torch.full_like(blurry, 4.5))


def test_what_does_not_depend_on_direction_is_unchanged():
    blurry = torch.rand(1, 3, 7, 12)
    torch.testing.assert_close(self_ensemble(lambda image: image**2, blurry), blurry**2)
