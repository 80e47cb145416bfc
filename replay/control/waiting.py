"""Waits until the clients of a session have done something, or until a time is over."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pollux.replay.format import TERMINAL_STATUSES
from pollux.replay.journal import Ack, Entry
from pollux.replay.session import Session
from pollux.replay.sessions import Sessions

# How often is looked at what no request tells: silence, a breakpoint, the end of the server.
_SLICE = 0.1


@dataclass(frozen=True, slots=True)
class Wish:
    """What is waited for; all that is given must hold. All but silence is about the latest task.

    Attributes:
        polls: It was polled at least so often.
        idx: A client was told this event, or a later one.
        acked: A client says that it has shown this event, or a later one.
        end: A client was told a terminal status.
        paused: The task, or without one the session, stands still.
        silence_ms: No client has asked for anything for so many milliseconds.
    """

    polls: int | None = None
    idx: int | None = None
    acked: int | None = None
    end: bool = False
    paused: bool = False
    silence_ms: float | None = None


@dataclass
class _Seen:
    polls: int = 0
    last_idx: int = -1
    ended: bool = False


class Watch:
    """Looks whether a wish holds in one session; reads what is new in its journal only once.

    Args:
        session: The session.
        wish: What is waited for.
    """

    def __init__(self, session: Session, wish: Wish) -> None:
        self.session = session
        self._wish = wish
        self._tasks: dict[str, _Seen] = {}
        self._entries = 0
        self._acks = 0
        self._acked = -1

    def fulfilled(self) -> bool:
        """Tell whether the wish holds now."""
        journal, wish = self.session.journal, self._wish
        self._entries, entries = journal.since(self._entries)
        self._read(entries)
        self._acks, acks = journal.acks_since(self._acks)
        self._acked = max([self._acked, *_shown(acks)])
        play = self.session.current()
        seen = self._tasks.get(play.task_id if play else "", _Seen())
        return (
            (wish.polls is None or seen.polls >= wish.polls)
            and (wish.idx is None or seen.last_idx >= wish.idx)
            and (wish.acked is None or self._acked >= wish.acked)
            and (not wish.end or seen.ended)
            and (not wish.paused or not self.session.playing)
            and (wish.silence_ms is None or journal.silent_ms() >= wish.silence_ms)
        )

    def _read(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            if entry.poll is None or entry.task_id is None:
                continue
            seen = self._tasks.setdefault(entry.task_id, _Seen())
            seen.polls = max(seen.polls, entry.poll)
            seen.last_idx = max([seen.last_idx, *entry.events])
            seen.ended = seen.ended or entry.told_status in TERMINAL_STATUSES


def wait(
    sessions: Sessions,
    session_id: str,
    wish: Wish,
    timeout: float,
    *,
    gone: Callable[[], bool] = lambda: False,
    now: Callable[[], float] = time.monotonic,
) -> bool:
    """Wait until WISH holds, at most TIMEOUT seconds; tell whether it did.

    A session that is reset meanwhile is waited for anew; a server that stops ends the wait.

    Args:
        sessions: All sessions.
        session_id: The one that is looked at.
        wish: What is waited for.
        timeout: Seconds.
        gone: Tells whether whoever waits has gone away.
        now: Seconds of a clock that never goes back.
    """
    deadline = now() + timeout
    watch = Watch(sessions.get(session_id), wish)
    while True:
        if sessions.get(session_id) is not watch.session:
            watch = Watch(sessions.get(session_id), wish)
        left = deadline - now()
        if watch.session.journal.wait_for(watch.fulfilled, max(0.0, min(left, _SLICE))):
            return True
        if left <= 0 or sessions.closing.is_set() or gone():
            return False


def _shown(acks: Iterable[Ack]) -> Iterable[int]:
    return (ack.idx for ack in acks if ack.gap is None)
