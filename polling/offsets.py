"""The rules of ``from``, ``next_offset`` and the window (api_v1 2.3.2 to 2.3.7)."""

import itertools
from dataclasses import dataclass

from pollux.polling.charges import Charges
from pollux.polling.exchange import Exchange
from pollux.polling.poll import Poll
from pollux.polling.story import Story

RULES = frozenset(
    {
        "POLL-EVENTS-ORDERED",
        "POLL-FROM-PAST-END",
        "POLL-IDX-START",
        "POLL-NEXT-OFFSET",
        "POLL-NEXT-OFFSET-EMPTY",
        "POLL-NEXT-OFFSET-NOT-BACK",
        "POLL-OFFSET-COMPLETE",
        "POLL-OFFSET-GAPLESS",
        "POLL-OFFSET-RESPECTED",
        "RING-BELOW-WINDOW",
        "RING-WINDOW-BOUNDED",
        "RING-WINDOW-KEPT",
        "RING-WINDOW-START",
        "RING-WINDOW-START-TRUE",
    }
)


@dataclass(frozen=True)
class _Missing:
    """Events LOW to HIGH - 1 that an answer should have had at its beginning."""

    low: int
    high: int
    exchange: Exchange
    early: bool  # of so few events that none can have been evicted


@dataclass(frozen=True)
class _Window:
    """Where the window began, as an answer showed or claimed it."""

    start: int
    exchange: Exchange


