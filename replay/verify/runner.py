"""Puts a client into one scenario after another, and judges it in each."""

import contextlib
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pollux.replay.errors import ReplayError
from pollux.replay.format import TERMINAL_STATUSES, Code
from pollux.replay.journal import Entry, Journal
from pollux.replay.recording import Recording
from pollux.replay.server import ReplayServer
from pollux.replay.session import Session
from pollux.replay.timeline import Timeline
from pollux.replay.verify import streams
from pollux.replay.verify.case import Case, terminal, told
from pollux.replay.verify.client_process import ClientProcess
from pollux.replay.verify.judge import judge
from pollux.replay.verify.outcome import End, Facts, Outcome
from pollux.replay.verify.report import Visit
from pollux.replay.verify.rules import BY_ID
from pollux.replay.verify.scenarios import FEWEST_EVENTS, Scenario

PLACEHOLDER = "{base_url}"
#: A client that asks nothing for so long asks nothing any more: longer than any answer hangs.
SILENCE_SECONDS = 12.0
#: More is needed while it may be backing off.
SILENCE_AFTER_A_FAILURE_SECONDS = 30.0
#: Less is needed once it has been told that there is nothing more to come.
SILENCE_AT_THE_END_SECONDS = 3.0
#: How long another task is live where the scenario is busy.
BUSY_SECONDS = 4.0

_TOKEN = "any"
# Half of what a server keeps (api_v1 2.3.6).
_LARGEST_SHARE = 500
_TICK_SECONDS = 0.2
#: Rules that are broken by going on for ever: once one is, nothing more needs to be seen.
_ENDLESS = ("TERMINAL-STOPS", "GONE-STOPS", "TOKEN-NOT-HAMMERED", "BUSY-NOT-HAMMERED")


class NotPlayable(ReplayError):
    """The recording cannot be used to judge a client; the message says why."""


@dataclass(frozen=True)
class Given:
    """The recording that was given.

    Attributes:
        path: The file.
        name: Its name.
        types: The type of each of its events, by idx.
    """

    path: Path
    name: str
    types: Mapping[int, str]

    @classmethod
    def read(cls, path: Path) -> "Given":
        """Read the recording in PATH.

        Raises:
            NotPlayable: when it has no end, so that no client could come to one.
            RecordingError: when it cannot be read.
            OSError: when it cannot be opened.
        """
        with Recording(path) as recording:
            payloads = [
                row.record.payload for row in recording.records() if row.record.code == Code.STATUS
            ]
            statuses = [payload.get("status") for payload in payloads if isinstance(payload, dict)]
            if not TERMINAL_STATUSES.intersection(statuses[-1:]):
                raise NotPlayable(
                    f"{path} does not tell how its task ended: a client can be judged only by a "
                    "recording with a terminal status"
                )
            return cls(path, recording.name, Timeline(recording).event_types())


@dataclass(frozen=True)
class Stream:
    """What is played in a scenario: the file, its name, and the types of its events."""

    path: Path
    name: str
    types: Mapping[int, str]


def visit(scenario: Scenario, given: Given, command: str, *, timeout: float) -> Visit:
    """Run the client in one scenario, and judge it.

    Args:
        scenario: The scenario.
        given: The recording that is played, unless the scenario has a stream of its own.
        command: Shell command of the client; ``{base_url}`` is replaced.
        timeout: Seconds that the client has.
    """
    with contextlib.ExitStack() as around:
        folder = Path(around.enter_context(tempfile.TemporaryDirectory(prefix="pollux-verify-")))
        stream = _stream(scenario, given, folder)
        server = around.enter_context(_server(scenario, stream))
        journal, base_url = server.session.journal, server.base_url
        if scenario.busy:
            around.enter_context(_busy(server.session, journal))
        began = time.monotonic()
        with ClientProcess(
            command.replace(PLACEHOLDER, base_url),
            {"POLLUX_BASE_URL": base_url, "POLLUX_TOKEN": _TOKEN},
            journal,
        ) as client:
            end = _wait(client, journal, timeout)
            exit_code = client.exit_code if end is End.EXITED else None
        seconds = time.monotonic() - began
        # What is still being answered is written down when the server has stopped.
        server.stop()
        facts = Facts(end=end, types=stream.types, effects=server.session.faults.effects)
        requests = tuple(sorted(journal.entries, key=lambda entry: entry.number))
        return Visit(
            scenario=scenario.name,
            sentence=scenario.sentence,
            faults=scenario.faults,
            stream=stream.name,
            end=end,
            exit_code=exit_code,
            seconds=seconds,
            requests=requests,
            shown=sum(ack.gap is None for ack in journal.acks),
            unfired=tuple(rule.name for rule in server.session.faults.never_fired),
            results=tuple(judge(journal, facts)),
            trouble=_trouble(requests, end, exit_code),
            last_words=client.last_words,
        )


