"""The commands ``pollux check`` and ``pollux report``."""

import secrets
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Never

import click
from rich.console import Console

from pollux.conformance.bench import Setting, set_up
from pollux.conformance.errors import LogError, TargetError
from pollux.conformance.recorder import Plan
from pollux.conformance.report.console import print_report
from pollux.conformance.report.json import render_json
from pollux.conformance.report.log import EventLog, read_log
from pollux.conformance.report.progress import LiveProgress
from pollux.conformance.report.report import Report, build_report
from pollux.conformance.runner import run_checks
from pollux.conformance.selection import selected
from pollux.conformance.target import Profile, address
from pollux.schemas.requirements import load_requirements

_UNUSABLE = 2
_NOTHING_VERIFIED = 3


class _Address(click.ParamType[tuple[str, int]]):
    name = "HOST:PORT"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        try:
            return value if isinstance(value, tuple) else address(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


_REPORT = click.option(
    "--report",
    "report_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the report as JSON.",
)
_JSON = click.option(
    "--json", "as_json", is_flag=True, help="Print the report as JSON and nothing else."
)


@click.command()
@click.argument("url", required=False)
@click.option(
    "--token", envvar="POLLUX_TOKEN", metavar="T", help="Token of a user. [env: POLLUX_TOKEN]"
)
@click.option(
    "--other-token",
    envvar="POLLUX_OTHER_TOKEN",
    metavar="T2",
    help="Token of another user. [env: POLLUX_OTHER_TOKEN]",
)
@click.option("--reference", is_flag=True, help="Start the reference server and judge it.")
@click.option(
    "--profile",
    type=click.Choice([profile.value for profile in Profile]),
    help="scripted: the suite is the model (default with --start or --reference); "
    "blackbox: nothing is known of the model (default otherwise).",
)
@click.option(
    "--model-listen",
    type=_Address(),
    help="Where the scripted model listens; the implementation must use it as its model.",
)
@click.option(
    "--start",
    metavar="CMD",
    help="Start the implementation by this shell command, with OPENAI_BASE_URL and "
    "OPENAI_API_KEY of the scripted model in its environment, and {port}, {model_url} and "
    "{data_dir} replaced.",
)
@click.option(
    "--ready",
    metavar="URL",
    help="Answers when it is ready. [default: /api/v1/health of the target]",
)
@click.option(
    "--only",
    multiple=True,
    metavar="WHAT",
    help="Judge only these requirements: an id, a pattern such as 'POLL-*', a group, or "
    "'checked' for all that have a check. May be repeated.",
)
@click.option(
    "--time-scale",
    type=click.FloatRange(0.1, 100),
    default=1.0,
    show_default=True,
    help="Factor of every deadline.",
)
@click.option("--seed", type=int, help="Repeat the random choices of an earlier run.")
@_REPORT
@click.option(
    "--log",
    "log_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the events of the run, from which 'pollux report render' makes the report again.",
)
@_JSON
def check(
    url: str | None,
    token: str | None,
    other_token: str | None,
    reference: bool,
    profile: str | None,
    model_listen: tuple[str, int] | None,
    start: str | None,
    ready: str | None,
    only: tuple[str, ...],
    time_scale: float,
    seed: int | None,
    report_file: Path | None,
    log_file: Path | None,
    as_json: bool,
) -> None:
    """Judge the server at URL by the contract of API v1.

    Exit codes: 0 all required holds; 1 something is violated; 2 usage, or the server cannot
    be reached; 3 something required could not be verified.
    """
    setting = Setting(
        url=url,
        # The reference server has users of its own, whatever the environment says.
        token=None if reference and _from_environment("token") else token,
        other_token=None if reference and _from_environment("other_token") else other_token,
        profile=Profile(profile) if profile else None,
        model_listen=model_listen,
        start=start,
        ready=ready,
        reference=reference,
        time_scale=time_scale,
    )
    for file in (report_file, log_file):
        # After the run it would be too late to say so.
        if file is not None and not file.absolute().parent.is_dir():
            _give_up(f"{file} cannot be written: there is no such folder")
    seed = secrets.randbelow(2**31) if seed is None else seed
    console = Console(stderr=True)
    try:
        report = _run(setting, only, seed, log_file, console)
    except TargetError as error:
        _give_up(str(error))
    except OSError as error:
        _give_up(f"cannot write: {error}")
    except KeyboardInterrupt:
        click.echo("interrupted before anything was measured", err=True)
        sys.exit(_NOTHING_VERIFIED)
    _deliver(report, report_file, as_json)
    sys.exit(report.exit_code)


@click.group()
def report() -> None:
    """Show the report of an earlier run again."""


@report.command()
@click.argument("log", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@_REPORT
@_JSON
def render(log: Path, report_file: Path | None, as_json: bool) -> None:
    """Make the report again from the LOG of a run (pollux check --log).

    Exit codes are those of the run.
    """
    try:
        result = build_report(read_log(log))
    except (LogError, OSError) as error:
        _give_up(str(error))
    _deliver(result, report_file, as_json)
    sys.exit(result.exit_code)


def _run(
    setting: Setting, only: tuple[str, ...], seed: int, log_file: Path | None, console: Console
) -> Report:
    catalogue = load_requirements()
    # A word that names nothing is said before anything is started.
    selected(only, catalogue, catalogue)
    with _terminable(), ExitStack() as stack:
        if setting.start or setting.reference:
            console.print("starting the implementation", style="dim")
        bench = stack.enter_context(set_up(setting))
        progress = stack.enter_context(LiveProgress(console))
        log = EventLog(log_file, [progress])
        stack.callback(log.close)
        plan = Plan(bench.target, catalogue, only=only, seed=seed, process=bench.process)
        run_checks(plan, log)
        return build_report(log.events)


def _deliver(result: Report, report_file: Path | None, as_json: bool) -> None:
    text = render_json(result)
    if report_file is not None:
        try:
            report_file.write_text(text, encoding="utf-8")
        except OSError as error:
            _give_up(f"the report cannot be written: {error}")
    if as_json:
        click.echo(text, nl=False)
    else:
        print_report(result, Console())


@contextmanager
def _terminable() -> Iterator[None]:
    """Take SIGTERM as Ctrl-C, so that what was started is ended and the report is written.

    SIGINT is taken, too, where a shell has it ignored (in scripts it does so for "&").
    """

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    numbers = (signal.SIGTERM, signal.SIGINT)
    previous = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _from_environment(parameter: str) -> bool:
    source = click.get_current_context().get_parameter_source(parameter)
    return source is click.core.ParameterSource.ENVIRONMENT


def _give_up(message: str) -> Never:
    click.echo(f"error: {message}", err=True)
    sys.exit(_UNUSABLE)
