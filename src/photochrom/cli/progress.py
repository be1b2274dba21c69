"""What a run of many photographs tells the person (stderr) and the script (stdout, --json)."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ..jobs import Outcome, Status
from ..plan import Plan

if TYPE_CHECKING:
    from rich.progress import Progress


class Reporter:
    """A bar on a terminal, else a line a photograph; errors always; JSON lines where asked for.

    model: its name for the JSON. total: how many photographs are to come.
    """

    def __init__(self, model: str, *, total: int, as_json: bool, quiet: bool) -> None:
        self.count: Counter[Status] = Counter()
        self._model = model
        self._total = total
        self._as_json = as_json
        self._quiet = quiet
        self._bar: Progress | None = None
        self._wants_bar = total > 1 and not quiet and sys.stderr.isatty()
        self._started = time.perf_counter()

    def __enter__(self) -> Self:
        if self._wants_bar:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            self._bar = Progress(
                TextColumn("colouring"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                redirect_stdout=False,
            )
            self._task = self._bar.add_task("", total=self._total)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def begin(self, plan: Plan) -> None:
        """Report what the plan already says: inputs that cannot be jobs, photographs that photochrom made."""
        for refused in plan.refused:
            self.count[Status.FAILED] += 1
            self._say(f"Error: {refused}", error=True)
            self._emit(input=refused.name, status=Status.FAILED, error=str(refused))
        for made in plan.made:
            self.count[Status.SKIPPED] += 1
            self._say(f"{made}: skipped, photochrom made it")
            self._emit(input=str(made), status=Status.SKIPPED)
        if not (plan.jobs or plan.refused or plan.made):
            self._say("no photographs found")

    def report(self, outcome: Outcome) -> None:
        self.count[outcome.status] += 1
        name, target = outcome.job.name, outcome.job.output
        if outcome.status is Status.FAILED:
            self._say(f"Error: {outcome.error}", error=True)
        elif self._bar is None:
            size = "" if outcome.width is None else f"{outcome.width} x {outcome.height}, "
            self._say(
                {
                    Status.DONE: f"{name} -> {target} ({size}{outcome.seconds:.2f} s)",
                    Status.SKIPPED: f"{name}: skipped, {outcome.error}",
                    Status.PLANNED: f"{name} -> {target} (not done: --dry-run)",
                }[outcome.status]
            )
        if self._bar is not None:
            self._bar.advance(self._task)
        done = outcome.status is Status.DONE
        self._emit(
            input=name,
            output=target,
            status=outcome.status,
            seconds=round(outcome.seconds, 4) if done else None,
            width=outcome.width,
            height=outcome.height,
            model=self._model if done else None,
            error=outcome.error if outcome.status is Status.FAILED else None,
        )

    def finish(self, *, interrupted: bool) -> None:
        """One line that sums up, where there was more than one photograph to lose sight of."""
        if sum(self.count.values()) > 1 or interrupted:
            parts = ", ".join(f"{number} {status}" for status, number in sorted(self.count.items()))
            end = "; interrupted" if interrupted else ""
            self._say(f"{parts or 'nothing done'} in {time.perf_counter() - self._started:.1f} s{end}")

    def _say(self, text: str, *, error: bool = False) -> None:
        if self._quiet and not error:
            return
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            print(text, file=sys.stderr, flush=True)

    def _emit(
        self,
        *,
        input: str,
        status: Status,
        output: str | None = None,
        seconds: float | None = None,
        width: int | None = None,
        height: int | None = None,
        model: str | None = None,
        error: str | None = None,
    ) -> None:
        if self._as_json:
            keys = ("input", "output", "status", "seconds", "width", "height", "model", "error")
            line = dict(zip(keys, (input, output, status, seconds, width, height, model, error), strict=True))
            print(json.dumps(line), flush=True)
