"""A judge collects what a check sees, and says at its end what that means."""

import threading

import pytest

from pollux.conformance.errors import CannotVerifyError, CheckDefinitionError
from pollux.conformance.judge import Judge
from pollux.conformance.outcome import Cause, Outcome
from pollux.polling.breach import Breach
from pollux.schemas.requirements import load_requirements
from tests.polling.exchanges import exchange

MUST, OTHER, SHOULD = "POLL-NEXT-OFFSET", "POLL-SHAPE", "HEADER-NO-STORE"


def _judge(*declared: str) -> Judge:
    return Judge("test_x.py::test_y", declared, load_requirements())


def _outcomes(judge: Judge, end: BaseException | None = None) -> dict[str, Outcome]:
    return {row.requirement: row.outcome for row in judge.judgements(end)}


def test_what_holds_passes() -> None:
    judge = _judge(MUST)
    assert judge.that(MUST, True, "the offset")
    assert _outcomes(judge) == {MUST: Outcome.PASS}


def test_one_breach_outweighs_everything_that_held() -> None:
    judge = _judge(MUST)
    for number in range(9):
        judge.that(MUST, number % 2 == 0, "the offset", expected="5", got="4", by=exchange())
    [row] = judge.judgements()
    assert row.outcome is Outcome.FAIL
    assert row.detail == "the offset (and 3 more)"
    assert row.evidence[0].expected == "5"
    assert row.evidence[0].exchanges[0]["response"]["status"] == 200


def test_of_the_same_breach_only_so_much_is_kept() -> None:
    judge = _judge(MUST)
    for _ in range(500):
        judge.that(MUST, False, "the offset")
    [row] = judge.judgements()
    assert len(row.evidence) == 5
    assert "499 more" in row.detail


def test_a_broken_should_is_a_warning() -> None:
    judge = _judge(SHOULD)
    judge.that(SHOULD, False, "the header")
    assert _outcomes(judge) == {SHOULD: Outcome.WARN}


def test_what_was_declared_and_never_judged_is_an_error_of_the_suite() -> None:
    judge = _judge(MUST, OTHER)
    judge.that(MUST, True, "the offset")
    assert _outcomes(judge) == {MUST: Outcome.PASS, OTHER: Outcome.HARNESS_ERROR}


def test_but_not_where_something_else_was_broken_on_the_way() -> None:
    judge = _judge(MUST, OTHER)
    judge.that(MUST, False, "the offset")
    [_, row] = judge.judgements()
    assert (row.outcome, row.cause) == (Outcome.NOT_VERIFIED, Cause.PREREQUISITE)
    assert MUST in row.detail


def test_a_prerequisite_that_fails_is_charged_and_names_itself() -> None:
    judge = _judge(MUST)
    judge.that(MUST, True, "the offset")
    with pytest.raises(CannotVerifyError) as raised:
        judge.require("SEND-SHAPE", False, "a send", expected="202", got="500", by=exchange())
    rows = {row.requirement: row for row in judge.judgements(raised.value)}
    # What was seen so far is not all that the check set out to see.
    assert rows[MUST].outcome is Outcome.NOT_VERIFIED
    assert "SEND-SHAPE" in rows[MUST].detail
    assert rows["SEND-SHAPE"].outcome is Outcome.FAIL


def test_a_breach_stays_one_when_the_check_ends_early() -> None:
    judge = _judge(MUST, OTHER)
    judge.that(MUST, False, "the offset")
    with pytest.raises(CannotVerifyError) as raised:
        judge.cannot_verify("the task did not end")
    assert _outcomes(judge, raised.value) == {
        MUST: Outcome.FAIL,
        OTHER: Outcome.NOT_VERIFIED,
    }


def test_an_exception_of_the_check_is_an_error_of_the_suite() -> None:
    judge = _judge(MUST, OTHER)
    judge.that(MUST, False, "the offset")
    rows = {row.requirement: row for row in judge.judgements(KeyError("x"))}
    assert rows[MUST].outcome is Outcome.FAIL
    assert rows[OTHER].outcome is Outcome.HARNESS_ERROR
    assert "KeyError: 'x'" in rows[OTHER].detail


def test_what_does_not_apply() -> None:
    judge = _judge(MUST)
    judge.not_applicable(MUST, "there is none")
    [row] = judge.judgements()
    assert (row.outcome, row.detail) == (Outcome.NOT_APPLICABLE, "there is none")


def test_a_breach_of_another_requirement_is_charged_to_it() -> None:
    judge = _judge(MUST)
    judge.held(MUST)
    judge.breached(Breach("AUTH-NO-COOKIE", "cookies", "none", "session", (exchange(),)))
    assert _outcomes(judge) == {MUST: Outcome.PASS, "AUTH-NO-COOKIE": Outcome.FAIL}


def test_half_a_surrogate_does_not_break_the_report() -> None:
    judge = _judge(MUST)
    judge.that(MUST, False, "the text", expected="a", got="\ud83d")
    [row] = judge.judgements()
    assert row.evidence[0].got.encode() == b"\\ud83d"


def test_wrong_declarations() -> None:
    with pytest.raises(CheckDefinitionError, match="no requirement 'NO-SUCH'"):
        _judge("NO-SUCH")
    judge = _judge(MUST)
    with pytest.raises(CheckDefinitionError, match="without declaring"):
        judge.that(OTHER, True, "the shape")


def test_many_threads_may_judge_at_once() -> None:
    judge = _judge(MUST)

    def work() -> None:
        for _ in range(200):
            judge.that(MUST, False, "the offset")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "1599 more" in judge.judgements()[0].detail


def test_what_is_left_for_the_end_is_done_once() -> None:
    judge, done = _judge(MUST), []
    judge.at_end(lambda: done.append(1))
    judge.finish()
    judge.finish()
    assert done == [1]
