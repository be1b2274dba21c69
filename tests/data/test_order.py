"""The order: every photograph once an epoch, a pure function of (seed, position), and each block read once."""

import itertools

import numpy as np
import pytest

from photochrom.data.block_cache import BLOCKS
from photochrom.data.order import WINDOW_BLOCKS, WINDOW_BYTES, Lanes, Order
from photochrom.data.photo_list import Block, Builder


def listed(counts, size=1000):
    """A list of blocks with these numbers of photographs; counts None: 100 photographs without blocks."""
    builder = Builder()
    builder.sources.append(None)
    for number, count in enumerate(counts or []):
        builder.blocks.append(Block(0, number, number + 1, size))
        for place in range(count):
            builder.add(f"{number}:{place}", 0, place, -1, number)
    for place in range(0 if counts else 100):
        builder.add(f"{place}", 0)
    return builder.build()


COUNTS = [7, 20, 1, 13, 30, 2, 9] * 6


@pytest.mark.parametrize("counts", [None, COUNTS, [5]])
@pytest.mark.parametrize("lanes", [Lanes(), Lanes(3, 4), Lanes(16, 8), Lanes(1000, 1)])
def test_every_epoch_shows_every_photograph_once(counts, lanes):
    photos = listed(counts)
    order = Order(photos, 5, lanes)
    for epoch in range(3):
        seen = [order(epoch * len(photos) + place) for place in range(len(photos))]
        assert sorted(seen) == list(range(len(photos)))
        assert seen != sorted(seen)


@pytest.mark.parametrize("counts", [None, COUNTS])
def test_a_position_does_not_depend_on_what_was_asked_before(counts):
    photos = listed(counts)
    in_order = [Order(photos, 9)(position) for position in range(3 * len(photos))]
    jumping = Order(photos, 9)
    for position in np.random.default_rng(0).permutation(3 * len(photos)):
        assert jumping(int(position)) == in_order[position]


def test_seeds_and_epochs_differ():
    photos = listed(COUNTS)
    orders = [tuple(Order(photos, seed).epoch(epoch)) for seed in (1, 2) for epoch in (0, 1)]
    assert len(set(orders)) == 4


def test_without_blocks_it_is_one_permutation_of_all():
    expected = np.random.default_rng((4, 2)).permutation(100)
    assert (Order(listed(None), 4).epoch(2) == expected).all()


def blocks_read(blocks):
    """How many blocks someone reads who walks along these and keeps the BLOCKS used last: the plain simulation."""
    held, reads = [], 0
    for block in blocks:
        if block in held:
            held.remove(block)
        else:
            reads += 1
            held = held[-(BLOCKS - 1) :]
        held.append(block)
    return reads


def test_each_block_is_read_once_an_epoch():
    photos = listed(COUNTS)
    assert blocks_read(photos.block_of[Order(photos, 3).epoch(0)]) == len(COUNTS)


def test_each_block_is_read_once_when_some_photographs_are_held_out():
    photos = listed([50] * 40).take(np.random.default_rng(0).random(2000) > 0.4)
    assert blocks_read(photos.block_of[Order(photos, 3).epoch(0)]) == 40


def test_windows_mix_several_blocks_but_no_more_bytes_than_agreed():
    photos = listed([50] * 64)
    first = photos.block_of[Order(photos, 1).epoch(0)][: 50 * WINDOW_BLOCKS]
    assert len(set(first)) == WINDOW_BLOCKS
    assert len(set(first[:50])) > 1
    heavy = listed([50] * 64, size=WINDOW_BYTES // 2)
    first = heavy.block_of[Order(heavy, 1).epoch(0)]
    assert all(len(set(first[i : i + 100])) == 2 for i in range(0, 3200, 100))


def reads_of_workers(photos, lanes, ranks, workers, batch):
    order, total = Order(photos, 7, lanes), 0
    steps = len(photos) // (ranks * batch)
    for rank, worker in itertools.product(range(ranks), range(workers)):
        blocks = []
        for step in range(worker, steps, workers):
            first = (step * ranks + rank) * batch
            blocks += [int(photos.block_of[order(position)]) for position in range(first, first + batch)]
        total += blocks_read(blocks)
    return total


def test_lanes_keep_workers_from_reading_the_same_blocks():
    photos, ranks, workers, batch = listed([64] * 96), 2, 3, 8
    without = reads_of_workers(photos, Lanes(), ranks, workers, batch)
    shared_out = reads_of_workers(photos, Lanes(ranks * workers, batch), ranks, workers, batch)
    assert without == 96 * ranks * workers
    assert shared_out <= 96 + ranks * workers * WINDOW_BLOCKS  # a window may lie across two lanes
