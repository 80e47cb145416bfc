"""The reader of event streams: every rule seen red, gaps, and the language as it really is."""

from typing import Any

import pytest

from pollux.schemas.common_rules import COMMON_RULES
from pollux.schemas.grammar import (
    REFERENCE_ORDER,
    Grammar,
    StreamReader,
    Violation,
    first_violation,
)
from pollux.schemas.requirements import load_requirements
from tests.schemas.streams import Event, numbered, stream, with_data

REFERENCE, COMMON = Grammar.REFERENCE, Grammar.COMMON
ENDS = {"d": "succeeded", "e": "failed", "q": "canceled"}


def judge(word: str, status: str = "succeeded", grammar: Grammar = REFERENCE) -> Violation | None:
    return first_violation(stream(word), status, grammar)


def rule(word: str, status: str = "succeeded", grammar: Grammar = REFERENCE) -> str | None:
    violation = judge(word, status, grammar)
    return violation.rule if violation else None


@pytest.mark.parametrize(
    "word",
    [
        "A d",
        "A xyz d",
        "A tuuv xyyz d",
        "A tuv psk xyz d",
        "A pi sk pii sk d",
        "A p p s k s k d",
        "A xyz tuv d",  # two iterations
        "A p xyz s k d",  # prepared in one iteration, used in a later one
        "A xyz p tuv p s k s k xyz d",
        "A j wt wuwu wvwx wywz wp wiwi ws wk w dj",
        "A p wi s k d",
    ],
)
def test_a_stream_of_the_grammar_is_right(word: str) -> None:
    assert judge(word) is None
    assert judge(word, grammar=COMMON) is None


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("A tu r tuv xyz d", "succeeded"),
        ("A t r xyz d", "succeeded"),
        ("A xyy r w r xyyz d", "succeeded"),
        ("A xyy r yz d", "succeeded"),  # tried again without loss
        ("A p r p s k d", "succeeded"),
        ("A e", "failed"),
        ("A tu e", "failed"),
        ("A tuv xy e d", "failed"),
        ("A e w d j", "failed"),
        ("A p s e j", "failed"),
        ("A q", "canceled"),
        ("A xy q", "stopped"),
        ("A tuv p p q", "canceled"),
        ("A p p s c c q j", "canceled"),
        ("A p s c p s k d", "succeeded"),  # a tool may answer that it was cancelled
        ("A p s k c q", "canceled"),
        ("A xy w c r q", "canceled"),
    ],
)
def test_what_cuts_an_iteration_off_leaves_its_blocks_open(word: str, status: str) -> None:
    assert judge(word, status) is None
    assert judge(word, status, COMMON) is None


@pytest.mark.parametrize(
    ("word", "idx"),
    [
        ("A ty", 2),
        ("A tv", 2),
        ("A xz", 2),
        ("A tu x", 3),
        ("A xy p", 3),
        ("A xy d", 3),
        ("A i", 1),
        ("A p xyz i", 5),
        ("A p p s s", 4),
        ("A p s x", 3),
        ("A p s r xyz", 4),  # a retry does not excuse an answer
        ("A p s d", 3),
        ("A p k", 2),
        ("A p c x", 3),
        ("A p c d", 3),
        ("A d d", 2),
        ("A d w", 2),
        ("A d xyz", 2),
        ("A q q", 2),
        ("A e e", 2),
        ("A e r", None),
        ("A e w", None),
        ("A e d d", 3),
        ("w A", 0),
        ("j A", 0),
        ("e", 0),
    ],
)
def test_the_reference_keeps_its_order(word: str, idx: int | None) -> None:
    reader = StreamReader()
    found = [reader.feed(event) for event in stream(word)]
    found.append(reader.finish("failed"))
    first = next(filter(None, found))
    assert first.rule in {REFERENCE_ORDER, "EVENT-CHUNK-PLACE"}
    assert first.idx == idx


def test_only_an_error_that_says_true_is_tried_again() -> None:
    found = first_violation(with_data("A r d", 1, retry="true"), "succeeded")
    assert found is not None
    assert found.rule == REFERENCE_ORDER


def test_the_message_says_where_and_what_may_come() -> None:
    assert judge("A p s x") == Violation(
        REFERENCE_ORDER,
        3,
        "text_start while a tool runs; what may come there: any of the events that may come "
        "anywhere, conversation_changed, error, error (retry), task_stopped, update_action "
        "(cancelled), update_action of the tool that runs",
    )


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("A xyz", "succeeded"),
        ("A e", "succeeded"),
        ("A e d", "succeeded"),
        ("A r", "failed"),
        ("A e q", "failed"),
        ("A xyz", "canceled"),
        ("A e", "stopped"),
        ("A q", "succeeded"),
        ("A d", "canceled"),
        ("A d", "stopped"),
    ],
)
def test_the_end_of_the_reference_fits_the_status(word: str, status: str) -> None:
    assert rule(word, status) == REFERENCE_ORDER
    assert rule(word, status, COMMON) is None


