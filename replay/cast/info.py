"""Says what a recording holds, in one pass."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pollux.replay.cast.entries import Entry
from pollux.replay.cast.mark import Marker
from pollux.replay.cast.observed import Observed
from pollux.replay.cast.place import label_of
from pollux.replay.cast.server_time import ServerTime
from pollux.replay.cast.source import Source
from pollux.replay.format import DEFAULT_RING, Code, index, positive

# Of gaps, anomalies and markers so many are listed; all of them are counted.
_MOST_LISTED = 1000


@dataclass
class Info:
    """What a recording holds.

    Attributes:
        header: The first line, as it stands there.
        complete: Whether the trailer says that it is complete.
        reason: Why it ends, as the trailer says; None without one.
        status: The last status told.
        counts: Records by code, the trailer left out.
        events: How many events there are.
        first_idx: The idx of the first one, or None.
        next_idx: The idx behind the last one.
        types: Events by type, the most frequent first.
        lost: How many events are missing below ``next_idx``.
        gaps: Where: ``from``, ``to``, ``reason`` (None where no ``g`` says why).
        anomalies: What went wrong between recorder and server: ``kind``, ``detail``, ``line``.
        anomaly_kinds: How many there are of each kind.
        markers: The markers.
        ring: How many events the server keeps, as a player takes it.
        ring_from: Who says so: ``header``, ``trailer``, ``records``, or ``default``.
        server_seconds: From time zero to the last event or status.
        arrival_seconds: From the beginning of the recording to its last record.
        longest_pause: Between two events or statuses, in seconds on the server's clock.
        warnings: What is missing at the end.
    """

    header: Mapping[str, Any]
    complete: bool = False
    reason: str | None = None
    status: str | None = None
    counts: dict[str, int] = field(default_factory=dict)
    events: int = 0
    first_idx: int | None = None
    next_idx: int = 0
    types: dict[str, int] = field(default_factory=dict)
    lost: int = 0
    gaps: list[dict[str, Any]] = field(default_factory=list)
    anomalies: list[dict[str, Any]] = field(default_factory=list)
    anomaly_kinds: dict[str, int] = field(default_factory=dict)
    markers: list[Marker] = field(default_factory=list)
    ring: int = DEFAULT_RING
    ring_from: str = "default"
    server_seconds: float = 0.0
    arrival_seconds: float = 0.0
    longest_pause: float = 0.0
    warnings: list[str] = field(default_factory=list)


def inform(source: Source) -> Info:
    """Read SOURCE to its end and return what it holds."""
    return _Informer(source).run()


class _Informer:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._info = Info(dict(source.header.fields))
        self._observed = Observed()
        self._time = ServerTime(source.header.created_at)
        self._types: Counter[str] = Counter()
        self._kinds: Counter[str] = Counter()
        self._named: dict[str, Any] | None = None

    def run(self) -> Info:
        info, trailer = self._info, None
        for entry in self._source.entries():
            info.arrival_seconds = entry.at_ms / 1000
            if entry.code == Code.TRAILER:
                trailer = entry.payload
            else:
                self._take(entry)
        if isinstance(trailer, dict):
            info.complete = trailer.get("complete") is True
            reason = trailer.get("reason")
            info.reason = reason if isinstance(reason, str) else None
        self._choose_ring(trailer)
        info.status = self._observed.status
        info.counts = dict(self._observed.counts)
        info.events = info.counts.get(Code.EVENT, 0)
        info.next_idx = self._observed.head
        info.types = dict(self._types.most_common())
        info.anomaly_kinds = dict(self._kinds.most_common())
        info.server_seconds = self._time.ms / 1000
        info.warnings = list(self._source.warnings)
        return info

    def _take(self, entry: Entry) -> None:
        info, before_ms = self._info, self._time.ms
        server_ms = self._time.of(entry)
        info.longest_pause = max(info.longest_pause, (server_ms - before_ms) / 1000)
        payload = entry.payload if isinstance(entry.payload, dict) else {}
        if entry.code == Code.EVENT:
            self._types[str(payload.get("type"))] += 1
            self._take_idx(entry.idx)
        elif entry.code == Code.GAP:
            self._named = payload
        elif entry.code == Code.ANOMALY:
            self._kinds[str(payload.get("kind"))] += 1
            about = {"kind": payload.get("kind"), "detail": payload.get("detail")}
            _list(info.anomalies, {**about, "line": entry.line})
        elif entry.code == Code.MARKER:
            at = (server_ms / 1000, entry.at_ms / 1000)
            _list(info.markers, Marker(label_of(entry), self._observed.head, *at, entry.line))
        self._observed.take(entry)

    def _take_idx(self, idx: int | None) -> None:
        head, info = self._observed.head, self._info
        if idx is None:
            return
        if info.first_idx is None:
            info.first_idx = idx
        if idx > head:
            info.lost += idx - head
            named = self._named or {}
            reason = named.get("reason") if index(named.get("to")) == idx else None
            _list(info.gaps, {"from": head, "to": idx, "reason": reason})
        self._named = None

    def _choose_ring(self, trailer: Any) -> None:
        told = positive(trailer.get("ring")) if isinstance(trailer, dict) else None
        for ring, whence in (
            (self._source.header.ring, "header"),
            (told, "trailer"),
            (self._observed.ring, "records"),
        ):
            if ring is not None:
                self._info.ring, self._info.ring_from = ring, whence
                return


def _list(items: list[Any], item: Any) -> None:
    if len(items) < _MOST_LISTED:
        items.append(item)
