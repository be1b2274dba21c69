"""Progress of a command that works in stages, each over so many things."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def stage_bars(unit: str = "") -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each stage on a terminal; elsewhere a line when a stage is over. Gives a function to call with the
    stage's name, how much is done, and of how much; unit: what is counted, for the lines."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bars: dict[str, TaskID] = {}
    started = time.monotonic()
    with Progress(*columns, console=console, disable=not console.is_terminal, redirect_stdout=False) as shown:

        def show(what: str, done: int, total: int) -> None:
            if what not in bars:
                bars[what] = shown.add_task(what, total=total)
            shown.update(bars[what], completed=done, total=total)
            if done == total and not console.is_terminal:
                number = f"{total} {unit}".strip()
                print(f"{what}: {number}, after {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)

        yield show
