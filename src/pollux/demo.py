"""The command ``pollux demo``: the whole of it, one part after the other, on this machine alone."""

import json
import shlex
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click
from rich.console import Console

from pollux.conformance.bench import Bench, Setting, set_up
from pollux.conformance.effort import Budget, Effort
from pollux.conformance.errors import TargetError
from pollux.conformance.outcome import Verdict
from pollux.conformance.recorder import Plan
from pollux.conformance.report.console import print_report
from pollux.conformance.report.json import render_json
from pollux.conformance.report.log import EventLog
from pollux.conformance.report.progress import LiveProgress
from pollux.conformance.report.report import Report, build_report
from pollux.conformance.runner import run_checks
from pollux.polling.breach import Breach
from pollux.polling.client import ApiClient
from pollux.polling.watcher import TaskWatcher
from pollux.replay.errors import ReplayError
from pollux.replay.format import Code
from pollux.replay.recorder import RecordingResult, record
from pollux.replay.recording import Recording
from pollux.replay.server import ReplayServer
from pollux.replay.verify.outcome import Outcome
from pollux.replay.verify.runner import PLACEHOLDER, Given, visit
from pollux.replay.verify.scenarios import BY_NAME
from pollux.schemas.requirements import load_requirements

REPORT = "report.json"
RECORDING = "demo.taskcast.jsonl"

#: A task with a bit of everything: thinking, text, two tools, a second model call.
MESSAGE = """pollux-script
think "The user wants a greeting " "in a file."
say "I write " "it " "down. "
call write_file {"path": "hello.txt", "content": "Hello, 世界 👋"}
call read_file {"path": "hello.txt"}
turn
pause 300ms
say "Done: " "hello.txt " "says " "hello." """

#: What is checked: the heart of the contract. `pollux check --reference` checks all of it.
_SELECTION = (
    "auth",
    "cancel",
    "ENVELOPE-*",
    "POLL-*",
    "RING-*",
    "SEND-RACE",
    "SEND-BUSY-*",
    "SEND-AFTER-END",
)
_SPEED = 4.0
_STORM_SECONDS = 60.0
_SEED = 1


class _Sink:
    """Counts what the polling client finds wrong with the replay."""

    def __init__(self) -> None:
        self.breaches: list[Breach] = []

    def held(self, requirement: str) -> None:
        """Note nothing: what is right needs no words here."""

    def breached(self, breach: Breach) -> None:
        """Keep what is wrong."""
        self.breaches.append(breach)


class _Failed(Exception):
    """A part of the demo did not hold; the message says which and why."""


@click.command()
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help=f"Leave {REPORT} and {RECORDING} in DIR.",
)
def demo(keep: Path | None) -> None:
    """Show all of it: serve, check, record, replay, verify.

    No key and no network is needed. Exit codes: 0 all held; 1 something did not; 2 the server
    could not be started; 3 something could not be verified.
    """
    console = Console(highlight=False)
    started = time.monotonic()
    try:
        with _folder(keep) as folder:
            report = _run(folder, console)
    except (TargetError, OSError) as error:
        console.print(f"The demo could not run: {error}", style="red", markup=False)
        sys.exit(2)
    except (_Failed, ReplayError) as error:
        console.print(f"\nDid not hold: {error}", style="bold red", markup=False)
        sys.exit(1)
    if report.verdict is not Verdict.CONFORMANT:
        sys.exit(report.exit_code)
    console.print(f"\nAll of it held, in {time.monotonic() - started:.0f} s.", style="bold green")
    if keep is not None:
        console.print(f"{keep}: {REPORT}, {RECORDING}", markup=False)
        console.print(f"Play it again: pollux replay {keep / RECORDING}", markup=False)


