"""The restoring nodes while they run: progress, interrupts, memory."""

import pytest
import torch
from torch.testing import assert_close

WHOLE = {"strength": 1.0}
TILED = {"strength": 1.0, "tile_size": 16, "halo": 8}


@pytest.fixture
def model(pack):
    return pack.model()


@pytest.fixture
def failing(pack, monkeypatch):
    """Makes both ways of restoring note what they are asked for, and fail while ``fails`` says so."""
    restoration = pack.module("nodes.restoration")
    whole, tiled = restoration.restore, restoration.restore_tiled

    class Failing:
        attempts: list = []  # noqa: RUF012
        error: Exception = torch.OutOfMemoryError("no memory")

        def fails(self, tile):
            return True

        def note(self, tile):
            self.attempts.append(tile)
            if self.fails(tile):
                raise self.error

    state = Failing()
    state.attempts = []

    def restore(network, blurry, **options):
        state.note(None)
        return whole(network, blurry, **options)

    def restore_tiled(network, blurry, **options):
        state.note((options["tile"], options["halo"]))
        return tiled(network, blurry, **options)

    monkeypatch.setattr(restoration, "restore", restore)
    monkeypatch.setattr(restoration, "restore_tiled", restore_tiled)
    return state


def test_progress_counts_frames(pack, model):
    pack.run("DeblurScaleRecurrent", model=model, image=torch.rand(3, 8, 8, 3), **WHOLE)
    assert pack.progress.reported == [(1, 3), (2, 3), (3, 3)]


def test_progress_counts_tiles_of_all_frames(pack, model):
    pack.run("DeblurTiled", model=model, image=torch.rand(2, 32, 32, 3), **TILED)
    steps = [value / total for value, total in pack.progress.reported]
    assert pack.progress.reported[:4] == [(1, 8), (2, 8), (3, 8), (4, 8)]
    assert steps == sorted(steps)
    assert steps[-1] == 1


@pytest.mark.parametrize("frames_done", [0, 2])
def test_an_interrupt_ends_the_work_at_the_next_frame(pack, model, frames_done):
    pack.management.interrupt_at = frames_done + 1
    with pytest.raises(pack.management.InterruptProcessingException):
        pack.run("DeblurScaleRecurrent", model=model, image=torch.rand(4, 8, 8, 3), **WHOLE)
    assert len(pack.progress.reported) == frames_done


def test_an_interrupt_ends_the_work_at_the_next_tile(pack, model):
    pack.management.interrupt_at = 4  # once for the frame, then for every tile
    with pytest.raises(pack.management.InterruptProcessingException):
        pack.run("DeblurTiled", model=model, image=torch.rand(1, 64, 64, 3), **TILED)
    assert pack.progress.reported == [(1, 16), (2, 16), (3, 16)]


def test_the_model_is_loaded_once_and_with_an_estimate(pack, model):
    pack.run("DeblurScaleRecurrent", model=model, image=torch.rand(3, 64, 64, 3), **WHOLE)
    pack.run("DeblurTiled", model=model, image=torch.rand(3, 64, 64, 3), **TILED)
    assert [patcher for patcher, _ in pack.management.loads] == [model.patcher, model.patcher]
    whole, tiled = (memory for _, memory in pack.management.loads)
    assert 64 * 64 * 4 * 4 < tiled < whole < 64 * 64 * 4 * 4 * 100


def test_nothing_is_loaded_where_nothing_is_restored(pack, model, caplog):
    image = torch.rand(2, 8, 8, 3)
    black = torch.zeros(1, 64, 64)
    assert torch.equal(pack.run("DeblurScaleRecurrent", model=model, image=image, mask=black, **WHOLE), image)
    assert torch.equal(pack.run("DeblurScaleRecurrent", model=model, image=image, strength=0.0), image)
    assert pack.management.loads == []
    assert [record.message for record in caplog.records] == [
        "Deblurring: the mask is black everywhere, so nothing was restored"
    ]


