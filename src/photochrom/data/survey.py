"""One pass over many photographs, in order, on several processes, in bounded memory."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from .order import Order
from .photo_list import Entry, PhotoList

CHUNK = 64  # photographs per task: results are summed before they are sent back
AHEAD = 3  # tasks a process that wait or are done but not fetched: bounds the memory

T = TypeVar("T")
_of_this_process: tuple[PhotoList, Callable[[list[Entry]], Any]]


def sample(photos: PhotoList, count: int | None, seed: int) -> NDArray[np.int64]:
    """Rising indices of `count` photographs drawn without replacement (None: all). Where photographs come in blocks, of
    few blocks, for the sake of the rest not being read."""
    if count is None or count >= len(photos):
        return np.arange(len(photos))
    return np.sort(Order(photos, seed).epoch(0)[:count])


def survey(
    photos: PhotoList, indices: NDArray[np.int64], look: Callable[[list[Entry]], T], jobs: int = 1
) -> Iterator[T]:
    """look([entries]) for each CHUNK of the photographs, in their order, whatever `jobs` (processes) is.

    look: a function of a module, or a picklable object; what it raises ends the survey.
    """
    chunks = [indices[i : i + CHUNK] for i in range(0, len(indices), CHUNK)]
    if jobs == 1 or len(chunks) == 1:
        for chunk in chunks:
            yield look([photos[int(i)] for i in chunk])
        return
    # spawn: a fork would copy the state of threads (torch, clouds' clients) that do not survive it.
    pool = ProcessPoolExecutor(min(jobs, len(chunks)), get_context("spawn"), _start, (photos, look))
    waiting: deque[Future[T]] = deque()
    try:
        for chunk in chunks:
            if len(waiting) == AHEAD * jobs:
                yield waiting.popleft().result()
            waiting.append(pool.submit(_look, chunk))
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _start(photos: PhotoList, look: Callable[[list[Entry]], Any]) -> None:
    global _of_this_process
    os.environ["VIPS_CONCURRENCY"] = "1"  # the processes are the parallelism
    logging.getLogger("pyvips").setLevel(logging.ERROR)  # libvips logs a line for every damaged row of pixels
    _of_this_process = photos, look


def _look(chunk: NDArray[np.int64]) -> Any:
    photos, look = _of_this_process
    return look([photos[int(i)] for i in chunk])
