"""The layer that lets things go wrong, and writes down what every client asked and was told."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from werkzeug.wrappers import Response

from pollux.replay.errors import RecordingError
from pollux.replay.faults.effect import (
    Answer,
    Form,
    Lasting,
    Line,
    OnTheLine,
    Passing,
    Refusal,
    Strike,
    envelope,
)
from pollux.replay.faults.requests import (
    client_of,
    find_operation,
    offset_of,
    prepare,
    shown_path,
)
from pollux.replay.faults.rules import Rule
from pollux.replay.faults.story import Story
from pollux.replay.faults.traffic import Arrival, TaskTraffic, Traffic
from pollux.replay.faults.triggers import Asked, Truth
from pollux.replay.format import TERMINAL_STATUSES, LineError, dumps, loads
from pollux.replay.journal import Entry
from pollux.replay.session import Session
from pollux.replay.sessions import SESSION_KEY
from pollux.schemas.openapi import API_PREFIX

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_Struck = list[tuple[Rule, Strike]]


class FaultMiddleware:
    """Applies the fault rules of each session, and keeps its journal.

    It stands between :class:`pollux.replay.sessions.SessionRouter`, which tells it the session,
    and the application. Requests outside the API, such as those for control, pass unseen.

    Args:
        app: The application.
    """

    def __init__(self, app: "WSGIApplication") -> None:
        self._app = app
        self._lock = threading.Lock()
        self._traffic: WeakKeyDictionary[Session, Traffic] = WeakKeyDictionary()
        prepare()

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer a request."""
        session: Session = environ[SESSION_KEY]
        if not environ["PATH_INFO"].startswith(f"{API_PREFIX}/"):
            return self._app(environ, start_response)
        if environ["REQUEST_METHOD"] == "OPTIONS":
            return self._preflight(session, environ, start_response)
        with self._lock:
            traffic = self._traffic.setdefault(session, Traffic())
        return _Request(self._app, session, traffic, environ).answer(start_response)

    def _preflight(
        self, session: Session, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        asked = Asked(0, None, 0, client=client_of(environ))
        answer = _ask(self._app, environ)
        _reform(answer, session.faults.strikes(asked, None))
        start_response(_status_line(answer.status), list(answer.headers.items()))
        return [answer.body]


class _Request:
    """One request of a client, from its beginning to its entry in the journal."""

    def __init__(
        self, app: "WSGIApplication", session: Session, traffic: Traffic, environ: "WSGIEnvironment"
    ) -> None:
        self._began_ms = session.journal.since_ms()
        self._app, self._session, self._traffic, self._environ = app, session, traffic, environ
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        operation, named = find_operation(method, path)
        task_id = named.get("task_id")
        is_poll = operation == "pollTask"
        self._arrival: Arrival = traffic.begin(operation, task_id)
        self._polled: TaskTraffic | None = self._arrival.task if is_poll else None
        self._struck: _Struck = []
        self._lawful = True
        self._told: dict[str, Any] | None = None
        self._entry: Entry | None = Entry(
            number=self._arrival.number,
            at=time.time(),
            since_ms=self._began_ms,
            took_ms=0.0,
            client=client_of(environ),
            method=method,
            path=shown_path(environ),
            operation=operation,
            task_id=task_id,
            poll=self._arrival.nth if is_poll else None,
            offset=offset_of(environ) if is_poll else None,
            in_flight=self._arrival.in_flight,
        )

    def answer(self, start_response: "StartResponse") -> Iterator[bytes]:
        """Yield the answer as the client gets it, and write the entry before its last piece."""
        sent, status = 0, 0
        try:
            answer = self._answer()
            pieces: Iterable[bytes] = [answer.body]
            line = Line(self._environ.get("pollux.wait", _wait_alone))
            for rule, strike in self._struck:
                if isinstance(rule.effect, OnTheLine):
                    pieces = rule.effect.send(pieces, answer, line, strike)
            write: Callable[[bytes], object] | None = None
            for piece in pieces:
                if write is None:
                    headers = list(answer.headers.items())
                    write = start_response(_status_line(answer.status), headers)
                    status = answer.status
                sent += len(piece)
                if sent == len(answer.body):
                    self._end(answer, status, whole=True)
                if piece:
                    yield piece
                else:
                    write(b"")  # the head alone
        finally:
            self._end(None, status, whole=False)

    def _answer(self) -> Answer:
        answer = self._answer_to_poll(self._polled) if self._polled else self._answer_to_other()
        body = answer.body
        _reform(answer, self._struck)
        if answer.body != body:
            self._told = None
        if self._environ["REQUEST_METHOD"] != "HEAD":
            answer.headers["Content-Length"] = str(len(answer.body))
        return answer

    def _answer_to_other(self) -> Answer:
        self._struck = self._session.faults.strikes(self._asked(), None)
        refused = self._refused()
        if refused is not None:
            return refused
        if not all(rule.effect.works for rule, _ in self._struck):
            return envelope(503, "a fault of the replay: nobody gets to see this")
        return _ask(self._app, self._environ)

    def _answer_to_poll(self, task: TaskTraffic) -> Answer:
        with task.lock:
            asked = self._asked()
            offset = asked.offset
            environ = self._environ
            if offset is not None and (true := task.story.true_offset(offset)) != offset:
                environ = {**environ, "QUERY_STRING": f"from={true}"}
            answer = _ask(self._app, environ)
            payload = _payload(answer) if offset is not None else None
            truth = None if payload is None else _truth(payload)
            self._struck = self._session.faults.strikes(asked, truth)
            refused = self._refused()
            if refused is not None:
                return refused
            if offset is not None and payload is not None and truth is not None:
                self._tell(answer, payload, truth, offset, task.story)
            return answer

    def _tell(
        self, answer: Answer, payload: dict[str, Any], truth: Truth, offset: int, story: Story
    ) -> None:
        for rule, strike in self._struck:
            if isinstance(rule.effect, Lasting):
                rule.effect.change(story, truth, strike)
        changed = story.changed
        told = story.tell(payload, offset)
        for rule, strike in self._struck:
            if isinstance(rule.effect, Passing):
                rule.effect.retell(told, story, strike)
                changed = True
        self._lawful = told.lawful
        self._told = told.data
        if changed:
            answer.body = dumps(told.payload)

    def _refused(self) -> Answer | None:
        for rule, strike in self._struck:
            if isinstance(rule.effect, Refusal):
                rule.effect.strike(self._session)
                return rule.effect.answer(strike)
        return None

    def _asked(self) -> Asked:
        entry, arrival = self._entry, self._arrival
        assert entry is not None
        return Asked(
            entry.number,
            entry.operation,
            arrival.nth,
            task_id=entry.task_id,
            task_number=arrival.task.number if arrival.task else 0,
            offset=entry.offset,
            client=entry.client,
            time_ms=self._time_ms(entry.task_id) if self._session.faults else None,
        )

    def _time_ms(self, task_id: str | None) -> float | None:
        session = self._session
        try:
            play = session.live_play() if task_id is None else session.play(task_id)
            return None if play is None else play.position_ms
        except (RecordingError, OSError):
            return None  # it cannot be played on: the answer will say so

    def _end(self, answer: Answer | None, status: int, *, whole: bool) -> None:
        """Write the entry, once: the client may ask again as soon as it has the last byte."""
        entry, self._entry = self._entry, None
        if entry is None:
            return
        if self._polled:
            self._traffic.end_poll(self._polled)
        told = (self._told if whole else None) or {}
        retry_after = answer.headers.get("Retry-After", "") if answer else ""
        broken = any(rule.effect.breaks for rule, _ in self._struck)
        self._session.journal.add(
            replace(
                entry,
                took_ms=self._session.journal.since_ms() - self._began_ms,
                http_status=status,
                told_status=told.get("status"),
                next_offset=told.get("next_offset"),
                events=tuple(event["idx"] for event in told.get("events", ())),
                window_start=told.get("window_start"),
                faults=tuple(rule.name for rule, _ in self._struck),
                retry_after=float(retry_after) if retry_after.isdecimal() else None,
                position_ms=self._time_ms(entry.task_id) if entry.task_id else None,
                intact=whole and self._lawful and not broken,
            )
        )


def _reform(answer: Answer, struck: _Struck) -> None:
    for rule, strike in struck:
        if isinstance(rule.effect, Form):
            rule.effect.reform(answer, strike)


def _ask(app: "WSGIApplication", environ: "WSGIEnvironment") -> Answer:
    response = Response.from_app(app, environ, buffered=True)
    return Answer(response.status_code, response.headers, response.get_data())


def _status_line(status: int) -> str:
    return Response(status=status).status


def _payload(answer: Answer) -> dict[str, Any] | None:
    """Return the answer to a poll that was answered well, else None."""
    if answer.status != 200:
        return None
    try:
        payload = loads(answer.body)
    except LineError:
        return None
    return payload if isinstance(payload, dict) else None


def _truth(payload: dict[str, Any]) -> Truth:
    data = payload["data"]
    events = tuple((event["idx"], str(event.get("type"))) for event in data["events"])
    return Truth(events, data["status"] in TERMINAL_STATUSES, data["next_offset"])


def _wait_alone(seconds: float) -> bool:
    """Wait on a server that does not know how to do it better."""
    time.sleep(seconds)
    return True
