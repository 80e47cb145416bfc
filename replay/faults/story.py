"""What a task tells after faults that last: events that are lost, added or held back for good.

The recording is not touched. A story stands between it and the clients, so that whatever was
changed once is the same in every later answer. *True* numbers are those of the recording, *told*
ones those that clients see: they differ once an event was added.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pollux.replay.format import TERMINAL_STATUSES

_RECENT = 100


@dataclass
class Told:
    """What one answer to a poll tells; effects change it in place.

    Attributes:
        payload: The whole JSON object of the answer.
        offset: ``from`` of the poll.
        lawful: Whether API v1 allows what it tells.
    """

    payload: dict[str, Any]
    offset: int
    lawful: bool = True

    @property
    def data(self) -> dict[str, Any]:
        """The ``data`` of the payload."""
        data: dict[str, Any] = self.payload["data"]
        return data

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events that it tells."""
        events: list[dict[str, Any]] = self.data["events"]
        return events

    @events.setter
    def events(self, events: list[dict[str, Any]]) -> None:
        self.data["events"] = events


@dataclass
class Hold:
    """Keeps what is new from clients.

    Attributes:
        cap: The first event (told number) that is kept from them.
        polls: For so many polls more, or
        events: until so many events are kept back, or the task has ended.
    """

    cap: int
    polls: int | None = None
    events: int | None = None

    def keeps(self, head: int, terminal: bool) -> bool:
        """Tell whether it still holds at one more poll, behind which idx HEAD would come."""
        if self.polls is not None:
            self.polls -= 1
            return self.polls >= 0
        return not terminal and head - self.cap < (self.events or 0)


@dataclass
class Story:
    """The lasting changes of one task. Not safe for threads by itself.

    Attributes:
        head: The first event (told number) that nobody was told yet.
        floor: Events below (told number) are no longer kept.
        lost: Events (told numbers) that were lost for good.
        holds: What keeps new events from clients.
        late_polls: Polls of the ended task that are still told that it runs.
        ended: The status that is told although the task may still run, or None.
        recent: The last events that were told, in their order.
    """

    head: int = 0
    floor: int = 0
    lost: set[int] = field(default_factory=set)
    holds: list[Hold] = field(default_factory=list)
    late_polls: int = 0
    ended: str | None = None
    recent: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=_RECENT))
    _live_status: str = "running"
    # Events that were added: in front of which true idx, and what. In their order.
    _places: list[int] = field(default_factory=list)
    _added: list[dict[str, Any]] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Whether an answer may tell something else than the recording."""
        return bool(
            self.floor
            or self.lost
            or self.holds
            or self.late_polls
            or self.ended is not None
            or self._added
        )

    def add(self, event: Mapping[str, Any], most: int) -> None:
        """Add an event in front of the first one that nobody was told yet.

        Args:
            event: ``type`` and ``data``; the rest is filled in when it is told first.
            most: The true idx that the next event of the recording will get.
        """
        place = min(self.true_offset(self.head), most)
        at = bisect_right(self._places, place)
        self._places.insert(at, place)
        self._added.insert(at, {"idx": place + at, **event, "ts": None})

    def true_offset(self, told: int) -> int:
        """Return the true number from which events with told numbers from TOLD on come."""
        return told - sum(int(event["idx"]) < told for event in self._added)

    def told_number(self, true: int) -> int:
        """Return the number under which clients know the event TRUE of the recording."""
        return true + int(bisect_right(self._places, true))

    def tell(self, payload: dict[str, Any], offset: int) -> Told:
        """Return what clients are told in the place of an answer; PAYLOAD is changed for it.

        Args:
            payload: The answer to a poll from ``true_offset(offset)`` on.
            offset: ``from`` as the client gave it.
        """
        told = Told(payload, offset)
        data = told.data
        ended = data["status"] in TERMINAL_STATUSES
        if not ended:
            self._live_status = data["status"]
        self._tell_added(told)
        self._tell_lost(told)
        capped = self._tell_held(told, ended)
        if ended and not capped and self.late_polls:
            self.late_polls -= 1
            self._tell_live(data)
        if self.ended is not None and data["status"] not in TERMINAL_STATUSES:
            data["status"] = self.ended
            told.lawful = False
        self._note(told)
        return told

    def _tell_added(self, told: Told) -> None:
        if not self._added:
            return
        data, true_head = told.data, told.data["next_offset"]
        oldest = data.get("window_start")
        if oldest is not None:
            data["window_start"] = oldest + bisect_left(self._places, oldest)
        for event in told.events:
            event["idx"] = self.told_number(event["idx"])
        data["next_offset"] = self.told_number(true_head)
        known = self._added[: bisect_right(self._places, true_head)]
        added = [
            self._dated(event, told)
            for event in known
            if event["idx"] >= max(told.offset, data.get("window_start", 0))
        ]
        told.events = sorted([*told.events, *added], key=lambda event: int(event["idx"]))

    def _dated(self, event: dict[str, Any], told: Told) -> dict[str, Any]:
        if event["ts"] is None:
            later = (other["ts"] for other in told.events if other["idx"] > event["idx"])
            event["ts"] = next(later, told.data["updated_at"])
        return dict(event)

    def _tell_lost(self, told: Told) -> None:
        data = told.data
        floor = min(self.floor, data["next_offset"])
        if data.get("window_start") is not None:
            data["window_start"] = max(data["window_start"], floor)
        if any(event["idx"] in self.lost for event in told.events if event["idx"] >= floor):
            told.lawful = False
        kept = [e for e in told.events if e["idx"] >= floor and e["idx"] not in self.lost]
        if not kept and told.offset < floor == data["next_offset"]:
            data["next_offset"] = told.offset  # with nothing returned it is echoed (api_v1 2.3.3)
        told.events = kept

    def _tell_held(self, told: Told, ended: bool) -> bool:
        data = told.data
        self.holds = [hold for hold in self.holds if hold.keeps(data["next_offset"], ended)]
        if not self.holds:
            return False
        cap = min(hold.cap for hold in self.holds)
        told.events = [event for event in told.events if event["idx"] < cap]
        for name in ("next_offset", "window_start"):
            if data.get(name) is not None:
                data[name] = min(data[name], cap)
        self._tell_live(data)
        return True

    def _tell_live(self, data: dict[str, Any]) -> None:
        if data["status"] in TERMINAL_STATUSES:
            data["status"] = self._live_status
            data["error"] = None

    def _note(self, told: Told) -> None:
        self.head = max(self.head, told.data["next_offset"])
        last = self.recent[-1]["idx"] if self.recent else -1
        self.recent.extend(event for event in told.events if event["idx"] > last)
