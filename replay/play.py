"""One task of the replay server: a recording on its way, told to whoever polls."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pollux.replay.breakpoints import Breakpoint
from pollux.replay.clock import Clock
from pollux.replay.format import dumps, loads
from pollux.replay.frames import Frame, TaskState
from pollux.replay.open_tools import cancelled_end
from pollux.replay.timeline import Cursor, Timeline


@dataclass(frozen=True, slots=True)
class Stop:
    """Where a task stands still because of a breakpoint.

    Attributes:
        breakpoint: Its text.
        idx: The event behind which the task stopped.
    """

    breakpoint: str
    idx: int


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a task stands: all that belongs together, seen at once.

    Attributes:
        state: What the task is told as.
        window_start: The idx of the oldest event that is kept.
        position_ms: Recorded milliseconds since the task was created.
        playing: Whether its clock moves it on.
        speed: Recorded seconds per second; None when time does not move it.
        polls_left: Polls that still bring events, granted by :meth:`Play.grant_polls`.
        stop: The breakpoint that it stopped at, until it is moved on.
        own_end: The events that end it because it was cancelled, in place of the recorded ones.
    """

    state: TaskState
    window_start: int
    position_ms: float
    playing: bool
    speed: float | None
    polls_left: int
    stop: Stop | None
    own_end: Sequence[dict[str, Any]]


