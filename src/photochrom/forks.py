"""libvips' threads do not survive a fork: in a child of a process that has used libvips, its next use hangs for ever.

So whatever reads pixels says so here first, and the child gets an error instead.
"""

from __future__ import annotations

import os

from .errors import ForkedProcessError

_user: int | None = None  # process id of the first use of libvips, in this process or one that it was forked from


def before_libvips() -> None:
    """Call before libvips is used. Raises ForkedProcessError in a process forked from one that had used it."""
    global _user
    if _user is None:
        _user = os.getpid()
    else:
        check_process(_user)


def check_process(number: int) -> None:
    """Raises ForkedProcessError unless this is the process of that number (os.getpid)."""
    if number != os.getpid():
        raise ForkedProcessError