def _stream(scenario: Scenario, given: Given, folder: Path) -> Stream:
    if scenario.stream is None and len(given.types) >= FEWEST_EVENTS:
        return Stream(given.path, given.name, given.types)
    records = list((scenario.stream or streams.words)())
    name = f"{scenario.name}, made"
    if scenario.stream is None:
        name = f"made, for {given.name} has only {len(given.types)} events"
    path = streams.write(folder / "made.taskcast.jsonl", records)
    events = [record.payload for record in records if record.code == Code.EVENT]
    return Stream(path, name, {event["idx"]: event["type"] for event in events})


def _server(scenario: Scenario, stream: Stream) -> ReplayServer:
    per_poll = max(2, -(-len(stream.types) // scenario.polls))
    if scenario.ring is None:
        per_poll = min(per_poll, _LARGEST_SHARE)  # else a long recording would be all gaps
    return ReplayServer(
        stream.path,
        clock=scenario.clock,
        per_poll=per_poll,
        ring=scenario.ring,
        faults=scenario.faults,
    )


@contextlib.contextmanager
def _busy(session: Session, journal: Journal) -> Iterator[None]:
    """Keep a task live until a while after the client's first message was refused."""
    play = session.send({"message": "Another task of the same user."})
    over = threading.Event()

    def end_it() -> None:
        while not over.is_set():
            if journal.wait_for(lambda: any(_refused(one) for one in journal.entries), 0.5):
                over.wait(BUSY_SECONDS)
                break
        play.cancel()

    ending = threading.Thread(target=end_it, name="busy", daemon=True)
    ending.start()
    try:
        yield
    finally:
        over.set()
        ending.join()


def _refused(entry: Entry) -> bool:
    return entry.operation == "sendMessage" and entry.http_status == 409


def _wait(client: ClientProcess, journal: Journal, timeout: float) -> End:
    """Wait until the client has ended, in one way or another."""
    deadline = time.monotonic() + timeout
    seen = 0
    while not client.ended_within(_TICK_SECONDS):
        entries = journal.entries
        if len(entries) > seen:
            seen = len(entries)
            if _goes_on_for_ever(journal):
                return End.TIMEOUT
        if entries and _silent_seconds(journal) > _patience(entries):
            return End.SILENT
        if time.monotonic() > deadline:
            return End.TIMEOUT
    return End.EXITED


def _goes_on_for_ever(journal: Journal) -> bool:
    case = Case.of(journal, Facts())
    return any(BY_ID[rule].judge(case).outcome is Outcome.FAIL for rule in _ENDLESS)


def _silent_seconds(journal: Journal) -> float:
    """Return for how long the client has neither asked for anything nor shown anything."""
    shown = max((ack.since_ms for ack in journal.acks[-1:]), default=0.0)
    return min(journal.silent_ms(), journal.since_ms() - shown) / 1000


def _patience(entries: Iterable[Entry]) -> float:
    """Return how many seconds of silence say that the client has come to an end."""
    last = max(entries, key=lambda entry: entry.number)
    if terminal(last) or last.http_status in (401, 403, 404, 410):
        return SILENCE_AT_THE_END_SECONDS
    if told(last) or last.http_status == 202:
        return SILENCE_SECONDS
    return SILENCE_AFTER_A_FAILURE_SECONDS + (last.retry_after or 0.0)


def _trouble(requests: Iterable[Entry], end: End, exit_code: int | None) -> str | None:
    """Return why nothing can be said of the client, or None."""
    if any(entry.operation in ("sendMessage", "pollTask") for entry in requests):
        return None
    how = {
        End.EXITED: f"it ended with exit code {exit_code}",
        End.TIMEOUT: "its time was over (--timeout)",
    }.get(end, "it fell silent")
    return f"the client neither sent a message nor polled a task: {how}"
