"""Servers that are right in another way than the reference server: nothing may turn red.

Each runs the whole suite, and what is not PASS is known to the last requirement: a server on
which nothing is verified would prove nothing.
"""

import itertools
import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest
from flask import Flask

from pollux.conformance.bench import Setting, set_up
from pollux.conformance.outcome import Outcome
from pollux.conformance.recorder import Plan
from pollux.conformance.report.log import EventLog
from pollux.conformance.report.report import build_report
from pollux.conformance.runner import run_checks
from pollux.reference_server.models import scripted_spec
from pollux.schemas.requirements import load_requirements
from tests.conformance.workshop import OTHER_TOKEN, TOKEN, Answer, Inner, Request, Twist, straight
from tests.freedoms.bare import bare, without_tools
from tests.freedoms.busy import MODELS, busy, refusal, tools_of_its_own
from tests.freedoms.formal import formal, names_of_its_own
from tests.freedoms.grounds import (
    GENERATED,
    UNSEEN,
    Server,
    blackbox,
    judge,
    served_by_http_1_0,
    served_by_waitress,
    standing,
    told,
)
from tests.freedoms.upstream import stream_as_upstream, upstream

_CONV_DELETE_LIVE = {"CONV-DELETE-LIVE-ENDS-TASK", "CONV-DELETE-LIVE-STAYS-GONE"}
_TOOLS = {
    "CONV-HISTORY-TOOL-RESULTS",
    "CONV-HISTORY-TOOL-RESULTS-CANCEL",
    "SEND-MAX-ITERATIONS-LIMIT",
    "SEND-MAX-ITERATIONS-ENDS",
    "CANCEL-ENDS-WITH-TOOLS",
    "EVENT-TOOL-ANSWERED",
    "EVENT-TOOL-CALL-ID",
    "EVENT-TOOL-START-PREPARED",
    "EVENT-TOOL-ARGUMENTS",
}


@dataclass(frozen=True)
class Freedom:
    """A server, what is changed of it in this process, and what the suite says besides PASS.

    Attributes:
        server: The server.
        patch: Changes what no twist of requests and answers can.
        not_applicable: What the suite finds nothing to judge by.
        warned: The SHOULDs that it does not keep.
        quick: Whether the slow checks are left out, to save time: they ran on the others.
    """

    server: Server
    patch: Callable[[pytest.MonkeyPatch], None]
    not_applicable: frozenset[str]
    warned: frozenset[str] = frozenset()
    quick: bool = False


_FREEDOMS = {
    "upstream": Freedom(
        Server(upstream),
        stream_as_upstream,
        frozenset(
            {
                "SEND-RUN-MODE-WINS",
                "SEND-THINKING-MODE",
                "RING-WINDOW-START",
                "RING-WINDOW-START-TRUE",
            }
        ),
    ),
    "formal": Freedom(
        Server(formal),
        names_of_its_own,
        frozenset(
            {*_CONV_DELETE_LIVE, "CONV-TITLE-ANNOUNCED", "EVENT-TITLE-TRUE", "SEND-IMAGES-ONLY"}
        ),
        quick=True,
    ),
    "bare": Freedom(
        Server(
            bare,
            models=[replace(scripted_spec(), model_key="the-only_one: 42 (with a long name)")],
            attempts=1,
            serve=served_by_http_1_0,
        ),
        without_tools,
        frozenset(
            {
                *_CONV_DELETE_LIVE,
                *_TOOLS,
                "SEND-MAX-ITERATIONS-RETRIES",
                "CANCEL-ENDS-RETRYING",
            }
        ),
        frozenset({"CORS-PREFLIGHT", "CORS-HEADERS", "CORS-ANY-ORIGIN"}),
    ),
    "busy": Freedom(
        Server(busy, models=MODELS, pieces=16 * 1024),
        tools_of_its_own,
        frozenset(_CONV_DELETE_LIVE),
        quick=True,
    ),
}
#: How many requirements are judged at least; a quick run leaves some out.
_ALL, _MOST = len(load_requirements()) - 1, 230