def _run(folder: Path, console: Console) -> Report:
    with ExitStack() as stack:
        _title(console, 1, "Serve: the reference server, on the scripted model")
        bench = stack.enter_context(set_up(Setting(reference=True)))
        console.print(f"   It answers on {bench.target.base_url} to two users.", markup=False)
        _title(console, 2, "Check: the conformance suite judges it over HTTP")
        report = _check(bench, folder / REPORT, console)
        _title(console, 3, "Record: one task of it, event by event")
        recording = folder / RECORDING
        result = record(bench.target.base_url, bench.target.token, recording,
                        request={"message": MESSAGE})  # fmt: skip
        if not result.complete or result.status != "succeeded":
            raise _Failed(f"the recording ended as {result.status}, {result.reason}")
        console.print(f"   {result.events} events in {result.seconds:.1f} s, to {RECORDING}.")
    _title(console, 4, f"Replay: the server is gone; a client reads the recording, {_SPEED:g}x")
    _replay(result, console)
    _title(console, 5, "Verify: the replay fails now and then; its client, the recorder, is judged")
    _verify(result, console)
    return report


def _check(bench: Bench, file: Path, console: Console) -> Report:
    with LiveProgress(Console(stderr=True)) as progress:
        log = EventLog(None, [progress])
        quick = Budget.of(Effort.QUICK)
        plan = Plan(bench.target, load_requirements(), only=_SELECTION, seed=_SEED, budget=quick)
        run_checks(plan, log)
        log.close()
    report = build_report(log.events)
    file.write_text(render_json(report), encoding="utf-8")
    print_report(report, console)
    return report


def _replay(result: RecordingResult, console: Console) -> None:
    """Play a recording to a polling client, and compare what it got with what was recorded."""
    with Recording(result.path) as opened:
        recorded = [row.record.payload for row in opened.records() if row.record.code == Code.EVENT]
    sink = _Sink()
    with (
        ReplayServer(result.path, speed=_SPEED) as server,
        ApiClient(server.base_url, "any-token") as client,
    ):
        sent = client.send_message("Play it.")
        if sent.status != 202:
            raise _Failed(f"the replay refused the message: {sent.summary}")
        watcher = TaskWatcher(client, str(sent.payload["task_id"]), sink)
        last = watcher.to_end()
    if sink.breaches:
        raise _Failed(
            f"the replay broke {sink.breaches[0].requirement}: {sink.breaches[0].message}"
        )
    # A replayed task has a conversation of its own; nothing else may differ.
    own, original = str(sent.payload["conversation_id"]), result.conversation_id or ""
    if json.dumps(watcher.events) != json.dumps(recorded).replace(original, own):
        raise _Failed("the client did not get the events that were recorded")
    text = "".join(watcher.texts("text_chunk"))
    console.print(f"   The client read: {text}", markup=False)
    console.print(f"   All {len(recorded)} events came as they were recorded: {last.status}.")


def _verify(result: RecordingResult, console: Console) -> None:
    """Judge the recorder by how it gets through a storm of errors."""
    storm = BY_NAME["storm"]
    again = result.path.with_name("again.taskcast.jsonl")
    client = [sys.executable, "-m", "pollux", "record", PLACEHOLDER, "--token", "any"]
    command = shlex.join([*client, "--send", "Play it.", "-o", str(again)])
    try:
        seen = visit(storm, Given.read(result.path), command, timeout=_STORM_SECONDS)
    finally:
        again.unlink(missing_ok=True)
    broken = [row for row in seen.results if row.red]
    if broken or seen.trouble:
        raise _Failed(seen.trouble or f"the recorder broke {broken[0].rule}: {broken[0].detail}")
    held = sum(row.outcome is Outcome.PASS for row in seen.results)
    console.print(f"   In a storm of errors it kept {held} rules in {len(seen.requests)} requests.")


def _title(console: Console, number: int, text: str) -> None:
    console.print(f"\n{number}. {text}", style="bold", markup=False)


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        (keep / RECORDING).unlink(missing_ok=True)
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="pollux-demo-") as name:
        yield Path(name)
