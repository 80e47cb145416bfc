"""The output options that ``pollux check`` and ``pollux report render`` share, and what they do."""

import functools
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Never, Self

import click
from rich.console import Console

from pollux.conformance.baseline import (
    Baseline,
    BaselineError,
    apply_baseline,
    baseline_text,
    read_baseline,
)
from pollux.conformance.report.badge import render_badge
from pollux.conformance.report.console import print_report
from pollux.conformance.report.json import render_json
from pollux.conformance.report.junit import render_junit
from pollux.conformance.report.page import render_page
from pollux.conformance.report.report import Report
from pollux.files import write_atomically
from pollux.schemas.requirements import load_requirements

#: Exit code of what cannot be done: wrong usage, a file that cannot be read or written.
UNUSABLE = 2

#: How a report is written into files, by the names of the options, and what their help says.
FORMATS: Mapping[str, tuple[Callable[[Report], str], str]] = {
    "report": (render_json, "Write the report as JSON."),
    "junit": (render_junit, "Write it as JUnit XML, for the viewers of CI systems."),
    "html": (render_page, "Write it as one HTML page that works offline."),
    "badge": (render_badge, "Write the verdict as an SVG badge."),
}


@dataclass(frozen=True)
class Outputs:
    """Where a report goes.

    Attributes:
        files: What is written, by format.
        as_json: Print JSON instead of text.
        baseline: The known failures, or None.
        write_baseline: Where the failures of this run are written as a baseline, or None.
        baseline_before: What that file says already.
    """

    files: Mapping[str, Path]
    as_json: bool = False
    baseline: Baseline | None = None
    write_baseline: Path | None = None
    baseline_before: Baseline = field(default_factory=dict)

    def with_baseline(self, path: Path) -> Self:
        """Return the outputs with the known failures of the file in PATH, unless they have some.

        A file that cannot be read ends the command with exit code 2.
        """
        return self if self.baseline is not None else replace(self, baseline=_baseline(path))


def output_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give COMMAND the output options; it gets them as one argument ``outputs: Outputs``.

    What cannot work ends the command before it has begun, with exit code 2: after a run it would
    be too late to say so.
    """

    @functools.wraps(command)
    def wrapper(
        as_json: bool, baseline: Path | None, write_baseline: Path | None, **arguments: Any
    ) -> None:
        options = {name: arguments.pop(f"{name}_file") for name in FORMATS}
        files = {name: path for name, path in options.items() if path is not None}
        written = [*files.values(), *([write_baseline] if write_baseline else [])]
        _refuse_unwritable(written, [baseline] if baseline and baseline != write_baseline else [])
        before = write_baseline if write_baseline and write_baseline.exists() else None
        outputs = Outputs(
            files=files,
            as_json=as_json,
            baseline=_baseline(baseline) if baseline else None,
            write_baseline=write_baseline,
            baseline_before=_baseline(before, unexplained=True) if before else {},
        )
        command(outputs=outputs, **arguments)

    decorated: Callable[..., None] = wrapper
    for option in reversed(_options()):
        decorated = option(decorated)
    return decorated


def deliver(report: Report, outputs: Outputs) -> int:
    """Write and print REPORT as OUTPUTS say, and return the exit code of the command.

    That is the one of the report, or 2 when something could not be written; the rest still is.
    """
    if outputs.baseline is not None:
        report = apply_baseline(report, outputs.baseline)
    codes = [report.exit_code]
    for name, path in outputs.files.items():
        render, _ = FORMATS[name]
        codes.append(write_output(path, render(report)))
    if outputs.write_baseline is not None:
        text = baseline_text(report, outputs.baseline_before)
        codes.append(write_output(outputs.write_baseline, text))
    if outputs.as_json:
        click.echo(render_json(report), nl=False)
    else:
        print_report(report, Console())
    return UNUSABLE if UNUSABLE in codes else codes[0]


def write_output(path: Path, text: str) -> int:
    """Write TEXT into PATH; return 0, or the exit code when it cannot be written."""
    try:
        write_atomically(path, text.encode())
    except OSError as error:
        click.echo(f"error: {path} cannot be written: {error.strerror or error}", err=True)
        return UNUSABLE
    return 0


def _baseline(path: Path, *, unexplained: bool = False) -> Baseline:
    try:
        return read_baseline(path, load_requirements(), unexplained=unexplained)
    except BaselineError as error:
        give_up(str(error))
    except OSError as error:
        give_up(f"{path} cannot be read: {error.strerror or error}")


def _refuse_unwritable(written: list[Path], read: list[Path]) -> None:
    places: set[Path] = set()
    for file in (*read, *written):
        place = file.resolve()
        # A device, such as /dev/stdout, takes more than one thing.
        if place in places and (place.is_file() or not place.exists()):
            give_up(f"{file} is named twice")
        places.add(place)
    for file in written:
        if not file.absolute().parent.is_dir():
            give_up(f"{file} cannot be written: there is no such folder")


def _options() -> list[Callable[[Callable[..., None]], Callable[..., None]]]:
    file = click.Path(path_type=Path, dir_okay=False)
    options = [
        click.option(f"--{name}", f"{name}_file", type=file, metavar="FILE", help=text)
        for name, (_, text) in FORMATS.items()
    ]
    return [
        *options,
        click.option(
            "--baseline",
            type=file,
            metavar="FILE",
            help="Failures that are known, with reasons: only a new one, or one that passes "
            "again, makes the exit code 1.",
        ),
        click.option(
            "--write-baseline",
            type=file,
            metavar="FILE",
            help="Write the failures of this run as a baseline; reasons that stand in FILE stay.",
        ),
        click.option(
            "--json", "as_json", is_flag=True, help="Print the report as JSON and nothing else."
        ),
    ]


def give_up(message: str) -> Never:
    """End the command with MESSAGE: it cannot do what it was asked for."""
    click.echo(f"error: {message}", err=True)
    sys.exit(UNUSABLE)
