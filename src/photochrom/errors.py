"""Every error that photochrom raises on purpose. Each names the thing, what was found, what was expected, what to do.

All derive from PhotochromError, so that a service catches one type; those about one input derive from PhotoError,
so that a folder of photographs goes on with the next one.
"""

from __future__ import annotations


class PhotochromError(Exception):
    """Base of all of photochrom's errors; its text is complete enough to show to a person."""

    exit_code = 1  # of a command that ends by it; 2: it was asked for something wrong


class SettingError(PhotochromError, ValueError):
    """An argument outside its range: a temperature of 0, an unknown decode, --overwrite with --skip-existing."""

    exit_code = 2


class PhotoError(PhotochromError):
    """One photograph could not be read or written; the others can go on.

    name: the file as the user gave it ("-" for stdin, "array" for an array).
    """

    def __init__(self, name: object, found: str, expected: str) -> None:
        self.name = str(name)
        self.found = found
        self.expected = expected
        super().__init__(f"{name}: {found}; {expected}")

    def __reduce__(self) -> tuple[type[PhotoError], tuple[str, str, str]]:
        # The default would pass the text alone: an error from a worker process would then break the whole pool.
        return type(self), (self.name, self.found, self.expected)


class MissingPhotoError(PhotoError, FileNotFoundError):
    """There is no file of that name."""

    def __str__(self) -> str:  # OSError would print its own (errno, strerror) form
        return f"{self.name}: {self.found}; {self.expected}"


class UnreadablePhotoError(PhotoError):
    """The file is there, but is not a whole photograph of a supported format."""


class TooLargeError(PhotoError):
    """The photograph has more pixels than allowed: perhaps a decompression bomb."""


class OutputError(PhotoError):
    """The coloured photograph could not be written: it exists already, the folder is not writable, the disk is full."""


class ExistingOutputError(OutputError):
    """The output's name is taken, and nobody asked to replace it."""


class ModelError(PhotochromError):
    """A model is unknown, damaged, or does not keep the graph contract."""

    exit_code = 2


class ForkedProcessError(PhotochromError):
    """This process was forked from one that had used photochrom: going on would wait for ever for threads that a fork
    does not copy."""

    def __init__(self) -> None:
        super().__init__(
            "photochrom was used in the parent process before this process was forked, and its threads (libvips', ONNX "
            "Runtime's) do not survive a fork; expected a process started afresh; use "
            'multiprocessing.get_context("spawn") or "forkserver", or do not load or use photochrom before the fork'
        )

    def __reduce__(self) -> tuple[type[ForkedProcessError], tuple[()]]:
        return type(self), ()


class DataError(PhotochromError):
    """A training or evaluation set cannot be used as it is."""


class RecipeError(PhotochromError, ValueError):
    """A training recipe has an unknown key or a value of the wrong type."""

    exit_code = 2


class DivergedError(PhotochromError):
    """A training's loss is no longer a finite number."""
