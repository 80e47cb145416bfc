"""Follows a task by polling, with the invariants always on."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from pollux.polling.breach import Sink
from pollux.polling.client import ApiClient
from pollux.polling.errors import NoAnswerError, TaskStalledError
from pollux.polling.exchange import Exchange
from pollux.polling.invariants import RING, TaskInvariants
from pollux.polling.poll import Event, Poll

#: Chooses the ``from`` of the next poll; it is given the ``next_offset`` of the last answer.
Strategy = Callable[[int], int]


def follow(next_offset: int) -> int:
    """Ask for what comes next, as a client does."""
    return next_offset


def from_start(_next_offset: int) -> int:
    """Ask for everything every time."""
    return 0


def overlapping(events: int) -> Strategy:
    """Ask again for the last so many EVENTS, as a client that has lost an answer does."""
    return lambda next_offset: max(0, next_offset - events)


@dataclass(frozen=True)
class Pace:
    """How long to wait between two polls, in seconds.

    Attributes:
        first: After an answer that brought something.
        factor: How much longer after each one that did not.
        most: At most.
    """

    first: float = 0.01
    factor: float = 1.5
    most: float = 0.25

    def after(self, pause: float, poll: Poll) -> float:
        """Return the pause after POLL, the one before it having been PAUSE."""
        return self.first if poll.events else min(pause * self.factor, self.most)


class TaskWatcher:
    """Polls one task. Several threads may poll through one watcher at the same time.

    Args:
        client: Client of the task's user.
        task_id: Id of the task.
        sink: Takes what holds and what is broken.
        ring: Events that a server keeps (api_v1 2.3.6).
        keep: How many events are kept here, the oldest going first; None keeps all.
    """

    def __init__(
        self,
        client: ApiClient,
        task_id: str,
        sink: Sink,
        *,
        ring: int = RING,
        keep: int | None = None,
    ) -> None:
        self.client = client
        self.task_id = task_id
        self.invariants = TaskInvariants(task_id, sink, ring=ring, keep=keep)

    @property
    def events(self) -> list[Event]:
        """All events seen so far, by idx."""
        return self.invariants.events

    def texts(self, kind: str) -> list[str]:
        """Return the ``content`` of all events of one type, such as ``text_chunk``."""
        return [str(event["data"].get("content")) for event in self.events if event["type"] == kind]

    def ask(self, from_: int | str | None = None) -> tuple[Exchange, Poll | None]:
        """Poll once; return the exchange, and the answer if it is one with a task.

        Args:
            from_: The ``from``, as it is sent; None sends none.
        """
        exchange = self.client.poll_task(self.task_id, from_)
        return exchange, self.invariants.observe(exchange, _asked(from_))

    def poll(self, from_: int | str | None = None) -> Poll:
        """Poll once and return the answer.

        Raises:
            NoAnswerError: when it is not one with a task.
        """
        exchange, poll = self.ask(from_)
        if poll is None:
            raise NoAnswerError(f"a poll of the task was not answered with it: {exchange.summary}")
        return poll

    def run(
        self,
        until: Callable[[Poll], bool],
        *,
        begin: int = 0,
        strategy: Strategy = follow,
        pace: Pace = Pace(),
        stall: float = 60.0,
    ) -> Poll:
        """Poll until an answer is what was waited for, and return it.

        Args:
            until: Tells of an answer whether it is.
            begin: The first ``from``.
            strategy: Chooses each further one.
            pace: Chooses the pauses.
            stall: Seconds without an event or a new status after which it is given up.

        Raises:
            TaskStalledError: when the task does nothing for so long.
            NoAnswerError: when a poll is not answered with the task.
        """
        offset, pause = begin, pace.first
        poll = self.poll(offset)
        moved, seen = time.monotonic(), (poll.status, poll.end)
        while not until(poll):
            if poll.next_offset is not None:
                offset = max(0, poll.next_offset)
            time.sleep(pause := pace.after(pause, poll))
            poll = self.poll(strategy(offset))
            now = (poll.status, max(poll.end, seen[1]))
            if now != seen:
                moved, seen = time.monotonic(), now
            elif time.monotonic() - moved > stall:
                raise TaskStalledError(
                    f"task {self.task_id} did nothing for {stall:g} s: it is {poll.status}, "
                    f"with {self.invariants.head} events"
                )
        return poll

    def to_end(
        self,
        *,
        begin: int = 0,
        strategy: Strategy = follow,
        pace: Pace = Pace(),
        stall: float = 60.0,
    ) -> Poll:
        """Poll until the status is terminal, then for what must not come, and for it all again.

        What only the whole of the polls can tell is judged by :meth:`settle`.

        Raises:
            TaskStalledError, NoAnswerError: see :meth:`run`.
        """
        last = self.run(_is_terminal, begin=begin, strategy=strategy, pace=pace, stall=stall)
        self.read_again(last)
        return last

    def read_again(self, last: Poll) -> None:
        """After the LAST answer ask for what must not come any more, and for all that is kept."""
        self.ask(last.next_offset)
        self.ask(0)

    def settle(self) -> None:
        """Judge what had to wait until no more polls come; may be called again."""
        for offset in self.invariants.questions:
            self.ask(offset)
        self.invariants.settle()


def _is_terminal(poll: Poll) -> bool:
    return poll.terminal


def _asked(from_: int | str | None) -> int | None:
    """Return what a server must take FROM_ for, or None where it may also refuse it."""
    if from_ is None:
        return 0
    if isinstance(from_, str):
        # Digits as int() knows them are more than a server needs to read.
        return int(from_) if from_.isascii() and from_.isdecimal() else None
    return from_ if from_ >= 0 else None