class Play:
    """A task that plays TIMELINE; safe for threads.

    Its events, statuses and times are those of the recording, but for the ids of task and
    conversation, which are its own.

    Args:
        timeline: What is played.
        clock: What moves it on.
        ring: Events kept (api_v1 2.3.6).
        task_id: The id of this task.
        conversation_id: The conversation that it belongs to.
        message: The message that started it.
        name: The name of the recording.
        breakpoints: Where it stops.
    """

    def __init__(
        self,
        timeline: Timeline,
        clock: Clock,
        *,
        ring: int,
        task_id: str,
        conversation_id: str,
        message: dict[str, Any],
        name: str = "",
        breakpoints: Sequence[Breakpoint] = (),
    ) -> None:
        self.name = name
        self.ring = ring
        self.task_id = task_id
        self.conversation_id = conversation_id
        self.message = message
        self.created_at = timeline.created_at
        self.first_status = timeline.first_status()
        self._timeline = timeline
        self._tells_window = timeline.tells_window_start()
        self._clock = clock
        self._cursor = timeline.cursor(ring)
        self._cursor.stops = self._stops
        self._breakpoints = breakpoints
        self._stop: Stop | None = None
        self._polls_left = 0
        self._events_per_poll = 1
        self._end: list[dict[str, Any]] = []
        self._vanished = False
        self._lock = threading.Lock()
        clock.anchor(0.0)

    @property
    def moment(self) -> Moment:
        """Where the task stands."""
        with self._lock:
            self._drive(polled=False)
            cursor, clock = self._cursor, self._clock
            return Moment(
                self._state(),
                cursor.window_start,
                cursor.position_ms,
                clock.playing,
                clock.speed,
                self._polls_left,
                self._stop,
                tuple(self._end),
            )

    @property
    def state(self) -> TaskState:
        """What the task is told as at this moment."""
        return self.moment.state

    @property
    def position_ms(self) -> float:
        """Recorded milliseconds since the task was created."""
        return self.moment.position_ms

    @property
    def live(self) -> bool:
        """Whether the task keeps its user from starting another one (api_v1 2.2)."""
        state = self.state
        return not state.terminal and not state.gone

    def poll(self, offset: int) -> bytes | None:
        """Return the answer to a poll, or None when the task is gone (api_v1 2.3).

        Args:
            offset: ``from``; past the end it is answered with the true end (api_v1 2.3.5).
        """
        with self._lock:
            self._drive(polled=True)
            cursor, state = self._cursor, self._state()
            if state.gone:
                return None
            events = b",".join(cursor.events_from(offset))
            window_start = cursor.window_start
        told: dict[str, Any] = {
            "task_id": self.task_id,
            "status": state.status,
            "created_at": self.created_at,
            "updated_at": state.updated_at,
            "error": state.error,
            "next_offset": state.head,
        }
        if self._tells_window:
            told["window_start"] = window_start
        fields = dumps(told)[:-1]
        return b'{"success":true,"data":%s,"events":[%s]}}' % (fields, self._renamed(events))

    def cancel(self) -> None:
        """End the task as a server does that is asked to (api_v1 2.3); a finished one stays."""
        with self._lock:
            self._drive(polled=False)
            cursor, state = self._cursor, self._state()
            if state.terminal or state.gone:
                return
            now = round(self.created_at + cursor.position_ms / 1000, 3)
            ts = max(now, state.updated_at)
            self._end = cancelled_end(state.tools, state.head, ts)
            cursor.cut([dumps(event) for event in self._end], "canceled", ts)

    def move(self, how: Callable[[Cursor], object], *, pause: bool = False) -> None:
        """Move the task by hand: HOW is called with its cursor, and the clock goes on there.

        Args:
            how: Moves the cursor.
            pause: Whether the clock is to stand still from then on.
        """
        with self._lock:
            self._drive(polled=False)
            if pause:
                self._clock.playing = False
            self._polls_left, self._stop = 0, None
            how(self._cursor)
            self._moved()
            if not self._cursor.was_cut:
                self._end = []

    def tune(self, *, playing: bool | None = None, speed: float | None = None) -> None:
        """Let the clock play or pause, or set its speed; None leaves as it is.

        Raises:
            ValueError: when the clock cannot go at this speed; nothing has changed then.
        """
        with self._lock:
            self._drive(polled=False)
            if speed is not None:
                self._clock.speed = speed
            if playing is not None:
                self._clock.playing = playing
                self._polls_left = 0
            if playing:
                self._stop = None
            self._clock.anchor(self._cursor.position_ms)

    def grant_polls(self, polls: int, events: int | None = None) -> None:
        """Pause, but let each of the next polls bring new events.

        Args:
            polls: How many polls.
            events: New events per poll; None: as many as the clock lets a poll bring.
        """
        with self._lock:
            self._drive(polled=False)
            self._clock.playing = False
            self._stop = None
            self._polls_left = polls
            self._events_per_poll = events or self._clock.per_poll

    def stop_at(self, breakpoints: Sequence[Breakpoint]) -> None:
        """Stand still behind the next event for which one of BREAKPOINTS matches."""
        with self._lock:
            self._drive(polled=False)
            self._breakpoints = breakpoints

    def vanish(self) -> None:
        """Be unknown from now on, as on a server that was restarted (api_v1 2.3.10)."""
        with self._lock:
            self._drive(polled=False)
            self._vanished = True

    def retire(self) -> None:
        """Let go of what only polls need: nobody can poll this task any more."""
        with self._lock:
            self._cursor.forget_events()

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield every event that was told so far, those no longer kept included."""
        head = self.state.head - len(self._end)
        yield from self._timeline.events(head)
        yield from self._end

    def _state(self) -> TaskState:
        state = self._cursor.state
        return replace(state, gone=True) if self._vanished else state

    def _drive(self, *, polled: bool) -> None:
        """Let happen what has happened meanwhile; the lock is held."""
        if self._stop is not None:
            return
        if polled and self._polls_left:
            self._polls_left -= 1
            self._cursor.step(self._events_per_poll)
        else:
            self._clock.drive(self._cursor, polled=polled)
        if self._stop is not None:
            self._moved()

    def _moved(self) -> None:
        if self._stop is not None:
            self._clock.playing = False
            self._polls_left = 0
        self._clock.anchor(self._cursor.position_ms)

    def _stops(self, frame: Frame, head: int) -> bool:
        """Tell whether a breakpoint matches an event of FRAME, before which HEAD was the next."""
        if not self._breakpoints:
            return False
        for idx, raw in frame.events:
            event = loads(raw)
            for candidate in self._breakpoints:
                if candidate.matches(event, head):
                    self._stop = Stop(candidate.text, idx)
                    return True
            head = idx + 1
        return False

    def _renamed(self, events: bytes) -> bytes:
        """Return EVENTS with the ids of this task in place of the recorded ones."""
        header = self._timeline.header
        for recorded, mine in (
            (header.task_id, self.task_id),
            (header.conversation_id, self.conversation_id),
        ):
            if recorded is not None:
                events = events.replace(dumps(recorded), dumps(mine))
        return events
