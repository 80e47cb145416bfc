"""What the tests of recording and replay share: recordings in memory and on disk."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from pollux.replay.format import Header, Record, record_line
from pollux.replay.recording import Placed
from pollux.replay.writer import RecordingWriter

#: Settings of tests with given(): a busy machine is no failure, and a folder may be shared.
PROPERTY = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
CREATED_AT = 1_769_182_965.3
TASK_ID = "60322db3-f884-4a1e-a9b3-6eeb07fbab47"
CONVERSATION_ID = "conv_20260123_234245_036"
TASK = {"task_id": TASK_ID, "conversation_id": CONVERSATION_ID, "created_at": CREATED_AT}


def header(**fields: Any) -> Header:
    return Header({"taskcast": 1, "recorded_at": CREATED_AT, "task": TASK, **fields})


def event(idx: int, at_ms: int, kind: str = "text_chunk", **data: Any) -> dict[str, Any]:
    ts = round(CREATED_AT + at_ms / 1000, 3)
    return {"idx": idx, "type": kind, "data": data or {"content": f"#{idx} "}, "ts": ts}


def e(idx: int, at_ms: int, kind: str = "text_chunk", *, delta: int = 0, **data: Any) -> Record:
    return Record(delta, "e", event(idx, at_ms, kind, **data))


def s(status: str, at_ms: int, *, delta: int = 0, error: str | None = None) -> Record:
    payload = {"status": status, "ts": round(CREATED_AT + at_ms / 1000, 3), "error": error}
    return Record(delta, "s", payload)


class ListSource:
    """Records in memory, read like those of a file."""

    def __init__(self, records: Iterable[Record], header_: Header | None = None) -> None:
        self.header = header_ or header()
        self.list = list(records)

    def records(self, place: int | None = None) -> Iterator[Placed]:
        # Asked for anew at each step, so that what is appended meanwhile is seen.
        place = place or 0
        while place < len(self.list):
            record = self.list[place]
            place += 1
            yield Placed(place, record, record_line(record))


def write(
    path: Path,
    records: Iterable[Record],
    *,
    head: Header | None = None,
    trailer: bool = True,
    **trailer_fields: Any,
) -> Path:
    with RecordingWriter(path) as writer:
        writer.begin(head or header())
        for record in records:
            writer.write(record)
        if trailer:
            told = {"complete": True, "reason": "end", "status": "succeeded", **trailer_fields}
            writer.finish(0, **told)
    return path


def short_answer() -> list[Record]:
    """A task of one second: two words, ended well."""
    return [
        s("pending", 0),
        Record(3, "p", {"from": 0, "next": 0, "count": 0, "ms": 2, "window_start": 0}),
        s("running", 100),
        e(0, 100, "ai_message_start"),
        e(1, 300, "text_start"),
        e(2, 400, content="Hello ", index=1, elapsed=0.0),
        e(3, 600, content="there", index=2, elapsed=0.2),
        e(4, 700, "text_end", full_content="Hello there"),
        e(5, 1000, "task_complete", total_iterations=1, total_tool_calls=0),
        s("succeeded", 1000),
    ]


def ids(events: Iterable[Mapping[str, Any]]) -> list[int]:
    return [int(entry["idx"]) for entry in events]


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@st.composite
def streams(draw: st.DrawFn, most: int = 30, *, gaps: bool = True) -> list[Record]:
    """The records of a task: events in bursts and after pauses, with gaps, polls and an end."""
    records = []
    idx, at_ms = draw(st.sampled_from([0, 0, 0, 7])) if gaps else 0, 0
    if draw(st.booleans()):
        records.append(s("pending", 0, delta=draw(st.integers(0, 20))))
    for _ in range(draw(st.integers(0, most))):
        at_ms += draw(st.sampled_from([0, 0, 1, 50, 900]))
        delta = draw(st.sampled_from([0, 0, 3, 250]))
        kind = draw(st.sampled_from("eeeeeeesgpmz" if gaps else "eeeeeeespmz"))
        if kind == "e":
            records.append(e(idx, at_ms, delta=delta))
            idx += 1
        elif kind == "s":
            records.append(s(draw(st.sampled_from(["running", "cancel_requested"])), at_ms))
        elif kind == "g":
            lost, reason = draw(st.integers(1, 50)), draw(st.sampled_from(["hole", "evicted"]))
            gap = {"from": idx, "to": idx + lost, "reason": reason}
            records.append(Record(delta, "g", gap))
            idx += lost
        elif kind == "p":
            records.append(Record(delta, "p", {"from": 0, "next": idx, "count": 0, "ms": 1}))
        elif kind == "m":
            records.append(Record(delta, "m", "here"))
        else:
            records.append(Record(delta, "z", {"unknown": True}))
    if draw(st.booleans()):
        records.append(s("succeeded", at_ms + draw(st.sampled_from([0, 30]))))
    return records
