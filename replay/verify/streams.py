"""Streams that are made for a scenario, where no recording would show what it is about."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pollux.replay.format import Code, Header, Record
from pollux.replay.writer import RecordingWriter

_CREATED_AT = 1_769_182_965.3
_TASK = {
    "task_id": "60322db3-f884-4a1e-a9b3-6eeb07fbab47",
    "conversation_id": "conv_20260123_234245_036",
    "created_at": _CREATED_AT,
}
_REQUEST = {"message": "Hello"}
_WORDS = ("one ", "more ", "word ", "of ", "a ", "long ", "answer ")


def words(chunks: int = 40) -> Iterator[Record]:
    """Yield a plain answer of so many CHUNKS, 20 ms apart."""
    return _answer(20 * number for number in range(chunks))


def bursts() -> Iterator[Record]:
    """Yield an answer of three bursts, one second apart, of 400 chunks each."""
    return _answer(1000 * (number // 400) for number in range(1200))


def strange() -> Iterator[Record]:
    """Yield an answer with types and fields that API v1 does not name."""
    for record in _answer(20 * number for number in range(40)):
        event = record.payload
        if record.code != Code.EVENT:
            yield record
        elif event["type"] == "text_chunk" and event["data"]["index"] % 8 == 4:
            data: dict[str, Any] = {"shape": "cube", "faces": [1, 2, 3]}
            yield Record(0, Code.EVENT, {**event, "type": "hologram_update", "data": data})
        else:
            data = {**event["data"], "mood": {"colour": "blue"}}
            yield Record(0, Code.EVENT, {**event, "data": data, "origin": "elsewhere"})


def nothing() -> Iterator[Record]:
    """Yield a task without an event, which succeeds after a second."""
    yield _status("running", 0)
    yield _status("succeeded", 1000)


def write(path: Path, records: Iterable[Record]) -> Path:
    """Write RECORDS as a recording that is complete; return PATH."""
    header: dict[str, Any] = {
        "taskcast": 1,
        "recorded_at": _CREATED_AT,
        "task": _TASK,
        "request": _REQUEST,
    }
    with RecordingWriter(path) as writer:
        writer.begin(Header(header))
        for record in records:
            writer.write(record)
        writer.finish(0, complete=True, reason="end", status="succeeded")
    return path


def _answer(times: Iterable[int]) -> Iterator[Record]:
    """Yield an answer with one chunk of text at each of TIMES, in ms from the beginning."""
    idx, at_ms, text = 0, 0, ""

    def event(kind: str, data: Mapping[str, Any]) -> Record:
        nonlocal idx
        payload = {"idx": idx, "type": kind, "data": dict(data), "ts": _ts(at_ms)}
        idx += 1
        return Record(0, Code.EVENT, payload)

    yield _status("running", 0)
    yield event("ai_message_start", {})
    yield event("text_start", {})
    for number, next_ms in enumerate(times, start=1):
        elapsed, at_ms = (next_ms - at_ms) / 1000, next_ms
        word = _WORDS[number % len(_WORDS)]
        text += word
        yield event("text_chunk", {"content": word, "index": number, "elapsed": elapsed})
    yield event("text_end", {"full_content": text})
    yield event("task_complete", {"total_iterations": 1, "total_tool_calls": 0})
    yield event(
        "conversation_changed", {"conversation_id": _TASK["conversation_id"], "title": "Words"}
    )
    yield _status("succeeded", at_ms)


def _status(status: str, at_ms: int) -> Record:
    return Record(0, Code.STATUS, {"status": status, "ts": _ts(at_ms), "error": None})


def _ts(at_ms: int) -> float:
    return round(_CREATED_AT + at_ms / 1000, 3)
