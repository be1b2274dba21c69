"""Which photographs go where: from what a person typed to a list of jobs, before anything is read or written.

The rules (they are also in docs and `photochrom colorize --help`):

- an input is a file, a folder (only with `recursive`), a pattern such as `scans/**/*.jpg`, or `-` for stdin;
- without an output, `dir/name.jpg` becomes `dir/name.color.jpg`, and stdin goes to stdout;
- an output that is a folder (it exists, ends in `/`, or there are several inputs) mirrors the tree beneath each input;
  any other output is the file itself; `-` is stdout;
- no two inputs share an output, and no output is an input: the inputs of which that would come true are refused, and
  the others are done;
- a search through folders and patterns passes over hidden files and what file servers and systems put beside
  photographs (`@eaDir`, `#recycle`, ...); an input that is named is taken, whatever its name.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .errors import OutputError, PhotoError, SettingError
from .finding import Senseless, find, is_pattern
from .photo.formats import FORMATS, HEAD_BYTES, WRITABLE, canonical, format_of_suffix, sniff

STDIN = STDOUT = "-"
_SHOWN = 5  # lines of a long refusal
_STDOUT_NAMES = (STDOUT, "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")


@dataclass(frozen=True, slots=True)
class Job:
    """One photograph to colour.

    source_name: None for stdin. target_name: None for stdout. format: "same" or one of formats.WRITABLE.
    found: it was found in a folder rather than named, so that it is left out if photochrom made it.
    (Names and not paths: a plan may hold a million of them, and a Path takes four times the memory.)
    """

    source_name: str | None
    target_name: str | None
    format: str
    found: bool = False

    @property
    def source(self) -> Path | None:
        return None if self.source_name is None else Path(self.source_name)

    @property
    def target(self) -> Path | None:
        return None if self.target_name is None else Path(self.target_name)

    @property
    def name(self) -> str:
        """The input as messages and JSON name it."""
        return STDIN if self.source_name is None else self.source_name

    @property
    def output(self) -> str:
        """The output as messages and JSON name it."""
        return STDOUT if self.target_name is None else self.target_name


@dataclass(slots=True)
class Plan:
    """jobs: to be done, in order. refused: inputs that cannot be jobs. made: left out, for photochrom made them."""

    jobs: list[Job] = field(default_factory=list)
    refused: list[PhotoError] = field(default_factory=list)
    made: list[Path] = field(default_factory=list)


def make_plan(
    inputs: Sequence[str],
    output: str | None = None,
    *,
    recursive: bool = False,
    format: str = "same",
    overwrite: bool = False,
    in_place: bool = False,
    is_marked: Callable[[Path], bool] = lambda path: False,
) -> Plan:
    """The jobs for these inputs.

    overwrite: outputs that exist are replaced, so that none of them may be an input. in_place: each photograph is its
    own output.
    is_marked says whether photochrom made a photograph; it is asked only where two jobs meet, because a folder may
    hold a million photographs.

    Raises SettingError where the request as a whole makes no sense: an output that cannot hold the inputs; nothing but
    folders without `recursive`, but inputs that share an output, or but inputs that are their own output.
    """
    format = canonical(format)
    if output in _STDOUT_NAMES:
        output = STDOUT
    if in_place and (output is not None or format != "same" or STDIN in inputs):
        raise SettingError("--in-place replaces files by their own kind; leave out -o, --format and '-' (stdin)")
    if output == "":
        raise SettingError("-o: the name is empty; expected a file, a folder or '-'")
    if STDIN in inputs and len(inputs) > 1:
        raise SettingError(f"'-' (stdin) stands beside {len(inputs) - 1} other input(s); give it alone")
    if list(inputs) == [STDIN]:
        return Plan(jobs=[_stdin_job(output, format)])

    plan = Plan()
    folder = None if output is None else _as_folder(inputs, output)
    if output is not None and output != STDOUT and folder is None and not is_special(output):
        _check_suffix(Path(output), format)
    sources: dict[_Key, Job] = {}
    key_of = _Keys()
    for found in find(inputs, recursive, folder, plan.refused):
        key = key_of(found.source)
        if key in sources:
            continue
        if folder is not None:
            target: Path | None = _renamed(found.source, folder / found.source.relative_to(found.base), format)
        elif in_place:
            target = found.source
        elif output is None:
            if is_special(found.source):
                plan.refused.append(
                    OutputError(found.source, "is no file that another could lie beside", "give -o FILE")
                )
                continue
            beside = _renamed(found.source, found.source, format)
            target = beside.with_name(f"{beside.stem}.color{beside.suffix}")
        else:
            target = None if output == STDOUT else Path(output)
        sources[key] = Job(str(found.source), None if target is None else str(target), format, found.in_folder)
    plan.jobs = list(sources.values())
    if not in_place:
        _settle_roles(plan, sources, key_of, overwrite, is_marked)
        _settle_clashes(plan, key_of, is_marked)
    wrong = [error for error in plan.refused if isinstance(error, Senseless)]
    if wrong and not plan.jobs and len(wrong) == len(plan.refused):
        raise SettingError("\n  ".join(map(str, wrong[:_SHOWN])))
    return plan


def is_special(path: str | Path) -> bool:
    """Whether a path is a pipe, a device or a socket: neither a file, nor a folder, nor missing."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - a str as it is
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


