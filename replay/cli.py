"""The commands ``pollux record`` and ``pollux replay``."""

import errno
import json
import sys
import threading
import webbrowser
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pollux.replay.clock import CLOCKS
from pollux.replay.errors import RecordingCutOff, ReplayError
from pollux.replay.fault_options import fault_options, rules_of, say_what_fired
from pollux.replay.frames import TimeBase
from pollux.replay.playlist import CHOICES

if TYPE_CHECKING:
    from pollux.replay.recorder import RecordingResult
    from pollux.replay.recording import Recording
    from pollux.replay.server import ReplayServer

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class _Failed(click.ClickException):
    """Ends the command with exit code 2: usage, or the target cannot be reached."""

    exit_code = 2


class _Incomplete(click.ClickException):
    """Ends the command with exit code 3: something is recorded, but not all."""

    exit_code = 3


@click.command()
@click.argument("url")
@click.option("--token", envvar="POLLUX_TOKEN", help="Bearer token; or POLLUX_TOKEN is set.")
@click.option("--task", "task_id", metavar="ID", help="Record a task that was started elsewhere.")
@click.option("--send", "message", metavar="TEXT", help="Send TEXT and record its task.")
@click.option("--run-mode", metavar="MODE", help="With --send: fast, thinking or deep.")
@click.option("--model-key", metavar="KEY", help="With --send: the model.")
@click.option("--conversation", metavar="ID", help="With --send: go on with this conversation.")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write, NAME.taskcast.jsonl; compressed when it ends in .gz.",
)
@click.option("--force", is_flag=True, help="Overwrite the file if it is there.")
@click.option(
    "--redact",
    multiple=True,
    metavar="VALUE",
    help="Replace VALUE wherever it occurs; may be repeated. The token always is.",
)
@click.option("--title", help="What the recording shows; kept in its header.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    help="Seconds that one request may take.",
)
@click.option(
    "--patience",
    type=click.FloatRange(min=0),
    default=120.0,
    show_default=True,
    help="Give up after so many seconds without a good answer.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def record(
    url: str,
    token: str | None,
    task_id: str | None,
    message: str | None,
    run_mode: str | None,
    model_key: str | None,
    conversation: str | None,
    output: Path,
    force: bool,
    redact: tuple[str, ...],
    title: str | None,
    timeout: float,
    patience: float,
    as_json: bool,
) -> None:
    """Record the event stream of a task of the API v1 server at URL.

    The recorder polls while the task runs and goes on through lost connections, 5xx and 429.
    What it could not get is in the file, as gaps and anomalies. Ctrl-C ends it with a file
    that can be played.

    Exit codes: 0 the recording is complete; 2 usage, the server is not reached, or it refuses;
    3 the recording is incomplete.

    \b
    pollux record http://localhost:8091 --token T --send "Hello" -o hello.taskcast.jsonl
    pollux record http://localhost:8091 --token T --task 60322db3-... -o it.taskcast.jsonl.gz
    """
    if not token:
        raise click.UsageError("a token is needed: --token T, or the variable POLLUX_TOKEN")
    if (task_id is None) == (message is None):
        raise click.UsageError("say what to record: either --task ID or --send TEXT")
    fields = {"run_mode": run_mode, "model_key": model_key, "conversation_id": conversation}
    given = {name: value for name, value in fields.items() if value is not None}
    if message is None and given:
        raise click.UsageError("--run-mode, --model-key and --conversation go with --send")
    # What one command needs does not slow down the other.
    from rich.console import Console

    from pollux.interrupts import Interrupts
    from pollux.replay.progress import shown
    from pollux.replay.recorder import Options
    from pollux.replay.recorder import record as record_task

    options = Options(timeout=timeout, patience=patience, title=title, redact=redact, force=force)
    interrupts = Interrupts()
    console = Console(stderr=True)
    try:
        with interrupts.caught(), shown(console) as on_progress:
            result = record_task(
                url,
                token,
                output,
                task_id=task_id,
                request=None if message is None else {"message": message, **given},
                options=options,
                on_progress=on_progress,
                interrupts=interrupts,
            )
    except KeyboardInterrupt:
        raise _Failed("interrupted before anything was recorded") from None
    except RecordingCutOff as error:
        raise _Incomplete(str(error)) from None
    except (ReplayError, ValueError) as error:
        raise _Failed(str(error)) from None
    except OSError as error:
        raise _Failed(f"{output} cannot be written: {error}") from None
    click.echo(_as_json(result) if as_json else _as_text(result))
    if not result.complete:
        sys.exit(3)


@click.command()
@click.argument(
    "files",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE...",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8091,
    show_default=True,
    help="Port; 0 takes a free one.",
)
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="Recorded seconds per second.",
)
@click.option(
    "--clock",
    type=click.Choice(CLOCKS),
    default="wall",
    show_default=True,
    help="What moves a task on: time, your hand (lines on standard input, the control API), or "
    "the client's polls.",
)
@click.option(
    "--per-poll",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="With --clock poll: new events per poll.",
)
@click.option(
    "--timing",
    type=click.Choice([base.value for base in TimeBase]),
    default=TimeBase.SERVER.value,
    show_default=True,
    help="When events happen: as on the recorded server, or as they arrived at the recorder.",
)
@click.option(
    "--ring",
    type=click.IntRange(min=1),
    help="Events kept for late polls; by default as many as the recorded server kept.",
)
@click.option(
    "--cap",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Shorten longer pauses in the recordings to SECONDS.",
)
@click.option(
    "--choose",
    type=click.Choice(CHOICES),
    default=CHOICES[0],
    show_default=True,
    help="Which FILE a message plays: the next one, or the one that its text asks for.",
)
@click.option("--loop", is_flag=True, help="Play the first FILE chosen for every message.")
@click.option(
    "--break",
    "breakpoints",
    multiple=True,
    metavar="CONDITION",
    help="Stand still behind an event: idx=300, type=tool_start, data.name=write_file; may be "
    "repeated.",
)
@fault_options
@click.option("--token", help="Take this bearer token only; by default any.")
@click.option("--view", is_flag=True, help="Open the viewer in the browser.")
@click.option(
    "--control-anywhere",
    is_flag=True,
    help="Let other machines use the control API and the viewer.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON once it is ready.")
