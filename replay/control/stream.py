"""What happens in a session as it happens: Server-Sent Events (HTML Standard, 9.2)."""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from pollux.replay.errors import RecordingError
from pollux.replay.format import dumps
from pollux.replay.session import Session
from pollux.replay.sessions import Sessions

# Seconds between two looks at what no request tells.
_SLICE = 0.1
# Seconds after which the state is told again while time goes on.
_WHILE_PLAYING = 0.5
# Seconds after which a line without meaning shows whether anybody still listens.
_HEARTBEAT = 2.0
_MOST_AT_ONCE = 500


class Stream:
    """The stream of one listener.

    Events: ``state`` (as of ``GET /state``), ``requests`` (a list of journal entries),
    ``acks`` (a list), ``reset`` (the session begins anew: forget what was told before),
    ``problem`` (the recording cannot be read on; the stream ends).

    Args:
        sessions: All sessions.
        session_id: The one that is listened to.
        describe: Returns what is told as its state.
        gone: Tells whether the listener has gone away.
        now: Seconds of a clock that never goes back.
    """

    def __init__(
        self,
        sessions: Sessions,
        session_id: str,
        describe: Callable[[Session], dict[str, Any]],
        *,
        gone: Callable[[], bool] = lambda: False,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sessions = sessions
        self._session_id = session_id
        self._describe = describe
        self._gone = gone
        self._now = now
        self._follow(sessions.get(session_id))
        self._last_sent = now()

    def __iter__(self) -> Iterator[bytes]:
        """Yield events until the server stops, or nobody listens any more."""
        try:
            yield from self._events()
        except (RecordingError, OSError) as error:
            yield self._sent("problem", {"error": f"the recording cannot be played on: {error}"})

    def _events(self) -> Iterator[bytes]:
        while not self._sessions.closing.is_set() and not self._gone():
            session = self._sessions.get(self._session_id)
            if session is not self._session:
                self._follow(session)
                yield self._sent("reset", {})
            yield from self._state()
            yield from self._news()
            if self._now() - self._last_sent >= _HEARTBEAT:
                self._last_sent = self._now()
                yield b":\n\n"
            session.journal.wait_for(self._has_news, _SLICE)

    def _follow(self, session: Session) -> None:
        self._session = session
        self._entries = 0
        self._acks = 0
        self._told: dict[str, Any] = {}
        self._told_at = 0.0

    def _has_news(self) -> bool:
        journal = self._session.journal
        return bool(journal.since(self._entries)[1] or journal.acks_since(self._acks)[1])

    def _state(self) -> Iterator[bytes]:
        state = self._describe(self._session)
        if state == self._told:
            return
        if _without_time(state) != _without_time(self._told) or (
            self._now() - self._told_at >= _WHILE_PLAYING
        ):
            self._told, self._told_at = state, self._now()
            yield self._sent("state", state)

    def _news(self) -> Iterator[bytes]:
        journal = self._session.journal
        self._entries, entries = journal.since(self._entries)
        for place in range(0, len(entries), _MOST_AT_ONCE):
            page = entries[place : place + _MOST_AT_ONCE]
            yield self._sent("requests", [entry.as_dict() for entry in page])
        self._acks, acks = journal.acks_since(self._acks)
        for place in range(0, len(acks), _MOST_AT_ONCE):
            yield self._sent("acks", [asdict(ack) for ack in acks[place : place + _MOST_AT_ONCE]])

    def _sent(self, event: str, data: Any) -> bytes:
        self._last_sent = self._now()
        return b"event: %s\ndata: %s\n\n" % (event.encode(), dumps(data))


def _without_time(state: dict[str, Any]) -> dict[str, Any]:
    tasks = [{**task, "position_ms": None} for task in state.get("tasks", [])]
    return {**state, "tasks": tasks, "requests": None}
