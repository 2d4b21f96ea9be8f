"""Whole-image and tiled restoration of any size."""

import pytest
import torch

from deblur import finest_radius, restore, restore_tiled
from deblur.padding import pad_to_multiple
from deblur.tiled import spans

SIZES = [(1, 1), (2, 3), (3, 400), (17, 33), (64, 48), (65, 97)]


@pytest.mark.parametrize("size", SIZES)
def test_any_size_comes_back_at_every_scale(small_network, size):
    blurry = torch.rand(2, 3, *size)
    outputs = restore(small_network, blurry, all_scales=True)
    assert outputs[0].shape == blurry.shape
    assert torch.equal(outputs[0], restore(small_network, blurry))
    for k, output in enumerate(outputs):
        assert tuple(output.shape[-2:]) == tuple(-(-n // 2**k) for n in size)
        assert 0 <= output.min() <= output.max() <= 1


def test_padding_is_by_the_networks_border_at_the_bottom_and_the_right(small_network):
    blurry = torch.rand(1, 3, 21, 30)
    padded = pad_to_multiple(blurry, small_network.size_multiple, small_network.border)
    assert torch.equal(restore(small_network, padded)[..., :21, :30], restore(small_network, blurry))


def test_values_outside_the_range_are_clamped_first(small_network):
    blurry = torch.randn(1, 3, 20, 20) * 3
    assert torch.equal(restore(small_network, blurry), restore(small_network, blurry.clamp(0, 1)))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_the_result_has_the_inputs_dtype(small_network, dtype):
    blurry = torch.rand(1, 3, 20, 20)
    restored = restore(small_network, blurry.to(dtype))
    assert restored.dtype == dtype
    torch.testing.assert_close(restored.float(), restore(small_network, blurry), atol=0.02, rtol=0)


def test_the_network_decides_the_precision(small_network):
    blurry = torch.rand(1, 3, 20, 20)
    expected = restore(small_network, blurry)
    coarse = restore(small_network.to(torch.bfloat16), blurry)
    assert coarse.dtype == torch.float32
    assert 0 < (coarse - expected).abs().mean() < 0.02


def test_the_input_is_left_as_it_was(small_network):
    blurry = torch.rand(1, 3, 32, 32) * 2 - 0.5
    copy = blurry.clone()
    restore(small_network, blurry)
    restore_tiled(small_network, blurry, tile=16, halo=16)
    assert torch.equal(blurry, copy)


@pytest.mark.parametrize("call", [restore, restore_tiled])
@pytest.mark.parametrize(
    "blurry",
    [
        torch.rand(3, 8, 8),
        torch.rand(1, 4, 8, 8),
        torch.rand(1, 8, 8, 3),
        torch.rand(0, 3, 8, 8),
        torch.zeros(1, 3, 8, 8, dtype=torch.uint8),
    ],
    ids=["no batch", "alpha", "channels last", "empty", "uint8"],
)
def test_what_is_no_rgb_batch_is_refused(small_network, call, blurry):
    with pytest.raises(ValueError, match="expected"):
        call(small_network, blurry)


@pytest.mark.parametrize("size", [(200, 143), (31, 260), (64, 64)])
def test_tiles_equal_the_whole(small_network, size):
    network, blurry = small_network.double(), torch.rand(1, 3, *size, dtype=torch.float64)
    tiled = restore_tiled(network, blurry, tile=48)
    torch.testing.assert_close(tiled, restore(network, blurry), atol=1e-12, rtol=0)


def test_without_a_halo_there_is_an_error_and_a_small_halo_makes_it_smaller(small_network):
    network, blurry = small_network.double(), torch.rand(1, 3, 160, 160, dtype=torch.float64)
    whole = restore(network, blurry)
    halos = (0, finest_radius(network.config) // 2)
    errors = [float((restore_tiled(network, blurry, tile=64, halo=halo) - whole).abs().mean()) for halo in halos]
    assert errors[0] > 1e-6
    assert errors[1] < errors[0] / 2


def test_progress_counts_every_tile_and_can_end_the_work(small_network):
    blurry, seen = torch.rand(1, 3, 70, 130), []
    restore_tiled(small_network, blurry, tile=64, halo=0, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(number, len(seen)) for number in range(1, len(seen) + 1)]
    assert len(seen) >= 4

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restore_tiled(small_network, blurry, tile=64, progress=stop)


@pytest.mark.parametrize(("tile", "halo"), [(0, 16), (64, -1)])
def test_impossible_tiles_are_refused(small_network, tile, halo):
    with pytest.raises(ValueError, match="expected a tile"):
        restore_tiled(small_network, torch.rand(1, 3, 32, 32), tile=tile, halo=halo)


def test_spans_cover_every_pixel_once():
    for size, tile, halo in ((1000, 256, 64), (256, 256, 64), (5, 4, 9)):
        covered = [pixel for span in spans(size, tile, halo) for pixel in range(span.start, span.stop)]
        assert covered == list(range(size))
        assert all(0 <= s.halo_start <= s.start < s.stop <= s.halo_stop <= size for s in spans(size, tile, halo))
