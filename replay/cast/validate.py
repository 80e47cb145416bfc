"""Finds what is wrong with a recording, line by line, and writes a mended one."""

import json
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from pollux.replay.cast.entries import Entry
from pollux.replay.cast.findings import Finding, Verdict
from pollux.replay.cast.observed import Observed, TrailerMaker
from pollux.replay.cast.sink import Sink
from pollux.replay.cast.source import LineReader, read_header
from pollux.replay.cast.stream_rules import StreamRules
from pollux.replay.format import (
    Code,
    Header,
    LineError,
    is_comment,
    parse_record,
    payload_bytes,
)

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator

_UNKNOWN = "unknown"
_LONGEST = 300
_MOST_WAITING = 10_000


def validate(reader: LineReader, sink: Sink | None = None, *, stream: bool = True) -> Verdict:
    """Read a recording and return what is wrong with it.

    Args:
        reader: Its lines.
        sink: Where the recording is written as far as it can be mended; None only looks.
        stream: Judge also what the recorded server told, by the rules for every server.

    Raises:
        NotARecording: when it does not begin with a header.
        NewerFormat: when its major version is later than this program's.
    """
    return _Validator(reader, sink, stream).run()


class _Validator:
    def __init__(self, reader: LineReader, sink: Sink | None, stream: bool) -> None:
        self._reader = reader
        self._sink = sink
        self._verdict = Verdict(fixed=sink is not None)
        self._rules = StreamRules() if stream else None
        self._seen = Observed()  # as it stands in the file
        self._maker = TrailerMaker()
        self._head = 0  # the idx behind the last event
        self._waiting: list[Entry] = []  # a gap, and what stands between it and the next event
        self._at_ms = 0
        self._trailer: Entry | None = None
        self._what_follows = False

    def run(self) -> Verdict:
        lines = self._reader.lines()
        number, line = next(lines, (1, b""))
        self._take_header(number, line)
        for number, line in lines:
            self._take_line(number, line)
        self._finish(number)
        self._verdict.lines = number
        return self._verdict

    # -- lines --------------------------------------------------------------------------

    def _take_header(self, number: int, line: bytes) -> None:
        header = read_header(self._reader.name, line)
        if header is None:
            self._find(
                number, "unfinished", "the header is cut: the recording is empty", fixable=True
            )
            header = Header()
        else:
            self._schema("header", dict(header.fields), number)
            self._end_of_line(number, line)
        self._maker.take(line)
        if self._rules:
            self._rules.begin(header)
        if self._sink:
            self._sink.begin(header)

    def _take_line(self, number: int, line: bytes) -> None:
        if self._trailer is not None:
            if not self._what_follows and not is_comment(line):
                self._what_follows = True
                self._find(number, "trailer", "the trailer is not the last line", fixable=True)
            return
        if is_comment(line):
            self._maker.take(line)
            return
        try:
            record = parse_record(line)
        except LineError as error:
            whole = line.endswith(b"\n")
            rule, what = ("line", str(error)) if whole else ("unfinished", "the last line is cut")
            self._find(number, rule, what, fixable=True)
            self._maker.take(line)
            return
        self._end_of_line(number, line)
        self._at_ms += record.delta_ms
        entry = Entry(self._at_ms, record.code, record.payload, payload_bytes(line), number)
        valid = self._schema("record", [record.delta_ms, record.code, record.payload], number)
        if record.code == Code.TRAILER:
            self._trailer = entry
            if valid:
                self._take_trailer(entry)
            return
        self._maker.take(line)
        self._seen.take(entry)
        if not valid:
            self._write(entry)
        elif record.code == Code.EVENT:
            self._take_event(entry)
        elif record.code == Code.GAP:
            self._take_gap(entry)
        else:
            if self._rules and record.code == Code.STATUS:
                self._found_in_stream(number, self._rules.status(entry.payload))
            self._write(entry)

    def _take_event(self, entry: Entry) -> None:
        idx = entry.payload["idx"]
        if idx < self._head:
            what = f"event {idx} comes when {self._head} is the next: readers pass over it"
            self._find(entry.line, "order", what, fixable=True)
            return
        self._settle_gaps(idx, entry)
        self._head = idx + 1
        if self._rules:
            self._found_in_stream(entry.line, self._rules.event(entry.payload))
        self._write(entry)

    def _settle_gaps(self, idx: int, event: Entry) -> None:
        """Compare the gaps before EVENT with what is missing, and write what is right."""
        named = [entry for entry in self._waiting if entry.code == Code.GAP]
        lost = {"from": self._head, "to": idx, "reason": _UNKNOWN}
        if not named and idx > self._head:
            what = f"{_span(self._head, idx)} missing, and not named by a g"
            self._find(event.line, "gap", what, fixable=True)
            self._write(Entry(event.at_ms, Code.GAP, lost))
        elif named and not _join(named, self._head, idx):
            missing = _span(self._head, idx) if idx > self._head else "none is"
            told = ", ".join(_span(gap.payload["from"], gap.payload["to"]) for gap in named)
            what = f"{told} named as missing, but {missing}"
            self._find(named[0].line, "gap", what, fixable=True)
            mended = named[0].with_payload({**named[0].payload, "from": self._head, "to": idx})
            self._waiting = [
                mended if entry is named[0] else entry
                for entry in self._waiting
                if entry.code != Code.GAP or (entry is named[0] and idx > self._head)
            ]
        self._write_what_waits()

    def _take_gap(self, entry: Entry) -> None:
        # What is missing is known with the next event; what stands between waits, too.
        if len(self._waiting) >= _MOST_WAITING:
            self._write_what_waits()
        self._waiting.append(entry)

    def _write_what_waits(self) -> None:
        waiting, self._waiting = self._waiting, []
        for entry in waiting:
            self._write(entry)

    # -- the end ------------------------------------------------------------------------

    def _take_trailer(self, entry: Entry) -> None:
        payload, number = entry.payload, entry.line
        right = self._maker.payload(self._seen, payload)
        counts = {code: count for code, count in payload["counts"].items() if count}
        if counts != right["counts"]:
            told, counted = _shown(counts), _shown(right["counts"])
            what = f"the counts are {told}, but the records are {counted}"
            self._find(number, "counts", what, fixable=True)
        if payload["sha256"] != right["sha256"]:
            what = "the SHA-256 is not that of the lines before: the file was changed"
            self._find(number, "sha256", what, fixable=True)
        if payload["status"] != right["status"]:
            told, last = _shown(payload["status"]), _shown(right["status"])
            self._find(
                number, "status", f"the status is {told}, the last one told is {last}", fixable=True
            )
        if payload["complete"] and not right["complete"]:
            what = "it says that it is complete, but no terminal status was told"
            self._find(number, "complete", what, fixable=True)
        if payload["ring"] != right["ring"]:
            what = f"the ring is {payload['ring']}, but an answer had {right['ring']} events"
            self._find(number, "ring", what, fixable=True)
        if not payload["complete"]:
            self._verdict.notes.append(f"the recording is incomplete: {payload['reason']}")

    def _finish(self, number: int) -> None:
        if self._reader.problem:
            self._find(number, "compression", self._reader.problem, fixable=True)
        if self._trailer is None:
            what = "there is no trailer: the recording was cut off, or is still being written"
            self._find(number, "trailer", what, fixable=True)
        if self._rules:
            self._found_in_stream(number, self._rules.finish())
        named = [entry for entry in self._waiting if entry.code == Code.GAP]
        if named and not _join(named, self._head, named[-1].payload["to"]):
            what = f"this g does not go on from {self._head}, the next event"
            self._find(named[0].line, "gap", what, fixable=True)
            self._waiting = [entry for entry in self._waiting if entry.code != Code.GAP]
        self._write_what_waits()
        if self._sink:
            if self._trailer is not None:
                self._sink.add(self._trailer)
            self._sink.finish()

    def _write(self, entry: Entry) -> None:
        if self._waiting and len(self._waiting) < _MOST_WAITING:
            self._waiting.append(entry)
        elif self._sink:
            self._write_what_waits()
            self._sink.add(entry)

    # -- findings -----------------------------------------------------------------------

    def _end_of_line(self, number: int, line: bytes) -> None:
        if not line.endswith(b"\n"):
            self._find(number, "unfinished", "the last line has no line end", fixable=True)

    def _schema(self, kind: str, value: Any, number: int) -> bool:
        schema = _schema_of(kind)
        if schema.is_valid(value):
            return True
        for error in schema.iter_errors(value):
            where = "".join(f"[{json.dumps(part)}]" for part in error.instance_path)
            self._find(number, "schema", f"{kind}{where}: {error.message}"[:_LONGEST])
        return False

    def _found_in_stream(self, number: int, found: list[tuple[str, str]]) -> None:
        for rule, message in found:
            self._verdict.add(Finding(number, rule, message, about="stream"))

    def _find(self, number: int, rule: str, message: str, *, fixable: bool = False) -> None:
        self._verdict.add(Finding(number, rule, message, fixable=fixable))


def _join(gaps: list[Entry], begin: int, end: int) -> bool:
    """Tell whether GAPS name all from BEGIN to END, one after the other."""
    for gap in gaps:
        if gap.payload["from"] != begin or gap.payload["to"] <= begin:
            return False
        begin = gap.payload["to"]
    return begin == end


def _span(begin: int, end: int) -> str:
    return f"event {begin} is" if end <= begin + 1 else f"events {begin} .. {end - 1} are"


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


@cache
def _schema_of(kind: str) -> "Draft202012Validator":
    from importlib import resources

    import jsonschema_rs

    text = resources.files("pollux.schemas").joinpath("recording.schema.json").read_text("utf-8")
    schema: Mapping[str, Any] = json.loads(text)
    return jsonschema_rs.Draft202012Validator(
        {"$schema": schema["$schema"], "$ref": f"#/$defs/{kind}", "$defs": schema["$defs"]}
    )