def test_out_of_memory_goes_from_the_whole_image_to_ever_smaller_tiles(pack, model, failing):
    image = torch.rand(2, 40, 700, 3)
    halo = pack.deblur.finest_radius(model.config)
    pack.deblur.finest_radius.cache_clear()  # so that the node has to find it in inference mode
    failing.fails = lambda tile: tile != (256, halo)
    restored = pack.run("DeblurScaleRecurrent", model=model, image=image, **WHOLE)
    # The second frame starts with what the first one ended with.
    assert failing.attempts == [None, (512, halo), (256, halo), (256, halo)]
    assert pack.management.cache_emptied == 2
    assert_close(restored, pack.restored(model, image), atol=1e-5, rtol=0)


def test_out_of_memory_halves_tiles(pack, model, failing):
    failing.fails = lambda tile: tile != (128, 8)
    image = torch.rand(1, 40, 700, 3)
    pack.run("DeblurTiled", model=model, image=image, strength=1.0, tile_size=2048, halo=8)
    assert failing.attempts == [(2048, 8), (512, 8), (256, 8), (128, 8)]


@pytest.mark.parametrize("node_id", ["DeblurScaleRecurrent", "DeblurTiled"])
def test_out_of_memory_at_last_reaches_the_user(pack, model, failing, node_id):
    tiles = {"tile_size": 256, "halo": 8} if node_id == "DeblurTiled" else {}
    with pytest.raises(torch.OutOfMemoryError):
        pack.run(node_id, model=model, image=torch.rand(1, 40, 300, 3), strength=1.0, **tiles)
    assert len(failing.attempts) == 2


def test_an_attempt_leaves_no_tensors_behind_when_the_next_one_starts(pack, model, monkeypatch):
    """A traceback that is kept would keep the failed attempt's frames alive, and all their tensors."""
    import weakref

    restoration = pack.module("nodes.restoration")
    left = []

    def restore(network, blurry, **options):
        big = torch.zeros(10)
        left.append(weakref.ref(big))
        raise torch.OutOfMemoryError("no memory")

    def restore_tiled(network, blurry, **options):
        left.append(left[0]())
        return blurry

    monkeypatch.setattr(restoration, "restore", restore)
    monkeypatch.setattr(restoration, "restore_tiled", restore_tiled)
    pack.run("DeblurScaleRecurrent", model=model, image=torch.rand(1, 40, 300, 3), **WHOLE)
    assert left[1] is None


def test_other_errors_are_not_retried(pack, model, failing):
    failing.error = RuntimeError("something else")
    with pytest.raises(RuntimeError, match="something else"):
        pack.run("DeblurScaleRecurrent", model=model, image=torch.rand(1, 40, 300, 3), **WHOLE)
    assert failing.attempts == [None]


def test_what_cannot_fit_is_not_tried(pack, model, failing):
    failing.fails = lambda tile: False
    image = torch.rand(1, 600, 600, 3)
    memory = pack.module("nodes.memory")
    halo = pack.deblur.finest_radius(model.config)
    pack.management.free_memory = memory.memory_needed(model, 600, 600, memory.Step(256, halo))
    restored = pack.run("DeblurScaleRecurrent", model=model, image=image, **WHOLE)
    assert failing.attempts == [(256, halo)]
    assert_close(restored, pack.restored(model, image), atol=1e-5, rtol=0)


def test_the_last_way_is_tried_however_little_is_free(pack, model, failing):
    failing.fails = lambda tile: False
    pack.management.free_memory = 0
    pack.run("DeblurScaleRecurrent", model=model, image=torch.rand(1, 8, 300, 3), **WHOLE)
    assert [tile for tile, _ in failing.attempts] == [256]


def test_numbers_that_overflow_in_half_precision_are_an_error_with_a_remedy(pack):
    model = pack.model()
    model.network.half()
    for parameter in model.network.parameters():
        parameter.data.mul_(1e4)
    with pytest.raises(RuntimeError, match="Set precision to float32 in DeblurLoadModel"):
        pack.run("DeblurScaleRecurrent", model=model, image=torch.rand(1, 8, 8, 3), **WHOLE)


def test_half_precision_networks_restore(pack, images):
    exact = pack.run("DeblurScaleRecurrent", model=pack.model(), image=images, **WHOLE)
    half = pack.model()
    half.network.half()
    assert_close(pack.run("DeblurScaleRecurrent", model=half, image=images, **WHOLE), exact, atol=5e-3, rtol=0)