def replay(
    files: tuple[Path, ...],
    host: str,
    port: int,
    speed: float,
    clock: str,
    per_poll: int,
    timing: str,
    ring: int | None,
    cap: float | None,
    choose: str,
    loop: bool,
    breakpoints: tuple[str, ...],
    fault_files: tuple[Path, ...],
    fault_rules: tuple[str, ...],
    fault_seed: int,
    token: str | None,
    view: bool,
    control_anywhere: bool,
    as_json: bool,
) -> None:
    """Play recordings to clients of API v1, without a model or a key.

    Point the client at this server instead of the real one. Every message it sends starts a
    task that plays a FILE from its beginning, as the recorded server told it: polls at any
    offset, the buffer of the last events, status, cancel, conversations.

    Each path may begin with /s/ID: whoever uses another ID shares nothing with the others. An ID
    that is the name of a FILE plays just that. docs/replay.md tells it with examples.

    A recording without an end (cut off, or still being written) leaves its task running until
    it is cancelled; one that is still being written is followed.

    Exit codes: 0 ended by Ctrl-C; 2 a file cannot be played, or the port is in use.
    """
    from pollux.replay.server import ReplayServer

    try:
        server = ReplayServer(
            *files,
            clock=clock,
            speed=speed,
            per_poll=per_poll,
            ring=ring,
            cap=cap,
            choose=choose,
            loop=loop,
            breakpoints=breakpoints,
            faults=rules_of(fault_files, fault_rules, fault_seed),
            control_anywhere=control_anywhere,
            base=TimeBase(timing),
            token=token,
            host=host,
            port=port,
        )
    except (ReplayError, ValueError) as error:
        raise _Failed(str(error)) from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            advice = "stop what runs there, or choose another with --port (0 takes a free one)"
            raise _Failed(f"port {port} is in use: {advice}") from None
        raise _Failed(str(error)) from None
    if host not in _LOOPBACK:
        controlled = " and controlled" if control_anywhere else ""
        click.echo(f"Warning: {host} can be reached{controlled} from other machines.", err=True)
    for recording in server.recordings:
        for warning in recording.warnings():
            click.echo(f"Warning: {recording.path}: {warning}", err=True)

    def ready() -> None:
        click.echo(_ready_json(server) if as_json else _ready_text(server, clock, speed, token))
        if clock == "manual":
            threading.Thread(target=_obey_standard_input, args=(server,), daemon=True).start()
        if view:
            threading.Thread(target=_open_viewer, args=(server.view_url,), daemon=True).start()

    server.serve(ready)
    say_what_fired(server.sessions.all(), as_json=as_json)


def _open_viewer(url: str) -> None:
    if not webbrowser.open(url):
        click.echo(f"There is no browser to be opened: open {url} by hand.", err=True)


def _obey_standard_input(server: "ReplayServer") -> None:
    from pollux.replay.stepping import HELP, follow

    click.echo(HELP, err=True)
    for answer in follow(server, sys.stdin):
        click.echo(answer, err=True)


def _as_json(result: "RecordingResult") -> str:
    return json.dumps({**asdict(result), "path": str(result.path)}, ensure_ascii=False)


def _as_text(result: "RecordingResult") -> str:
    extras = [f"{result.lost} events lost in gaps"] if result.lost else []
    if result.anomalies:
        extras.append(f"{result.anomalies} anomalies")
    what = f"{result.events} events, {result.status}, {result.seconds:.1f} s"
    line = ", ".join([f"{result.path}: {what}", *extras])
    return line if result.complete else f"{line}\nThe recording is incomplete: {result.reason}"


def _about(recording: "Recording") -> dict[str, Any]:
    trailer = recording.trailer()
    counts = (trailer or {}).get("counts")
    return {
        "name": recording.name,
        "path": str(recording.path),
        "events": counts.get("e", 0) if isinstance(counts, dict) else None,
        "status": (trailer or {}).get("status"),
        "complete": (trailer or {}).get("complete") is True,
    }


def _ready_json(server: "ReplayServer") -> str:
    about = {
        "base_url": server.base_url,
        "control_url": server.control_url,
        "view_url": server.view_url,
        "recordings": [_about(recording) for recording in server.recordings],
    }
    return json.dumps(about, ensure_ascii=False)


def _ready_text(server: "ReplayServer", clock: str, speed: float, token: str | None) -> str:
    pace = f"speed {speed:g}" if clock == "wall" else f"{clock} clock"
    lines = [f"Replaying on {server.base_url} ({pace}); Ctrl-C ends it."]
    for about in (_about(recording) for recording in server.recordings):
        known = "?" if about["events"] is None else about["events"]
        lines.append(f"  {about['name']}: {known} events, {about['status'] or 'no end'}")
    curl = (
        f"curl -sS -H 'Authorization: Bearer {'<TOKEN>' if token else 'any'}' "
        "-H 'Content-Type: application/json' "
        f"""-d '{{"message":"hello"}}' {server.base_url}/api/v1/messages"""
    )
    watch = f"Watch and control it: {server.view_url} (control API: {server.control_url})"
    return "\n".join([*lines, "Start a task with:", f"  {curl}", watch])
