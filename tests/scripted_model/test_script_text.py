"""The text of a script: what is read from it, what is refused, and that writing is reading back."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pollux.scripted_model import ScriptError, StatementError, parse_script
from pollux.scripted_model import builder as b
from pollux.scripted_model.script import (
    FINISH_REASONS,
    Break,
    Call,
    Empty,
    EndEarly,
    Error,
    Fail,
    Finish,
    Hold,
    Malformed,
    Pause,
    Say,
    Script,
    Shred,
    Statement,
    Think,
    Turn,
    Usage,
)

EVERYTHING = r"""Please do this:
pollux-script demo-1   # an id, and comments
think 3
think "exact " "texts"

say "Hello " "w\u00f6rld #1" "" # not a comment within quotes
call write_file {"path": "a.txt", "content": "x # y"} split 3 9
call read_file raw "{not json"
call "any" {}
call any split 1
call list_files auto
call list_files
turn
  pause 200ms
  pause 1.5s
  hold step:1
  error 503 times 2 "text" retry-after 1
  error 429 code slow retry-after 0.25
turn
malformed times 1
fail "went wrong" times 1
end-early times 2
break
turn
empty
usage 10 20
finish length
shred 5
turn repeat
say 1500
end-script
say "this is not part of it"
"""


def test_every_statement_is_read() -> None:
    script = parse_script(EVERYTHING)
    assert script == Script(
        (
            Turn(
                (
                    Think(3),
                    Think(("exact ", "texts")),
                    Say(("Hello ", "wörld #1", "")),
                    Call("write_file", '{"path": "a.txt", "content": "x # y"}', (3, 9)),
                    Call("read_file", "{not json"),
                    Call("any", "{}"),
                    Call(None, None, (1,)),
                    Call("list_files", None),
                    Call("list_files", "{}"),
                )
            ),
            Turn(
                (
                    Pause(200),
                    Pause(1500),
                    Hold("step:1"),
                    Error(503, "text", 1000, times=2),
                    Error(429, None, 250, "slow"),
                )
            ),
            Turn((Malformed(times=1), Fail("went wrong", times=1), EndEarly(times=2), Break())),
            Turn((Empty(), Usage(10, 20), Finish("length"), Shred(5))),
            Turn((Say(1500),), repeat=True),
        ),
        "demo-1",
    )


@pytest.mark.parametrize(
    "text",
    ["", "Hello", "about pollux-script\nand so on", "> pollux-script", "Pollux-script\nsay 1"],
)
def test_other_texts_hold_no_script(text: str) -> None:
    assert parse_script(text) is None


@pytest.mark.parametrize(
    "text",
    [
        'pollux-script\nsay "a"',
        'pollux-script\r\nsay "a"\r\n',
        'A word before.\n\n   pollux-script  \n\tsay "a"\n\n  end-script now\nnonsense',
        'pollux-script\nturn\nsay "a"\nend-script',
    ],
)
def test_the_block_is_found_in_the_text(text: str) -> None:
    assert parse_script(text) == Script((Turn((Say(("a",)),)),))


@pytest.mark.parametrize(
    ("lines", "line", "word", "message"),
    [
        ("", 1, "pollux-script", "at least one turn"),
        ("sya 3", 2, "sya", "did you mean 'say'?"),
        ("say 1\ntrun", 3, "trun", "did you mean 'turn'?"),
        ("say 1\nend-scrpt", 3, "end-scrpt", "did you mean 'end-script'?"),
        ("say 1\npollux-script\nsay 2", 3, "pollux-script", "no statement"),
        ('"say" 1', 2, "say", "no statement"),
        ("say", 2, "", "a number of chunks, or texts in quotes is missing"),
        ("say hello", 2, "hello", "texts in quotes"),
        ("say 0", 2, "0", "between 1 and 100000"),
        ("say 100001", 2, "100001", "between 1 and 100000"),
        ("say 1 2", 2, "2", "does not belong here"),
        ('say "a" 2', 2, "2", "a text in quotes"),
        ('say "a""b"', 2, '"b"', "blank is missing"),
        ('say "a', 2, '"a', "not JSON"),
        (r'say "\ud83d"', 2, "\ud83d", "surrogate"),
        ("say \u00a0", 2, "\u00a0", "cannot begin a word"),
        ("think -1", 2, "-1", "texts in quotes"),
        ("turn repaet\nsay 1", 2, "repaet", "did you mean 'repeat'?"),
        ("turn repeat\nsay 1\nturn\nsay 1", 4, "turn", "no turn follows"),
        ("turn\nturn\nsay 1", 2, "turn", "answers nothing"),
        ("pause 1s", 2, "pause", "answers nothing"),
        ("say 1\nturn", 3, "turn", "answers nothing"),
        ("call", 2, "", "the name of a tool"),
        ("call f {bad}", 2, "{bad}", "not JSON"),
        ('call f {"a": NaN}', 2, '{"a": NaN}', "NaN"),
        ("call f [1]", 2, "[1]", "does not belong here"),
        ("call f ruw", 2, "ruw", "did you mean 'raw'?"),
        ("call f raw", 2, "", "the arguments as a text in quotes"),
        ("call f {} split", 2, "", "a byte offset"),
        ("call f {} split 2", 2, "f", "2 bytes long"),
        ('call f {"a":1} split 3 3', 2, "f", "start at 1 and rise"),
        ('call f {"a":1} split 0', 2, "f", "start at 1 and rise"),
        ("call any {}", 2, "{}", "does not belong here"),
        ('call ""', 2, "", "has a name"),
        ("pause 1\nsay 1", 2, "1", "200ms or 1.5s"),
        ("pause 5min\nsay 1", 2, "5min", "200ms or 1.5s"),
        ("pause 0.5ms\nsay 1", 2, "0.5ms", "whole number of milliseconds"),
        ("pause 601s\nsay 1", 2, "601s", "between 0 and 600000"),
        ("hold\nsay 1", 2, "", "the name of the hold is missing"),
        ("hold a/b\nsay 1", 2, "a/b", "letters, digits"),
        ("error", 2, "", "the status of the error"),
        ("error 200", 2, "200", "between 400 and 599"),
        ("error 503 time 2", 2, "time", "did you mean 'times'?"),
        ("error 503 times", 2, "", "how many times"),
        ("error 503 times 0", 2, "503", "between 1 and 1000"),
        ("error 503 times 1 times 2", 2, "times", "does not belong here"),
        ('error 503 "a" "b"', 2, "b", "does not belong here"),
        ("error 503 retry-after soon", 2, "soon", "a number of seconds"),
        ("error 503 retry-after 1s", 2, "1s", "a number of seconds"),
        ("say 1\nerror 503", 3, "error", "before anything is said"),
        ("malformed\nerror 503", 3, "error", "before anything is said"),
        ("error 503\nsay 1", 3, "say", "nothing is played after"),
        ("say 1\nbreak\nfinish stop", 4, "finish", "nothing is played after"),
        ("break now", 2, "now", "does not belong here"),
        ("fail oops", 2, "oops", "does not belong here"),
        ("empty\nsay 1", 3, "say", "has no content"),
        ("say 1\nempty", 2, "say", "has no content"),
        ("empty 1", 2, "1", "does not belong here"),
        ("say 1\nusage 1", 3, "", "completion tokens is missing"),
        ("say 1\nusage 1 2\nusage 1 2", 4, "usage", "twice"),
        ("say 1\nfinish lenght", 3, "lenght", "did you mean 'length'?"),
        ("say 1\nshred 0", 3, "0", "between 1 and 65536"),
    ],
)
def test_mistakes_are_named(lines: str, line: int, word: str, message: str) -> None:
    with pytest.raises(ScriptError) as caught:
        parse_script(f"pollux-script\n{lines}\n")
    assert (caught.value.line, caught.value.word) == (line, word)
    assert message in str(caught.value)
    assert f"script line {line}, column {caught.value.column}" in str(caught.value)


def test_the_line_is_counted_from_the_script() -> None:
    with pytest.raises(ScriptError) as caught:
        parse_script('Some words\nbefore it\npollux-script my id\nsay "a"')
    assert (caught.value.line, caught.value.column, caught.value.word) == (1, 18, "id")
    with pytest.raises(ScriptError, match="an id is made of"):
        parse_script("pollux-script a/b\nsay 1")


def test_a_long_word_is_cut_in_the_message() -> None:
    with pytest.raises(ScriptError) as caught:
        parse_script("pollux-script\n" + "x" * 100_000)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("text", ["{" * 100_000, '{"a":' * 100_000, '{"a": ' + "9" * 5000 + "}"])
def test_monstrous_json_is_a_mistake_like_any_other(text: str) -> None:
    with pytest.raises(ScriptError, match="not JSON"):
        parse_script(f"pollux-script\ncall f {text}")


# Writing


def test_the_builder_writes_readable_text() -> None:
    text = b.script(
        b.turn(b.think(3), b.say("a", "你好", "e\u0301"), b.pause(0.2), b.hold("x")),
        b.turn(b.call("read_file", {"split": 1}, path="ä"), b.call_any(), b.cut(times=2)),
        b.turn(b.error(503, "text", times=2, retry_after=1), b.say(1500), repeat=True),
        id="id-1",
    )
    assert text == "\n".join(
        [
            "pollux-script id-1",
            "turn",
            "think 3",
            r'say "a" "你好" "e\u0301"',
            "pause 200ms",
            "hold x",
            "turn",
            'call read_file {"split": 1, "path": "ä"}',
            "call any",
            "break times 2",
            "turn repeat",
            'error 503 times 2 "text" retry-after 1',
            "say 1500",
            "end-script",
        ]
    )


def test_a_turn_tells_what_it_will_say() -> None:
    turn = b.turn(b.think(1), b.say(2), b.say("x", ""), b.cut(times=1), b.think("y", "z"), b.say(1))
    assert turn.said() == ["w1 ", "w2 ", "x", "", "w3 "]
    assert turn.thought() == ["t1 ", "y", "z"]


@pytest.mark.parametrize(
    "text", ["e\u0301", "\u0301", "\u200d", "\u202e", "\u2028", "\u212b", "\x7f"]
)
def test_the_builder_escapes_what_might_be_changed_on_the_way(text: str) -> None:
    written = b.script(b.turn(b.say(text, "ä你😀"), b.call("f", x=text)))
    assert text not in written
    assert "ä你😀" in written
    parsed = parse_script(written)
    assert parsed is not None
    assert parsed.turns[0].said() == [text, "ä你😀"]


def test_the_builder_refuses_what_cannot_be_played() -> None:
    for make in (
        b.script,
        b.turn,
        lambda: b.turn(b.error(500), b.say("a")),
        b.say,
        lambda: b.say("\ud83d"),
        lambda: b.hold("with blank"),
        lambda: b.error(200),
        lambda: b.script(b.turn(b.say(1)), id="a b"),
        lambda: b.script(b.turn(b.say(1), repeat=True), b.turn(b.say(1))),
        lambda: b.finish("because"),
        lambda: Call(None, "{}"),
        lambda: b.call("f", a=float("nan")),
    ):
        with pytest.raises(ValueError, match=re.compile(".")):
            make()
    with pytest.raises(TypeError):
        b.say("a", 2)
    assert issubclass(StatementError, ValueError)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
names = st.from_regex(r"[A-Za-z0-9_.:-]{1,20}", fullmatch=True)
times = st.none() | st.integers(1, 1000)
json_values: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def calls(draw: st.DrawFn) -> Call:
    arguments = draw(
        st.none()
        | texts
        | st.dictionaries(texts, json_values, max_size=3).map(json.dumps)
        | st.dictionaries(texts, json_values).map(lambda v: json.dumps(v, ensure_ascii=False))
    )
    length = 50 if arguments is None else len(arguments.encode())
    offsets = st.sets(st.integers(1, length - 1), max_size=4) if length > 1 else st.just(set())
    name = draw(names | texts.filter(bool))
    if arguments is None and draw(st.booleans()):
        return Call(None, None, tuple(sorted(draw(offsets))))
    return Call(name, arguments, tuple(sorted(draw(offsets))))


chunks = st.integers(1, 100_000) | st.lists(texts, min_size=1, max_size=4).map(tuple)
statements: st.SearchStrategy[Statement] = st.one_of(
    chunks.map(Say),
    chunks.map(Think),
    calls(),
    st.integers(0, 600_000).map(Pause),
    names.map(Hold),
    st.just(Empty()),
    st.builds(Usage, st.integers(0, 10**9), st.integers(0, 10**9)),
    st.sampled_from(FINISH_REASONS).map(Finish),
    st.integers(1, 65_536).map(Shred),
    st.builds(
        Error,
        st.integers(400, 599),
        st.none() | texts,
        st.none() | st.integers(0, 86_400_000),
        st.none() | names,
        times=times,
    ),
    st.builds(Fail, st.none() | texts, times=times),
    st.builds(Break, times=times),
    st.builds(EndEarly, times=times),
    st.builds(Malformed, times=times),
)


@st.composite
def turns(draw: st.DrawFn, *, repeat: bool = False) -> Turn:
    """Draw statements, and keep those that make a turn."""
    kept: list[Statement] = [Say(1)] if draw(st.booleans()) else [Error(500, times=1)]
    for statement in draw(st.lists(statements, max_size=6)):
        try:
            Turn((*kept, statement))
        except StatementError:
            continue
        kept.append(statement)
    return Turn(tuple(kept), repeat)


@settings(deadline=None)
@given(st.lists(turns(), max_size=3), turns(repeat=True) | turns(), st.none() | names, texts, texts)
def test_what_is_written_is_read_back(
    first: list[Turn], last: Turn, script_id: str | None, before: str, after: str
) -> None:
    script = Script((*first, last), script_id)
    text = b.render(script)
    assert parse_script(text) == script
    assert parse_script(text.strip()) == script
    assert parse_script(f"{before}\n{text}\n{after}") == script or "pollux-script" in before


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_a_script_or_a_mistake_with_a_place(text: str) -> None:
    try:
        parse_script(f"pollux-script\n{text}")
    except ScriptError as error:
        assert 1 <= error.line <= text.count("\n") + 2
        assert error.column >= 1