class OffsetRules:
    """Judges which events an answer has, against what was asked and what is known.

    Args:
        charges: Where breaches go.
        story: What has been seen so far.
        ring: Events that a server keeps (api_v1 2.3.6).
    """

    def __init__(self, charges: Charges, story: Story, ring: int) -> None:
        self._charges = charges
        self._story = story
        self._ring = ring
        self._missing: list[_Missing] = []
        self._claimed_end: _Window | None = None
        self._seen_window: _Window | None = None
        self._claimed_window: _Window | None = None

    def judge(self, poll: Poll, end: int | None) -> None:
        """Judge POLL before its events are added to the story.

        Args:
            poll: The answer.
            end: The number of events that the task will ever have, when that was known before
                the poll was sent.
        """
        known = self._story.head_before(poll.exchange.sent)
        if end is not None:
            known = max(known, end)
        if poll.events:
            self._judge_order(poll)
            if poll.guessed:
                return
            self._judge_extent(poll, known)
            self._resolve_missing(poll)
        else:
            self._judge_empty(poll, known, end)
        self._judge_window_start(poll)

    @property
    def questions(self) -> list[int]:
        """The offsets from which a poll would explain something."""
        return [0] if self._missing else []

    def settle(self, end: int | None) -> None:
        """Judge what had to wait for later answers, and charge what none has explained."""
        for missing in self._missing:
            if self._story.is_hole(missing.low, missing.high):
                continue  # no answer has ever shown them: that is charged as such
            rule = "RING-WINDOW-KEPT"
            if missing.early:
                at_start = (missing.low, missing.high) == (0, 1)
                rule = "POLL-IDX-START" if at_start else "POLL-OFFSET-COMPLETE"
            self._charges.breach(
                rule,
                "the first event of an answer",
                f"event {missing.low}",
                f"event {missing.high}",
                missing.exchange,
            )
        self._missing.clear()
        claim = self._claimed_end
        if claim is not None and end is not None and claim.start > end:
            self._charges.breach(
                "POLL-FROM-PAST-END",
                "the next_offset of a poll from past the end",
                f"the `from` of the poll, or the true end, which was never above {end}",
                f"{claim.start}",
                claim.exchange,
            )

    def _judge_order(self, poll: Poll) -> None:
        indexes = [event["idx"] for event in poll.events]
        unique = sorted(set(indexes))
        self._charges.that(
            "POLL-EVENTS-ORDERED",
            indexes == unique,
            "the order of the events of an answer",
            "rising idx, none twice",
            _excerpt(indexes),
            poll.exchange,
        )
        hole = next((low for low, high in itertools.pairwise(unique) if high != low + 1), None)
        if len(unique) > 1 or hole is not None:
            self._charges.that(
                "POLL-OFFSET-GAPLESS",
                hole is None,
                "the events of one answer",
                "no hole between them",
                f"no event {hole + 1} after event {hole}" if hole is not None else "",
                poll.exchange,
            )
        self._charges.that(
            "POLL-OFFSET-RESPECTED",
            poll.first >= poll.asked,
            "the events of a poll from an offset",
            f"none below {poll.asked}",
            f"event {poll.first}",
            poll.exchange,
        )
        self._charges.that(
            "POLL-NEXT-OFFSET",
            poll.next_offset == poll.end,
            "the next_offset of an answer with events",
            f"{poll.end}, after event {poll.end - 1}",
            f"{poll.next_offset}",
            poll.exchange,
        )

    def _judge_extent(self, poll: Poll, known: int) -> None:
        """Judge whether the events begin and end where they must."""
        end = max(poll.end, known)
        self._charges.that(
            "POLL-OFFSET-COMPLETE",
            poll.end >= known,
            "the last event of an answer",
            f"event {known - 1}, which was seen before or must exist",
            f"event {poll.end - 1}",
            poll.exchange,
        )
        oldest = max(0, end - self._ring)
        lowest = max(poll.asked, oldest)
        if poll.asked <= poll.first < oldest and len(poll.events) > self._ring:
            self._charges.breach(
                "RING-WINDOW-BOUNDED",
                "the number of events that are kept",
                f"after {end} events the last {self._ring}, from event {oldest} on",
                f"{len(poll.events)} events, from event {poll.first} on",
                poll.exchange,
            )
        elif poll.first > lowest:
            early = end <= self._ring // 2
            self._missing.append(_Missing(lowest, poll.first, poll.exchange, early))
        elif poll.asked <= oldest:
            # All that is kept was asked for, and all of it came.
            self._charges.held("RING-WINDOW-KEPT")
            if oldest:
                self._charges.held("RING-WINDOW-BOUNDED")
            if poll.asked < oldest:
                self._charges.held("RING-BELOW-WINDOW")
                self._story.missed(oldest)
        if poll.first == 0:
            self._charges.held("POLL-IDX-START")

    def _resolve_missing(self, poll: Poll) -> None:
        """An event that was left out and is shown later had been there: it was not evicted."""
        waiting = self._missing
        self._missing = []
        for missing in waiting:
            later = missing.exchange.received <= poll.exchange.sent
            shown = [e["idx"] for e in poll.events if missing.low <= e["idx"] < missing.high]
            if later and shown:
                self._charges.breach(
                    "POLL-OFFSET-COMPLETE",
                    "the first event of an answer",
                    f"event {missing.low}, for event {shown[0]} was still shown later",
                    f"event {missing.high}",
                    missing.exchange,
                    poll.exchange,
                )
            else:
                self._missing.append(missing)

    def _judge_empty(self, poll: Poll, known: int, end: int | None) -> None:
        asked, said, by = poll.asked, poll.next_offset, poll.exchange
        if asked < known:
            rule = "RING-BELOW-WINDOW" if asked < known - self._ring else "POLL-OFFSET-COMPLETE"
            self._charges.breach(
                rule,
                "the events of a poll from before the end",
                f"events up to {known - 1}",
                "no events",
                by,
            )
        elif said is None:
            return
        elif asked == known:
            # Nothing came, so the task has exactly the events that are known.
            self._charges.that(
                "POLL-NEXT-OFFSET-NOT-BACK",
                said >= asked,
                "the next_offset of an answer without events",
                f"not below the `from` of the poll, {asked}",
                f"{said}",
                by,
            )
            self._charges.that(
                "POLL-NEXT-OFFSET-EMPTY",
                said == asked,
                "the next_offset of an answer without events, from the end",
                f"{asked}: a lower one repeats events, a higher one loses them",
                f"{said}",
                by,
            )
        else:
            self._judge_past_end(poll, said, known, end)

    def _judge_past_end(self, poll: Poll, said: int, known: int, end: int | None) -> None:
        """Judge an empty answer from past what is known; the true end may be further, too."""
        asked = poll.asked
        possible = said == asked or (said == end if end is not None else known <= said < asked)
        self._charges.that(
            "POLL-FROM-PAST-END",
            possible,
            "the next_offset of a poll from past the end",
            f"{asked}, its `from`, or {known if end is None else end}, the end",
            f"{said}",
            poll.exchange,
        )
        claim = self._claimed_end
        if possible and said != asked and (claim is None or said > claim.start):
            self._claimed_end = _Window(said, poll.exchange)

    def _judge_window_start(self, poll: Poll) -> None:
        """Judge ``window_start`` by what was shown: the window only ever moves up."""
        said, by = poll.window_start, poll.exchange
        if poll.events:
            claim = self._claimed_window
            if claim and claim.exchange.received <= by.sent and poll.first < claim.start:
                self._false_window(claim.start, f"event {poll.first} is shown later", claim, by)
        if said is not None and poll.end:
            self._charges.held("RING-WINDOW-START")
            seen = self._seen_window
            if poll.asked <= said and poll.first != said:
                self._false_window(said, f"the first event is {poll.first}", None, by)
            elif seen and seen.exchange.received <= by.sent and said < seen.start:
                self._false_window(said, f"the window began at {seen.start} before", seen, by)
            else:
                self._charges.held("RING-WINDOW-START-TRUE")
            if self._claimed_window is None or said > self._claimed_window.start:
                self._claimed_window = _Window(said, by)
        if poll.events and poll.asked < poll.first == poll.end - self._ring:
            seen = self._seen_window
            if seen is None or poll.first > seen.start:
                self._seen_window = _Window(poll.first, by)

    def _false_window(self, said: int, why: str, other: _Window | None, by: Exchange) -> None:
        exchanges = (other.exchange, by) if other else (by,)
        self._charges.breach(
            "RING-WINDOW-START-TRUE",
            "the window_start of an answer",
            "the idx of the oldest retained event",
            f"{said}, but {why}",
            *exchanges,
        )


def _excerpt(indexes: list[int]) -> str:
    place = next((i for i, (a, b) in enumerate(itertools.pairwise(indexes)) if b <= a), 0)
    return f"idx ..., {', '.join(map(str, indexes[max(0, place - 2) : place + 4]))}, ..."
