"""The command ``pollux verify``."""

import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Never

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pollux.replay.verify.report import Visit
    from pollux.replay.verify.runner import Given
    from pollux.replay.verify.scenarios import Scenario

_UNUSABLE = 2


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE")
@click.option(
    "--client",
    "command",
    required=True,
    metavar="CMD",
    help="Shell command that starts the client; {base_url} in it is replaced. The variables "
    "POLLUX_BASE_URL and POLLUX_TOKEN are set, too.",
)
@click.option(
    "--scenario",
    "names",
    multiple=True,
    metavar="NAME",
    help="Only this scenario; may be repeated. --list shows them.",
)
@click.option(
    "--faults",
    "faults_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Judge under the fault rules of this file, instead of or beside --scenario.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="S",
    help="Seconds that the client has in each scenario.",
)
@click.option(
    "--delivery-only",
    is_flag=True,
    help="Leave out what the client shows: judge only what it asks.",
)
@click.option(
    "--report", "report_file", type=click.Path(path_type=Path), metavar="FILE", help="Write JSON."
)
@click.option(
    "--junit", "junit_file", type=click.Path(path_type=Path), metavar="FILE", help="Write JUnit."
)
@click.option(
    "--html",
    "html_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write one HTML page that works offline.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON, nothing else.")
@click.option(
    "--list",
    "list_them",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda context, _option, wanted: _list(context) if wanted else None,
    help="Show the scenarios and the rules, and end.",
)
def verify(
    file: Path,
    command: str,
    names: tuple[str, ...],
    faults_file: Path | None,
    timeout: float,
    delivery_only: bool,
    report_file: Path | None,
    junit_file: Path | None,
    html_file: Path | None,
    as_json: bool,
) -> None:
    """Judge a client of API v1 by what it does with the recording FILE.

    The client is started afresh in each scenario. It sends one message, follows its task, and
    ends, or falls silent. What it shows it tells by lines of JSON on standard output,
    {"idx": 7} for an event and {"gap": [12, 40]} for lost ones; without them its rendering is
    UNTESTABLE.

    Exit codes: 0 all that is required was judged, and holds; 1 something is violated; 2 usage,
    or FILE cannot be played; 3 something required could not be judged.

    \b
    pollux verify hello.taskcast.jsonl --client "python my_client.py {base_url}"
    """
    # Flask and httpx are loaded only when there is something to be judged.
    from rich.console import Console

    from pollux.files import write_atomically
    from pollux.replay.errors import ReplayError
    from pollux.replay.verify.outputs import (
        print_report,
        render_html,
        render_json,
        render_junit,
    )
    from pollux.replay.verify.report import Report
    from pollux.replay.verify.runner import Given
    from pollux.replay.verify.scenarios import choose

    outputs = [
        (path, render)
        for path, render in (
            (report_file, render_json),
            (junit_file, render_junit),
            (html_file, render_html),
        )
        if path is not None
    ]
    for path, _ in outputs:
        if not path.absolute().parent.is_dir():
            _give_up(f"{path} cannot be written: there is no such folder")
    started = datetime.now(UTC)
    try:
        scenarios = choose(names, _fault_rules(faults_file))
        given = Given.read(file)
        visits = _visits(scenarios, given, command, timeout, quiet=as_json)
    except (ReplayError, ValueError) as error:
        _give_up(str(error))
    except OSError as error:
        _give_up(f"{error.filename or file}: {error.strerror or error}")
    report = Report(
        client=command,
        recording=given.name,
        visits=visits,
        started_at=started.isoformat(timespec="seconds"),
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
        version=metadata.version("pollux"),
        complete=len(visits) == len(scenarios),
        rendering=not delivery_only,
    )
    if as_json:
        click.echo(render_json(report), nl=False)
    else:
        print_report(report, Console())
    code = report.exit_code
    for path, render in outputs:
        try:
            write_atomically(path, render(report).encode())
        except OSError as error:
            click.echo(f"error: {path} cannot be written: {error.strerror or error}", err=True)
            code = _UNUSABLE
    sys.exit(code)


def _visits(
    scenarios: "Sequence[Scenario]", given: "Given", command: str, timeout: float, *, quiet: bool
) -> "list[Visit]":
    """Run all scenarios, or as many as there is time for before Ctrl-C or SIGTERM."""
    from rich.console import Console

    from pollux.interrupts import Interrupts
    from pollux.replay.verify.runner import visit

    console = Console(stderr=True)
    visits: list[Visit] = []
    try:
        with Interrupts().caught(), console.status("") as status:
            for number, scenario in enumerate(scenarios, start=1):
                line = f"{number} of {len(scenarios)}: {scenario.name}"
                status.update(line)
                if not console.is_terminal and not quiet:
                    click.echo(line, err=True)
                visits.append(visit(scenario, given, command, timeout=timeout))
    except KeyboardInterrupt:
        click.echo("interrupted: this is what was seen until then", err=True)
    return visits


def _fault_rules(path: Path | None) -> str | None:
    """Return the fault rules of a file, found to be right."""
    from pollux.replay.faults import parse_rules

    if path is None:
        return None
    return str(parse_rules(path.read_text(encoding="utf-8"), place=str(path)))


def _list(context: click.Context) -> Never:
    from pollux.replay.verify.rules import RULES
    from pollux.replay.verify.scenarios import SCENARIOS

    for scenario in SCENARIOS:
        click.echo(f"{scenario.name}: {scenario.sentence}")
    click.echo()
    for rule in RULES:
        click.echo(f"{rule.id} ({rule.level.value}): {rule.sentence}")
    context.exit()


def _give_up(message: str) -> Never:
    click.echo(f"error: {message}", err=True)
    sys.exit(_UNUSABLE)
