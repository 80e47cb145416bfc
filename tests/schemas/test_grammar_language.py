"""The reader agrees, stream by stream, with regular expressions over whole streams."""

import copy
from collections.abc import Callable
from itertools import pairwise

from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from pollux.schemas.grammar import Grammar, StreamReader, first_violation
from tests.schemas.stream_oracle import in_reference_language, keeps_common_rules
from tests.schemas.streams import TYPES, Event, numbered, stream

Told = tuple[list[Event], str]
STATUSES = ("succeeded", "failed", "canceled", "stopped")
LETTERS = "".join(TYPES)


@st.composite
def reference_words(draw: st.DrawFn) -> tuple[str, str]:
    """Return a word of the reference's language, and a status that fits."""

    def some(letters: str, least: int = 0) -> str:
        return letters * draw(st.integers(least, 3))

    word, prepared = "A", 0
    for _ in range(draw(st.integers(0, 4))):
        if draw(st.booleans()):
            word += "t" + some("u", 1) + "v"
        if draw(st.booleans()):
            word += "x" + some("y", 1) + "z"
        for _ in range(draw(st.integers(0, 2))):
            word, prepared = word + "p" + some("i"), prepared + 1
        for _ in range(draw(st.integers(0, prepared))):
            word, prepared = word + "s" + draw(st.sampled_from("kkkc")), prepared - 1
        if draw(st.integers(0, 3)) == 0:
            word += draw(st.sampled_from(["t", "tu", "x", "xyy", ""])) + "r"
    status = draw(st.sampled_from(STATUSES))
    cut = draw(st.sampled_from(["", "t", "tuu", "x", "xy", "tuvxy", "s" if prepared else ""]))
    match status:
        case "succeeded":
            end = "d"
        case "failed":
            end = cut + draw(st.sampled_from(["e", "ed"]))
        case _:
            end = cut + some("c") + "q"
    word = "".join(letter + draw(st.text("wjr", max_size=1)) for letter in word + end[:-1])
    return word + end[-1] + some("j"), status


@st.composite
def interleaved_words(draw: st.DrawFn) -> tuple[str, str]:
    """Return what a server tells that ends its blocks late, and a status that fits."""
    word = draw(st.sampled_from(["A", "wA"]))
    for _ in range(draw(st.integers(0, 3))):
        thinking, text = draw(st.booleans()), draw(st.booleans())
        if thinking:
            word += "t" + "u" * draw(st.integers(1, 3))
        if text:
            body = st.text("yu" if thinking else "y", max_size=3)
            word += ("v" if thinking else "") + "xy" + draw(body)
        tools = draw(st.integers(0, 2))
        word += "pi" * tools + draw(st.sampled_from(["", "w"]))
        word += ("v" if thinking and not text else "") + ("z" if text else "")
        word += draw(st.sampled_from(["sk" * tools, "s" * tools + "k" * tools, "ek" * tools]))
    end, status = draw(
        st.sampled_from(
            [
                ("d", "succeeded"),
                ("dj", "succeeded"),
                ("", "succeeded"),
                ("e", "failed"),
                ("ed", "failed"),
                ("qq", "stopped"),
                ("xyppqccq", "stopped"),
            ]
        )
    )
    return word + end, status


@st.composite
def mutated(draw: st.DrawFn, words: st.SearchStrategy[tuple[str, str]]) -> Told:
    """Return the stream of a word with one thing changed, which may or may not be wrong."""
    word, status = draw(words)
    events = copy.deepcopy(stream(word))
    at = draw(st.integers(0, len(events) - 1))
    other = draw(st.integers(0, len(events) - 1))
    changes: dict[str, Callable[[], object]] = {
        "drop": lambda: events.pop(at),
        "repeat": lambda: events.insert(at, copy.deepcopy(events[at])),
        "swap": lambda: events.__setitem__(slice(None), _swapped(events, at, other)),
        "change": lambda: _change(events, draw),
        "add": lambda: events.insert(at, stream(draw(st.sampled_from(LETTERS)))[0]),
        "cut off": lambda: events.__delitem__(slice(at, None)),
    }
    changes[draw(st.sampled_from(sorted(changes)))]()
    return numbered(events), draw(st.sampled_from([status] * 4 + list(STATUSES)))


