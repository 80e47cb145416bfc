"""An entry: a record with its absolute time of arrival, on its way from one file to another."""

from typing import Any, Final, NamedTuple

from pollux.replay.format import number

#: Digits behind the point of a time that was computed: more have no place in epoch seconds.
TS_DIGITS: Final = 7


class Entry(NamedTuple):
    """One record between reading and writing.

    Attributes:
        at_ms: Milliseconds of arrival time since the header's ``recorded_at``.
        code: Its code, known or not.
        payload: Any JSON value.
        raw: The payload as it is spelled in the file, written again just so; None once the
            payload is another.
        line: Number of its line in the file, the header being 1; 0 for what was made up.
    """

    at_ms: int
    code: str
    payload: Any
    raw: bytes | None = None
    line: int = 0

    def with_payload(self, payload: Any) -> "Entry":
        """Return this entry with another payload."""
        return self._replace(payload=payload, raw=None)

    def with_member(self, name: str, value: Any) -> "Entry":
        """Return this entry with another value of a member of its payload."""
        return self.with_payload({**self.payload, name: value})

    @property
    def ts(self) -> float | None:
        """When it happened on the server, in epoch seconds; only events and statuses tell."""
        if self.code in ("e", "s") and isinstance(self.payload, dict):
            return number(self.payload.get("ts"))
        return None

    @property
    def idx(self) -> int | None:
        """The idx of an event, where it has one."""
        if self.code != "e" or not isinstance(self.payload, dict):
            return None
        idx = self.payload.get("idx")
        return idx if type(idx) is int and idx >= 0 else None