_Key = tuple[str, str]


class _Keys:
    """What makes two names one file: the real path of the folder and the name. Folders are resolved once each."""

    def __init__(self) -> None:
        self._folders: dict[str, str] = {}

    def __call__(self, path: str | Path) -> _Key:
        folder, name = os.path.split(path)
        if folder not in self._folders:
            self._folders[folder] = os.path.normcase(os.path.realpath(folder))
        return self._folders[folder], os.path.normcase(name)


def _stdin_job(output: str | None, format: str) -> Job:
    if output is None or output == STDOUT:
        return Job(None, None, format)
    if output.endswith(("/", os.sep)) or Path(output).is_dir():
        raise SettingError(f"-o {output} is a folder, and what comes on stdin has no name; give a file name")
    if not is_special(output):
        _check_suffix(Path(output), format)
    return Job(None, output, format)


def _as_folder(inputs: Sequence[str], output: str) -> Path | None:
    """The output as a folder to mirror into, or None where it is stdout or one file."""
    several = len(inputs) > 1 or Path(inputs[0]).is_dir() or is_pattern(inputs[0])
    if output == STDOUT:
        if several:
            raise SettingError("-o - (stdout) holds one photograph; give one input, or -o FOLDER/")
        return None
    path = Path(output)
    if path.is_dir():
        return path
    if not several and not output.endswith(("/", os.sep)):
        return None
    if path.exists():
        raise SettingError(f"-o {output} is a file; expected a folder, for there may be several photographs")
    return path


def _renamed(source: Path, path: Path, format: str) -> Path:
    """The path with the suffix of the format; a suffix that already says so ("x.jpeg" for jpg) stays as it is.

    Where the name does not tell the format ("scan", "x.bmp" that is a JPEG), the file's first bytes do.
    """
    named = format_of_suffix(path)
    wanted: str | None = format
    if format == "same":
        wanted = named if named in WRITABLE else (_sniffed(source) or named)
    if wanted is not None and FORMATS[wanted].saver is None:
        wanted = FORMATS[wanted].written_as
    return path if wanted is None or wanted == named else path.with_suffix(FORMATS[wanted].suffix)


def _sniffed(path: Path) -> str | None:
    """The format of a file by its first bytes; None where they do not tell, or cannot be read (opening it will say)."""
    if is_special(path):
        return None
    try:
        with path.open("rb") as file:
            return sniff(file.read(HEAD_BYTES))
    except OSError:
        return None


def _check_suffix(target: Path, format: str) -> None:
    """SettingError if the name that a person gave an output asks for what cannot be, or contradicts --format."""
    named = format_of_suffix(target)
    if format != "same" and named not in (None, format):
        raise SettingError(f"-o {target} is named {target.suffix}, and --format is {format}; make them agree")
    if format == "same" and target.suffix and named not in WRITABLE:
        known = ", ".join(FORMATS[name].suffix for name in WRITABLE)
        raise SettingError(f"-o {target}: {target.suffix} cannot be written; expected one of {known}")
    if format == "same" and not target.suffix:
        raise SettingError(f"-o {target} has no suffix; expected {target}/ for a folder, or {target}.jpg for a file")


def _settle_roles(
    plan: Plan, sources: dict[_Key, Job], key_of: _Keys, overwrite: bool, is_marked: Callable[[Path], bool]
) -> None:
    """An output that is also an input: left out if photochrom made it before, else it must not be replaced."""
    dropped: set[int] = set()
    for job in plan.jobs:
        other = None if job.target_name is None else sources.get(key_of(job.target_name))
        if other is None:
            continue
        if other is job:
            dropped.add(id(job))
            plan.refused.append(
                Senseless(job.name, "would be replaced by its own colours", "give another -o or none, or --in-place")
            )
            continue
        if is_marked(Path(other.name)):
            dropped.add(id(other))
            plan.made.append(Path(other.name))
        elif overwrite:
            dropped.add(id(job))
            found = f"its output {job.output} is itself one of the inputs"
            plan.refused.append(OutputError(job.name, found, "give an output folder with -o"))
    plan.jobs = [job for job in plan.jobs if id(job) not in dropped]


def _settle_clashes(plan: Plan, key_of: _Keys, is_marked: Callable[[Path], bool]) -> None:
    """Two inputs with one output: those that photochrom made leave; if two are still there, they are refused."""
    first: dict[_Key, Job] = {}
    groups: dict[_Key, list[Job]] = {}
    for job in plan.jobs:
        if job.target_name is not None:
            key = key_of(job.target_name)
            if first.setdefault(key, job) is not job:
                groups.setdefault(key, [first[key]]).append(job)
    left_out: set[int] = set()
    for jobs in groups.values():
        ours = [job for job in jobs if job.found and is_marked(Path(job.name))]
        plan.made += [Path(job.name) for job in ours]
        others = [job for job in jobs if job not in ours]
        left_out.update(map(id, ours))
        if len(others) > 1:
            left_out.update(map(id, others))
            for job in others:
                names = " and ".join(other.name for other in others)
                found = f"two inputs have one output: {job.output} would come from {names}"
                plan.refused.append(
                    Senseless(job.name, found, "give their common folder with -r, another --format, or one -o each")
                )
    plan.jobs = [job for job in plan.jobs if id(job) not in left_out]
