"""The restoring nodes: what comes out for what goes in."""

import pytest
import torch
from torch.testing import assert_close

NODES = {
    "DeblurScaleRecurrent": "scale-recurrent",
    "DeblurMultiScale": "multi-scale",
    "DeblurInTheWild": "deblurnet",
}
EXACT_TILES = {"tile_size": 16, "halo": 64}


@pytest.fixture(params=[*NODES, "DeblurTiled"])
def node(request, pack):
    """A restoring node with a model for it, as a function of image, mask and strength."""
    model = pack.model(NODES.get(request.param, "scale-recurrent"))
    tiles = EXACT_TILES if request.param == "DeblurTiled" else {}

    def run(image, mask=None, strength=1.0):
        return pack.run(request.param, model=model, image=image, mask=mask, strength=strength, **tiles)

    run.model = model
    return run


def test_gives_what_the_core_gives(pack, node, images):
    restored = node(images)
    assert restored.shape == images.shape
    assert restored.dtype == torch.float32
    assert_close(restored, pack.restored(node.model, images), atol=1e-5, rtol=0)
    assert (restored - images).abs().mean() > 0.01


def test_frames_do_not_influence_each_other(node, images):
    assert_close(node(images), torch.cat([node(images[:1]), node(images[1:])]), atol=1e-6, rtol=0)


def test_alpha_is_kept_and_does_not_influence_the_colours(node, images):
    alpha = torch.linspace(-0.5, 1.5, 30).expand(2, 21, 30)[..., None]
    restored = node(torch.cat((images, alpha), dim=-1))
    assert_close(restored[..., :3], node(images), atol=1e-6, rtol=0)
    assert torch.equal(restored[..., 3:], alpha)


@pytest.mark.parametrize("channels", [1, 2])
def test_grey_stays_grey(node, images, channels):
    restored = node(images[..., :channels])
    assert restored.shape == images[..., :channels].shape
    from_rgb = node(images[..., :1].expand(-1, -1, -1, 3))
    assert_close(restored[..., :1], from_rgb.mean(dim=-1, keepdim=True), atol=1e-5, rtol=0)
    assert torch.equal(restored[..., 1:], images[..., 1:channels])


def test_half_precision_images_come_back_in_the_dtype_comfyui_wants(pack, node, images):
    assert node(images.half()).dtype == torch.float32
    pack.management.fp16_intermediates = True
    restored = node(images.half())
    assert restored.dtype == torch.float16
    pack.management.fp16_intermediates = False
    assert_close(restored, node(images.half()).half(), atol=1e-3, rtol=0)


def test_values_outside_the_range_are_clamped(node, images):
    wide = images * 3 - 1
    assert torch.equal(node(wide), node(wide.clamp(0, 1)))
    assert torch.equal(node(wide, strength=0.0), wide.clamp(0, 1))


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (5, 3), (64, 64)])
def test_any_size(node, size):
    assert node(torch.rand(1, *size, 3)).shape == (1, *size, 3)


def test_strength_blends(node, images):
    full = node(images)
    assert torch.equal(node(images, strength=0.0), images)
    assert_close(node(images, strength=0.25), 0.75 * images + 0.25 * full, atol=1e-6, rtol=0)


def test_mask_limits_the_restoration(node, images):
    mask = torch.zeros(1, 21, 30)
    mask[:, :, 15:] = 1
    restored, full = node(images, mask=mask), node(images)
    assert torch.equal(restored[:, :, :15], images[:, :, :15])
    assert_close(restored[:, :, 15:], full[:, :, 15:], atol=1e-6, rtol=0)
    assert_close(node(images, mask=mask, strength=0.5)[:, :, 15:], (images + full)[:, :, 15:] / 2, atol=1e-6, rtol=0)


def test_mask_without_batch_dimension_and_of_another_size(node, images):
    mask = torch.zeros(42, 60)
    mask[:, 30:] = 1
    small = torch.zeros(1, 21, 30)
    small[:, :, 15:] = 1
    restored, expected = node(images, mask=mask), node(images, mask=small)
    assert restored.shape == images.shape
    assert_close(restored[:, :, :13], expected[:, :, :13], atol=1e-6, rtol=0)
    assert_close(restored[:, :, 17:], expected[:, :, 17:], atol=1e-6, rtol=0)


def test_one_mask_for_each_image(node, images):
    masks = torch.stack((torch.zeros(21, 30), torch.ones(21, 30)))
    restored = node(images, mask=masks)
    assert torch.equal(restored[0], images[0])
    assert_close(restored[1], node(images)[1], atol=1e-6, rtol=0)


def test_wrong_number_of_masks_is_an_error(node, images):
    with pytest.raises(ValueError, match="expected 1 mask or one for each of the 2 images, found 3"):
        node(images, mask=torch.ones(3, 21, 30))


@pytest.mark.parametrize("shape", [(21, 30, 3), (1, 21, 30, 5), (0, 21, 30, 3), (1, 3, 0, 3)])
def test_what_is_not_an_image_is_an_error(node, shape):
    with pytest.raises(ValueError, match="expected floating-point images of shape"):
        node(torch.zeros(shape))


def test_inputs_are_not_changed_and_not_shared(node, images):
    mask = torch.rand(1, 21, 30)
    before, mask_before = images.clone(), mask.clone()
    weights = {key: value.clone() for key, value in node.model.network.state_dict().items()}
    with torch.inference_mode():
        for strength in (0.0, 1.0):
            node(images, mask=mask, strength=strength).zero_()
    assert torch.equal(images, before)
    assert torch.equal(mask, mask_before)
    assert all(torch.equal(value, weights[key]) for key, value in node.model.network.state_dict().items())


@pytest.mark.parametrize("node_id", NODES)
@pytest.mark.parametrize("kind", NODES.values())
def test_a_model_of_another_kind_is_sent_to_its_node(pack, images, node_id, kind):
    model = pack.model(kind, name="holiday.safetensors")
    inputs = {"model": model, "image": images, "strength": 1.0}
    if NODES[node_id] == kind:
        pack.run(node_id, **inputs)
        return
    right = next(other for other, its_kind in NODES.items() if its_kind == kind)
    with pytest.raises(ValueError, match=f"'holiday.safetensors' is a {kind} model.*{right}.*DeblurTiled"):
        pack.run(node_id, **inputs)


@pytest.mark.parametrize("kind", NODES.values())
def test_tiles_with_enough_halo_equal_the_whole_image(pack, kind):
    model = pack.model(kind)
    image = torch.rand(1, 75, 90, 3, generator=torch.Generator().manual_seed(2))
    halo = pack.deblur.finest_radius(model.config)
    tiled = pack.run("DeblurTiled", model=model, image=image, strength=1.0, tile_size=32, halo=halo)
    assert_close(tiled, pack.restored(model, image), atol=1e-5, rtol=0)
    seams = pack.run("DeblurTiled", model=model, image=image, strength=1.0, tile_size=32, halo=0)
    assert (seams - tiled).abs().max() > 1e-4
