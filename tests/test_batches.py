"""Batches: mixtures of sources, and several patches of every rendering."""

import pytest
import torch

from tests.stripes import Stripes
from training.data.mixture import Mixture, batches
from training.data.reuse import LANES, Reuse


def mixture(weights=None, batch=4):
    sources = {"pairs": Stripes(1), "photos": Reuse(Stripes(2), 24, 2, 64, batch, seed=3)}
    return Mixture(sources, weights or {"pairs": 1.0, "photos": 1.0}, batch, seed=4)


def test_batches_go_on_where_they_left_off():
    expected = list(batches(mixture(), range(4), 16, 0, 30, workers=0))
    assert expected[0].shape == (4, 6, 16, 16)
    for first in (1, 17, 29):
        resumed = list(batches(mixture(), range(4), 16, first, 30, workers=0))
        assert torch.equal(torch.stack(resumed), torch.stack(expected[first:]))


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_give_the_same_batches(workers):
    expected = torch.stack(list(batches(mixture(), range(4), 16, 3, 15, workers=0)))
    assert torch.equal(torch.stack(list(batches(mixture(), range(4), 16, 3, 15, workers=workers))), expected)


def test_processes_draw_the_parts_of_one_batch():
    whole = torch.stack(list(batches(mixture(), range(4), 16, 0, 12, workers=0)))
    parts = [torch.stack(list(batches(mixture(), slots, 16, 0, 12, workers=0))) for slots in (range(2), range(2, 4))]
    assert torch.equal(torch.cat(parts, dim=1), whole)


def test_sources_come_up_by_their_weights():
    mixed = mixture({"pairs": 3.0, "photos": 1.0}, batch=8)
    for step in range(100):
        mixed.draw(step, range(8), 16)
    assert len(mixed.sources["pairs"].drawn) / 800 == pytest.approx(0.75, abs=0.05)
    alone = mixture({"pairs": 1.0, "photos": 0.0})
    alone.draw(0, range(4), 16)
    assert alone.sources["photos"].source.drawn == []


def test_every_rendering_is_used_as_often_as_asked():
    source = Stripes()
    reuse, batch, steps = 4, 2, 400
    reused = Reuse(source, 24, reuse, 64, batch, seed=0)
    for step in range(steps):
        reused.draw([step * batch + slot for slot in range(batch)], 16)
    assert len(source.drawn) == len(set(source.drawn)), "nothing is rendered twice"
    assert len(source.drawn) == pytest.approx(steps * batch / reuse, rel=0.1)
    assert len(reused._renderings) <= 2 * 64


def test_processes_share_the_renderings():
    """Slots of a batch and lanes of steps have renderings of their own."""
    drawn = []
    for lane in range(LANES):
        for slot in range(2):
            reused = Reuse(source := Stripes(), 24, 2, 64, 2, seed=0)
            for step in range(lane, 80, LANES):
                reused.draw([step * 2 + slot], 16)
            drawn.append(set(source.drawn))
    assert len(set.union(*drawn)) == sum(map(len, drawn))


def test_a_patch_larger_than_a_rendering_is_refused():
    with pytest.raises(ValueError, match="patches of 32 pixels cannot be cropped from renderings of 24"):
        Reuse(Stripes(), 24, 2, 64, 2, seed=0).draw([0], 32)
