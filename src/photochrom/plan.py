"""Which photographs go where: from what a person typed to a list of jobs, before anything is read or written.

The rules (they are also in docs and `photochrom colorize --help`):

- an input is a file, a folder (only with `recursive`), a pattern such as `scans/**/*.jpg`, or `-` for stdin;
- without an output, `dir/name.jpg` becomes `dir/name.color.jpg`, and stdin goes to stdout;
- an output that is a folder (it exists, ends in `/`, or there are several inputs) mirrors the tree beneath each input;
  any other output is the file itself; `-` is stdout;
- no two inputs share an output, and no output is an input.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .errors import MissingPhotoError, OutputError, PhotoError, SettingError, UnreadablePhotoError
from .photo.formats import FORMATS, SUFFIXES, WRITABLE, format_of_suffix

STDIN = STDOUT = "-"
# What network storage and systems keep beside photographs: small copies, waste. (Hidden folders are left out anyway.)
NO_PHOTOGRAPHS = frozenset({"@eadir", "#recycle", "#snapshot", "$recycle.bin", "__macosx", "lost+found",
                            "system volume information"})  # fmt: skip


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


@dataclass(frozen=True, slots=True)
class _Found:
    source: Path
    base: Path  # the output tree mirrors the part of source below this
    in_folder: bool


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

    What cannot be done is in `refused`, and the rest is done: a folder without `recursive`, two inputs with one output.
    Raises SettingError where the request as a whole makes no sense: an output that cannot hold the inputs, an output
    that is its own input.
    """
    if in_place and (output is not None or format != "same" or STDIN in inputs):
        raise SettingError("--in-place replaces each photograph by its own colours; leave -o, --format and - out")
    if output == "":
        raise SettingError("-o: the name is empty; expected a file, a folder or '-'")
    if STDIN in inputs and len(inputs) > 1:
        raise SettingError(f"'-' (stdin) stands beside {len(inputs) - 1} other input(s); give it alone")
    if list(inputs) == [STDIN]:
        return Plan(jobs=[_stdin_job(output, format)])

    plan = Plan()
    folder = None if output is None else _as_folder(inputs, output)
    if output is not None and output != STDOUT and folder is None:
        _check_suffix(Path(output), format)
    sources: dict[_Key, Job] = {}
    key_of = _Keys()
    for found in _find(inputs, recursive, folder, plan.refused):
        key = key_of(found.source)
        if key in sources:
            continue
        if in_place:
            target: Path | None = found.source
        elif folder is not None:
            target = _renamed(folder / found.source.relative_to(found.base), format)
        elif output is None:
            beside = _renamed(found.source, format)
            target = beside.with_name(f"{beside.stem}.color{beside.suffix}")
        else:
            target = None if output == STDOUT else Path(output)
        sources[key] = Job(str(found.source), None if target is None else str(target), format, found.in_folder)
    plan.jobs = list(sources.values())
    if in_place:
        return plan
    _settle_roles(plan, sources, key_of, overwrite, is_marked)
    del sources
    _settle_clashes(plan, key_of, is_marked)
    return plan


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
    _check_suffix(Path(output), format)
    return Job(None, output, format)


def _as_folder(inputs: Sequence[str], output: str) -> Path | None:
    """The output as a folder to mirror into, or None where it is stdout or one file."""
    several = len(inputs) > 1 or Path(inputs[0]).is_dir() or _is_pattern(inputs[0])
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


def _is_pattern(text: str) -> bool:
    # A file may really be called "a[1].jpg"; only what does not exist is taken as a pattern.
    return glob.has_magic(text) and not os.path.lexists(text)


def _find(inputs: Sequence[str], recursive: bool, output: Path | None, refused: list[PhotoError]) -> Iterator[_Found]:
    for text in inputs:
        base = Path(text)
        names = [text]
        if _is_pattern(text):
            while glob.has_magic(str(base)):
                base = base.parent
            # A pattern matches folders too ("**" all of them); without -r it means the files.
            # (glob.glob and not Path.glob, which takes no absolute pattern.)
            names = [n for n in sorted(glob.glob(text, recursive=True)) if recursive or not Path(n).is_dir()]  # noqa: PTH207
            if not names:
                refused.append(
                    MissingPhotoError(text, "no file matches", "expected a pattern that matches photographs")
                )
        for path in map(Path, names):
            try:
                if path.is_dir():
                    if not recursive:
                        found, expected = "is a folder", "add -r to colour the photographs in it"
                        refused.append(UnreadablePhotoError(path, found, expected))
                        continue
                    yield from _walk(path, base, output, refused)
                elif path.exists():
                    yield _Found(path, path.parent if base == path else base, False)
                else:
                    refused.append(_missing(path))
            except OSError as error:
                refused.append(_unreadable(path, error))


def _walk(top: Path, base: Path, output: Path | None, refused: list[PhotoError]) -> Iterator[_Found]:
    """The photographs below a folder by their suffix, in name order; no hidden ones, no links to folders, no output."""
    skip = None if output is None else os.path.realpath(output)
    errors: list[OSError] = []
    for folder, folders, names in os.walk(top, onerror=errors.append):
        here = Path(folder)
        folders[:] = sorted(name for name in folders if _may_hold(name) and os.path.realpath(here / name) != skip)
        for name in sorted(names):
            if name[0] != "." and Path(name).suffix.lower() in SUFFIXES and (here / name).is_file():
                yield _Found(here / name, base, True)
    refused += [_unreadable(Path(error.filename), error) for error in errors]


def _may_hold(folder: str) -> bool:
    """Whether a folder of this name may hold a person's photographs; names beginning with @ are a NAS's helpers."""
    return folder[0] not in ".@" and folder.lower() not in NO_PHOTOGRAPHS


def _missing(path: Path) -> PhotoError:
    return MissingPhotoError(path, "no such file or folder", "expected a photograph; check the name and where you are")


def _unreadable(path: Path, error: OSError) -> PhotoError:
    return UnreadablePhotoError(path, f"cannot be read ({error.strerror})", "expected a readable photograph or folder")


def _renamed(path: Path, format: str) -> Path:
    """The path with the suffix of the format; a suffix that already says so ("x.jpeg" for jpg) stays as it is."""
    named = format_of_suffix(path)
    wanted = named if format == "same" else format
    if wanted is not None and FORMATS[wanted].saver is None:
        wanted = FORMATS[wanted].written_as
    return path if wanted is None or wanted == named else path.with_suffix(FORMATS[wanted].suffix)


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
            raise SettingError(f"{job.name} would be replaced by its own colours; give another -o, or none")
        if is_marked(Path(other.name)):
            dropped.add(id(other))
            plan.made.append(Path(other.name))
        elif overwrite:
            dropped.add(id(job))
            found = f"its output {job.output} is itself one of the inputs"
            plan.refused.append(OutputError(job.name, found, "give an output folder with -o"))
    plan.jobs = [job for job in plan.jobs if id(job) not in dropped]


def _settle_clashes(plan: Plan, key_of: _Keys, is_marked: Callable[[Path], bool]) -> None:
    """Two inputs with one output: those that photochrom made leave; if two are still there, both are refused."""
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
        left_out.update(id(job) for job in ours)
        others = [job for job in jobs if job not in ours]
        if len(others) > 1:
            left_out.update(id(job) for job in others)
            found = f"{jobs[0].output} would come from {' and '.join(job.name for job in others)}"
            what_to_do = (
                "two inputs have one output; give their common folder with -r, another --format, or one -o each"
            )
            plan.refused += [OutputError(job.name, found, what_to_do) for job in others]
    plan.jobs = [job for job in plan.jobs if id(job) not in left_out]
