"""The reader of event streams where events were lost: lenient, but not blind."""

import pytest

from pollux.schemas.grammar import (
    REFERENCE_ORDER,
    Grammar,
    StreamReader,
    Violation,
    first_violation,
)
from tests.schemas.streams import Event, numbered, stream, with_data

REFERENCE, COMMON = Grammar.REFERENCE, Grammar.COMMON


def test_a_stream_that_begins_in_the_middle_of_a_block_is_judged_by_what_is_known() -> None:
    events = stream("A tuuuv xyyyz d")
    assert first_violation(events[3:], "succeeded") is None
    events[5]["data"]["full_content"] = "u2 u3 u4"
    violation = first_violation(events[3:], "succeeded")
    assert violation is not None
    assert (violation.rule, violation.idx) == ("EVENT-FULL-CONTENT", 5)


@pytest.mark.parametrize("grammar", Grammar)
def test_a_hole_in_the_idx_is_a_gap(grammar: Grammar) -> None:
    events = stream("A tuuuv xyyyz p s k d")
    assert first_violation(events[:3] + events[8:], "succeeded", grammar) is None
    renumbered = numbered(events[:3] + events[8:])
    assert first_violation(renumbered, "succeeded", grammar) is not None
    reader = StreamReader(grammar)
    for event in renumbered:
        if event["idx"] == 3:
            reader.gap()
        assert reader.feed(event) is None
    assert reader.finish("succeeded") is None


def after_a_gap(before: str, after: list[Event], grammar: Grammar) -> list[Violation | None]:
    """Return what is found in AFTER when events are lost between it and BEFORE."""
    reader = StreamReader(grammar)
    for event in stream(before):
        assert reader.feed(event) is None
    reader.gap()
    return [reader.feed(event) for event in after]


@pytest.mark.parametrize(
    ("before", "after", "grammar", "broken"),
    [
        ("A d", "w", REFERENCE, REFERENCE_ORDER),  # an end is known for ever
        ("A p c", "x", REFERENCE, REFERENCE_ORDER),
        ("", "A", REFERENCE, REFERENCE_ORDER),  # what was lost came before it
        ("A", "p s k k", REFERENCE, REFERENCE_ORDER),
        ("A tuv", "A", COMMON, "EVENT-MESSAGE-START"),
        ("", "x A", COMMON, "EVENT-MESSAGE-START"),
        ("A", "xyz xy x", COMMON, "EVENT-CHUNK-PLACE"),
        ("A tuv x", "vu", COMMON, "EVENT-CHUNK-PLACE"),  # no text since that end
    ],
)
def test_a_gap_does_not_hide_what_is_known(
    before: str, after: str, grammar: Grammar, broken: str
) -> None:
    *fine, last = after_a_gap(before, stream(after.replace(" ", "")), grammar)
    assert fine == [None] * len(fine)
    assert last is not None
    assert last.rule == broken


def test_an_index_below_1_is_wrong_even_after_a_gap() -> None:
    (found,) = after_a_gap("A x", with_data("xy", 1, index=0)[1:], COMMON)
    assert found is not None
    assert found.rule == "EVENT-TEXT-INDEX"


def test_after_a_gap_a_block_may_go_on_with_the_count_of_one_that_was_lost() -> None:
    after = with_data("xyz", 1, index=7, elapsed=0.1)
    assert after_a_gap("A p s k", after, COMMON) == [None] * 3


def test_after_a_gap_a_tool_may_be_another_one_with_the_same_id() -> None:
    answer = stream("p s k")[2:]
    assert after_a_gap("A p s k", answer, COMMON) == [None]


def test_after_a_gap_thinking_may_be_of_the_kind_that_needs_no_end() -> None:
    reader = StreamReader(COMMON)
    events = stream("A tuv xyuyz d")
    for event in [*events[:3], *events[6:]]:  # the end of the thinking is lost
        assert reader.feed(event) is None
    assert reader.finish("succeeded") is None


@pytest.mark.parametrize("status", ["succeeded", "failed", "canceled", "stopped"])
@pytest.mark.parametrize("grammar", Grammar)
def test_nothing_is_known_of_an_end_that_was_lost(status: str, grammar: Grammar) -> None:
    reader = StreamReader(grammar)
    for event in stream("A p s"):
        reader.feed(event)
    reader.gap()
    assert reader.finish(status) is None
