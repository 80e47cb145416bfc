"""Servers with faults that only a sequence of calls shows: what turns red, and how short it is."""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from pollux.conformance.effort import Budget
from pollux.conformance.outcome import Outcome
from tests.conformance.machine_workshop import MACHINE, judged, requests_in, scripts
from tests.conformance.workshop import Answer, Inner, Request, Twist, Workshop, failure, having


def forgetful_of_longer_names() -> Twist:
    """Forget a prompt when another one is saved whose name is the beginning of its own."""
    names: dict[str | None, set[str]] = defaultdict(set)
    forgotten: dict[str | None, set[str]] = defaultdict(set)

    def twist(request: Request, inner: Inner) -> Answer:
        answer = inner(request)
        user = request.header("Authorization")
        if request.method == "POST" and request.path == "/prompts" and answer.ok:
            name = request.json["name"]
            names[user].add(name)
            forgotten[user] -= {name}
            forgotten[user] |= {each for each in names[user] if each[:-1].startswith(name)}
        if request.method == "GET" and request.path.removeprefix("/prompts/") in forgotten[user]:
            return failure(404)
        if request.method == "GET" and request.path == "/prompts":
            payload = answer.json
            kept = [item for item in payload["items"] if item["name"] not in forgotten[user]]
            answer.json = payload | {"items": kept}
        return answer

    return twist


def back_from_the_dead() -> Twist:
    """Show a deleted conversation again when it has been deleted once more."""
    last: dict[str, Answer] = {}
    deleted: Counter[str] = Counter()

    def twist(request: Request, inner: Inner) -> Answer:
        name = request.path.removeprefix("/conversations/")
        if request.method == "DELETE":
            # What it looked like, as its owner sees it.
            environ = request.environ | {"REQUEST_METHOD": "GET", "QUERY_STRING": "full=1"}
            before = inner(Request(environ))
            if before.ok:
                last[name] = before
            deleted[name] += 1
        answer = inner(request)
        if request.method == "GET" and answer.status == 404 and deleted[name] > 1 and name in last:
            return last[name]
        return answer

    return twist


def one_blob_for_all_users() -> Twist:
    """Keep the bytes of a path once for all users who have it."""
    bodies: dict[str, bytes] = {}

    def twist(request: Request, inner: Inner) -> Answer:
        answer = inner(request)
        if request.path == "/files/upload" and answer.ok:
            name = answer.json["path"].replace("/", "%2F")
            environ = request.environ | {
                "REQUEST_METHOD": "GET",
                "PATH_INFO": "/api/v1/files/download",
                "QUERY_STRING": f"path={name}",
                "CONTENT_LENGTH": "",
            }
            bodies[f"path={name}"] = inner(Request(environ)).body
        zipped = b"PK\x03\x04"
        if request.path == "/files/download" and answer.ok and answer.body[:4] != zipped:
            answer.body = bodies.get(request.query, answer.body)
        return answer

    return twist


def tired_of_bad_requests() -> Twist:
    """Refuse the next good send after two bad ones as if the user were busy."""
    bad: Counter[str | None] = Counter()

    def twist(request: Request, inner: Inner) -> Answer:
        if not request.is_send:
            return inner(request)
        user = request.header("Authorization")
        if bad[user] >= 2:
            bad[user] = 0
            return failure(409)
        answer = inner(request)
        bad[user] = bad[user] + 1 if answer.status in (400, 404) else 0
        return answer

    return twist


def open_to_strangers() -> Twist:
    """Refuse to cancel another user's task, but do it all the same."""
    owners: dict[str, str] = {}

    def twist(request: Request, inner: Inner) -> Answer:
        answer = inner(request)
        user = request.header("Authorization") or ""
        if request.is_send and answer.status == 202:
            owners[answer.json["task_id"]] = user
        task = request.path.split("/")[2] if request.is_cancel else ""
        if answer.status == 404 and owners.get(task, user) != user:
            inner(Request(request.environ | {"HTTP_AUTHORIZATION": owners[task]}))
        return answer

    return twist


@dataclass(frozen=True)
class _Fault:
    """A broken server, what turns red for it, and how many requests are enough to show it."""

    twist: Callable[[], Twist]
    red: str
    requests: int


_FAULTS = [
    _Fault(forgetful_of_longer_names, "PROMPT-LIST-COMPLETE", 3),
    _Fault(back_from_the_dead, "CONV-DELETE-GONE", 4),
    _Fault(one_blob_for_all_users, "ISOLATION-FILE-WRITE", 4),
    _Fault(tired_of_bad_requests, "REFUSED-NO-TASK", 3),
    _Fault(open_to_strangers, "ISOLATION-TASK-CANCEL", 5),
]


@pytest.mark.parametrize("fault", _FAULTS, ids=lambda fault: fault.twist.__name__)
def test_a_fault_is_shown_by_a_short_sequence(workshop: Workshop, fault: _Fault) -> None:
    # With time enough to shorten a sequence as far as it goes, whatever else the machine does.
    report = judged(workshop, fault.twist(), MACHINE, time_scale=4.0)
    assert having(report, Outcome.FAIL, Outcome.WARN) == {fault.red}
    assert not report.having(Outcome.HARNESS_ERROR)
    found = scripts(report)
    assert found
    assert min(map(requests_in, found)) <= fault.requests, found


def _every(number: int, times: int) -> Twist:
    """Answer every so manieth request with 500, so often at most: no sequence shows it again."""
    counter = iter(range(1, 10**9))
    left = iter(range(times))

    def twist(request: Request, inner: Inner) -> Answer:
        answer = inner(request)
        if next(counter) % number == 0 and next(left, None) is not None:
            answer = failure(500)
        return answer

    return twist


@pytest.mark.parametrize("times", [1, 1000])
def test_a_server_that_wavers_is_judged_by_what_was_seen(workshop: Workshop, times: int) -> None:
    report = judged(workshop, _every(97, times), MACHINE)
    assert having(report, Outcome.FAIL) == {"COMMON-NO-SERVER-ERROR"}
    assert not report.having(Outcome.HARNESS_ERROR)
    assert not report.troubles
    evidence = [item for row in report.having(Outcome.FAIL) for item in row.evidence]
    seen_once = [item for item in evidence if "Seen once, and not again" in item.script]
    assert bool(seen_once) or times > 1
    assert any("500" in item.got for item in evidence)


def test_a_sequence_that_cannot_go_on_is_not_verified(workshop: Workshop) -> None:
    """The user is busy with a task that the suite knows nothing of."""

    def twist(request: Request, inner: Inner) -> Answer:
        return failure(409) if request.is_send else inner(request)

    only = ("SEND-AFTER-END", "PROMPT-ROUND-TRIP")
    report = judged(workshop, twist, MACHINE, only=only, time_scale=0.1)
    assert having(report, Outcome.PASS) == {"PROMPT-ROUND-TRIP"}
    unknown = report.having(Outcome.NOT_VERIFIED)
    assert [row.id for row in unknown] == ["SEND-AFTER-END"]
    assert "busy" in unknown[0].detail


def test_what_was_found_in_an_ordinary_run_is_repeated_by_the_seed(workshop: Workshop) -> None:
    def found() -> list[str]:
        budget = Budget(sequences=3, steps=20)
        report = judged(workshop, one_blob_for_all_users(), MACHINE, budget=budget)
        return [row.detail for row in report.having(Outcome.FAIL)]

    assert found() == found()
