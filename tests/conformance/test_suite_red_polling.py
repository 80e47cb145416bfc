"""Servers that tell a task's story wrongly: every rule of polls and of the window."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.conformance.red import Fault, check_turns_red, fault, name_of
from tests.conformance.workshop import BUFFER_SIZE, Answer, Inner, Request, Twist, Workshop, failure

Data = dict[str, Any]


def poll(change: Callable[[Data, int], object]) -> Twist:
    """Return a server that changes the data of each answered poll, given its `from`."""

    def twist(request: Request, inner: Inner) -> Answer:
        asked = _asked(request.query)
        answer = inner(request)
        if request.is_poll and answer.ok:
            body = answer.json
            change(body["data"], asked)
            answer.json = body
        return answer

    return twist


def _asked(query: str) -> int:
    text = next((part[5:] for part in query.split("&") if part.startswith("from=")), "0")
    return int(text) if text.isdecimal() else 0


def _ended(data: Data) -> bool:
    return str(data["status"]) in ("succeeded", "failed", "canceled")


def starts_at_1(request: Request, inner: Inner) -> Answer:
    asked = _asked(request.query)
    if request.is_poll and asked:
        request.query = f"from={asked - 1}"
    answer = inner(request)
    if request.is_poll and answer.ok:
        body = answer.json
        data = body["data"]
        for event in data["events"]:
            event["idx"] += 1
        data["next_offset"] += 1 if data["events"] or asked else 0
        data["window_start"] += 1
        answer.json = body
    return answer


def skips_the_first(data: Data, asked: int) -> None:
    """Read `from` as the last idx that the client has."""
    data["events"] = [event for event in data["events"] if event["idx"] > asked or asked == 0]


def never_shows_idx_5(data: Data, _asked: int) -> None:
    data["events"] = [event for event in data["events"] if event["idx"] != 5]


def hole_in_a_long_answer(data: Data, asked: int) -> None:
    if len(data["events"]) > 10 and asked == 0:
        del data["events"][4]


def backwards(data: Data, _asked: int) -> None:
    data["events"].reverse()


def twice(data: Data, _asked: int) -> None:
    data["events"] += data["events"][-1:]


def one_too_early(data: Data, asked: int) -> None:
    if asked > 0 and data["events"] and data["events"][0]["idx"] == asked:
        data["events"].insert(0, {**data["events"][0], "idx": asked - 1, "data": {}})


def at_most_20(data: Data, _asked: int) -> None:
    data["events"] = data["events"][:20]
    if data["events"]:
        data["next_offset"] = data["events"][-1]["idx"] + 1


def another_text_later(data: Data, asked: int) -> None:
    for event in data["events"]:
        if asked > 0 and event["idx"] == 12:
            event["data"] = {**event["data"], "note": "changed"}


def counts_from_one(data: Data, _asked: int) -> None:
    if data["events"]:
        data["next_offset"] -= 1


def zero_when_empty(data: Data, asked: int) -> None:
    if not data["events"] and asked:
        data["next_offset"] = 0


def one_too_far_when_empty(data: Data, _asked: int) -> None:
    if not data["events"]:
        data["next_offset"] += 1


def far_past_the_end(data: Data, asked: int) -> None:
    if not data["events"] and asked > BUFFER_SIZE * 5:
        data["next_offset"] = asked + 1


def negative(request: Request, inner: Inner) -> Answer:
    """Echo a negative offset, as one public server did."""
    answer = inner(request)
    if request.is_poll and "from=-" in request.query:
        request.query = "from=0"
        answer = inner(request)
        body = answer.json
        body["data"]["next_offset"] = -5
        body["data"]["events"] = []
        answer.json = body
    return answer


def crashes_on_letters(request: Request, inner: Inner) -> Answer:
    if request.is_poll and "from=abc" in request.query:
        return failure(500)
    return inner(request)


def missing_from_is_the_end(request: Request, inner: Inner) -> Answer:
    if request.is_poll and not request.query:
        request.query = "from=999999"
    return inner(request)


def past_the_end_is_404(request: Request, inner: Inner) -> Answer:
    if request.is_poll and _asked(request.query) > BUFFER_SIZE * 5:
        return failure(404)
    return inner(request)


def past_the_end_is_everything(request: Request, inner: Inner) -> Answer:
    if request.is_poll and _asked(request.query) > BUFFER_SIZE * 5:
        request.query = "from=0"
    return inner(request)


def unknown_task_is_empty(request: Request, inner: Inner) -> Answer:
    answer = inner(request)
    return failure(400) if request.is_poll and answer.status == 404 else answer


def lacks_updated_at(data: Data, _asked: int) -> None:
    del data["updated_at"]


def unknown_status(data: Data, _asked: int) -> None:
    data["status"] = "done" if _ended(data) and data["error"] else data["status"]
    if data["status"] == "running":
        data["status"] = "working"


def rises_again(data: Data, asked: int) -> None:
    if _ended(data) and asked == 1:
        data["status"] = "running"


def keeps_the_last_event_back() -> Twist:
    """Tell the terminal status one poll before the last event: status and events unlocked."""
    shown: dict[str, int] = {}
    ended: set[str] = set()

    def change(data: Data, _asked: int) -> None:
        name, events = data["task_id"], data["events"]
        if _ended(data) and name not in ended:
            ended.add(name)
            if events and events[-1]["idx"] > shown.get(name, -1):
                events.pop()
                data["next_offset"] -= 1
        if events:
            shown[name] = max(shown.get(name, -1), events[-1]["idx"])

    return poll(change)


def forgets_the_end() -> Twist:
    ended: set[str] = set()

    def twist(request: Request, inner: Inner) -> Answer:
        answer = inner(request)
        if request.is_poll and answer.ok:
            data = answer.json["data"]
            if data["task_id"] in ended:
                return failure(404)
            if _ended(data):
                ended.add(data["task_id"])
        return answer

    return twist


def ts_goes_back(data: Data, _asked: int) -> None:
    for event in data["events"]:
        if event["idx"] == 7:
            event["ts"] -= 0.5
            event["ts"] = max(event["ts"], data["created_at"])


def ts_before_created(data: Data, _asked: int) -> None:
    for event in data["events"]:
        event["ts"] -= 3600


def stale_updated_at(data: Data, _asked: int) -> None:
    data["updated_at"] = data["created_at"]


def error_text_of_a_success(data: Data, _asked: int) -> None:
    if data["status"] == "succeeded":
        data["error"] = ""


def failure_is_success(data: Data, _asked: int) -> None:
    if data["status"] == "failed":
        data["status"], data["error"] = "succeeded", None


def failure_without_text(data: Data, _asked: int) -> None:
    if data["status"] == "failed":
        data["error"] = None


def failure_without_event(data: Data, _asked: int) -> None:
    for event in data["events"]:
        if event["type"] == "error":
            event["type"] = "x_error"


def success_is_failure(data: Data, _asked: int) -> None:
    if data["status"] == "succeeded":
        data["status"], data["error"] = "failed", "something"


def ring_of(size: int) -> Callable[[Data, int], None]:
    def change(data: Data, _asked: int) -> None:
        events = data["events"]
        if events:
            oldest = events[-1]["idx"] + 1 - size
            data["events"] = [event for event in events if event["idx"] >= oldest]
            data["window_start"] = max(data["window_start"], oldest)

    return change


def endless_ring() -> Twist:
    """Keep what has left the window of the server behind, for as long as it was polled."""
    kept: dict[str, dict[int, Any]] = {}

    def change(data: Data, asked: int) -> None:
        events = kept.setdefault(data["task_id"], {})
        events.update((event["idx"], event) for event in data["events"])
        if data["events"]:
            low = data["events"][0]["idx"]
            while low - 1 >= asked and low - 1 in events:
                low -= 1
            data["events"] = [events[idx] for idx in range(low, data["next_offset"])]
            data["window_start"] = min(events)

    return poll(change)


def nothing_below_the_window(data: Data, asked: int) -> None:
    if data["events"] and data["events"][0]["idx"] > asked:
        data["events"] = []
        data["next_offset"] = asked


def window_start_0(data: Data, _asked: int) -> None:
    data["window_start"] = 0


def other_created_at(data: Data, _asked: int) -> None:
    data["created_at"] = float(int(data["created_at"]) - 1)


def send_says(name: str, value: object) -> Twist:
    def twist(request: Request, inner: Inner) -> Answer:
        answer = inner(request)
        if request.is_send and answer.status == 202:
            answer.json = {**answer.json, name: value}
        return answer

    return twist


def only_one_poll_at_a_time() -> Twist:
    busy = threading.Lock()

    def twist(request: Request, inner: Inner) -> Answer:
        if not request.is_poll:
            return inner(request)
        if not busy.acquire(blocking=False):
            return failure(409)
        try:
            time.sleep(0.005)  # or on a fast machine no two polls ever meet
            return inner(request)
        finally:
            busy.release()

    return twist


def another_story_for_each() -> Twist:
    """Stamp events when they are read, not when they happen."""
    counter = iter(range(10**9))

    def change(data: Data, _asked: int) -> None:
        for event in data["events"]:
            event["data"]["read"] = next(counter)

    return poll(change)


FAULTS = [
    fault(
        "idx starts at 1",
        starts_at_1,
        "POLL-IDX-START",
    ),
    fault(
        "from is the last one known",
        poll(skips_the_first),
        "POLL-OFFSET-COMPLETE",
        # An answer that leaves out its only event has a next_offset that loses it, too.
        # Where the window moves on at once, nobody can say whether it was there.
        may=(
            "POLL-NEXT-OFFSET-EMPTY",
            "POLL-TERMINAL-COMPLETE",
            "RING-WINDOW-KEPT",
            "RING-WINDOW-START-TRUE",
        ),
    ),
    fault(
        "an idx is left out for ever",
        poll(never_shows_idx_5),
        "POLL-OFFSET-GAPLESS",
        "POLL-IDX-STEP",
        # Where the window happens to begin at this idx, it is the window that has lost it.
        may=("POLL-NEXT-OFFSET", "RING-WINDOW-KEPT"),
    ),
    fault("a long answer has a hole", poll(hole_in_a_long_answer), "POLL-OFFSET-GAPLESS"),
    fault("events come backwards", poll(backwards), "POLL-EVENTS-ORDERED"),
    fault("an event comes twice", poll(twice), "POLL-EVENTS-ORDERED"),
    fault(
        "an event before the offset comes, too",
        poll(one_too_early),
        "POLL-OFFSET-RESPECTED",
        "POLL-EVENT-IMMUTABLE",
        only=("POLL-OFFSET-RESPECTED",),
        # Of an event that was not seen before, its false data are seen.
        may=("RING-WINDOW-START-TRUE", "EVENT-PAYLOAD"),
    ),
    fault(
        "an answer has at most 20 events",
        poll(at_most_20),
        "POLL-OFFSET-COMPLETE",
        only=("POLL-IDX-STEP",),
        may=("POLL-TERMINAL-COMPLETE",),
    ),
    fault("an event changes later", poll(another_text_later), "POLL-EVENT-IMMUTABLE"),
    fault(
        "next_offset is the last idx",
        poll(counts_from_one),
        "POLL-NEXT-OFFSET",
        only=("POLL-SHAPE",),
    ),
    fault(
        "next_offset falls to 0",
        poll(zero_when_empty),
        "POLL-NEXT-OFFSET-NOT-BACK",
        "POLL-NEXT-OFFSET-EMPTY",
        "POLL-FROM-PAST-END",
    ),
    fault(
        "next_offset runs ahead",
        poll(one_too_far_when_empty),
        "POLL-NEXT-OFFSET-EMPTY",
        "POLL-FROM-PAST-END",
    ),
    fault("next_offset leaves the end behind", poll(far_past_the_end), "POLL-FROM-PAST-END"),
    fault(
        "next_offset is negative",
        negative,
        "POLL-NEXT-OFFSET-NOT-NEGATIVE",
        "POLL-NEXT-OFFSET-NOT-BACK",
        "POLL-NEXT-OFFSET-EMPTY",
        "POLL-FROM-INVALID",
        "POLL-OFFSET-COMPLETE",
        only=("POLL-FROM-INVALID",),
    ),
    fault(
        "letters crash it",
        crashes_on_letters,
        "POLL-FROM-INVALID",
        "COMMON-NO-SERVER-ERROR",
        only=("POLL-FROM-INVALID",),
    ),
    fault(
        "a missing from is the end",
        missing_from_is_the_end,
        "POLL-FROM-DEFAULT",
        "POLL-OFFSET-COMPLETE",
        only=("POLL-FROM-DEFAULT",),
    ),
    fault("past the end is 404", past_the_end_is_404, "POLL-FROM-PAST-END", "POLL-AFTER-END"),
    fault(
        "past the end is everything",
        past_the_end_is_everything,
        "POLL-FROM-PAST-END",
        "POLL-OFFSET-RESPECTED",
        only=("POLL-FROM-PAST-END",),
    ),
    fault("an unknown task is 400", unknown_task_is_empty, "POLL-UNKNOWN-TASK"),
    fault(
        "updated_at is not told", poll(lacks_updated_at), "POLL-SHAPE", only=("POLL-FROM-DEFAULT",)
    ),
    fault("a status of its own", poll(unknown_status), "TASK-STATUS-KNOWN"),
    fault("a task rises again", poll(rises_again), "TASK-TERMINAL-FOREVER"),
    fault(
        "the end comes before the last event", keeps_the_last_event_back(), "POLL-TERMINAL-COMPLETE"
    ),
    fault("an ended task is forgotten", forgets_the_end(), "POLL-AFTER-END"),
    fault("ts goes back", poll(ts_goes_back), "POLL-TS-ORDERED"),
    fault("ts is before the task", poll(ts_before_created), "POLL-TS-AFTER-CREATED"),
    fault("updated_at stands still", poll(stale_updated_at), "POLL-UPDATED-AT"),
    fault("a success has an error", poll(error_text_of_a_success), "TASK-SUCCESS-WITHOUT-ERROR"),
    fault("a failure is a success", poll(failure_is_success), "TASK-MODEL-FAILURE"),
    fault("a failure has no text", poll(failure_without_text), "TASK-FAILURE-ERROR"),
    fault(
        "a failure has no event",
        poll(failure_without_event),
        "TASK-FAILURE-EVENT",
        may=("EVENT-CHUNK-PLACE",),
    ),
    fault(
        "a success is a failure",
        poll(success_is_failure),
        "TASK-SUCCEEDS",
        "TASK-FAILURE-EVENT",
        only=("TASK-SUCCEEDS",),
    ),
    fault(
        "one event too few is kept",
        poll(ring_of(BUFFER_SIZE - 1)),
        "RING-WINDOW-KEPT",
    ),
    fault(
        "more events than the last 1000 are kept",
        endless_ring(),
        "RING-WINDOW-BOUNDED",
        # Which of the two is seen beside it depends on how far the task was at a poll.
        may=("RING-BELOW-WINDOW", "RING-WINDOW-START-TRUE"),
        only=("RING-WINDOW-BOUNDED",),
    ),
    fault(
        "below the window there is nothing",
        poll(nothing_below_the_window),
        "RING-BELOW-WINDOW",
        # What was known when it was asked for may not have filled the window yet.
        may=(
            "POLL-OFFSET-COMPLETE",
            "POLL-TERMINAL-COMPLETE",
            "RING-WINDOW-KEPT",
            "EVENT-CHUNK-PLACE",
            "EVENT-GRANULARITY-TEXT",
            "EVENT-MESSAGE-START",
        ),
        only=("RING-BELOW-WINDOW",),
    ),
    fault("window_start is always 0", poll(window_start_0), "RING-WINDOW-START-TRUE"),
    fault("created_at differs", poll(other_created_at), "SEND-CREATED-AT"),
    fault(
        "a task_id is no UUID",
        send_says("task_id", "task-1"),
        "POLL-TASK-FOUND",
        "SEND-TASK-ID-UUID",
        only=("SEND-TASK-ID-UUID",),
    ),
    fault("a send is done at once", send_says("status", "done"), "SEND-STATUS-LIVE"),
    fault("a send lacks created_at", send_says("created_at", None), "SEND-CREATED-AT"),
    fault(
        "one poll at a time",
        only_one_poll_at_a_time(),
        "POLL-CONCURRENT-SUCCEEDS",
        "POLL-TASK-FOUND",
        only=("POLL-CONCURRENT-SUCCEEDS",),
    ),
    fault(
        "each reader gets other events",
        another_story_for_each(),
        "POLL-CONCURRENT-AGREES",
        "POLL-EVENT-IMMUTABLE",
        only=("POLL-CONCURRENT-SUCCEEDS",),
    ),
]


@pytest.mark.parametrize("broken", FAULTS, ids=name_of)
def test_a_fault_turns_red_what_it_breaks(workshop: Workshop, broken: Fault) -> None:
    check_turns_red(workshop, broken)