@pytest.mark.parametrize("name", _FREEDOMS)
def test_a_server_with_ways_of_its_own_is_right(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    freedom = _FREEDOMS[name]
    freedom.patch(monkeypatch)
    with standing(freedom.server, tmp_path) as target:
        report = judge(target, quick=freedom.quick)
    judged = {row.id for row in report.requirements}
    assert len(judged) >= (_MOST if freedom.quick else _ALL)
    assert told(report, Outcome.FAIL, Outcome.HARNESS_ERROR) == {}
    assert told(report, Outcome.WARN).keys() == freedom.warned
    assert told(report, Outcome.NOT_APPLICABLE).keys() == freedom.not_applicable & judged
    assert told(report, Outcome.NOT_VERIFIED).keys() == UNSEEN & judged
    assert report.complete
    assert not report.troubles
    others = UNSEEN | freedom.warned | freedom.not_applicable
    assert told(report, Outcome.PASS).keys() == judged - others


def test_what_is_made_up_finds_no_fault_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    freedom = _FREEDOMS["formal"]
    freedom.patch(monkeypatch)
    with standing(freedom.server, tmp_path) as target:
        report = judge(target, GENERATED)
    assert told(report, Outcome.FAIL, Outcome.WARN, Outcome.HARNESS_ERROR) == {}
    assert len(report.having(Outcome.PASS)) > 50


# A task of this model is over before another send comes: it is in nobody's way.
_TOO_SHORT = {
    "REFUSED-NO-CONVERSATION",
    "REFUSED-NO-METADATA",
    "REFUSED-NO-TASK",
    "SEND-BUSY-OTHER-CONVERSATION",
    "SEND-BUSY-SAME-CONVERSATION",
    "SEND-USERS-INDEPENDENT",
}


def test_it_is_right_to_a_suite_that_knows_nothing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    freedom = _FREEDOMS["formal"]
    freedom.patch(monkeypatch)
    with standing(freedom.server, tmp_path) as target:
        report = judge(blackbox(target), quick=True)
    assert told(report, Outcome.FAIL, Outcome.WARN, Outcome.HARNESS_ERROR) == {}
    unknown = {
        row.id
        for row in report.having(Outcome.NOT_VERIFIED)
        if row.id not in UNSEEN and "(--" not in row.detail
    }
    assert unknown <= _TOO_SHORT
    assert told(report, Outcome.NOT_APPLICABLE).keys() <= freedom.not_applicable
    assert len(report.having(Outcome.PASS)) > 180


_LIMITS = {
    "ENVELOPE-BODY-TOO-LARGE",
    "FILE-UPLOAD-TOO-LARGE",
    "FILE-UPLOAD-TOO-LARGE-NO-TRACE",
}
_RESTART = ("RESTART-*", "COMMON-UNAVAILABLE")

# Each takes a few requests only, but has a deadline or a race in it.
_HASTY = {
    "CANCEL-ENDS",
    "CANCEL-ENDS-WAITING",
    "CONV-DELETE-LIVE",
    "EVENT-LIVE",
    "POLL-CONCURRENT-SUCCEEDS",
}


# Their requests are made past the client that asks a busy server again.
_BY_HAND = {"TASK-SURVIVES-DISCONNECT", "FILE-UPLOAD-ATOMIC"}


def _refuses_every_other_time(_app: Flask) -> Twist:
    numbers = itertools.count()

    def twist(request: Request, inner: Inner) -> Answer:
        asked = request.is_send or request.path == "/files/download"
        if asked and next(numbers) % 2 == 0:
            return refusal()
        return inner(request)

    return twist


def test_a_server_that_is_often_busy_is_right(tmp_path: Path) -> None:
    with standing(Server(_refuses_every_other_time), tmp_path) as target:
        report = judge(target, ("test_runs", "test_files_bytes"), sorted(_BY_HAND))
    assert told(report, Outcome.FAIL, Outcome.WARN, Outcome.HARNESS_ERROR) == {}
    assert told(report, Outcome.PASS).keys() >= _BY_HAND


def _slowly(_app: Flask) -> Twist:
    def twist(request: Request, inner: Inner) -> Answer:
        time.sleep(0.3)
        return inner(request)

    return twist


def test_a_server_that_takes_its_time_for_every_answer_is_right(tmp_path: Path) -> None:
    modules = ("test_cancel", "test_deleting", "test_events", "test_polling")
    with standing(Server(_slowly), tmp_path) as target:
        report = judge(target, modules, sorted(_HASTY))
    assert told(report, Outcome.FAIL, Outcome.WARN, Outcome.HARNESS_ERROR) == {}
    assert told(report, Outcome.PASS).keys() >= _HASTY


def test_a_server_that_takes_small_files_only_is_right(tmp_path: Path) -> None:
    server = Server(lambda _app: straight, serve=partial(served_by_waitress, most=1 << 20))
    with standing(server, tmp_path) as target:
        report = judge(target, ("test_files_large",))
    assert told(report, Outcome.FAIL, Outcome.WARN, Outcome.HARNESS_ERROR) == {}
    assert told(report, Outcome.PASS).keys() >= _LIMITS


def test_a_server_that_takes_its_time_to_start_is_right() -> None:
    program = Path(__file__).with_name("phoenix.py")
    users = f"--user first={TOKEN} --user second={OTHER_TOKEN}"
    start = f"{shlex.quote(sys.executable)} {shlex.quote(str(program))} --quiet {users}"
    setting = Setting(
        token=TOKEN, other_token=OTHER_TOKEN, start=f"{start} --port {{port}} --data {{data_dir}}"
    )
    log = EventLog()
    with set_up(setting) as bench:
        plan = Plan(bench.target, load_requirements(), only=_RESTART, process=bench.process)
        run_checks(plan, log, modules=("test_restart", "test_restart_writes"))
    report = build_report(log.events)
    assert told(report, Outcome.FAIL, Outcome.WARN, Outcome.HARNESS_ERROR) == {}
    assert told(report, Outcome.NOT_VERIFIED, Outcome.NOT_APPLICABLE) == {}
    assert len(report.having(Outcome.PASS)) >= 11
