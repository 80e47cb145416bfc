"""Servers that only fall over something odd: generated requests find it, and show it small."""

import json
import re
from collections.abc import Callable

import pytest

from pollux.conformance.effort import Budget
from pollux.conformance.fuzzing.furnish import world_of
from pollux.conformance.fuzzing.request import Request as FuzzedRequest
from pollux.conformance.fuzzing.trial import Trial
from pollux.conformance.fuzzing.walk import Step, Walks
from pollux.conformance.judge import Judge
from pollux.conformance.outcome import Outcome
from pollux.conformance.pulse import Pulse
from pollux.conformance.recorder import Plan
from pollux.conformance.report.log import EventLog
from pollux.conformance.report.report import Report, build_report
from pollux.conformance.runner import run_checks
from pollux.conformance.stage import Stage
from pollux.conformance.target import Profile
from pollux.schemas.requirements import load_requirements
from tests.conformance.workshop import (
    Answer,
    Inner,
    Request,
    Twist,
    Workshop,
    failure,
    having,
    straight,
)

_RED = (Outcome.FAIL, Outcome.WARN, Outcome.HARNESS_ERROR)


def fuzzed(
    workshop: Workshop,
    twist: Twist,
    *,
    cases: int = 6,
    seed: int = 1,
    profile: Profile = Profile.SCRIPTED,
) -> Report:
    """Run the checks that generate requests against the twisted server."""
    log = EventLog()
    with workshop.serve(twist) as url:
        target = workshop.target(url, profile=profile)
        plan = Plan(target, load_requirements(), seed=seed, budget=Budget(fuzz_cases=cases))
        run_checks(plan, log, modules=["test_fuzzing"])
    report = build_report(log.events)
    assert not report.troubles
    return report


def red(report: Report) -> dict[str, str]:
    return {row.id: row.detail for row in report.having(*_RED)}


@pytest.mark.parametrize("seed", [1, 2])
def test_the_reference_server_holds_against_generated_requests(
    workshop: Workshop, seed: int
) -> None:
    report = fuzzed(workshop, straight, seed=seed, cases=10)
    assert red(report) == {}
    assert {"COMMON-NO-SERVER-ERROR", "ENVELOPE-FAILURE"} <= having(report, Outcome.PASS)


# -- twins: one is right, the other is wrong --------------------------------------------


def _crashes_where(odd: Callable[[Request], bool]) -> Twist:
    def twist(request: Request, inner: Inner) -> Answer:
        return failure(500) if odd(request) else inner(request)

    return twist


def _has_an_odd_parameter(request: Request) -> bool:
    return "%F0%9" in request.query or "%F3" in request.query or "%F1" in request.query


def _has_a_null(request: Request) -> bool:
    body = request.json
    creates = request.method == "POST" and request.path == "/conversations"
    return creates and isinstance(body, dict) and None in body.values()


def nulls_are_refused(request: Request, inner: Inner) -> Answer:
    return failure(400) if _has_a_null(request) else inner(request)


def cuts_names_at_a_dot(request: Request, inner: Inner) -> Answer:
    """Save what has an invalid name under the valid beginning of it."""
    body = request.json
    if request.path == "/prompts" and isinstance(body, dict) and isinstance(body.get("name"), str):
        name = re.sub(r"[^A-Za-z0-9_-]", "", body["name"])[:64]
        request.body = json.dumps({**body, "name": name or "x"}).encode()
    return inner(request)


def lets_strangers_list(request: Request, inner: Inner) -> Answer:
    if request.path == "/personalizations" and not request.header("Authorization"):
        request.authorize()
    return inner(request)


TWINS: dict[str, tuple[Twist, set[str]]] = {
    "an odd parameter": (_crashes_where(_has_an_odd_parameter), {"COMMON-NO-SERVER-ERROR"}),
    "a null": (nulls_are_refused, {"CONV-CREATE-BODY-OPTIONAL"}),
    "a bad name": (cuts_names_at_a_dot, {"PROMPT-NAME-INVALID"}),
    "a stranger": (lets_strangers_list, {"AUTH-REQUIRED"}),
}


