"""The command `photochrom`. Each subcommand is its own module, imported only when it is run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import typer


class _Command(NamedTuple):
    module: str  # beneath photochrom.cli
    attribute: str  # a function, or a typer.Typer with subcommands
    help: str
    extra: str | None  # what to install where a package is missing


COMMANDS = {
    "colorize": _Command("colorize", "colorize", "Colour photographs: files, folders, patterns, stdin.", None),
    "models": _Command("models", "app", "List, describe, fetch and import models.", None),
    "data": _Command("data", "app", "Prepare and look at training data: pack, prior, stats.", "train"),
    "train": _Command("train", "train", "Train a network by a recipe.", "train"),
    "export": _Command("export", "export", "Make the ONNX model of a training run.", "train"),
    "evaluate": _Command("evaluate", "evaluate", "Score models on a folder of colour photographs.", "eval"),
    "study": _Command("study", "app", "Build, serve and report a Turing test with people.", "study"),
    "probe": _Command("probe", "probe", "Linear probes on the features of a network.", "train,eval"),
    "voc": _Command("voc", "app", "Fine-tune on PASCAL VOC: classification, segmentation, detection.", "train"),
    "bench": _Command("bench", "bench", "Measure speed on this machine, compared with the paper's network.", None),
}


def main() -> None:
    """Entry point of the console script."""
    # Without importing typer: `--version` is what scripts and package builders call most.
    if sys.argv[1:] in (["--version"], ["-V"]):
        return _print_version()
    from photochrom.errors import PhotochromError

    try:
        _build_app()(prog_name="photochrom")
    except KeyboardInterrupt:  # while typer itself was being imported
        sys.exit(130)
    except ImportError as error:
        command = COMMANDS.get(next((word for word in sys.argv[1:] if word in COMMANDS), ""))
        if command is None or command.extra is None or (error.name or "").startswith("photochrom"):
            raise
        _fail(f"this command needs a package that is not installed ({error.name}); "
              f"run: pip install 'photochrom[{command.extra}]'", 2)  # fmt: skip
    except PhotochromError as error:
        _fail(str(error), error.exit_code)


def _print_version() -> None:
    from photochrom.version import __version__

    print(f"photochrom {__version__}")


def _fail(message: str, code: int) -> None:
    print(f"Error: {message}", file=sys.stderr)
    sys.exit(code)


def _build_app() -> typer.Typer:
    import typer
    from typer.core import TyperGroup

    class LazyGroup(TyperGroup):
        """Help and completion see one line a command; resolving a command imports its module."""

        def resolve_command(self, ctx: Any, args: list[str]) -> Any:
            name = args[0]
            if name in COMMANDS:
                self.commands[name] = _load(name)
            elif not name.startswith("-") and _is_photo(name):
                ctx.fail(f"{name!r} is not a command. Did you mean: photochrom colorize {' '.join(args)}")
            return super().resolve_command(ctx, args)

    app = typer.Typer(
        cls=LazyGroup,
        help="Colours black-and-white photographs, on your own machine.",
        no_args_is_help=True,
        rich_markup_mode=None,  # plain help and errors: boxes would wrap file names
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    def show_version(wanted: bool) -> None:
        if wanted:
            _print_version()
            raise typer.Exit

    @app.callback()
    def photochrom(
        version: bool = typer.Option(
            False, "--version", "-V", is_eager=True, callback=show_version, help="Show the version and exit."
        ),
    ) -> None:
        pass

    for name, command in COMMANDS.items():
        app.command(name, help=command.help)(_not_loaded)
    return app


def _not_loaded() -> None:
    raise AssertionError("a command runs only after its module is loaded")


def _load(name: str) -> Any:
    from importlib import import_module

    import typer

    command = COMMANDS[name]
    target = getattr(import_module(f"{__name__}.{command.module}"), command.attribute)
    holder = typer.Typer(rich_markup_mode=None, add_completion=False)
    if isinstance(target, typer.Typer):
        holder.add_typer(target, name=name, help=command.help, no_args_is_help=True)
    else:
        holder.command(name)(target)
        holder.callback()(_not_loaded)  # keeps a lone command a member of a group
    return typer.main.get_group(holder).commands[name]


def _is_photo(text: str) -> bool:
    from pathlib import Path

    from photochrom.photo.formats import SUFFIXES

    return Path(text).suffix.lower() in SUFFIXES or Path(text).exists() or text == "-"
