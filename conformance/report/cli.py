"""The command ``pollux report``."""

import sys
from pathlib import Path

import click
from rich.console import Console

from pollux.conformance.errors import LogError
from pollux.conformance.report.compare import Comparison, labels, render_comparison
from pollux.conformance.report.compare_console import print_comparison
from pollux.conformance.report.diff import diff_reports
from pollux.conformance.report.diff_console import print_diff
from pollux.conformance.report.json import json_text
from pollux.conformance.report.outputs import (
    Outputs,
    deliver,
    give_up,
    output_options,
    write_output,
)
from pollux.conformance.report.read import read_report
from pollux.conformance.report.report import Report

_READABLE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.group()
def report() -> None:
    """Show the reports of earlier runs, and what changed between them."""


@report.command()
@click.argument("log", type=_READABLE)
@output_options
def render(log: Path, outputs: Outputs) -> None:
    """Make the report again from the LOG of a run (pollux check --log), or its JSON report.

    Exit codes are those of the run.
    """
    sys.exit(deliver(_read(log), outputs))


@report.command()
@click.argument("old", type=_READABLE)
@click.argument("new", type=_READABLE)
@click.option("--json", "as_json", is_flag=True, help="Print the changes as JSON.")
def diff(old: Path, new: Path, as_json: bool) -> None:
    """Say what changed from the run OLD to the run NEW (JSON reports or logs).

    Exit codes: 0 nothing got worse; 1 something is newly violated; 2 a file cannot be read;
    3 something required is no longer verified, or NEW was cut off.
    """
    found = diff_reports(_read(old), _read(new))
    if as_json:
        click.echo(json_text(found.as_dict()), nl=False)
    else:
        print_diff(found, Console())
    sys.exit(found.exit_code)


@report.command()
@click.argument("reports", nargs=-1, required=True, type=_READABLE)
@click.option(
    "--name",
    "names",
    multiple=True,
    metavar="NAME",
    help="What an implementation is called, in the order of the reports. [default: file names]",
)
@click.option(
    "--html",
    "html_file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write it as one HTML page that works offline.",
)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def compare(
    reports: tuple[Path, ...], names: tuple[str, ...], html_file: Path | None, as_json: bool
) -> None:
    """Show implementations side by side, from their REPORTS (JSON reports or logs).

    Exit codes: 0, or 2 when a file cannot be read or written.
    """
    if len(reports) < 2:
        give_up("there is nothing to compare: name two reports or more")
    if len(names) > len(reports):
        give_up(f"{len(names)} names for {len(reports)} reports")
    comparison = Comparison(labels(reports, names), tuple(map(_read, reports)))
    code = 0
    if html_file is not None:
        code = write_output(html_file, render_comparison(comparison))
    if as_json:
        click.echo(json_text(comparison.as_dict()), nl=False)
    else:
        print_comparison(comparison, Console())
    sys.exit(code)


def _read(path: Path) -> Report:
    try:
        return read_report(path)
    except LogError as error:
        give_up(str(error))
    except OSError as error:
        give_up(f"{path} cannot be read: {error.strerror or error}")
