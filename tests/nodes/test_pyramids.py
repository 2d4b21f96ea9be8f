"""The pyramid nodes, and restoration that starts from a pyramid."""

import pytest
import torch
from torch.testing import assert_close


def test_levels_are_those_of_the_core(pack, images):
    pyramid = pack.run("DeblurBuildPyramid", image=images, levels=3, kernel="gaussian")
    expected = pack.deblur.build_pyramid(images.movedim(-1, 1), 3, "gaussian")
    for number, level in enumerate(expected, start=1):
        shown = pack.run("DeblurPyramidLevel", pyramid=pyramid, level=number)
        assert_close(shown, level.movedim(1, -1), atol=1e-6, rtol=0)
    assert pack.run("DeblurPyramidLevel", pyramid=pyramid, level=3).shape == (2, 6, 8, 3)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_levels_keep_the_channels(pack, channels):
    image = torch.rand(1, 20, 24, channels)
    pyramid = pack.run("DeblurBuildPyramid", image=image, levels=2, kernel="area")
    assert pack.run("DeblurPyramidLevel", pyramid=pyramid, level=2).shape == (1, 10, 12, channels)


def test_building_changes_nothing_and_levels_are_in_range(pack, images):
    wide = images * 3 - 1
    before = wide.clone()
    pyramid = pack.run("DeblurBuildPyramid", image=wide, levels=2, kernel="bilinear")
    for level in pyramid.levels:
        assert level.min() >= 0
        assert level.max() <= 1
    with torch.inference_mode():
        pyramid.levels[0].zero_()
    assert torch.equal(wide, before)


def test_a_level_that_is_not_there_is_an_error(pack, images):
    pyramid = pack.run("DeblurBuildPyramid", image=images, levels=2, kernel="gaussian")
    with pytest.raises(ValueError, match="expected a level from 1 to 2, found 3"):
        pack.run("DeblurPyramidLevel", pyramid=pyramid, level=3)


def test_an_interrupt_ends_the_building(pack, images):
    pack.management.interrupt_at = 2
    with pytest.raises(pack.management.InterruptProcessingException):
        pack.run("DeblurBuildPyramid", image=images, levels=2, kernel="gaussian")


@pytest.mark.parametrize("levels", [2, 4])
def test_restoring_from_a_pyramid_equals_restoring_from_its_image(pack, images, levels):
    model = pack.model("multi-scale")
    pyramid = pack.run("DeblurBuildPyramid", image=images, levels=levels, kernel="gaussian")
    from_pyramid = pack.run("DeblurMultiScale", model=model, pyramid=pyramid, strength=1.0)
    assert torch.equal(from_pyramid, pack.run("DeblurMultiScale", model=model, image=images, strength=1.0))


def test_another_kernel_gives_another_result_and_the_mask_still_counts(pack, images):
    model = pack.model("multi-scale")
    pyramid = pack.run("DeblurBuildPyramid", image=images, levels=2, kernel="area")
    mask = torch.zeros(1, 21, 30)
    mask[:, :, 15:] = 1
    restored = pack.run("DeblurMultiScale", model=model, pyramid=pyramid, strength=1.0, mask=mask)
    expected = pack.restored(model, images, pyramid_kernel="area")
    assert torch.equal(restored[:, :, :15], images[:, :, :15])
    assert_close(restored[:, :, 15:], expected[:, :, 15:], atol=1e-5, rtol=0)
    assert (expected - pack.restored(model, images)).abs().max() > 1e-5


def test_alpha_of_a_pyramid_is_kept(pack):
    image = torch.rand(1, 12, 12, 4)
    pyramid = pack.run("DeblurBuildPyramid", image=image, levels=2, kernel="gaussian")
    restored = pack.run("DeblurMultiScale", model=pack.model("multi-scale"), pyramid=pyramid, strength=1.0)
    assert torch.equal(restored[..., 3], image[..., 3])


def test_too_few_levels_are_an_error_that_says_how_many(pack, images):
    model = pack.model("multi-scale", scales=3, name="k3")
    pyramid = pack.run("DeblurBuildPyramid", image=images, levels=1, kernel="gaussian")
    with pytest.raises(ValueError, match=r"'k3' has 3 scales and the pyramid 1 level\. Set levels .* to 3"):
        pack.run("DeblurMultiScale", model=model, pyramid=pyramid, strength=1.0)


def test_exactly_one_of_image_and_pyramid(pack, images):
    model = pack.model("multi-scale")
    pyramid = pack.run("DeblurBuildPyramid", image=images, levels=2, kernel="gaussian")
    with pytest.raises(ValueError, match="found none of them"):
        pack.run("DeblurMultiScale", model=model, strength=1.0)
    with pytest.raises(ValueError, match="found both"):
        pack.run("DeblurMultiScale", model=model, image=images, pyramid=pyramid, strength=1.0)
