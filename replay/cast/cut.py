"""Takes a part out of a recording: by idx, by time, or from one marker to another."""

from dataclasses import dataclass

from pollux.replay.cast.entries import TS_DIGITS, Entry
from pollux.replay.cast.errors import CastError
from pollux.replay.cast.place import By, Finder, Place, label_of
from pollux.replay.cast.renumber import Renumber
from pollux.replay.cast.server_time import ServerTime
from pollux.replay.cast.sink import Sink
from pollux.replay.cast.source import Source
from pollux.replay.format import Code, Header, index

#: The reason of a gap, and of an end, that somebody cut.
CUT = "cut"
_MOST_MARKERS_NAMED = 20


@dataclass(frozen=True)
class Part:
    """What to take.

    Attributes:
        begin: Where it begins; None at the beginning.
        end: Where it ends; None at the end.
        by: Which clock the times are of.
        renumber: Let the first event become event 0.
    """

    begin: Place | None = None
    end: Place | None = None
    by: By = By.SERVER
    renumber: bool = False


def cut(source: Source, sink: Sink, part: Part) -> None:
    """Write a part of SOURCE.

    A part that begins later begins with the status that held there, at a time zero of its own:
    ``created_at`` and ``recorded_at`` are moved there. What lies before it is named by a ``g``.

    Raises:
        CastError: when the part is empty, or a marker is not there; nothing of use was written.
    """
    _Cutter(source, sink, part).run()


class _Cutter:
    def __init__(self, source: Source, sink: Sink, part: Part) -> None:
        self._source = source
        self._sink = sink
        self._part = part
        self._time = ServerTime(source.header.created_at)
        self._begin = Finder(part.begin, part.by)
        self._end = Finder(part.end, part.by)
        self._begun = False
        self._renumber: Renumber | None = None
        self._markers: list[str] = []
        # Of what lies before the part: the last status and poll, the idx behind it, its end on
        # both clocks.
        self._status: Entry | None = None
        self._poll: Entry | None = None
        self._head = 0
        self._epoch = source.header.created_at
        self._start_ms = 0

    def run(self) -> None:
        ended = False
        for entry in self._source.entries():
            server_ms = self._time.of(entry)
            if entry.code == Code.TRAILER:
                if self._begun:
                    self._put(entry)
                break
            if entry.code == Code.MARKER and len(self._markers) < _MOST_MARKERS_NAMED:
                self._markers.append(label_of(entry))
            ended = self._end.before(entry, server_ms)
            if ended:
                break
            if self._part.begin is None or self._begin.before(entry, server_ms):
                self._put(entry)
            else:
                self._pass(entry)
        self._check(ended)
        self._sink.finish(CUT if ended else None)

    def _check(self, ended: bool) -> None:
        begin, end = self._part.begin, self._part.end
        if begin is not None and begin.marker is not None and not self._begun:
            raise CastError(self._unknown(begin))
        if end is not None and end.marker is not None and not ended:
            raise CastError(self._unknown(end))
        if not self._begun:
            raise CastError(
                f"{self._source.name} has nothing between {begin or 'its beginning'} and "
                f"{end or 'its end'}: there are the events up to {self._head - 1}, "
                f"and {self._time.ms / 1000:g} s"
            )

    def _unknown(self, place: Place) -> str:
        known = ", ".join(repr(label) for label in self._markers) or "none"
        return f"{self._source.name} does not reach {place}; the markers seen: {known}"

    def _pass(self, entry: Entry) -> None:
        if entry.code == Code.STATUS:
            self._status = entry
        elif entry.code == Code.POLL:
            self._poll = entry
        elif entry.code == Code.GAP:
            self._head = max(self._head, index(entry.payload.get("to")) or 0)
        elif entry.idx is not None:
            self._head = max(self._head, entry.idx + 1)
        self._start_ms = entry.at_ms
        self._epoch = self._time.epoch

    def _put(self, entry: Entry) -> None:
        if not self._begun:
            self._begun = True
            self._start(entry)
        if self._part.renumber:
            if self._renumber is None and entry.idx is not None:
                self._renumber = Renumber(-entry.idx)
            if self._renumber is not None:
                entry = self._renumber.entry(entry)
            elif entry.code in (Code.GAP, Code.POLL):
                return  # they speak of events that are not in the part
        self._sink.add(entry._replace(at_ms=entry.at_ms - self._start_ms))

    def _start(self, entry: Entry) -> None:
        begin = self._part.begin
        if begin is None or (self._status is None and self._poll is None and not self._head):
            self._start_ms = 0
            self._sink.begin(self._source.header)
            return
        if begin.seconds is not None:
            self._start_at(begin.seconds, entry.ts)
        self._sink.begin(self._moved_header())
        if self._status is not None and entry.code != Code.STATUS:
            self._add(self._status.with_member("ts", self._epoch))
        if self._part.renumber:
            return
        lost = self._head if entry.idx is None else entry.idx
        if lost:
            self._add(Entry(0, Code.GAP, {"from": 0, "to": lost, "reason": CUT}))
        if self._poll is not None and entry.code != Code.POLL:
            self._add(self._poll)

    def _start_at(self, seconds: float, first_ts: float | None) -> None:
        if self._part.by is By.ARRIVAL:
            self._start_ms = round(seconds * 1000)
        elif self._time.origin is not None:
            begin = round(self._time.origin + seconds, TS_DIGITS)
            # A time is one of milliseconds: what happens first may lie within the same one.
            begin = begin if first_ts is None else min(begin, first_ts)
            self._epoch = max(self._epoch or 0.0, begin)

    def _moved_header(self) -> Header:
        header = self._source.header
        fields = dict(header.fields)
        if header.recorded_at is not None:
            fields["recorded_at"] = round(header.recorded_at + self._start_ms / 1000, 3)
        if header.created_at is not None:
            fields["task"] = {**fields["task"], "created_at": self._epoch}
        return Header(fields)

    def _add(self, entry: Entry) -> None:
        self._sink.add(entry._replace(at_ms=0))
