"""What the commands of ``pollux cast`` have in common: arguments, errors, warnings."""

import errno
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from pollux.replay.cast.place import By
from pollux.replay.cast.sink import Sink, open_sink
from pollux.replay.cast.source import STANDARD_STREAM, Source
from pollux.replay.errors import ReplayError

_UNITS = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*(ms|s|m|h|)")


class Failed(click.ClickException):
    """Ends the command with exit code 2: usage, or a file cannot be read or written."""

    exit_code = 2


def as_seconds(value: str) -> float:
    """Return seconds, from a number that may have a unit: 2, 250ms, 1.5s, 3m or 1h."""
    match = _DURATION.fullmatch(value.strip())
    if match is None:
        raise click.BadParameter(f"{value!r} is no time: write 2, 250ms, 1.5s, 3m or 1h")
    return float(match[1]) * _UNITS[match[2]]


#: A file to read, or - for standard input.
FILE = click.Path(allow_dash=True, dir_okay=False)

file_argument = click.argument("file", type=FILE)
json_option = click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
by_option = click.option(
    "--clock",
    "by",
    type=click.Choice([by.value for by in By]),
    default=By.SERVER.value,
    show_default=True,
    help="Whose clock times are of: the server's, from time zero on, or the recorder's.",
    callback=lambda _, __, value: By(value),
)


def output_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give COMMAND the options ``-o`` and ``--force``."""
    command = click.option("--force", is_flag=True, help="Replace the file if it is there.")(
        command
    )
    return click.option(
        "-o",
        "--output",
        type=FILE,
        default=STANDARD_STREAM,
        help="File to write; standard output by default. Compressed when it ends in .gz.",
    )(command)


@contextmanager
def failures_told() -> Iterator[None]:
    """End the command with exit code 2 for what cannot be read, written or done."""
    try:
        yield
    except ReplayError as error:
        raise Failed(str(error)) from None
    except OSError as error:
        if error.errno == errno.EPIPE:  # the reader of our output has seen enough
            raise
        raise Failed(_told(error)) from None


@contextmanager
def reading(file: str) -> Iterator[Source]:
    """Yield the recording FILE; its warnings are told in the end."""
    with failures_told(), Source(file) as source:
        yield source
        warn(source)


@contextmanager
def shaping(file: str, output: str, force: bool) -> Iterator[tuple[Source, Sink]]:
    """Yield the recording FILE and what writes OUTPUT."""
    with reading(file) as source, open_sink(output, force=force) as sink:
        yield source, sink


def warn(source: Source) -> None:
    """Tell on standard error what is missing in a recording."""
    for warning in source.warnings:
        click.echo(f"Warning: {source.name}: {warning}", err=True)


def only_one_standard_input(files: tuple[str, ...]) -> None:
    """Refuse to read standard input twice."""
    if files.count(STANDARD_STREAM) > 1:
        raise click.UsageError("standard input (-) can be read once only")


def _told(error: OSError) -> str:
    name = error.filename2 or error.filename
    what = error.strerror or str(error)
    return what if name is None else f"{Path(str(name))}: {what}"
