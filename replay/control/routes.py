"""The operations below ``/__replay/``: a Flask blueprint."""

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, cast

from flask import Blueprint, Response, request

from pollux.replay import viewer
from pollux.replay.breakpoints import BadBreakpoint, parse_breakpoints
from pollux.replay.control import told
from pollux.replay.control.document import body_validator, openapi_text
from pollux.replay.control.guard import Guard
from pollux.replay.control.report import report
from pollux.replay.control.stream import Stream
from pollux.replay.control.waiting import Wish, wait
from pollux.replay.faults import FaultSyntaxError, RuleSet, parse_rules
from pollux.replay.http import CONTROL, Refused, fitting_body, number_from_query, ok
from pollux.replay.journal import Ack
from pollux.replay.play import Play
from pollux.replay.playlist import Track
from pollux.replay.session import Session
from pollux.replay.sessions import SESSION_KEY, Sessions
from pollux.replay.timeline import Cursor

# Streams and waits at the same time; each takes a thread of the server.
_MOST_WAITING = 24
_LONGEST_WAIT = 60.0
_MOST_EVENTS = 1000
_MOST_REQUESTS = 10_000
_SECONDS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")
_NO_TASK = "there is no task yet: send a message first (POST /api/v1/messages)"


def control_blueprint(sessions: Sessions, guard: Guard, about: Mapping[str, Any]) -> Blueprint:
    """Return the control API.

    Args:
        sessions: All sessions.
        guard: Who may come in.
        about: What is told of every session.
    """
    control = Blueprint(CONTROL, __name__)
    waiting = threading.Semaphore(_MOST_WAITING)

    def described(session: Session) -> dict[str, Any]:
        return {"success": True, **told.state(session, about)}

    def state() -> Response:
        # Asked for anew: a reset has made another one.
        session = sessions.get(_session().id)
        return ok(told.state(session, about))

    @control.before_request
    def _let_in() -> Response | None:
        complaint = guard.complaint(
            request.remote_addr or "", request.host, request.headers.get("Origin")
        )
        if complaint:
            raise Refused(403, complaint)
        return Response(status=204) if request.method == "OPTIONS" else None

    @control.after_request
    def _readable(response: Response) -> Response:
        origin = request.headers.get("Origin")
        if origin is not None and guard.may_read(request.host, origin):
            headers = response.headers
            headers["Access-Control-Allow-Origin"] = origin
            headers["Vary"] = "Origin"
            headers["Access-Control-Allow-Methods"] = "GET, POST, PUT, DELETE, OPTIONS"
            headers["Access-Control-Allow-Headers"] = "Content-Type"
        return response

    @control.get("/state", endpoint="getState")
    def _state() -> Response:
        return state()

    @control.get("/sessions", endpoint="listSessions")
    def _sessions() -> Response:
        known = sessions.all()
        return ok({"sessions": [told.state(session, about) for session in known]})

    @control.get("/journal", endpoint="getJournal")
    def _journal() -> Response:
        journal = _session().journal
        begin = number_from_query("since", 0)
        limit = number_from_query("limit", _MOST_REQUESTS)
        behind, entries = journal.since(begin)
        page = entries[:limit]
        return ok(
            {
                "dropped": journal.dropped,
                "requests": [entry.as_dict() for entry in page],
                "acks": [asdict(ack) for ack in journal.acks],
                "next": behind - len(entries) + len(page),
            }
        )

    @control.get("/recording", endpoint="getRecording")
    def _recording() -> Response:
        budget = number_from_query("budget", 0) if "budget" in request.args else None
        return ok(told.recording(_track(), budget))

    @control.get("/recording/events", endpoint="listEvents")
    def _events() -> Response:
        limit = number_from_query("limit", 100)
        if not 1 <= limit <= _MOST_EVENTS:
            raise Refused(400, f"limit must lie between 1 and {_MOST_EVENTS}")
        return ok(told.events(_track(), number_from_query("from", 0), limit))

    @control.get("/stream", endpoint="getStream")
    def _stream() -> Response:
        if not waiting.acquire(blocking=False):
            raise _too_many()
        chunks = Stream(sessions, _session().id, described, gone=_gone())
        answer = Response(iter(chunks), content_type="text/event-stream; charset=utf-8")
        answer.call_on_close(waiting.release)
        return answer

    @control.get("/wait", endpoint="wait")
    def _wait() -> Response:
        wish, timeout = _wish(), _seconds("timeout", 10.0)
        if timeout > _LONGEST_WAIT:
            raise Refused(400, f"timeout is at most {_LONGEST_WAIT:g} s: ask again after it")
        with _slot(waiting):
            fulfilled = wait(sessions, _session().id, wish, timeout, gone=_gone())
        session = sessions.get(_session().id)
        return ok({"fulfilled": fulfilled, "state": told.state(session, about)})

    @control.get("/report", endpoint="getReport")
    def _report() -> Response:
        return ok(report(_session(), ended=_flag("ended")))

    @control.post("/ack", endpoint="ack")
    def _ack() -> Response:
        body = _body("ack")
        journal, given = _session().journal, body["idx"]
        gap = cast("tuple[int, int] | None", tuple(body["gap"]) if "gap" in body else None)
        if gap is not None and not (gap[0] < gap[1] == given):
            raise Refused(400, "a gap is [first lost, first behind it], and idx is the latter")
        since_ms = journal.since_ms()
        for idx in given if isinstance(given, list) else [given]:
            journal.ack(Ack(since_ms, idx, body.get("client", ""), gap))
        return ok()

    @control.post("/play", endpoint="play")
    def _play() -> Response:
        _session().tune(playing=True)
        return state()

    @control.post("/pause", endpoint="pause")
    def _pause() -> Response:
        _session().tune(playing=False)
        return state()

    @control.post("/speed", endpoint="setSpeed")
    def _speed() -> Response:
        try:
            _session().tune(speed=float(_body("setSpeed")["speed"]))
        except (ValueError, OverflowError) as error:
            raise Refused(409, str(error)) from None
        return state()

    @control.post("/loop", endpoint="setLoop")
    def _loop() -> Response:
        _session().loop = _body("setLoop")["loop"]
        return state()

    @control.post("/step", endpoint="step")
    def _step() -> Response:
        body = _body("step", required=False)
        task = _task()
        if "polls" in body:
            task.grant_polls(body["polls"], body.get("per_poll"))
        elif "ms" in body:
            ms = float(body["ms"])
            task.move(lambda cursor: cursor.advance_to(cursor.position_ms + ms), pause=True)
        else:
            events = body.get("events", 1)
            task.move(lambda cursor: cursor.step(events), pause=True)
        return state()

    @control.post("/seek", endpoint="seek")
    def _seek() -> Response:
        body = _body("seek")
        _task().move(_target(body))
        return state()

    @control.post("/reset", endpoint="reset")
    def _reset() -> Response:
        sessions.reset(_session().id)
        return state()

    @control.get("/breakpoints", endpoint="getBreakpoints")
    def _get_breakpoints() -> Response:
        return _told_breakpoints()

    @control.put("/breakpoints", endpoint="setBreakpoints")
    def _set_breakpoints() -> Response:
        try:
            _session().breakpoints = parse_breakpoints(_body("setBreakpoints")["breakpoints"])
        except BadBreakpoint as error:
            raise Refused(400, str(error)) from None
        return _told_breakpoints()

    @control.delete("/breakpoints", endpoint="clearBreakpoints")
    def _clear_breakpoints() -> Response:
        _session().breakpoints = ()
        return _told_breakpoints()

    @control.get("/faults", endpoint="getFaults")
    def _get_faults() -> Response:
        return _told_faults()

    @control.put("/faults", endpoint="setFaults")
    def _set_faults() -> Response:
        body = _body("setFaults")
        try:
            rules = parse_rules(body["faults"], seed=body.get("seed", _session().faults.seed))
        except FaultSyntaxError as error:
            raise Refused(400, str(error)) from None
        _session().faults = rules
        return _told_faults()

    @control.delete("/faults", endpoint="clearFaults")
    def _clear_faults() -> Response:
        _session().faults = RuleSet()
        return _told_faults()

    @control.get("/openapi.yaml", endpoint="getOpenapi")
    def _openapi() -> Response:
        return Response(openapi_text(), content_type="application/yaml; charset=utf-8")

    @control.get("/view", endpoint="getView")
    def _view() -> Response:
        return _viewer_file("view.html")

    @control.get("/view/<path:file>", endpoint="getViewFile")
    def _view_file(file: str) -> Response:
        return _viewer_file(file)

    return control


