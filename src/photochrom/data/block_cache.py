"""A small cache of blocks of photographs (row groups, byte ranges of a tar) per process."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from ..errors import DataError

log = logging.getLogger(__name__)

BLOCKS = 9  # one window of order.py and one more block: the replacement of a skipped photograph may lie in the next
WAITS = (0.5, 2.0, 8.0)  # seconds before the second, third and fourth try of a read over a network

T = TypeVar("T")


class _Source(Protocol):
    @property
    def name(self) -> str: ...

    def load(self, start: int, stop: int) -> Any: ...


_held: OrderedDict[tuple[int, int], tuple[_Source, Any]] = OrderedDict()


def get(source: _Source, start: int, stop: int) -> Any:
    """The block start..stop of the source, from the cache or read now. Raises DataError."""
    key = (id(source), start)
    found = _held.pop(key, None)
    if found is None:
        while len(_held) >= BLOCKS:  # before reading: never more than BLOCKS at once
            _held.popitem(last=False)
        found = (source, source.load(start, stop))  # keep the source alive too, so that its id is not reused
    _held[key] = found
    return found[1]


def clear() -> None:
    """Forget all blocks."""
    _held.clear()


def retried(name: str, read: Callable[[], T]) -> T:
    """Call read(), retrying after pauses, since network errors are often temporary. Raises DataError if all tries fail.

    A network error does not make a photograph corrupt: training stops instead of skipping it.
    """
    for wait in (*WAITS, None):
        try:
            return read()
        except DataError:
            raise
        except Exception as error:  # each cloud client has its own exceptions
            if wait is None or isinstance(error, FileNotFoundError):
                raise DataError(
                    f"{name}: cannot be read ({type(error).__name__}: {error}); "
                    "expected it to stay reachable during training; continue with --resume once it is"
                ) from error
            log.warning("%s: %s; trying again in %g s", name, error, wait)
            time.sleep(wait)
    raise AssertionError("the last try returns or raises")
