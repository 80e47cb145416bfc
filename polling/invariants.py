"""What all answers about one task must agree on, in whatever order and from however many pollers.

Answers are compared by what happened before what: an answer is only held against another one
when its request was sent after the other answer had been received.
"""

import threading
from dataclasses import dataclass

from pollux.polling import offsets, story
from pollux.polling.breach import Sink
from pollux.polling.charges import Charges
from pollux.polling.exchange import Exchange
from pollux.polling.offsets import OffsetRules
from pollux.polling.poll import TERMINAL, Event, Poll, read_poll
from pollux.polling.story import Story

RING = 1000

_OWN_RULES = frozenset(
    {
        "POLL-AFTER-END",
        "POLL-FROM-PAST-END",
        "POLL-SHAPE",
        "POLL-TASK-FOUND",
        "POLL-TERMINAL-COMPLETE",
        "TASK-FAILURE-ERROR",
        "TASK-SUCCESS-WITHOUT-ERROR",
        "TASK-TERMINAL-FOREVER",
    }
)


def rules() -> frozenset[str]:
    """Return the ids of all requirements that the invariants of a task may charge."""
    return _OWN_RULES | offsets.RULES | story.RULES


@dataclass(frozen=True)
class _End:
    """A terminal status, and the number of events there will ever be where it was told."""

    status: str
    count: int | None
    exchange: Exchange


class TaskInvariants:
    """The rules of one task, always on. Safe for use by several threads.

    Args:
        task_id: Id of the task.
        sink: Takes what holds and what is broken.
        ring: Events that a server keeps (api_v1 2.3.6).
        keep: How many events are kept here; None keeps all.
    """

    def __init__(
        self, task_id: str, sink: Sink, *, ring: int = RING, keep: int | None = None
    ) -> None:
        self.task_id = task_id
        self._lock = threading.Lock()
        self._ring = ring
        self._charges = Charges(sink)
        self._story = Story(self._charges, keep)
        self._offsets = OffsetRules(self._charges, self._story, ring)
        self._end: _End | None = None
        self._may_be_gone = False

    @property
    def events(self) -> list[Event]:
        """All events seen so far, by idx."""
        with self._lock:
            return self._story.events

    @property
    def head(self) -> int:
        """One more than the highest idx seen."""
        with self._lock:
            return self._story.head

    @property
    def status(self) -> str | None:
        """The terminal status, once one was seen."""
        with self._lock:
            return self._end.status if self._end else None

    @property
    def questions(self) -> list[int]:
        """The offsets to poll from before :meth:`settle`, so that it need not guess."""
        with self._lock:
            return self._offsets.questions + self._story.questions

    def may_be_gone(self) -> None:
        """Note that the user's next send was accepted: the task may be forgotten (2.3.11)."""
        with self._lock:
            self._may_be_gone = True

    def observe(self, exchange: Exchange, asked: int | None) -> Poll | None:
        """Judge the answer to a poll.

        Args:
            exchange: The poll.
            asked: Its ``from``, 0 when it had none, or None for one that the server may refuse
                or take as 0 (api_v1 2.3.4).

        Returns:
            The answer, or None when it is not one with a task.
        """
        with self._lock:
            if exchange.status != 200:
                self._refused(exchange, asked)
                return None
            poll = read_poll(exchange, asked or 0, guessed=asked is None)
            if poll is not None:
                self._judge(poll)
            return poll

    def settle(self) -> None:
        """Judge what only the end of the watch can tell; may be called again."""
        with self._lock:
            count = self._end.count if self._end else None
            self._offsets.settle(count)
            self._story.settle(max(0, self._story.head - self._ring))
            if self._end and count is not None and count == self._story.head:
                self._story.finish(self._end.status, self._end.exchange)

    def _judge(self, poll: Poll) -> None:
        self._charges.that(
            "POLL-SHAPE",
            poll.data.get("task_id") == self.task_id,
            "the task_id of a poll",
            self.task_id,
            f"{poll.data.get('task_id')!r}"[:200],
            poll.exchange,
        )
        self._charges.held("POLL-TASK-FOUND")
        end = self._end
        earlier = end if end and end.exchange.received <= poll.exchange.sent else None
        self._judge_status(poll, earlier)
        self._offsets.judge(poll, earlier.count if earlier else None)
        self._judge_after_end(poll, earlier)
        known = self._story.head_before(poll.exchange.sent)
        self._story.add(poll)
        if poll.terminal:
            self._note_end(poll, known)

    def _judge_status(self, poll: Poll, earlier: _End | None) -> None:
        if earlier:
            self._charges.held("POLL-AFTER-END")
            self._charges.that(
                "TASK-TERMINAL-FOREVER",
                poll.status == earlier.status,
                "the status of a task after its end",
                f"{earlier.status}, as before",
                poll.status,
                earlier.exchange,
                poll.exchange,
            )
        error = poll.data.get("error")
        if poll.status == "succeeded":
            self._charges.that(
                "TASK-SUCCESS-WITHOUT-ERROR",
                error is None,
                "the error of a task that succeeded",
                "null",
                f"{error!r}"[:200],
                poll.exchange,
            )
        if poll.status == "failed":
            self._charges.that(
                "TASK-FAILURE-ERROR",
                isinstance(error, str) and bool(error.strip()),
                "the error of a task that failed",
                "a non-empty text",
                f"{error!r}"[:200],
                poll.exchange,
            )

    def _judge_after_end(self, poll: Poll, earlier: _End | None) -> None:
        end = self._end
        if end is None or end.count is None:
            return
        if poll.end > end.count:
            self._charges.breach(
                "POLL-TERMINAL-COMPLETE",
                "events after the end of a task",
                f"none: {end.status} was told with next_offset {end.count}",
                f"event {poll.end - 1}",
                end.exchange,
                poll.exchange,
            )
        elif earlier and poll.asked <= end.count:
            self._charges.held("POLL-TERMINAL-COMPLETE")

    def _note_end(self, poll: Poll, known: int) -> None:
        # Only an answer that reaches what was known before can tell where the end is.
        count: int | None = None
        if poll.events and poll.end >= known:
            count = poll.end
        elif not poll.events and poll.asked == known:
            count = known
        if self._end is None or (self._end.count is None and count is not None):
            self._end = _End(poll.status, count, poll.exchange)
        if count is not None and self._story.head > count:
            # Another poller has seen more than this answer says there will ever be.
            self._charges.breach(
                "POLL-TERMINAL-COMPLETE",
                "an end before events that another poll has shown",
                f"next_offset {self._story.head} or more with {poll.status}",
                f"{count}",
                poll.exchange,
            )

    def _refused(self, exchange: Exchange, asked: int | None) -> None:
        if asked is None or not 400 <= exchange.status < 500 or exchange.status in (401, 429):
            return
        ended = self._end is not None and self._end.status in TERMINAL
        forgotten = ended and exchange.status == 404  # from anywhere, past the end or not
        if asked > self._story.head_before(exchange.sent) and not forgotten:
            self._charges.breach(
                "POLL-FROM-PAST-END",
                "a poll from past the end",
                "200 without events",
                exchange.summary,
                exchange,
            )
        elif self._end is not None and ended:
            if not self._may_be_gone:
                self._charges.breach(
                    "POLL-AFTER-END",
                    "a poll of a task that has ended",
                    "200, at least until the user's next send is accepted",
                    exchange.summary,
                    self._end.exchange,
                    exchange,
                )
        else:
            self._charges.breach(
                "POLL-TASK-FOUND",
                "a poll of a task whose send was accepted",
                "200",
                exchange.summary,
                exchange,
            )