def _viewer_file(name: str) -> Response:
    if name not in viewer.FILES:
        raise Refused(404, "the viewer has no such file")
    answer = Response(viewer.content(name), content_type=viewer.FILES[name])
    answer.headers["Content-Security-Policy"] = viewer.CONTENT_SECURITY_POLICY
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer


def _session() -> Session:
    return cast(Session, request.environ[SESSION_KEY])


def _gone() -> Callable[[], bool]:
    """Return what tells whether the client of this request has gone away."""
    key = "waitress.client_disconnected"
    return cast("Callable[[], bool]", request.environ.get(key, lambda: False))


def _task() -> Play:
    task = _session().current()
    if task is None:
        raise Refused(409, _NO_TASK)
    return task


def _track() -> Track:
    """Return the recording that the query names: else that of the latest task, else the first."""
    session = _session()
    play = session.current()
    name = request.args.get("name", play.name if play else session.only)
    track = session.playlist.tracks[0] if name is None else session.playlist.find(name)
    if track is None:
        known = ", ".join(session.playlist.names())
        raise Refused(404, f"there is no recording {name!r}: there are {known}")
    return track


def _target(body: Mapping[str, Any]) -> Callable[[Cursor], object]:
    if "idx" in body:
        return lambda cursor: cursor.seek_event(body["idx"])
    if "marker" in body:
        play = _task()
        track = _session().playlist.find(play.name)
        at_ms = None if track is None else track.overview.marker_ms(body["marker"])
        if at_ms is None:
            raise Refused(404, f"there is no marker {body['marker']!r} in {play.name}")
        return lambda cursor: cursor.seek(float(at_ms))
    if "end" in body:
        return lambda cursor: cursor.seek(float("inf"))
    return lambda cursor: cursor.seek(float(body["ms"]))


