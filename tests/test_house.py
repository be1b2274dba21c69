"""The house holds: imports run downwards, no circles, no PyTorch on the path of a photograph, small rooms.

That `import photochrom` and --help stay light in a new interpreter is tested in cli/test_startup.py."""

from __future__ import annotations

import ast
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import photochrom

PACKAGE = Path(photochrom.__file__).parent
TESTS = Path(__file__).parent

# From top to bottom. A room is a folder or a module at the package's root; it may import only rooms on lines below its
# own, so a line's rooms do not import one another. A folder within a room (judges, report, crops, voc) is part of it.
ORDER = [
    ["__main__"],
    ["cli"],
    ["study", "features", "jobs"],
    ["foreign"],
    ["evaluation"],
    ["training"],
    ["data", "nets", "photochrom"],
    ["colorizer", "plan"],
    ["finding", "predictor"],
    ["hints", "models", "plain_areas", "photo"],
    ["contrast", "merge", "onnx_outputs", "onnx_runtime", "tensor_file", "atomic_file"],
    ["ab_bins", "color", "forks", "options", "version"],
    ["errors"],
]
# Rooms of later issues, which may not be there yet.
PLANNED = {"hints"}
LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}

MOST_LINES = 350
MOST_FILES = 25
SAYS_NOTHING = {"utils", "util", "helpers", "helper", "misc", "common"}
TORCH = {"torch", "lightning", "pytorch_lightning", "torchvision", "torchmetrics"}


def module_name(path: Path) -> str:
    """src/photochrom/photo/__init__.py is photochrom.photo."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> dict[str, Path]:
    return {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def room(module: str) -> str:
    """photochrom.evaluation.judges.machine is in the room evaluation; the package's __init__ is the room photochrom."""
    return module.split(".")[1] if "." in module else "photochrom"


def named(path: Path) -> set[str]:
    """What a file imports, by full name: at its top, in functions, and for type checking only."""
    module = module_name(path)
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    names = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            inner = {f"{origin}.{alias.name}" for alias in node.names}
            found = inner & modules().keys()
            # `from . import a` imports the module a; a name that is no module comes from the package itself.
            names |= found | ({origin} if inner - found else set())
    return names


@cache
def imports() -> dict[str, set[str]]:
    return {module: named(path) for module, path in modules().items()}


def ours(module: str) -> set[str]:
    return {name for name in imports()[module] if name in modules() and name != module}


def test_every_room_has_a_place_in_the_order() -> None:
    rooms = {room(module) for module in modules()}
    assert rooms - LEVEL.keys() == set()
    assert LEVEL.keys() - rooms - PLANNED == set()


def test_imports_run_downwards() -> None:
    upwards = [
        f"{module} imports {name}"
        for module in modules()
        for name in sorted(ours(module))
        if room(module) != room(name) and LEVEL[room(name)] <= LEVEL[room(module)]
    ]
    assert not upwards


def test_no_module_imports_itself_by_way_of_others() -> None:
    try:
        TopologicalSorter({module: ours(module) for module in modules()}).prepare()
    except CycleError as circle:
        pytest.fail(" <- ".join(circle.args[1]))


def test_no_torch_can_be_reached_from_colorize() -> None:
    """Imports in functions count too. The command line's other commands are reached by name only, not by import."""
    waiting, seen = ["photochrom.cli.colorize", "photochrom.jobs", "photochrom"], set()
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            heavy = {name.split(".")[0] for name in imports()[module]} & TORCH
            assert not heavy, f"{module} imports {heavy}"
            parents = [".".join(module.split(".")[:depth]) for depth in range(1, module.count(".") + 1)]
            waiting += [*ours(module), *parents]
    assert {"photochrom.colorizer", "photochrom.photo.reading", "photochrom.models"} <= seen


@pytest.mark.parametrize("folder", [PACKAGE, TESTS], ids=["src", "tests"])
def test_files_and_folders_are_small(folder: Path) -> None:
    files = list(folder.rglob("*.py"))
    long = {str(file.relative_to(folder)): len(file.read_text("utf-8").splitlines()) for file in files}
    assert {name: lines for name, lines in long.items() if lines > MOST_LINES} == {}
    full = {str(parent): len(list(parent.glob("*.py"))) for parent in {file.parent for file in files}}
    assert {name: count for name, count in full.items() if count > MOST_FILES} == {}


def test_names_say_what_a_module_does() -> None:
    everything = [*PACKAGE.rglob("*"), *TESTS.rglob("*")]
    nameless = [path for path in everything if path.stem.removeprefix("test_") in SAYS_NOTHING]
    assert not nameless
