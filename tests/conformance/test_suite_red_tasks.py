"""Servers that take two tasks at once, cannot be stopped, or change what the model says."""

import itertools
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.conformance.red import Fault, check_turns_red, fault, name_of
from tests.conformance.workshop import (
    API,
    OTHER_TOKEN,
    TOKEN,
    Answer,
    Inner,
    Request,
    Twist,
    Workshop,
    failure,
)

Data = dict[str, Any]


def events(change: Callable[[list[Data]], object]) -> Twist:
    """Return a server that changes the events of each answered poll in place."""

    def twist(request: Request, inner: Inner) -> Answer:
        answer = inner(request)
        if request.is_poll and answer.ok:
            body = answer.json
            change(body["data"]["events"])
            answer.json = body
        return answer

    return twist


def _accepted(answer: Answer, task_id: str) -> Answer:
    """Return an answer that accepts a send, with a task that is live already."""
    body = {
        "success": True,
        "task_id": task_id,
        "conversation_id": "conv_20260101_000000_000",
        "status": "running",
        "created_at": time.time(),
    }
    return Answer(202, answer.headers, json.dumps(body).encode())


class _Remembering:
    """Knows the last task of each user, as far as sends and cancels tell."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: dict[str, str] = {}
        self._cancelled: set[str] = set()

    def note(self, request: Request, answer: Answer) -> None:
        user = request.header("Authorization") or ""
        with self._lock:
            if request.is_send and answer.status == 202:
                self._last[user] = answer.json["task_id"]
            if request.is_cancel and answer.ok:
                self._cancelled.add(request.path.split("/")[2])

    def last(self, request: Request) -> str:
        return self._last[request.header("Authorization") or ""]

    def cancelled(self, request: Request) -> bool:
        return self.last(request) in self._cancelled


def busy_is_accepted(when: Callable[[Request, _Remembering], bool]) -> Twist:
    """Accept a send that should be refused as busy; its task is the one that is live already."""
    memory = _Remembering()

    def twist(request: Request, inner: Inner) -> Answer:
        answer = inner(request)
        if request.is_send and answer.status == 409 and when(request, memory):
            return _accepted(answer, memory.last(request))
        memory.note(request, answer)
        return answer

    return twist


def _to_a_new_conversation(request: Request, _memory: _Remembering) -> bool:
    return "conversation_id" not in request.json


def _to_the_same_conversation(request: Request, _memory: _Remembering) -> bool:
    return bool(request.json.get("message") == "again")


def _in_a_race(request: Request, _memory: _Remembering) -> bool:
    return "hold" in str(request.json.get("message"))


def accepted_while_cancelling() -> Twist:
    """Take some time for a cancel, and take sends meanwhile."""
    memory = _Remembering()

    def twist(request: Request, inner: Inner) -> Answer:
        if request.is_cancel and _also_ok(request, inner):
            memory.note(request, Answer(200, _JSON, b""))
            threading.Timer(0.3, inner, [request]).start()
            return Answer(200, _JSON, b'{"success": true}')
        answer = inner(request)
        if request.is_send and answer.status == 409 and memory.cancelled(request):
            return _accepted(answer, memory.last(request))
        memory.note(request, answer)
        return answer

    return twist


def refused_makes_a_conversation(request: Request, inner: Inner) -> Answer:
    answer = inner(request)
    if request.is_send and answer.status == 409 and not request.json.get("conversation_id"):
        _also(request, inner, "POST", "/conversations", b"{}")
    return answer


def _also(request: Request, inner: Inner, method: str, path: str, body: bytes) -> Answer:
    """Let the server have another request of the same user."""
    environ = dict(request.environ)
    environ |= {"REQUEST_METHOD": method, "PATH_INFO": API + path, "QUERY_STRING": ""}
    return inner(Request(environ, body))


def refused_leaves_its_settings(request: Request, inner: Inner) -> Answer:
    """Write the run mode of a refused send into the conversation that it names."""
    key = f"{API}/conversations/"
    if request.method == "GET" and str(request.environ["PATH_INFO"]).startswith(key):
        answer = inner(request)
        if answer.ok and str(request.environ["PATH_INFO"])[len(key) :] in _touched:
            body = answer.json
            body["data"]["metadata"] = {**body["data"]["metadata"], "run_mode": "deep"}
            answer.json = body
        return answer
    answer = inner(request)
    if request.is_send and answer.status == 409:
        _touched.add(str(request.json.get("conversation_id")))
    return answer


_touched: set[str] = set()


def busy_for_a_while_after_the_end() -> Twist:
    sent: dict[str, float] = {}

    def twist(request: Request, inner: Inner) -> Answer:
        user = request.header("Authorization") or ""
        if request.is_send and time.monotonic() - sent.get(user, 0.0) < 0.4:
            return failure(409)
        answer = inner(request)
        if request.is_send and answer.status == 202:
            sent[user] = time.monotonic()
        return answer

    return twist


def one_task_for_all_users() -> Twist:
    live: list[tuple[str, str]] = []

    def twist(request: Request, inner: Inner) -> Answer:
        user = request.header("Authorization") or ""
        if request.is_send and live and live[-1][0] != user:
            environ = dict(request.environ) | {"REQUEST_METHOD": "GET", "QUERY_STRING": ""}
            environ |= {"PATH_INFO": f"{API}/tasks/{live[-1][1]}"}
            environ["HTTP_AUTHORIZATION"] = live[-1][0]
            poll = inner(Request(environ))
            if poll.ok and poll.json["data"]["status"] == "running":
                return failure(409)
        answer = inner(request)
        if request.is_send and answer.status == 202:
            live.append((user, answer.json["task_id"]))
        return answer

    return twist


def cancel_does_nothing(request: Request, inner: Inner) -> Answer:
    if request.is_cancel and _also_ok(request, inner):
        return Answer(200, _JSON, b'{"success": true}')
    return inner(request)


_JSON = [
    ("Content-Type", "application/json"),
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
]


def _also_ok(request: Request, inner: Inner) -> bool:
    """Tell whether the task of a cancel is known to its user."""
    path = request.path.removesuffix("/cancel")
    return _also(request, inner, "GET", path, b"").ok


def cancel_of_a_live_task_is_202(request: Request, inner: Inner) -> Answer:
    path = request.path.removesuffix("/cancel")
    live = request.is_cancel and b'"running"' in _also(request, inner, "GET", path, b"").body
    answer = inner(request)
    if live and answer.ok:
        answer.status = 202
    return answer


def cancelled_is_a_success(request: Request, inner: Inner) -> Answer:
    answer = inner(request)
    if request.is_poll and answer.ok:
        body = answer.json
        if body["data"]["status"] == "canceled":
            body["data"]["status"] = "succeeded"
            body["data"]["error"] = None
        answer.json = body
    return answer


def cancel_once_only() -> Twist:
    seen: set[str] = set()

    def twist(request: Request, inner: Inner) -> Answer:
        if request.is_cancel:
            if request.path in seen:
                return failure(409)
            seen.add(request.path)
        return inner(request)

    return twist


def cancel_of_the_ended_is_409(request: Request, inner: Inner) -> Answer:
    path = request.path.removesuffix("/cancel")
    if request.is_cancel and b'"succeeded"' in _also(request, inner, "GET", path, b"").body:
        return failure(409)
    return inner(request)


def cancel_touches_the_ended() -> Twist:
    touched: set[str] = set()

    def twist(request: Request, inner: Inner) -> Answer:
        answer = inner(request)
        name = request.path.split("/")[2] if request.path.startswith("/tasks/") else ""
        if request.is_cancel:
            touched.add(name)
        if request.is_poll and answer.ok and name in touched:
            body = answer.json
            body["data"]["updated_at"] = time.time()
            answer.json = body
        return answer

    return twist


def stop_flag_leaks() -> Twist:
    """Cancel the task that follows a cancel of an ended one."""
    armed: set[str] = set()

    def twist(request: Request, inner: Inner) -> Answer:
        user = request.header("Authorization") or ""
        path = request.path.removesuffix("/cancel")
        if request.is_cancel and b'"succeeded"' in _also(request, inner, "GET", path, b"").body:
            armed.add(user)
        answer = inner(request)
        if request.is_send and answer.status == 202 and user in armed:
            armed.discard(user)
            _also(request, inner, "POST", f"/tasks/{answer.json['task_id']}/cancel", b"")
        return answer

    return twist


def unknown_is_cancelled(request: Request, inner: Inner) -> Answer:
    answer = inner(request)
    if request.is_cancel and answer.status == 404:
        return Answer(200, _JSON, b'{"success": true}')
    return answer


def everybody_reads(request: Request, inner: Inner) -> Answer:
    answer = inner(request)
    if request.is_poll and answer.status == 404:
        request.authorize(TOKEN if OTHER_TOKEN in str(request.header("Authorization")) else "x")
        return inner(request)
    return answer


def everybody_cancels(request: Request, inner: Inner) -> Answer:
    answer = inner(request)
    if request.is_cancel and answer.status == 404 and OTHER_TOKEN in _bearer(request):
        request.authorize(TOKEN)
        return inner(request)
    return answer


def _bearer(request: Request) -> str:
    return request.header("Authorization") or ""


def strips_blanks(found: list[Data]) -> None:
    for event in found:
        if event["type"] == "text_chunk" and event["data"]["content"].strip():
            event["data"]["content"] = event["data"]["content"].strip()


def composes_unicode(found: list[Data]) -> None:
    for event in found:
        if event["type"].endswith("_chunk") and event["data"]["content"] == "\u0301":
            event["data"]["content"] = "?"


def merges_pairs(found: list[Data]) -> None:
    """Put each second chunk into the one before, and leave something else in its place."""
    for first, second in itertools.pairwise(found):
        if first["type"] == second["type"] == "text_chunk" and first["data"]["index"] % 2:
            first["data"]["content"] += second["data"]["content"]
            second["type"] = "x_merged"


def merges_thoughts(found: list[Data]) -> None:
    for first, second in itertools.pairwise(found):
        if first["type"] == second["type"] == "thinking_chunk" and first["idx"] % 2:
            first["data"]["content"] += second["data"]["content"]
            second["type"] = "x_merged"


def swallows_thinking(found: list[Data]) -> None:
    for event in found:
        if event["type"].startswith("thinking_"):
            event["type"] = f"x_{event['type']}"


def shows_empty_chunks(found: list[Data]) -> None:
    for event in found:
        if event["type"] == "token_update":
            event["type"] = "text_chunk"
            event["data"] = {"content": "", "index": 99, "elapsed": 0.0}


def wrong_full_content(found: list[Data]) -> None:
    for event in found:
        if event["type"] == "text_end":
            event["data"]["full_content"] = event["data"]["full_content"].upper()


def chunks_outside(found: list[Data]) -> None:
    for event in found:
        if event["type"] == "text_start":
            event["type"] = "x_start"


def index_from_0(found: list[Data]) -> None:
    for event in found:
        if event["type"] == "text_chunk":
            event["data"]["index"] -= 1


def late_first_chunk(found: list[Data]) -> None:
    for event in found:
        if event["type"] == "text_chunk" and event["data"]["index"] == 1:
            event["data"]["elapsed"] = 1.5


def no_beginning(found: list[Data]) -> None:
    for event in found:
        if event["type"] == "ai_message_start":
            event["type"] = "x_message_start"


def lacks_content(found: list[Data]) -> None:
    for event in found:
        if event["type"] == "text_end":
            del event["data"]["full_content"]


def lacks_data(found: list[Data]) -> None:
    for event in found:
        if event["type"] == "task_complete":
            event["data"] = None


def tools_never_end(found: list[Data]) -> None:
    for event in found:
        if event["type"] == "update_action":
            event["type"] = "x_action"


def tools_unprepared(found: list[Data]) -> None:
    for event in found:
        if event["type"] == "tool_start":
            event["data"]["preparing_id"] += "-other"
        if event["type"] == "update_action":
            event["data"]["preparing_id"] += "-other"


def shows_all_at_the_end(request: Request, inner: Inner) -> Answer:
    answer = inner(request)
    if request.is_poll and answer.ok:
        body = answer.json
        if body["data"]["status"] == "running":
            body["data"]["events"] = []
            body["data"]["next_offset"] = 0
        answer.json = body
    return answer


def goes_on_after_a_cancel(request: Request, inner: Inner) -> Answer:
    """Add an event to a cancelled task some time after its end."""
    answer = inner(request)
    if request.is_poll and answer.ok:
        body = answer.json
        data = body["data"]
        name = data["task_id"]
        if data["status"] == "canceled":
            since = _ends.setdefault(name, (time.monotonic(), data["next_offset"]))
            if time.monotonic() - since[0] > 0.1 and "from=0" not in request.query:
                late = {"idx": since[1], "type": "x_late", "data": {}, "ts": data["updated_at"]}
                data["events"].append(late)
                data["next_offset"] = since[1] + 1
        answer.json = body
    return answer


_ends: dict[str, tuple[float, int]] = {}

_CANCELS = (
    "CANCEL-ENDS",
    "CANCEL-ENDS-WAITING",
    "CANCEL-ENDS-RIGHT-AFTER-SEND",
    "CANCEL-ENDS-RETRYING",
    "CANCEL-ENDS-WITH-TOOLS",
)

FAULTS = [
    fault(
        "a second send to a new conversation is taken",
        busy_is_accepted(_to_a_new_conversation),
        "SEND-BUSY-OTHER-CONVERSATION",
    ),
    fault(
        "a second send to the same conversation is taken",
        busy_is_accepted(_to_the_same_conversation),
        "SEND-BUSY-SAME-CONVERSATION",
    ),
    fault(
        "sends in a race are taken",
        busy_is_accepted(_in_a_race),
        "SEND-RACE",
        may=("REFUSED-NO-CONVERSATION",),
    ),
    fault(
        "a send between cancel and end is taken",
        accepted_while_cancelling(),
        "SEND-BUSY-CANCELLING",
    ),
    fault(
        "a refused send makes a conversation",
        refused_makes_a_conversation,
        "REFUSED-NO-CONVERSATION",
    ),
    fault("a refused send leaves settings", refused_leaves_its_settings, "REFUSED-NO-METADATA"),
    fault(
        "a user is busy after the end",
        busy_for_a_while_after_the_end(),
        "SEND-AFTER-END",
    ),
    fault("one task for all users", one_task_for_all_users(), "SEND-USERS-INDEPENDENT"),
    fault("cancel does nothing", cancel_does_nothing, *_CANCELS, time_scale=0.2),
    fault("cancel is 202", cancel_of_a_live_task_is_202, "CANCEL-LIVE"),
    fault(
        "a cancelled task succeeds", cancelled_is_a_success, *_CANCELS, may=("EVENT-CHUNK-PLACE",)
    ),
    fault("a cancel counts once", cancel_once_only(), "CANCEL-REPEATED"),
    fault("an ended task cannot be cancelled", cancel_of_the_ended_is_409, "CANCEL-TERMINAL"),
    fault(
        "a cancel touches an ended task", cancel_touches_the_ended(), "CANCEL-TERMINAL-NO-EFFECT"
    ),
    fault("a stop flag leaks", stop_flag_leaks(), "CANCEL-TERMINAL-NO-EFFECT"),
    fault("an unknown task is cancelled", unknown_is_cancelled, "CANCEL-UNKNOWN"),
    fault("everybody reads a task", everybody_reads, "ISOLATION-TASK-POLL"),
    fault("everybody cancels a task", everybody_cancels, "ISOLATION-TASK-CANCEL"),
    fault(
        "a cancelled task goes on",
        goes_on_after_a_cancel,
        "POLL-TERMINAL-COMPLETE",
        only=("CANCEL-ENDS",),
        may=("POLL-OFFSET-COMPLETE", "POLL-UPDATED-AT"),
    ),
    fault(
        "blanks are stripped",
        events(strips_blanks),
        "EVENT-GRANULARITY-TEXT",
        "EVENT-FULL-CONTENT",
        only=("EVENT-GRANULARITY-TEXT",),
        may=("EVENT-EMPTY-CHUNK",),
    ),
    fault(
        "a combining character is lost",
        events(composes_unicode),
        "EVENT-GRANULARITY-TEXT",
        "EVENT-GRANULARITY-THINKING",
        "EVENT-FULL-CONTENT",
    ),
    fault(
        "two chunks become one",
        events(merges_pairs),
        "EVENT-GRANULARITY-TEXT",
        only=("EVENT-GRANULARITY-TEXT",),
        may=("EVENT-TEXT-INDEX", "POLL-EVENT-IMMUTABLE", "EVENT-FULL-CONTENT"),
    ),
    fault(
        "two thoughts become one",
        events(merges_thoughts),
        "EVENT-GRANULARITY-THINKING",
        may=("POLL-EVENT-IMMUTABLE", "EVENT-FULL-CONTENT"),
    ),
    fault("thinking is not shown", events(swallows_thinking), "EVENT-GRANULARITY-THINKING"),
    fault(
        "an empty chunk is shown",
        events(shows_empty_chunks),
        "EVENT-EMPTY-CHUNK",
        may=("EVENT-PAYLOAD", "EVENT-TEXT-INDEX", "EVENT-CHUNK-PLACE"),
    ),
    fault("the whole differs from its parts", events(wrong_full_content), "EVENT-FULL-CONTENT"),
    fault(
        "chunks come without a start",
        events(chunks_outside),
        "EVENT-CHUNK-PLACE",
        may=("EVENT-FULL-CONTENT",),
    ),
    fault(
        "index counts from 0",
        events(index_from_0),
        "EVENT-TEXT-INDEX",
        may=("EVENT-PAYLOAD", "EVENT-TEXT-ELAPSED"),
    ),
    fault("the first chunk was waited for", events(late_first_chunk), "EVENT-TEXT-ELAPSED"),
    fault("a task has no beginning", events(no_beginning), "EVENT-MESSAGE-START"),
    fault("a payload lacks a field", events(lacks_content), "EVENT-PAYLOAD"),
    fault("an event has no data", events(lacks_data), "EVENT-ENVELOPE"),
    fault("tools are not answered", events(tools_never_end), "EVENT-TOOL-ANSWERED"),
    fault("tools are not prepared", events(tools_unprepared), "EVENT-TOOL-START-PREPARED"),
    fault("nothing is shown before the end", shows_all_at_the_end, "EVENT-LIVE", time_scale=0.2),
]


@pytest.mark.parametrize("broken", FAULTS, ids=name_of)
def test_a_fault_turns_red_what_it_breaks(workshop: Workshop, broken: Fault) -> None:
    check_turns_red(workshop, broken)