def _body(operation_id: str, *, required: bool = True) -> dict[str, Any]:
    return fitting_body(lambda: body_validator(operation_id), required=required)


def _wish() -> Wish:
    given = request.args
    wish = Wish(
        polls=number_from_query("polls", 0) if "polls" in given else None,
        idx=number_from_query("idx", 0) if "idx" in given else None,
        acked=number_from_query("acked", 0) if "acked" in given else None,
        end=_flag("end"),
        paused=_flag("paused"),
        silence_ms=_seconds("silence", 0.0) * 1000 if "silence" in given else None,
    )
    if wish == Wish():
        raise Refused(400, "say what to wait for: polls, idx, acked, end, paused or silence")
    return wish


def _flag(name: str) -> bool:
    text = request.args.get(name, "false")
    if text not in ("true", "false"):
        raise Refused(400, f"{name} is true or false")
    return text == "true"


def _seconds(name: str, default: float) -> float:
    text = request.args.get(name)
    if text is None:
        return default
    if not _SECONDS.fullmatch(text):
        raise Refused(400, f"{name} is a number of seconds, such as 2.5")
    return float(text)


def _told_breakpoints() -> Response:
    return ok({"breakpoints": [breakpoint.text for breakpoint in _session().breakpoints]})


def _told_faults() -> Response:
    rules = _session().faults
    return ok({"faults": str(rules), "seed": rules.seed, "rules": rules.report()})


def _too_many() -> Refused:
    return Refused(503, f"{_MOST_WAITING} streams and waits are open already: close one")


@contextmanager
def _slot(waiting: threading.Semaphore) -> Iterator[None]:
    if not waiting.acquire(blocking=False):
        raise _too_many()
    try:
        yield
    finally:
        waiting.release()