def _swapped(events: list[Event], one: int, other: int) -> list[Event]:
    swapped = list(events)
    swapped[one], swapped[other] = events[other], events[one]
    return swapped


def _change(events: list[Event], draw: st.DrawFn) -> None:
    """Change one value that the rules look at."""
    values: dict[str, tuple[object, ...]] = {
        "full_content": ("", "u2 ", "y2 ", "more"),
        "content": ("more ", "y2 ", ""),
        "index": (0, 1, 2, 3),
        "elapsed": (0.0, 0.5, -1.0),
        "preparing_id": ("call_1", "call_2"),
        "status": ("completed", "cancelled"),
        "retry": (True, False),
        "id": ("call_1", "call_2"),
    }
    places = [
        (event["data"], key)
        for event in events
        for key in values
        # An id is looked at where a tool is prepared.
        if key in event["data"] and (key != "id" or event["type"] == "tool_preparing")
    ]
    if places:
        data, key = draw(st.sampled_from(places))
        data[key] = draw(st.sampled_from(values[key]))


def right(told: Told, grammar: Grammar) -> bool:
    return first_violation(*told, grammar) is None


def _has_side_by_side_uses_of_an_id(events: list[Event]) -> bool:
    """Tell whether an id is started twice without an answer in between (no oracle for that)."""
    names = {e["data"].get("preparing_id") for e in events if e["type"] == "tool_start"}
    for name in names:
        mine = [e["type"] for e in events if e["data"].get("preparing_id") == name]
        if ("tool_start", "tool_start") in pairwise(mine):
            return True
    return False


@settings(deadline=None)
@given(reference_words())
def test_every_word_of_the_reference_is_right_in_both(told: tuple[str, str]) -> None:
    word, status = told
    assert in_reference_language(stream(word), status)
    assert first_violation(stream(word), status, Grammar.REFERENCE) is None
    assert first_violation(stream(word), status, Grammar.COMMON) is None


@settings(deadline=None)
@given(interleaved_words())
def test_a_server_that_interleaves_keeps_the_common_rules(told: tuple[str, str]) -> None:
    word, status = told
    assert keeps_common_rules(stream(word), status)
    assert first_violation(stream(word), status, Grammar.COMMON) is None


@settings(max_examples=300, deadline=None)
@given(mutated(reference_words()))
def test_a_changed_word_is_told_unless_it_is_still_in_the_language(told: Told) -> None:
    expected = in_reference_language(*told)
    event(f"still in the language: {expected}")
    assert right(told, Grammar.REFERENCE) is expected


@settings(max_examples=300, deadline=None)
@given(mutated(st.one_of(reference_words(), interleaved_words())))
def test_a_changed_stream_is_told_unless_it_still_keeps_the_common_rules(told: Told) -> None:
    assume(not _has_side_by_side_uses_of_an_id(told[0]))
    expected = keeps_common_rules(*told)
    event(f"still right: {expected}")
    assert right(told, Grammar.COMMON) is expected


@settings(max_examples=300, deadline=None)
@given(st.text(LETTERS, max_size=7), st.sampled_from(STATUSES))
def test_any_short_word_is_judged_alike(word: str, status: str) -> None:
    events = stream("A" + word)
    assert right((events, status), Grammar.REFERENCE) is in_reference_language(events, status)
    assert right((events, status), Grammar.COMMON) is keeps_common_rules(events, status)


@settings(deadline=None)
@given(st.data(), st.sampled_from(Grammar))
def test_a_right_stream_stays_right_whatever_part_of_it_is_lost(
    data: st.DataObject, grammar: Grammar
) -> None:
    words = reference_words()
    if grammar is Grammar.COMMON:
        words = st.one_of(words, interleaved_words())
    word, status = data.draw(words)
    events = stream(word)
    keep = data.draw(st.lists(st.booleans(), min_size=len(events), max_size=len(events)))
    kept = [event for event, stays in zip(events, keep, strict=True) if stays]
    reader = StreamReader(grammar)
    assert [reader.feed(event) for event in kept] == [None] * len(kept)
    if len(kept) < len(events):
        reader.gap()  # the last ones may be lost, and no idx would tell
    assert reader.finish(status) is None
