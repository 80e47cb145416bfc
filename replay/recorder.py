"""Records the event stream of one task of any API v1 server while it runs."""

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from pollux import __version__
from pollux.interrupts import Interrupts
from pollux.polling.client import ApiClient
from pollux.polling.exchange import Exchange
from pollux.polling.http import Limits
from pollux.replay.answers import data_of, kind_of
from pollux.replay.beginning import Beginning, Task
from pollux.replay.errors import RecordingCutOff
from pollux.replay.format import FORMAT_VERSION, VANISHED, Code, Deltas, Header, Record
from pollux.replay.intake import BadAnswer, Entry
from pollux.replay.pace import Pace, Patience, retry_after_seconds
from pollux.replay.redaction import Secrets
from pollux.replay.writer import RecordingWriter

_LONGEST_DETAIL = 300


@dataclass(frozen=True)
class Progress:
    """How far a recording has come.

    Attributes:
        task_id: The task.
        status: Its last status.
        events: Events recorded.
        lost: Events that fell into gaps.
        anomalies: HTTP anomalies noted.
        trouble: What went wrong with the last poll, or None.
        over: Why the recording has ended, or None.
    """

    task_id: str
    status: str
    events: int
    lost: int
    anomalies: int
    trouble: str | None = None
    over: str | None = None


@dataclass(frozen=True)
class RecordingResult:
    """What was recorded.

    Attributes:
        path: The file.
        task_id: The task.
        conversation_id: Its conversation, where that is known.
        status: The last status told.
        complete: Whether the end was seen and every event before it recorded or named in a gap.
        reason: Why the recording ended: ``end``, ``vanished``, ``refused``, ``unreachable`` or
            ``interrupted``.
        events: Events recorded.
        lost: Events that fell into gaps.
        anomalies: HTTP anomalies noted.
        seconds: How long it took.
    """

    path: Path
    task_id: str
    conversation_id: str | None
    status: str
    complete: bool
    reason: str
    events: int
    lost: int
    anomalies: int
    seconds: float


@dataclass(frozen=True)
class Options:
    """How to record.

    Attributes:
        timeout: Seconds that one request may take.
        patience: Seconds without a good answer after which the recorder gives up.
        pace: Intervals between polls.
        source: What the header says of the server; its URL by default.
        title: What the recording shows, for the header.
        redact: Values that must not stand in the file.
        force: Overwrite an existing file.
    """

    timeout: float = 60.0
    patience: float = 120.0
    pace: Callable[[], Pace] = Pace
    source: str | None = None
    title: str | None = None
    redact: tuple[str, ...] = ()
    force: bool = False


def record(
    base_url: str,
    token: str,
    output: Path | str,
    *,
    task_id: str | None = None,
    request: Mapping[str, Any] | None = None,
    options: Options = Options(),
    on_progress: Callable[[Progress], object] = lambda _: None,
    interrupts: Interrupts | None = None,
) -> RecordingResult:
    """Record one task to its end.

    Args:
        base_url: The server, with or without ``/api/v1``.
        token: The bearer token; it never stands in the file.
        output: The file; the ending ``.gz`` compresses it.
        task_id: A task that was started elsewhere, or else
        request: the body of a message that starts one.
        options: How to record.
        on_progress: Called after every poll.
        interrupts: What holds Ctrl-C back while something is written.

    Raises:
        RecordingExists: when OUTPUT is there already.
        RecorderError: when the server is not reached or refuses at once; no file is left then.
        RecordingCutOff: when OUTPUT cannot be written to its end.
        OSError: when OUTPUT cannot be opened for writing.
        ValueError: when BASE_URL is no URL.
    """
    if (task_id is None) == (request is None):
        raise ValueError("either a task id or a message is needed")
    limits = Limits(timeout=options.timeout)
    secrets = Secrets(token, options.redact)
    with (
        ApiClient(base_url, token, limits=limits) as client,
        RecordingWriter(output, secrets=secrets, force=options.force) as writer,
    ):
        recorder = _Recorder(client, writer, options, on_progress, interrupts or Interrupts())
        return recorder.run(task_id, request)