@pytest.mark.parametrize("status", ["pending", "running", "cancel_requested"])
def test_a_live_task_has_no_end_to_judge(status: str) -> None:
    assert judge("A tu", status) is None


@pytest.mark.parametrize("grammar", Grammar)
class TestRulesForEveryServer:
    """Each one is told by its requirement, in both strictnesses."""

    @pytest.mark.parametrize("word", ["tuv", "x", "p", "s", "k", "w k"])
    def test_work_before_the_start(self, word: str, grammar: Grammar) -> None:
        if word == "w k" and grammar is REFERENCE:
            word = "k"
        assert rule(word + " A d", "failed", grammar) == "EVENT-MESSAGE-START"

    @pytest.mark.parametrize("word", ["A A d", "A xyz A d"])
    def test_a_second_start(self, word: str, grammar: Grammar) -> None:
        assert rule(word, "succeeded", grammar) == "EVENT-MESSAGE-START"

    def test_success_without_a_start(self, grammar: Grammar) -> None:
        assert rule("", "succeeded", grammar) == "EVENT-MESSAGE-START"

    @pytest.mark.parametrize(
        "word",
        ["A u d", "A y d", "A tuv u d", "A xyz y d", "A tuv xyz u d", "A xy xyz d", "A tu tuv d"],
    )
    def test_a_chunk_outside_of_its_block(self, word: str, grammar: Grammar) -> None:
        assert rule(word, "succeeded", grammar) == "EVENT-CHUNK-PLACE"

    @pytest.mark.parametrize("word", ["A tu", "A xy", "A xy r y"])
    def test_success_with_a_block_left_open(self, word: str, grammar: Grammar) -> None:
        assert rule(word, "succeeded", grammar) == "EVENT-CHUNK-PLACE"

    @pytest.mark.parametrize("full", ["", "y2 ", "y2 y3  ", "y3 y2 ", "Y2 y3 "])
    def test_a_full_content_that_is_not_its_chunks(self, full: str, grammar: Grammar) -> None:
        violation = first_violation(
            with_data("A xyyz d", 4, full_content=full), "succeeded", grammar
        )
        assert violation is not None
        assert (violation.rule, violation.idx) == ("EVENT-FULL-CONTENT", 4)

    @pytest.mark.parametrize("word", ["A tuvv d", "A xyz w z d"])
    def test_a_second_end_of_a_block(self, word: str, grammar: Grammar) -> None:
        events = stream(word)
        events[-2]["data"]["full_content"] = "more"
        violation = first_violation(events, "succeeded", grammar)
        assert violation is not None
        assert violation.rule == "EVENT-FULL-CONTENT"
        assert "outside" in violation.message

    @pytest.mark.parametrize(
        ("word", "at", "index"),
        [
            ("A xyyz d", 2, 2),
            ("A xyyz d", 3, 1),
            ("A xyyz d", 3, 3),
            ("A xyyz xyz d", 6, 2),
            ("A xyyz p s k xyz d", 9, 3),  # it begins anew after a tool
        ],
    )
    def test_an_index_that_does_not_count(
        self, word: str, at: int, index: int, grammar: Grammar
    ) -> None:
        violation = first_violation(with_data(word, at, index=index), "succeeded", grammar)
        assert violation is not None
        assert (violation.rule, violation.idx) == ("EVENT-TEXT-INDEX", at)

    def test_an_index_may_go_on_after_more_thinking(self, grammar: Grammar) -> None:
        events = with_data("A xyyz tuv xyz d", 9, index=3, elapsed=0.5)
        assert first_violation(events, "succeeded", grammar) is None

    @pytest.mark.parametrize(("at", "elapsed"), [(2, 0.5), (8, 0.5), (8, -0.5), (9, -0.001)])
    def test_a_time_that_cannot_be(self, at: int, elapsed: float, grammar: Grammar) -> None:
        events = with_data("A xyz p s k xyyz d", at, elapsed=elapsed)
        violation = first_violation(events, "succeeded", grammar)
        assert violation is not None
        assert (violation.rule, violation.idx) == ("EVENT-TEXT-ELAPSED", at)

    @pytest.mark.parametrize("at", [2, 5])
    def test_an_empty_chunk(self, at: int, grammar: Grammar) -> None:
        events = with_data("A tuv xyz d", at, content="")
        violation = first_violation(events, "succeeded", grammar)
        assert violation is not None
        assert (violation.rule, violation.idx) == ("EVENT-EMPTY-CHUNK", at)

    def test_a_tool_that_was_not_prepared(self, grammar: Grammar) -> None:
        assert rule("A s k d", "succeeded", grammar) == "EVENT-TOOL-START-PREPARED"
        events = with_data("A p s k d", 1, id="call_7")
        violation = first_violation(events, "succeeded", grammar)
        assert violation is not None
        assert (violation.rule, violation.idx) == ("EVENT-TOOL-START-PREPARED", 2)

    def test_a_tool_that_is_not_answered(self, grammar: Grammar) -> None:
        reader = StreamReader(grammar)
        for event in stream("A p s"):
            assert reader.feed(event) is None
        violation = reader.finish("succeeded")
        assert violation is not None
        assert (violation.rule, violation.idx) == ("EVENT-TOOL-ANSWERED", None)
        assert "idx 2" in violation.message

    @pytest.mark.parametrize("status", ["failed", "canceled", "stopped"])
    def test_a_tool_of_a_task_that_was_cut_short(self, status: str, grammar: Grammar) -> None:
        word = "A p s e" if status == "failed" else "A p s q"
        assert rule(word, status, grammar) is None

    def test_a_failure_without_an_error(self, grammar: Grammar) -> None:
        assert rule("A d", "failed", grammar) == "TASK-FAILURE-EVENT"


