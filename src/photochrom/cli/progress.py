"""What a run of many photographs tells the person (stderr) and the script (stdout, --json)."""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections import Counter
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ..jobs import Outcome, Status
from ..plan import Plan

if TYPE_CHECKING:
    from rich.progress import Progress

    from ..colorizer import Report


class Reporter:
    """A bar on a terminal, else a line a photograph; errors and notes always; JSON lines where asked for.

    total: how many photographs are to come; debug: show the traceback of a defect.
    """

    def __init__(self, *, total: int, as_json: bool, quiet: bool, debug: bool = False) -> None:
        self._debug = debug
        self.count: Counter[Status] = Counter()
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
            self._say(f"Error: {refused}", important=True)
            self._emit(input=refused.name, status=Status.FAILED, error=str(refused))
        for made in plan.made:
            self.count[Status.SKIPPED] += 1
            if self._bar is None:
                self._say(f"{made}: skipped, photochrom made it")
            self._emit(input=str(made), status=Status.SKIPPED)
        if not (plan.jobs or plan.refused or plan.made):
            self._say("no photographs found")

    def report(self, outcome: Outcome) -> None:
        self.count[outcome.status] += 1
        name, target, report = outcome.job.name, outcome.job.output, outcome.report
        if outcome.status is Status.FAILED:
            self._say(f"Error: {outcome.error}", important=True)
            if outcome.defect is not None and self._debug:
                self._say("".join(traceback.format_exception(outcome.defect)), important=True)
        elif self._bar is None:
            facts = "" if report is None else f" ({report.width} x {report.height}, {report.seconds:.2f} s)"
            self._say(
                {
                    Status.DONE: f"{name} -> {target}{facts}",
                    Status.SKIPPED: f"{name}: skipped, {outcome.error}",
                    Status.PLANNED: f"{name} -> {target} (not done: --dry-run)",
                }[outcome.status]
            )
        for note in report.notes if report is not None else ():
            self._say(f"Note: {name}: {note}", important=True)
        if self._bar is not None:
            self._bar.advance(self._task)
        self._emit(
            input=name,
            output=None if outcome.made else target,
            status=outcome.status,
            report=report,
            error=outcome.error if outcome.status is Status.FAILED else None,
        )

    def finish(self, *, interrupted: bool) -> None:
        """One line that sums up, where there was more than one photograph to lose sight of."""
        if sum(self.count.values()) > 1 or interrupted:
            parts = ", ".join(f"{number} {status}" for status, number in sorted(self.count.items()))
            end = "; interrupted" if interrupted else ""
            self._say(f"{parts or 'nothing done'} in {time.perf_counter() - self._started:.1f} s{end}")

    def _say(self, text: str, *, important: bool = False) -> None:
        """important: an error or a note, which --quiet does not silence."""
        if self._quiet and not important:
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
        report: Report | None = None,
        error: str | None = None,
    ) -> None:
        if not self._as_json:
            return
        line = {
            "input": input,
            "output": output,
            "status": status,
            "seconds": None if report is None else round(report.seconds, 4),
            "width": None if report is None else report.width,
            "height": None if report is None else report.height,
            "model": None if report is None else report.model,
            "error": error,
            "notes": [] if report is None else list(report.notes),
        }
        print(json.dumps(line), flush=True)
