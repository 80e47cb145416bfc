"""The judgement on clients, on journals made by hand."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pollux.replay.journal import Ack, Journal
from pollux.replay.verify import RULES, End, Facts, Level, Outcome, judge
from tests.replay.support import PROPERTY
from tests.replay.verify_support import Visit

ENOUGH = range(20)


def good() -> Visit:
    """A client that does everything right, and shows all of it."""
    visit = Visit().send()
    for start in range(0, 15, 3):
        visit.poll(start, range(start, start + 3)).show(*range(start, start + 3))
    for _ in range(6):
        visit.poll(15)
    return visit.poll(15, range(15, 18), status="succeeded").show(15, 16, 17)


def test_a_good_client_breaks_nothing() -> None:
    results = good().judged()
    assert [rule for rule, result in results.items() if result.red] == []
    for rule in (
        "OFFSET-AS-TOLD",
        "OFFSET-NO-REWIND",
        "OFFSET-NO-SKIP",
        "UNTIL-TERMINAL",
        "TERMINAL-STOPS",
        "SHOWN-ALL",
        "SHOWN-LAST-BATCH",
        "SHOWN-ONCE",
        "SHOWN-IN-ORDER",
        "SINGLE-FLIGHT",
        "SANE-INTERVAL",
    ):
        assert results[rule].outcome is Outcome.PASS, results[rule]


def test_every_rule_has_a_result_in_the_order_of_the_rules() -> None:
    assert [result.rule for result in judge(Journal())] == [rule.id for rule in RULES]


def test_of_an_empty_journal_nothing_is_said() -> None:
    assert {result.outcome for result in judge(Journal(), Facts(End.EXITED))} == {
        Outcome.NOT_APPLICABLE
    }


def test_of_a_journal_that_has_lost_its_beginning_nothing_is_said() -> None:
    visit = good()
    visit.journal.drop(3)
    results = visit.judged()
    assert {result.outcome for result in results.values()} == {Outcome.UNTESTABLE}
    assert "reset" in results["OFFSET-AS-TOLD"].detail


def test_a_journal_keeps_the_last_requests_and_acknowledgements() -> None:
    journal = Journal(most=3)
    for idx in range(5):
        journal.ack(Ack(0.0, idx))
    assert [ack.idx for ack in journal.acks] == [2, 3, 4]
    assert journal.acks_since(4) == (5, [journal.acks[-1]])
    assert not journal.whole
    journal.clear()
    assert journal.whole and journal.acks_since(0) == (0, [])


# Each breaks one rule and no other; the numbers are those of the requests that prove it.
BROKEN: dict[str, tuple[Visit, tuple[int, ...], dict[str, Any]]] = {
    "OFFSET-AS-TOLD": (
        Visit().poll(0, range(4)).poll(3, range(3, 8)).poll(8, [8], status="succeeded"),
        (1, 2),
        {},
    ),
    "OFFSET-NO-REWIND": (
        Visit()
        .poll(0, range(4))
        .poll(4, range(4, 8))
        .poll(4, range(4, 9))
        .poll(9, [9], status="succeeded"),
        (2, 3),
        {},
    ),
    "OFFSET-NO-SKIP": (
        Visit().poll(0, range(4)).poll(5, range(5, 8)).poll(8, [8], status="failed"),
        (1, 2),
        {},
    ),
    "RETRY-SAME-OFFSET": (
        Visit().poll(0, range(4)).poll(4, http_status=0).poll(5, [5], status="succeeded"),
        (2, 3),
        {},
    ),
    "UNTIL-TERMINAL": (Visit().poll(0, range(4)), (1,), {}),
    "TERMINAL-STOPS": (
        Visit().poll(0, [0], status="succeeded").poll(1).poll(1).poll(1),
        (1, 2, 3, 4),
        {},
    ),
    "GONE-STOPS": (
        Visit()
        .poll(0, [0])
        .poll(1, http_status=404)
        .poll(1, http_status=404)
        .poll(1, http_status=404)
        .poll(1, http_status=404),
        (2, 3, 4, 5),
        {},
    ),
    "TOKEN-NOT-HAMMERED": (
        Visit()
        .poll(0, [0])
        .poll(1, http_status=401)
        .poll(1, http_status=401)
        .poll(1, http_status=401)
        .poll(1, http_status=401),
        (2, 3, 4, 5),
        {},
    ),
    "BUSY-NOT-HAMMERED": (
        Visit().send(409).send(409, wait=100).send(409, wait=100).send(409, wait=100),
        (1, 2, 3, 4),
        {},
    ),
    "UNKNOWN-TOLERATED": (
        Visit().poll(0, range(4)).poll(4, [4]),
        (2,),
        {"types": {4: "hologram_update"}},
    ),
    "GAP-NOTICED": (
        Visit().poll(0, [0]).show(0).poll(1, [5, 6], status="succeeded").show(5, 6),
        (2,),
        {},
    ),
    "SHOWN-ALL": (
        Visit().poll(0, [0, 1, 2]).show(0, 2).poll(3, [3], status="succeeded").show(3),
        (1,),
        {},
    ),
    "SHOWN-LAST-BATCH": (
        Visit().poll(0, [0, 1, 2]).show(0, 1, 2).poll(3, [3], status="succeeded"),
        (2,),
        {},
    ),
    "SHOWN-ONCE": (
        Visit().poll(0, [0, 1]).show(0, 1, 1).poll(2, [2], status="succeeded").show(2),
        (1,),
        {},
    ),
    "SHOWN-IN-ORDER": (
        Visit().poll(0, [0, 1]).show(1, 0).poll(2, [2], status="succeeded").show(2),
        (1,),
        {},
    ),
    "RETRY-UNREADABLE": (
        Visit().poll(0, [0]).poll(1, intact=False, next_offset=None, told_status=None),
        (2,),
        {},
    ),
    "SINGLE-FLIGHT": (
        Visit()
        .poll(0, [0], took_ms=900.0)
        .poll(0, [0], wait=-700, took_ms=800.0)
        .poll(1, [1], status="succeeded"),
        (1, 2),
        {},
    ),
    "SANE-INTERVAL": (
        Visit(interval_ms=10)
        .poll(0)
        .poll(0)
        .poll(0)
        .poll(0)
        .poll(0)
        .poll(0)
        .poll(0, [0], status="succeeded"),
        (1, 2, 3, 4, 5, 6, 7),
        {},
    ),
    "BACK-OFF": (
        Visit()
        .poll(0, [0])
        .poll(1, http_status=503)
        .poll(1, http_status=503, wait=100)
        .poll(1, http_status=503, wait=100)
        .poll(1, [1], status="succeeded", wait=100),
        (2, 3, 4, 5),
        {},
    ),
    "RETRY-AFTER": (
        Visit()
        .poll(0, [0])
        .poll(1, http_status=503, retry_after=2.0)
        .poll(1, [1], status="succeeded", wait=1000),
        (2, 3),
        {},
    ),
}


@pytest.mark.parametrize("rule", [rule.id for rule in RULES])
def test_what_breaks_a_rule_breaks_it_alone_and_is_proved(rule: str) -> None:
    visit, proof, facts = BROKEN[rule]
    results = visit.judged(**facts)
    assert [name for name, result in results.items() if result.red] == [rule]
    found = results[rule]
    assert found.polls == proof
    level = next(r.level for r in RULES if r.id == rule)
    assert found.outcome is (Outcome.FAIL if level is Level.MUST else Outcome.WARN)


def test_the_detail_names_the_request_and_what_it_should_have_asked() -> None:
    visit, _, _ = BROKEN["OFFSET-NO-SKIP"]
    assert visit.judged()["OFFSET-NO-SKIP"].detail == (
        "request 2 asked from 5 instead of 4: an offset beyond all that it had been told"
    )


# What API v1 leaves open fails no client.
FREEDOMS: dict[str, Visit] = {
    "polling once or twice more after the end": (
        Visit().poll(0, [0], status="succeeded").poll(1).poll(1)
    ),
    "beginning again at 0": (
        Visit().poll(0, [0, 1]).poll(2, [2]).poll(0, [0, 1, 2]).poll(3, [3], status="stopped")
    ),
    "beginning twice at 0, as some frameworks do": (
        Visit().poll(0, [0, 1]).poll(0, [0, 1]).poll(2, [2], status="succeeded")
    ),
    "beginning again at 0 and showing all of it again": (
        Visit()
        .poll(0, [0, 1])
        .show(0, 1)
        .poll(0, [0, 1])
        .show(0, 1)
        .poll(2, [2], status="succeeded")
        .show(2)
    ),
    "going on behind the last event rather than at next_offset": (
        Visit()
        .poll(0, [0, 1])
        .poll(2, [], next_offset=5)
        .poll(2, [2])
        .poll(3, [3], status="succeeded")
    ),
    "healing an offset past the end": (
        Visit().poll(0, [0, 1]).poll(2, [], next_offset=1).poll(1, [1], status="succeeded")
    ),
    "giving up after three failed tries": (
        Visit()
        .poll(0, [0])
        .poll(1, http_status=0)
        .poll(1, http_status=503, wait=500)
        .poll(1, http_status=0, wait=1000)
    ),
    "taking a damaged answer or not: taken": (
        Visit().poll(0, [0]).poll(1, [1, 2], intact=False).poll(3, [3], status="succeeded")
    ),
    "taking a damaged answer or not: not taken": (
        Visit().poll(0, [0]).poll(1, [1, 2], intact=False).poll(1, [1, 2], status="succeeded")
    ),
    "believing an answer that lies": (
        Visit().poll(0, [0]).poll(1, [1], status="succeeded", intact=False)
    ),
    "giving up on an answer that takes long, and asking again": (
        Visit()
        .poll(0, [0], took_ms=9000.0)
        .poll(0, [0], wait=-5000)
        .poll(1, [1], status="succeeded")
    ),
    "the next poll being noted before the answer that it follows": (
        Visit().poll(0, [0, 1]).poll(2, [2, 3]).poll(4, [4], status="succeeded", wait=-1.0)
    ),
    "ending at 401": Visit().poll(0, [0]).poll(1, http_status=401),
    "trying the token once more, then slowly": (
        Visit()
        .poll(0, [0])
        .poll(1, http_status=401)
        .poll(1, http_status=401)
        .poll(1, http_status=401, wait=5000)
        .poll(1, http_status=401, wait=5000)
        .poll(1, http_status=401, wait=5000)
    ),
    "ending at 409": Visit().send(409),
    "waiting patiently for a free place": (
        Visit().send(409).send(409, wait=1500).send(409, wait=1500).send(409, wait=1500)
    ),
    "looking twice more for a task that is gone": (
        Visit()
        .poll(0, [0])
        .poll(1, http_status=404)
        .poll(1, http_status=404)
        .poll(1, http_status=404)
    ),
    "trying once a second, always": (
        Visit(interval_ms=1000)
        .poll(0, [0])
        .poll(1, http_status=503)
        .poll(1, http_status=503)
        .poll(1, http_status=503)
        .poll(1, http_status=503)
        .poll(1, [1], status="succeeded")
    ),
    "trying further and further apart, beginning soon": (
        Visit()
        .poll(0, [0])
        .poll(1, http_status=503)
        .poll(1, http_status=503, wait=50)
        .poll(1, http_status=503, wait=100)
        .poll(1, [1], status="succeeded", wait=200)
    ),
    "having no place for a type of event": (
        Visit().poll(0, [0, 1, 2]).show(1, 2).poll(3, [3, 4], status="succeeded").show(4)
    ),
    "not waiting for the end of what it has cancelled": Visit().poll(0, [0]).cancel(),
    "saying that events are lost": (
        Visit().poll(0, [0]).show(0).poll(1, [5], status="succeeded").notice(1, 5).show(5)
    ),
}


@pytest.mark.parametrize("freedom", list(FREEDOMS))
def test_what_is_left_open_fails_no_client(freedom: str) -> None:
    types = {0: "ai_message_start", 3: "ai_message_start"} if "no place" in freedom else {}
    types |= {idx: "text_chunk" for idx in ENOUGH if idx not in types}
    assert FREEDOMS[freedom].red(types=types) == []


def test_an_answer_that_is_cut_off_is_a_lost_one() -> None:
    cut: dict[str, Any] = {"intact": False, "next_offset": None, "told_status": None}
    visit = Visit().poll(0, [0]).poll(1, **cut, faults=("poll 2 -> truncate",))
    effects = {"poll 2 -> truncate": "truncate"}
    assert visit.red(effects=effects) == ["RETRY-SAME-OFFSET"]


def test_asking_for_everything_each_time_is_going_back() -> None:
    visit = Visit()
    for count in range(1, 6):
        visit.poll(0, range(count))
    assert visit.poll(0, range(6), status="succeeded").red() == ["OFFSET-NO-REWIND"]


def test_two_clients_of_one_task_do_not_disturb_each_other() -> None:
    visit = Visit().poll(0, range(4))
    visit.poll(0, range(4), client="127.0.0.1 other").poll(4, range(4, 6))
    visit.poll(4, range(4, 7), client="127.0.0.1 other", status="succeeded")
    assert visit.poll(6, [6], status="succeeded").red() == []


def test_two_clients_that_show_the_same_are_told_apart_by_their_names() -> None:
    visit = Visit().poll(0, [0, 1]).show(0, 1, client="one")
    visit.poll(0, [0, 1], client="127.0.0.1 other")
    assert visit.judged(End.RUNNING)["SHOWN-ONCE"].outcome is Outcome.UNTESTABLE
    visit.show(0, 1, client="two")
    for rule in ("SHOWN-ONCE", "SHOWN-IN-ORDER"):
        assert visit.judged(End.RUNNING)[rule].outcome is Outcome.PASS


@pytest.mark.parametrize("end", [End.RUNNING, End.TIMEOUT])
def test_a_client_that_may_go_on_has_not_stopped_too_early(end: End) -> None:
    for rule in ("UNTIL-TERMINAL", "RETRY-SAME-OFFSET", "UNKNOWN-TOLERATED"):
        visit, _, facts = BROKEN[rule]
        if rule != "RETRY-SAME-OFFSET":
            assert visit.red(end, **facts) == []


def test_without_proof_of_what_is_shown_rendering_is_untestable_and_says_what_to_give() -> None:
    results = Visit().poll(0, [0]).poll(1, [5, 6], status="succeeded").judged()
    for rule in ("GAP-NOTICED", "SHOWN-ALL", "SHOWN-LAST-BATCH", "SHOWN-ONCE", "SHOWN-IN-ORDER"):
        assert results[rule].outcome is Outcome.UNTESTABLE
        assert "stdout" in results[rule].detail
        assert "/__replay/ack" in results[rule].detail
    assert "data-idx" in results["SHOWN-ALL"].detail


def test_reading_the_conversation_after_a_gap_is_noticing_it() -> None:
    visit = Visit().poll(0, [0]).poll(1, [5, 6], status="succeeded")
    visit.request(operation="getConversation", http_status=200)
    assert visit.judged()["GAP-NOTICED"].outcome is Outcome.PASS


def test_who_sent_a_message_and_never_polled_has_not_waited_for_the_end() -> None:
    assert Visit().send().red() == ["UNTIL-TERMINAL"]


def test_a_client_whose_time_was_over_is_not_judged_on_the_end() -> None:
    found = Visit().poll(0, [0]).judged(End.TIMEOUT)["UNTIL-TERMINAL"]
    assert found.outcome is Outcome.UNTESTABLE
    assert "--timeout" in found.detail


@PROPERTY
@given(
    st.lists(
        st.tuples(
            st.integers(0, 5),
            st.sampled_from(["told", "lost", "damaged", "busy", "again from 0"]),
            st.booleans(),
        ),
        max_size=30,
    )
)
def test_whoever_walks_as_told_is_never_found_astray(
    steps: list[tuple[int, str, bool]],
) -> None:
    visit, offset, head = Visit(), 0, 0
    for new, what, taken in steps:
        head += new
        if what == "lost":
            visit.poll(offset, http_status=0)
        elif what == "busy":
            visit.poll(offset, http_status=503)
        elif what == "damaged":
            visit.poll(offset, range(offset, head), intact=False)
            offset = head if taken else offset
        else:
            start = 0 if what == "again from 0" and offset > 0 and visit.polls % 3 == 0 else offset
            visit.poll(start, range(start, head))
            offset = head
    found = visit.judged(End.RUNNING)
    for rule in ("OFFSET-AS-TOLD", "OFFSET-NO-REWIND", "OFFSET-NO-SKIP", "RETRY-SAME-OFFSET"):
        assert not found[rule].red, found[rule]