def test_a_tool_is_answered_once() -> None:
    events = with_data("A p s k k d", 4, preparing_id="call_1")
    found = first_violation(events, "failed", COMMON)
    assert found is not None
    assert (found.rule, found.idx) == ("EVENT-TOOL-ANSWERED", 4)


def test_a_cancelled_answer_on_top_is_wrong_only_if_the_task_goes_on_to_succeed() -> None:
    events = with_data("A p s k c", 4, preparing_id="call_1")
    assert first_violation(events, "canceled", COMMON) is None
    found = first_violation(events, "succeeded", COMMON)
    assert found is not None
    assert found.rule == "EVENT-TOOL-ANSWERED"


@pytest.mark.parametrize("grammar", Grammar)
def test_an_answer_with_another_preparing_id_answers_nothing(grammar: Grammar) -> None:
    events = with_data("A p p s k d", 4, preparing_id="call_2")
    found = first_violation(events, "succeeded", grammar)
    assert found is not None
    assert found.rule == (REFERENCE_ORDER if grammar is REFERENCE else "EVENT-TOOL-ANSWERED")


def test_a_tool_that_waits_for_somebody_is_not_answered_yet() -> None:
    events = with_data("A p s k k d", 3, status="awaiting_approval")
    events[4]["data"]["preparing_id"] = "call_1"
    assert first_violation(events, "succeeded", COMMON) is None
    found = first_violation(numbered(events[:4] + events[5:]), "succeeded", COMMON)
    assert found is not None
    assert found.rule == "EVENT-TOOL-ANSWERED"


def test_a_status_of_the_servers_own_may_be_a_report_or_the_answer() -> None:
    report = with_data("A p s k k d", 3, status="half done")
    report[4]["data"]["preparing_id"] = "call_1"
    assert first_violation(report, "succeeded", COMMON) is None
    assert first_violation(with_data("A p s k d", 3, status="odd"), "succeeded", COMMON) is None
    later = with_data("A p s k k d", 4, status="archived", preparing_id="call_1")
    assert first_violation(later, "succeeded", COMMON) is None
    twice = [*report[:5], report[4], report[5]]
    found = first_violation(numbered(twice), "succeeded", COMMON)
    assert found is not None
    assert (found.rule, found.idx) == ("EVENT-TOOL-ANSWERED", 5)


def with_one_id(word: str) -> list[Event]:
    """Return the stream of a word whose tool calls all have the same id."""
    events = stream(word)
    for event in events:
        if "preparing_id" in event["data"]:
            event["data"]["preparing_id"] = "call_0"
        elif event["type"] == "tool_preparing":
            event["data"]["id"] = "call_0"
    return events


@pytest.mark.parametrize("word", ["A p s k p s k p k d", "A p p s s k k d", "A p s p k d"])
def test_a_model_may_use_the_id_of_a_call_again(word: str) -> None:
    assert first_violation(with_one_id(word), "succeeded", COMMON) is None


