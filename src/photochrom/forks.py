"""Forks after libvips or ONNX Runtime have been used: their threads stay in the parent, and the child would wait for
them for ever. An error says so at once.
"""

from __future__ import annotations

import os

from .errors import PhotochromError


class ForkError(PhotochromError, RuntimeError):
    """This process was forked from one that had coloured photographs already."""


_used_in = 0  # the process that used libvips first; a forked child inherits it


def refuse_fork() -> None:
    """Note that this process colours photographs. Raises ForkError in a child of one that did before the fork."""
    global _used_in
    process = os.getpid()
    if _used_in == 0:
        _used_in = process
    elif _used_in != process:
        raise ForkError(
            f"process {process} was forked from process {_used_in}, which had used photochrom already; start processes "
            'with multiprocessing.get_context("spawn") instead, or fork before the first photograph is coloured'
        )
