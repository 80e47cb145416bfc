"""No secret is left in what was redacted, however a stream has spread it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pollux.replay.cast.chunks import Chunks
from pollux.replay.cast.redact import Redaction
from pollux.replay.format import Record
from tests.replay.cast_support import (
    entries,
    events_of,
    judged,
    made_up,
    records_of,
    run,
    shaped,
)
from tests.replay.support import PROPERTY, e, header, s, write

SECRET = "sk-live-0123456789abcdef"


def spoken(chunks: list[str], *, first: int = 0) -> list[Record]:
    """A task that says CHUNKS, in the order of the grammar."""
    texts = enumerate(chunks, start=1)
    said = [("text_chunk", {"content": c, "index": n, "elapsed": 0.0}) for n, c in texts]
    full = {"full_content": "".join(chunks)}
    whole: list[tuple[str, dict[str, Any]]] = [
        ("ai_message_start", {"a": 1}),
        ("text_start", {"a": 1}),
        *said,
        ("text_end", full),
        ("task_complete", {"total_iterations": 1, "total_tool_calls": 0}),
    ]
    events = [e(idx, idx, kind, **data) for idx, (kind, data) in enumerate(whole, start=first)]
    return [s("running", 0), *events, s("succeeded", 10_000)]


def said(path: Path) -> str:
    return "".join(each["data"]["content"] for each in events_of(path) if "content" in each["data"])


def redacted(path: Path, *how: str) -> Path:
    out = path.with_name("redacted.taskcast.jsonl")
    result = run("redact", path, *how, "-o", out, "--force")
    assert result.exit_code == 0, result.output
    return out


@settings(PROPERTY, max_examples=150)
@given(
    pieces=st.lists(st.sampled_from(["Hello ", "x", SECRET, " and ", "sk-", "0123"]), max_size=8),
    cuts=st.lists(st.integers(1, 9), min_size=1, max_size=6),
)
def test_a_secret_spread_over_chunks_leaves_nothing(
    tmp_path: Path, pieces: list[str], cuts: list[int]
) -> None:
    text = "".join(pieces) or "-"
    chunks: list[str] = []
    at = 0
    while at < len(text):
        chunks.append(text[at : at + cuts[len(chunks) % len(cuts)]])
        at += len(chunks[-1])
    path = tmp_path / "a.taskcast.jsonl"
    path.unlink(missing_ok=True)
    write(path, spoken(chunks))
    out = redacted(path, "--value", SECRET)
    assert SECRET not in said(out)
    assert SECRET.encode() not in out.read_bytes()
    assert said(out).replace("*", "") == text.replace(SECRET, "<redacted-1>")
    # Valid means: no chunk is empty, and the end tells all chunks joined.
    assert judged(out).findings == []
    assert [record.code for record in records_of(out)] == [r.code for r in records_of(path)]


@settings(PROPERTY, max_examples=50)
@given(data=st.data())
def test_nothing_is_left_of_a_secret_anywhere(tmp_path: Path, data: st.DataObject) -> None:
    words = st.text("abcdefgh0123456789", min_size=8, max_size=20)
    secrets = data.draw(st.lists(words, min_size=1, max_size=3, unique=True))
    texts = st.lists(st.sampled_from([*secrets, " ", "é", "\\", '"', "{"]), max_size=5).map("".join)
    values = st.recursive(
        texts, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2)
    )
    records = [
        Record(0, code, data.draw(values)) for code in data.draw(st.lists(st.sampled_from("mzZ")))
    ]
    path = tmp_path / "a.taskcast.jsonl"
    path.unlink(missing_ok=True)
    write(path, records, head=header(title=data.draw(texts)))
    out = redacted(path, *(f"--value={secret}" for secret in secrets))
    for secret in secrets:
        assert secret.encode() not in out.read_bytes()


def test_the_same_text_has_the_same_placeholder(tmp_path: Path) -> None:
    mails = ["ann@example.org", "bob@example.org", "ann@example.org"]
    records = [Record(0, "m", {"label": mail}) for mail in mails]
    path = write(tmp_path / "a.taskcast.jsonl", records, head=header(title="by bob@example.org"))
    out = redacted(path, "--value", "nothing-of-that", "--pattern", r"\w+@example\.org")
    labels = [record.payload["label"] for record in records_of(out)]
    assert labels == ["<redacted-3>", "<redacted-2>", "<redacted-3>"]
    assert b'"title":"by <redacted-2>"' in out.read_bytes()


def test_a_pattern_is_found_across_chunks(tmp_path: Path) -> None:
    path = write(tmp_path / "a.taskcast.jsonl", spoken(["key: s", "k-", "ab", "cd", "ef now"]))
    out = redacted(path, "--pattern", "sk-[a-z]+")
    assert said(out) == "key: <redacted-1> now"
    assert judged(out).findings == []


def test_a_placeholder_is_filled_up_where_there_are_more_chunks(tmp_path: Path) -> None:
    path = write(tmp_path / "a.taskcast.jsonl", spoken([*SECRET, "."]))
    out = redacted(path, "--value", SECRET)
    fill = "*" * (len(SECRET) - len("<redacted-1>"))
    assert said(out) == f"<redacted-1>{fill}."
    assert judged(out).findings == []


def test_values_may_come_from_a_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.taskcast.jsonl", [Record(0, "m", f"{SECRET} second-secret")])
    names = tmp_path / "names"
    names.write_text(f"{SECRET}\n\nsecond-secret\n")
    out = redacted(path, "--values-from", str(names))
    assert records_of(out)[0].payload == "<redacted-1> <redacted-2>"


def test_a_credential_behind_authorization_goes_without_being_named(tmp_path: Path) -> None:
    text = ["Authorization: ", "Bearer abc", "defghi", " sent"]
    path = write(tmp_path / "a.taskcast.jsonl", spoken(text))
    out = redacted(path, "--value", "something-else")
    assert said(out) == "Authorization: <authorization> sent"
    assert judged(out).findings == []


def test_words_of_the_format_stay(tmp_path: Path) -> None:
    path = made_up(tmp_path / "a.taskcast.jsonl", 1, 300, "talk", "tools")
    out = redacted(path, "--pattern", r"[a-z]{4,}")
    assert judged(out, stream=False).findings == []
    before, after = events_of(path), events_of(out)
    assert [each["type"] for each in after] == [each["type"] for each in before]


def test_long_texts_are_not_held_back_for_long() -> None:
    records = spoken([f"word {place} " for place in range(5000)])
    chunks = Chunks(Redaction((SECRET,)), len(SECRET))
    waiting = 0
    most = 0

    def counted() -> Any:
        nonlocal waiting, most
        for entry in entries(records):
            waiting += 1
            most = max(most, waiting)
            yield entry

    for _ in chunks.rewritten(counted()):
        waiting -= 1
    assert waiting == 0
    assert most < 300


def test_a_long_text_is_redacted_on_both_sides_of_what_was_let_go(tmp_path: Path) -> None:
    words = [f"w{place} " for place in range(1500)]
    words[700:700] = list(SECRET)
    words[1400:1400] = [SECRET[:9], SECRET[9:]]
    path = write(tmp_path / "a.taskcast.jsonl", spoken(words))
    out = redacted(path, "--value", SECRET)
    assert len(re.findall("<redacted-1>", said(out))) == 2
    assert judged(out).findings == []


def test_behind_a_gap_the_end_of_a_text_is_redacted_too(tmp_path: Path) -> None:
    records = spoken(["Hello ", SECRET, *SECRET, " again"])
    del records[3:5]
    records.insert(3, Record(0, "g", {"from": 2, "to": 4, "reason": "hole"}))
    path = write(tmp_path / "a.taskcast.jsonl", records)
    out = redacted(path, "--value", SECRET)
    assert SECRET.encode() not in out.read_bytes()
    assert judged(out).findings == []


def test_the_placeholder_of_a_recorder_stays(tmp_path: Path) -> None:
    path = write(tmp_path / "a.taskcast.jsonl", [Record(0, "m", "<token>")])
    out = shaped("redact", path, "--value", "token-of-mine")
    assert out.splitlines()[:-1] == path.read_bytes().splitlines()[:-1]


@pytest.mark.parametrize("name", ["Authorization", "authorization"])
def test_members_of_that_name_go(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "a.taskcast.jsonl", [Record(0, "z", {name: "abc", "b": [name]})])
    line = shaped("redact", path, "--value", "something-else").splitlines()[1]
    assert json.loads(line)[2] == {name: "<authorization>", "b": [name]}
