"""The few blocks of photographs (row groups, stretches of a tar) that a process holds at a time."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from ..errors import DataError

log = logging.getLogger(__name__)

BLOCKS = 9  # one window of order.py and one to spare: what replaces a skipped photograph may lie in the next
WAITS = (0.5, 2.0, 8.0)  # seconds before the second, third and fourth try of a read over a network

T = TypeVar("T")


class _Source(Protocol):
    @property
    def name(self) -> str: ...

    def load(self, start: int, stop: int) -> Any: ...


_held: OrderedDict[tuple[int, int], tuple[_Source, Any]] = OrderedDict()


def get(source: _Source, start: int, stop: int) -> Any:
    """The block start..stop of the source, read where it is not among those used last. Raises DataError."""
    key = (id(source), start)
    found = _held.pop(key, None)
    if found is None:
        while len(_held) >= BLOCKS:  # before reading: never more than BLOCKS at once
            _held.popitem(last=False)
        found = (source, source.load(start, stop))  # the source with it: its id stays taken
    _held[key] = found
    return found[1]


def clear() -> None:
    """Forget all blocks."""
    _held.clear()


def retried(name: str, read: Callable[[], T]) -> T:
    """read(), again after pauses where it raises: networks fail for a moment. Raises DataError when they stay so.

    A photograph behind a failing network is not a corrupt one: training stops instead of skipping it.
    """
    for wait in (*WAITS, None):
        try:
            return read()
        except DataError:
            raise
        except Exception as error:  # each cloud's client has errors of its own
            if wait is None or isinstance(error, FileNotFoundError):
                raise DataError(
                    f"{name}: cannot be read ({type(error).__name__}: {error}); "
                    "expected it to stay reachable during training; go on with --resume when it is"
                ) from error
            log.warning("%s: %s; trying again in %g s", name, error, wait)
            time.sleep(wait)
    raise AssertionError("the last try returns or raises")
