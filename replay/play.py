"""One task of the replay server: a recording on its way, told to whoever polls."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

from pollux.replay.clock import Clock
from pollux.replay.format import dumps
from pollux.replay.frames import TaskState
from pollux.replay.open_tools import cancelled_end
from pollux.replay.timeline import Cursor, Timeline


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
    ) -> None:
        self.task_id = task_id
        self.conversation_id = conversation_id
        self.message = message
        self.created_at = timeline.created_at
        self.first_status = timeline.first_status()
        self._timeline = timeline
        self._tells_window = timeline.tells_window_start()
        self._clock = clock
        self._cursor = timeline.cursor(ring)
        self._end: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        clock.anchor(0.0)

    @property
    def state(self) -> TaskState:
        """What the task is told as at this moment."""
        with self._lock:
            self._clock.drive(self._cursor, polled=False)
            return self._cursor.state

    @property
    def position_ms(self) -> float:
        """Recorded milliseconds since the task was created."""
        with self._lock:
            self._clock.drive(self._cursor, polled=False)
            return self._cursor.position_ms

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
            self._clock.drive(self._cursor, polled=True)
            cursor, state = self._cursor, self._cursor.state
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
            self._clock.drive(self._cursor, polled=False)
            cursor, state = self._cursor, self._cursor.state
            if state.terminal or state.gone:
                return
            now = round(self.created_at + cursor.position_ms / 1000, 3)
            ts = max(now, state.updated_at)
            self._end = cancelled_end(state.tools, state.head, ts)
            cursor.cut([dumps(event) for event in self._end], "canceled", ts)

    def move(self, how: Callable[[Cursor], object]) -> None:
        """Move the task by hand: HOW is called with its cursor, and the clock goes on there."""
        with self._lock:
            self._clock.drive(self._cursor, polled=False)
            how(self._cursor)
            self._clock.anchor(self._cursor.position_ms)
            if not self._cursor.was_cut:
                self._end = []

    def retire(self) -> None:
        """Let go of what only polls need: nobody can poll this task any more."""
        with self._lock:
            self._cursor.forget_events()

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield every event that was told so far, those no longer kept included."""
        head = self.state.head - len(self._end)
        yield from self._timeline.events(head)
        yield from self._end

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
