"""The text of fault rules: what it means, and what is said of a text that means nothing."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pollux.replay.faults import FaultSyntaxError, Rule, parse_rules
from pollux.replay.faults import values as kinds
from pollux.replay.faults.effect import Effect
from pollux.replay.faults.effects.late_terminal import LateTerminal
from pollux.replay.faults.effects.latency import Latency
from pollux.replay.faults.effects.status import HEADER, Status
from pollux.replay.faults.effects.wrong_content_type import CONTENT_TYPE
from pollux.replay.faults.registry import all_effects
from pollux.replay.faults.triggers import (
    OPERATIONS,
    SHORT_OPERATIONS,
    TRIGGERS,
    AtTime,
    Chance,
    FromClient,
    OnIdx,
    OnPoll,
    OnTerminal,
    Trigger,
)
from pollux.replay.faults.values import Kind, Span, count
from tests.replay.support import PROPERTY

texts = st.text(max_size=12)
printable = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=8)


def spans(least: int) -> st.SearchStrategy[Span]:
    numbers = st.integers(least, 10**6)
    return st.one_of(
        numbers.map(lambda n: Span(n, n)),
        numbers.map(lambda n: Span(n, None)),
        st.tuples(numbers, numbers).map(lambda pair: Span(min(pair), max(pair))),
    )


def values_of(kind: Kind) -> st.SearchStrategy[Any]:
    if kind.words and kind is not TRIGGERS["operation"].kind:
        return st.sampled_from([kind.read(word) for word in kind.words])
    by_noun: dict[str, st.SearchStrategy[Any]] = {
        kinds.DURATION.noun: st.integers(0, 10**7),
        kinds.TEXT.noun: texts,
        kinds.PROBABILITY.noun: st.floats(0, 1, exclude_min=True),
        kinds.POLLS.noun: spans(1),
        kinds.EVENTS.noun: spans(0),
        kinds.TIMES.noun: spans(0),
        "an operation": st.sampled_from([SHORT_OPERATIONS.get(name, name) for name in OPERATIONS]),
        CONTENT_TYPE.noun: st.from_regex(r"[a-z0-9.+-]{1,9}/[a-z0-9.+-]{1,9}", fullmatch=True),
        HEADER.noun: st.tuples(st.sampled_from(["A", "x-b"]), printable).map(": ".join),
        count().noun: st.integers(0, 10**9),
        count(1).noun: st.integers(1, 100),
    }
    if kind.noun == count(200, 599).noun:
        return st.integers(200, 599)
    return by_noun[kind.noun]


@st.composite
def effects(draw: st.DrawFn) -> Effect:
    effect = draw(st.sampled_from(list(all_effects().values())))
    given_: dict[str, Any] = {}
    for name, kind, _, _, default in effect.parameters():
        if not draw(st.booleans()):
            continue
        values = values_of(kind)
        if default == ():
            values = st.lists(values, max_size=3).map(tuple)
        given_[name.replace("-", "_")] = draw(values)
    return effect(**given_)


@st.composite
def triggers(draw: st.DrawFn) -> Trigger:
    trigger: Any = draw(st.sampled_from(list(TRIGGERS.values())))
    found: Trigger = trigger() if trigger.kind is None else trigger(draw(values_of(trigger.kind)))
    return found


rules = st.builds(
    Rule,
    st.lists(triggers(), min_size=1, max_size=3).map(tuple),
    effects(),
    st.none() | st.integers(1, 9),
    st.none() | st.from_regex(r"[A-Za-z][A-Za-z0-9_.-]{0,8}", fullmatch=True),
)


@PROPERTY
@given(rules)
def test_a_rule_that_is_written_and_read_is_the_same(rule: Rule) -> None:
    assert parse_rules(str(rule)).rules == (rule,)


@PROPERTY
@given(st.lists(rules, max_size=4, unique_by=lambda rule: rule.name))
def test_so_are_all_rules_of_a_set(rules: list[Rule]) -> None:
    for separator in ("\n", " ; ", "\n# a comment; -> \n\n"):
        assert parse_rules(separator.join(map(str, rules))).rules == tuple(rules)


@PROPERTY
@given(st.text() | st.text(st.sampled_from('poll 3.s;"#->=\\\n')))
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    try:
        parse_rules(text)
    except FaultSyntaxError as error:
        line = text.split("\n")[error.line - 1]
        assert 1 <= error.column <= len(line) + 1


def only(text: str) -> Rule:
    [rule] = parse_rules(text).rules
    return rule


def test_what_rules_mean() -> None:
    storm = only("storm: poll 3..5 -> status 503 retry-after=2")
    assert (storm.name, storm.triggers) == ("storm", (OnPoll(Span(3, 5)),))
    assert storm.effect == Status(503, retry_after=2)
    slow = only("time 1.5m.. p=0.25 times 3 -> latency 2s jitter=500ms")
    assert slow.triggers == (AtTime(Span(90_000, None)), Chance(0.25))
    assert (slow.times, slow.effect) == (3, Latency(2000, jitter=500))
    quoted = only('client "Fire fox" once -> status 500 body="a \\"b\\";#\\n" header="A: b"')
    assert quoted.triggers == (FromClient("Fire fox"),)
    assert quoted.effect == Status(500, body='a "b";#\n', header=("A: b",))
    assert quoted.times == 1
    late = only("terminal -> delay-terminal polls=3")  # the other name of late-terminal
    assert (late.triggers, late.effect) == ((OnTerminal(),), LateTerminal(3))
    assert str(late) == "terminal -> late-terminal 3"
    assert only("idx 7..9 -> evict").triggers == (OnIdx(Span(7, 9)),)


def test_comments_and_empty_lines_are_nothing() -> None:
    assert not parse_rules("")
    assert not parse_rules("\n# poll 3 -> reset\r\n ;; \n\t\n")
    text = "  poll 1 -> reset # why\r\npoll 2 -> close;poll 3 -> reset"
    assert [rule.name for rule in parse_rules(text).rules] == [
        "poll 1 -> reset",
        "poll 2 -> close",
        "poll 3 -> reset",
    ]


@pytest.mark.parametrize(
    ("text", "column", "says"),
    [
        ("poll 3 -> stauts 503", 11, "no effect 'stauts'; did you mean 'status'?"),
        ("poll 3 -> zzzzz", 11, "no effect 'zzzzz': there are big-batch, busy"),
        ("pol 3 -> reset", 1, "no trigger 'pol'; did you mean 'poll'?"),
        ("storm: poll 3 tims 2 -> reset", 15, "did you mean 'times'?"),
        ("poll 3 -> too-many retry-afer=2", 20, "did you mean 'retry-after'?"),
        ("poll 3 -> status 503 retry_after=2", 22, "did you mean 'retry-after'?"),
        ("poll 3 -> status 503 504", 22, "says not what it is"),
        ("poll 3 -> busy now", 16, "busy takes no argument"),
        ("operation sed -> busy", 11, "no operation 'sed'; did you mean 'send'?"),
        ("poll 3 -> malformed how=byts", 21, "cut or garbage or bytes; did you mean 'bytes'?"),
        ("poll 3-5 -> reset", 6, "a number or range of polls such as 3, 3..5 or 3.."),
        ("poll 0 -> reset", 6, "a number or range"),
        ("poll 5..3 -> reset", 6, "ends before it begins"),
        ("time 30 -> reset", 6, "a time or range of times such as 30s"),
        ("poll 3 -> latency 2", 19, "write it as 500ms, 2s, 1.5s or 3m"),
        ("poll 3 -> latency 0.5ms", 19, "no whole number of milliseconds"),
        ("p=1.5 -> reset", 1, "above 0 and up to 1"),
        ("p=x -> reset", 1, "no probability"),
        ("every 0 -> reset", 7, "0 is not allowed here"),
        ("poll 3 -> status 99", 18, "from 200 to 599"),
        ("poll 3 -> status 503 header=x", 22, "Name: value"),
        ("poll 3 -> wrong-content-type x", 30, "text/plain"),
        ("poll 3 reset", 1, "there is no '->'"),
        ("storm:", 7, "there is no '->'"),
        ("poll 3 ->", 10, "no effect behind '->'"),
        ("-> reset", 1, "'always'"),
        ("once -> reset", 6, "'always'"),
        ("poll -> reset", 6, "behind 'poll' comes a number or range of polls"),
        ("poll 3 times -> reset", 14, "behind 'times' comes a whole number"),
        ("poll 3 once times 2 -> reset", 13, "said twice"),
        ("poll 3 -> hang 1s time=2s", 19, "time is given twice"),
        ('client "x -> reset', 8, "not closed"),
        ('client "\\x" -> reset', 8, "after \\ comes"),
        ("poll 3 -> reset; poll 3 -> reset", 18, "called 'poll 3 -> reset' already"),
        ("a: poll 3 -> reset; a: poll 4 -> reset", 21, "called 'a' already"),
    ],
)
def test_a_wrong_line_is_refused_with_its_place_and_the_nearest_word(
    text: str, column: int, says: str
) -> None:
    with pytest.raises(FaultSyntaxError) as caught:
        parse_rules(f"# comment\n{text}", place="storm.faults")
    assert (caught.value.line, caught.value.column) == (2, column)
    first, shown, pointer = str(caught.value).split("\n")
    assert first.startswith(f"storm.faults, line 2, column {column}: ")
    assert says in first
    assert shown == f"  {text}"
    assert pointer.index("^") == column + 1