@pytest.mark.parametrize("word", ["A p p s s k d", "A p p s s k k k d", "A p s k p s d"])
def test_each_use_of_an_id_is_answered_once(word: str) -> None:
    found = first_violation(with_one_id(word), "succeeded", COMMON)
    assert found is not None
    assert found.rule == "EVENT-TOOL-ANSWERED"


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("w A xyz d", "succeeded"),
        ("A tu p v s k xyz d", "succeeded"),  # prepared before the thinking ends
        ("A tuv xy p z s k d", "succeeded"),  # prepared before the text ends
        ("A tuv xy w u y z d", "succeeded"),  # thinking goes on in the text
        ("A tuv xyuu p uz s k d", "succeeded"),
        ("A xytuyvz d", "succeeded"),
        ("A tu w v p e k xyz d", "succeeded"),  # arguments that cannot be read
        ("A p p s s k k xyz d j w", "succeeded"),  # tools side by side
        ("A p s k", "succeeded"),
        ("A e", "succeeded"),
        ("A xy q q", "canceled"),
        ("A tu p p q c c q", "stopped"),
        ("A p s q", "stopped"),
        ("A e d", "failed"),
        ("e", "failed"),
        ("q", "canceled"),
    ],
)
def test_other_servers_may_interleave(word: str, status: str) -> None:
    assert judge(word, status, COMMON) is None


@pytest.mark.parametrize(
    "word",
    [
        "A tuv u",  # no text yet
        "A tuv xyz u",  # no text any more
        "A tuv xy p s u",  # a tool runs: the answer was over
        "A tuv xy r u",  # tried again
        "A xyu",  # no thinking in this answer
        "A tuv xyz psk xyu",
        "A tuv xy tuv u",  # the text began before this thinking
    ],
)
def test_thinking_goes_on_without_a_start_only_in_the_text_that_follows_it(word: str) -> None:
    violation = judge(word, "failed", COMMON)
    assert violation is not None
    assert violation.rule == "EVENT-CHUNK-PLACE"
    assert violation.idx == len(word.replace(" ", "")) - 1


@pytest.mark.parametrize("grammar", Grammar)
@pytest.mark.parametrize(
    "odd",
    [
        {"type": "goal_progress", "data": {}},
        {"type": ["text_chunk"], "data": {}},
        {"data": {}},
        {"type": "text_chunk"},
        {"type": "text_chunk", "data": "y"},
    ],
)
def test_what_is_not_in_the_catalogue_is_passed_over(odd: dict[str, Any], grammar: Grammar) -> None:
    events = stream("A xyz d")
    for at in range(len(events) + 1):
        mixed = [*events[:at], {"idx": 0, "ts": 1, **odd}, *events[at:]]
        assert first_violation(numbered(mixed), "succeeded", grammar) is None


@pytest.mark.parametrize("grammar", Grammar)
@pytest.mark.parametrize(
    "field",
    ["content", "index", "elapsed", "full_content", "id", "preparing_id", "status", "message"],
)
@pytest.mark.parametrize("value", [None, ["list"], {}])
def test_a_broken_payload_is_left_to_the_rule_for_payloads(
    field: str, value: object, grammar: Grammar
) -> None:
    events = stream("A tuuv xyyz psk d")
    for event in events:
        if field in event["data"] and (field, event["type"]) != ("status", "update_action"):
            event["data"][field] = value
    if field == "id":  # then nothing was prepared, as far as can be seen
        events = [event for event in events if event["type"] != "tool_start"]
        events = [event for event in events if event["type"] != "update_action"]
    assert first_violation(numbered(events), "succeeded", grammar) is None


def test_an_index_or_a_preparing_id_that_cannot_be_read_breaks_nothing_else() -> None:
    assert first_violation(with_data("A xyyyz d", 3, index=None), "succeeded") is None
    reader = StreamReader()
    events = with_data("A p s k d", 3, preparing_id=None)
    assert [reader.feed(event) for event in events] == [None] * len(events)


def test_one_wrong_answer_is_told_once() -> None:
    reader = StreamReader()
    found = [reader.feed(event) for event in with_data("A p p s k xyz d", 4, preparing_id="x")]
    assert [violation.idx for violation in found if violation] == [4]


def test_reading_goes_on_after_a_violation() -> None:
    reader = StreamReader()
    events = stream("A xyyz d xyz p s k d")
    events = numbered([event for event in events if event["idx"] != 1])
    found = [reader.feed(event) for event in events]
    rules = [violation.rule if violation else None for violation in found]
    # The missing start, the event after the end, and nothing else.
    assert rules == [None, "EVENT-CHUNK-PLACE", *[None] * 3, REFERENCE_ORDER, *[None] * 6]
    assert reader.finish("succeeded") is None


@pytest.mark.parametrize("name", COMMON_RULES)
def test_every_rule_is_a_requirement_about_the_events_it_looks_at(name: str) -> None:
    assert COMMON_RULES[name] <= set(load_requirements()[name].events)


def test_the_order_of_the_reference_is_no_requirement() -> None:
    assert REFERENCE_ORDER not in load_requirements()
