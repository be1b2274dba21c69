"""Pictures composed before they are requested, so that response times reveal nothing about the pair."""

from __future__ import annotations

from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Lock

from .pictures import compose_pair
from .plan import Pair

KEPT = 512  # pictures of some 60 KB


class PreparedPictures:
    """The encoded pictures of pairs by their token; the oldest are dropped and made again where needed."""

    def __init__(self, folder: Path, threads: int = 2) -> None:
        self._folder = folder
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="pictures")
        self._made: OrderedDict[str, Future[bytes]] = OrderedDict()
        self._lock = Lock()

    def prepare(self, token: str, pair: Pair) -> None:
        """Begin to compose; returns at once."""
        self._future(token, pair)

    def get(self, token: str, pair: Pair) -> bytes:
        """The JPEG. Raises DataError where a picture of the study is damaged."""
        return self._future(token, pair).result()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _future(self, token: str, pair: Pair) -> Future[bytes]:
        with self._lock:
            future = self._made.get(token)
            if future is None or (future.done() and future.exception() is not None):
                future = self._made[token] = self._pool.submit(compose_pair, self._folder, pair)
                while len(self._made) > KEPT:
                    self._made.popitem(last=False)
            return future