class _Recorder:
    def __init__(
        self,
        client: ApiClient,
        writer: RecordingWriter,
        options: Options,
        on_progress: Callable[[Progress], object],
        interrupts: Interrupts,
    ) -> None:
        self._client = client
        self._writer = writer
        self._options = options
        self._on_progress = on_progress
        self._interrupts = interrupts
        self._pace = options.pace()
        self._deltas = Deltas()
        self._began_at = time.time()
        self._began = time.monotonic()
        self._patience = Patience(options.patience)

    def run(self, task_id: str | None, request: Mapping[str, Any] | None) -> RecordingResult:
        beginning = Beginning(self._client, self._pace, self._patience)
        context = beginning.context(request)
        task = beginning.send(request) if request is not None else beginning.join(str(task_id))
        header = {**self._header(task), "request": request and dict(request), **context}
        try:
            return self._finish(task, self._stream(task, Header(header)))
        except OSError as error:
            raise RecordingCutOff(self._writer.path, error) from error

    def _header(self, task: Task) -> dict[str, Any]:
        title = self._options.title
        return {
            "taskcast": FORMAT_VERSION,
            "recorded_at": round(self._began_at, 3),
            "recorder": f"pollux {__version__}",
            "source": {"base_url": self._options.source or _bare(self._client.base_url)},
            **({} if title is None else {"title": title}),
            "task": {
                "task_id": task.task_id,
                "conversation_id": task.conversation_id,
                "created_at": task.intake.created_at,
            },
        }

    def _stream(self, task: Task, header: Header) -> str:
        """Write all that the server tells and return why there is no more."""
        try:
            with self._interrupts.held_back():
                self._writer.begin(header)
            self._write(task.entries)
            return self._follow(task)
        except KeyboardInterrupt:
            return "interrupted"

    def _finish(self, task: Task, reason: str) -> RecordingResult:
        result = self._result(task, reason)
        with contextlib.suppress(KeyboardInterrupt), self._interrupts.held_back():
            self._writer.finish(
                self._deltas.at(result.seconds),
                complete=result.complete,
                reason=reason,
                status=result.status,
                ring=task.intake.ring,
            )
        self._tell(task, over=reason)
        return result

    # -- the stream ---------------------------------------------------------------------

    def _follow(self, task: Task) -> str:
        """Poll to the end and return why it is one."""
        intake = task.intake
        pause, trouble = 0.0, None
        while True:
            self._tell(task, trouble=trouble)
            # A server may set its last status a moment before its last event: one more poll.
            confirming = intake.terminal
            time.sleep(pause)
            answer = self._client.poll_task(task.task_id, intake.head)
            events_before = self._writer.counts.get(Code.EVENT, 0)
            failure = self._take(task, answer)
            if failure is None:
                new_events = self._writer.counts.get(Code.EVENT, 0) - events_before
                if confirming and intake.terminal and not new_events:
                    return "end"
                self._patience.answered()
                pause, trouble = self._pace.after_answer(new_events), None
                continue
            if confirming:
                return "end"
            if failure in (VANISHED, "refused"):
                return failure
            told = retry_after_seconds(answer.header("retry-after"))
            pause, trouble = self._pace.after_failure(told), answer.summary
            if self._patience.over(pause, told):
                return "unreachable"

    def _take(self, task: Task, answer: Exchange) -> str | None:
        """Write what ANSWER told; return None, or the kind of anomaly when it told nothing."""
        offset = task.intake.head
        if answer.status == 200:
            try:
                self._write(task.intake.answered(offset, data_of(answer), answer.elapsed_ms))
            except BadAnswer as error:
                kind, detail = "body", str(error)
            else:
                return None
        else:
            kind, detail = kind_of(answer), answer.summary
        payload: dict[str, Any] = {"kind": kind, "detail": detail[:_LONGEST_DETAIL], "from": offset}
        if answer.answered:
            payload["status"] = answer.status
        retry_after = retry_after_seconds(answer.header("retry-after"))
        if retry_after is not None:
            payload["retry_after"] = retry_after
        payload["ms"] = round(answer.elapsed_ms)
        self._write([(Code.ANOMALY, payload)])
        return kind

    def _write(self, entries: list[Entry]) -> None:
        arrived = time.monotonic() - self._began
        with self._interrupts.held_back():
            for code, payload in entries:
                self._writer.write(Record(self._deltas.at(arrived), str(code), payload))
            self._writer.flush()

    # -- telling ------------------------------------------------------------------------

    def _tell(self, task: Task, *, trouble: str | None = None, over: str | None = None) -> None:
        counts = self._writer.counts
        self._on_progress(
            Progress(
                task_id=task.task_id,
                status=task.intake.status or "",
                events=counts.get(Code.EVENT, 0),
                lost=task.intake.lost,
                anomalies=counts.get(Code.ANOMALY, 0),
                trouble=trouble,
                over=over,
            )
        )

    def _result(self, task: Task, reason: str) -> RecordingResult:
        counts = self._writer.counts
        return RecordingResult(
            path=self._writer.path,
            task_id=task.task_id,
            conversation_id=task.conversation_id,
            status=task.intake.status or "",
            complete=reason == "end",
            reason=reason,
            events=counts.get(Code.EVENT, 0),
            lost=task.intake.lost,
            anomalies=counts.get(Code.ANOMALY, 0),
            seconds=time.monotonic() - self._began,
        )


def _bare(url: str) -> str:
    """Return URL without credentials, query and fragment."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))
