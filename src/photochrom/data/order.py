"""The order of the training photographs: a pure function of (seed, position), without state.

Photographs that can be read one by one are permuted in each epoch. Those in blocks (see photo_list.py) are permuted in
two steps: first the blocks, then the photographs within a window of a few blocks. Reading in this order loads each
block once and keeps at most one window in memory.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .photo_list import PhotoList

WINDOW_BLOCKS = 8  # at most; block_cache.BLOCKS holds as many
WINDOW_BYTES = 256 * 2**20  # a window is complete when it reaches this; every worker process holds one


@dataclass(frozen=True)
class Lanes:
    """Keeps several worker processes from reading the same blocks.

    An epoch's order is cut into `count` equal lanes; consecutive stretches of `stretch` positions come from the lanes
    in turn. With count = ranks * workers and stretch = the batch of one rank, each worker walks along its own lane. The
    order depends on them: a run that is resumed must keep them.
    """

    count: int = 1
    stretch: int = 1


class Order:
    """position -> index of a photograph. Every epoch shows every photograph exactly once."""

    def __init__(self, photos: PhotoList, seed: int, lanes: Lanes | None = None) -> None:
        self.seed, self.lanes, self.count = seed, lanes or Lanes(), len(photos)
        self._block_of, self._sizes = photos.block_of, photos.block_sizes
        self._epochs: dict[int, NDArray[np.int64]] = {}

    def __call__(self, position: int) -> int:
        epoch, place = divmod(position, self.count)
        return int(self.epoch(epoch)[place if self._block_of is None else self._in_lanes(place)])

    def epoch(self, epoch: int) -> NDArray[np.int64]:
        """[n] the indices of all photographs, in the order of this epoch (before lanes)."""
        if epoch not in self._epochs:
            if len(self._epochs) > 1:  # this epoch and the one before: prefetched batches may be from both
                self._epochs.pop(min(self._epochs))
            self._epochs[epoch] = self._permuted(epoch)
        return self._epochs[epoch]

    def _permuted(self, epoch: int) -> NDArray[np.int64]:
        random = np.random.default_rng((self.seed, epoch))
        if self._block_of is None:
            return random.permutation(self.count)
        present, counts = np.unique(self._block_of, return_counts=True)
        members = np.argsort(self._block_of, kind="stable")  # of the first block, then of the second ...
        ends = np.cumsum(counts)
        parts, window, size = [], [], 0
        for number, block in enumerate(random.permutation(len(present)), 1):
            window.append(members[ends[block] - counts[block] : ends[block]])
            size += int(self._sizes[present[block]])
            if len(window) == WINDOW_BLOCKS or size >= WINDOW_BYTES or number == len(present):
                parts.append(random.permutation(np.concatenate(window)))
                window, size = [], 0
        return np.concatenate(parts)

    def _in_lanes(self, place: int) -> int:
        count, stretch = self.lanes.count, self.lanes.stretch
        length = self.count // (count * stretch) * stretch  # of a lane
        if place >= length * count:
            return place  # the remainder, too short to be divided
        turn, within = divmod(place, stretch)
        return turn % count * length + turn // count * stretch + within