@pytest.mark.parametrize("name", TWINS)
def test_what_only_odd_requests_show_is_charged_to_its_requirement(
    workshop: Workshop, name: str
) -> None:
    twist, broken = TWINS[name]
    report = fuzzed(workshop, twist)
    assert red(report).keys() == broken
    for row in report.having(Outcome.FAIL):
        assert row.evidence and row.evidence[0].expected and row.evidence[0].got


def test_the_evidence_is_the_smallest_request_that_fails(workshop: Workshop) -> None:
    """Of all that a text may hold, one letter beyond ASCII is enough to fall over."""

    def odd(request: Request) -> bool:
        body = request.json if request.path == "/prompts" else None
        text = body.get("content") if isinstance(body, dict) else None
        return isinstance(text, str) and not text.isascii()

    report = fuzzed(workshop, _crashes_where(odd), cases=12)
    (row,) = report.having(Outcome.FAIL)
    assert row.id == "COMMON-NO-SERVER-ERROR"
    sent = min((item.exchanges[0]["request"]["body"] for item in row.evidence), key=len)
    assert len(sent) < 100
    assert sum(not char.isascii() for char in sent) == 1


# -- what is sent -----------------------------------------------------------------------


class Recording:
    """Notes what is sent, with everything that is new in every run left out."""

    _NEW = re.compile(
        r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|conv_20[0-9_]{17}"
        r"|(?<=pollux-)[0-9a-f]{12}|(?<=no-such-)[0-9a-f]{12}|(?<=files-)[0-9a-f]{12}"
        r"|(?<=boundary=)[0-9a-f]{32}|(?<=--)[0-9a-f]{32}"
    )

    def __init__(self) -> None:
        self.sent: list[str] = []

    def __call__(self, request: Request, inner: Inner) -> Answer:
        text = f"{request.method} {request.path}?{request.query} {request.body!r}"
        # How often a task is asked whether it has ended is the clock's to say.
        if not request.is_poll:
            self.sent.append(self._NEW.sub("*", text))
        return inner(request)


def test_a_seed_repeats_the_run(workshop: Workshop) -> None:
    first, again, other = Recording(), Recording(), Recording()
    fuzzed(workshop, first, cases=4, seed=3)
    fuzzed(workshop, again, cases=4, seed=3)
    fuzzed(workshop, other, cases=4, seed=4)
    assert len(first.sent) > 100
    assert again.sent == first.sent
    assert other.sent != first.sent


def test_without_a_budget_nothing_is_sent_and_nothing_is_said(workshop: Workshop) -> None:
    recording = Recording()
    report = fuzzed(workshop, recording, cases=0)
    assert recording.sent == []
    assert red(report) == {}
    assert having(report, Outcome.PASS) == set()


def test_a_real_model_is_asked_for_few_tasks(workshop: Workshop) -> None:
    """Each of them costs money; and each is cancelled at once."""
    accepted: list[str] = []
    cancelled: set[str] = set()

    def watch(request: Request, inner: Inner) -> Answer:
        answer = inner(request)
        if request.is_send and answer.status == 202:
            accepted.append(answer.json["task_id"])
        if request.is_cancel:
            cancelled.add(request.path.split("/")[2])
        return answer

    report = fuzzed(workshop, watch, cases=12, profile=Profile.BLACKBOX)
    assert red(report) == {}
    # One for the tasks' own check and one for the strangers', and a few that were generated.
    assert 3 <= len(accepted) <= 2 + 3 * 2
    assert len(set(accepted) - cancelled) <= 2


def test_a_walk_leaves_what_the_next_one_speaks_of(workshop: Workshop) -> None:
    judge = Judge("test_fuzzing", [], load_requirements())
    with workshop.serve() as url:
        target = workshop.target(url)
        with Stage(target, judge, Pulse(url, 1.0), None, "1") as stage:
            trial = Trial(stage, world_of(stage))
            (known,) = trial.world.conversations
            deletion = Step(FuzzedRequest("deleteConversation", (("conversation_id", known),)))
            reading = Step(FuzzedRequest("getConversation", (("conversation_id", known),)))
            walks = Walks(stage, trial)
            assert walks((deletion, reading)) == []
            assert trial.witness.api.get_conversation(known).status == 200
        judge.finish()
