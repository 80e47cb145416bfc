"""The events of a task as all its pollers together have seen them."""

from pollux.polling.charges import Charges
from pollux.polling.exchange import Exchange
from pollux.polling.poll import Event, Poll, as_time
from pollux.schemas.events import envelope_problems, load_events, payload_problems
from pollux.schemas.grammar import Grammar, StreamReader, Violation

_OWN_RULES = frozenset(
    {
        "EVENT-ENVELOPE",
        "EVENT-PAYLOAD",
        "POLL-EVENT-IMMUTABLE",
        "POLL-IDX-STEP",
        "POLL-TS-ORDERED",
        "POLL-TS-AFTER-CREATED",
        "POLL-UPDATED-AT",
        "TASK-FAILURE-EVENT",
    }
)

# The rules of the grammar, and the events that give them something to look at.
_GRAMMAR = {
    "EVENT-MESSAGE-START": {"ai_message_start"},
    "EVENT-CHUNK-PLACE": {"thinking_chunk", "text_chunk"},
    "EVENT-FULL-CONTENT": {"thinking_end", "text_end"},
    "EVENT-TEXT-INDEX": {"text_chunk"},
    "EVENT-TEXT-ELAPSED": {"text_chunk"},
    "EVENT-TOOL-START-PREPARED": {"tool_start"},
    "EVENT-TOOL-ANSWERED": {"tool_start"},
}
RULES = _OWN_RULES | frozenset(_GRAMMAR)


class Story:
    """What was seen of each idx, and the rules that bind one event to the others.

    Args:
        charges: Where breaches go.
        keep: How many events are kept, the oldest going first; None keeps all.
    """

    def __init__(self, charges: Charges, keep: int | None = None) -> None:
        self._charges = charges
        self._keep = keep
        self._events: dict[int, Event] = {}
        self._shown_by: dict[int, Exchange] = {}
        self._heads: list[tuple[float, int]] = [(float("-inf"), 0)]
        self._holes: dict[int, Exchange] = {}
        self._reader: StreamReader | None = StreamReader(Grammar.COMMON)
        self._read_up_to = 0
        self._misread: set[str] = set()

    @property
    def events(self) -> list[Event]:
        """All events seen (and kept), by idx."""
        return [self._events[idx] for idx in sorted(self._events)]

    @property
    def head(self) -> int:
        """One more than the highest idx seen."""
        return self._heads[-1][1]

    def head_before(self, moment: float) -> int:
        """Return what :attr:`head` was at MOMENT, in seconds of ``time.monotonic``."""
        return next(head for at, head in reversed(self._heads) if at <= moment)

    def shown(self, idx: int) -> Event | None:
        """Return the event IDX, or None when it was never seen."""
        return self._events.get(idx)

    def add(self, poll: Poll) -> None:
        """Take in the events of POLL."""
        created = as_time(poll.data.get("created_at"))
        for event in poll.events:
            known = self._events.get(event["idx"])
            if known is None:
                self._new(event, poll.exchange, created)
            else:
                self._charges.that(
                    "POLL-EVENT-IMMUTABLE",
                    known == event,
                    "the event of one idx in two answers",
                    f"{known}"[:400],
                    f"{event}"[:400],
                    self._shown_by[event["idx"]],
                    poll.exchange,
                )
        self._note_holes(poll)
        self._judge_updated_at(poll)
        if poll.end > self.head:
            self._heads.append((poll.exchange.received, poll.end))
        self._read()
        self._forget()

    def missed(self, up_to: int) -> None:
        """Note that the events below UP_TO had left the window before anybody polled them."""
        # The reader sees the gap by the idx that comes next.
        self._read_up_to = max(self._read_up_to, up_to)

    @property
    def questions(self) -> list[int]:
        """The offsets from which a poll would explain something: a hole may be one now and then."""
        return [idx for idx in self._holes if idx not in self._events][:3]

    def is_hole(self, low: int, high: int) -> bool:
        """Tell whether answers had events around each idx from LOW to HIGH - 1, but never these."""
        return all(idx in self._holes and idx not in self._events for idx in range(low, high))

    def settle(self, oldest: int) -> None:
        """Judge what only the whole life of the task shows.

        Args:
            oldest: The first event that is still kept: what was before it may have been there.
        """
        for idx, exchange in self._holes.items():
            if idx not in self._events and idx >= oldest:
                self._charges.breach(
                    "POLL-IDX-STEP",
                    "an idx that no answer ever showed",
                    "each idx one more than the one before",
                    f"no event {idx}, but one after it",
                    exchange,
                )
        if len(self._events) > 1 and not self._holes:
            self._charges.held("POLL-IDX-STEP")

    def finish(self, status: str, exchange: Exchange) -> None:
        """Judge the end of the stream of a task that has ended with STATUS."""
        if self._reader is None or self._read_up_to != self.head:
            return
        self._charge(self._reader.finish(status), exchange)
        self._reader = None
        kinds = {event["type"] for event in self._events.values()}
        seen = [rule for rule, types in _GRAMMAR.items() if kinds.intersection(types)]
        if status == "failed":
            seen.append("TASK-FAILURE-EVENT")
        for rule in seen:
            if rule not in self._misread:
                self._charges.held(rule)

    def _new(self, event: Event, exchange: Exchange, created: float | None) -> None:
        idx = event["idx"]
        self._events[idx] = event
        self._shown_by[idx] = exchange
        problems = envelope_problems(event)
        self._charges.that(
            "EVENT-ENVELOPE",
            not problems,
            "the fields of an event",
            "idx, type, data and ts",
            f"event {idx}: {'; '.join(problems)}",
            exchange,
        )
        if problems:
            self._reader = None
            return
        self._judge_payload(event, exchange)
        self._judge_ts(event, exchange, created)

    def _judge_payload(self, event: Event, exchange: Exchange) -> None:
        kind = load_events().get(event["type"])
        if kind is not None:
            problems = payload_problems(event)
            self._charges.that(
                kind.rule,
                not problems,
                f"the payload of {event['type']}",
                "the fields of this type",
                f"event {event['idx']}: {'; '.join(problems)[:400]}",
                exchange,
            )

    def _judge_ts(self, event: Event, exchange: Exchange, created: float | None) -> None:
        idx, ts = event["idx"], event["ts"]
        for low, high in ((idx - 1, idx), (idx, idx + 1)):
            before = as_time(self._events.get(low, {}).get("ts"))
            after = as_time(self._events.get(high, {}).get("ts"))
            if before is not None and after is not None:
                self._charges.that(
                    "POLL-TS-ORDERED",
                    before <= after,
                    "the ts of two events that follow each other",
                    f"event {high} not before {before!r}, the ts of event {low}",
                    f"{after!r}",
                    exchange,
                )
        if created is not None:
            self._charges.that(
                "POLL-TS-AFTER-CREATED",
                created <= ts,
                "the ts of an event beside the task's created_at",
                f"not before {created!r}",
                f"event {idx} at {ts!r}",
                exchange,
            )

    def _judge_updated_at(self, poll: Poll) -> None:
        updated = as_time(poll.data.get("updated_at"))
        last = max(poll.end, self.head_before(poll.exchange.sent)) - 1
        ts = as_time(self._events.get(last, {}).get("ts"))
        if updated is not None and ts is not None:
            self._charges.that(
                "POLL-UPDATED-AT",
                updated >= ts,
                "updated_at beside the ts of the task's last event",
                f"at least {ts!r}, the ts of event {last}",
                f"{updated!r}",
                poll.exchange,
            )

    def _note_holes(self, poll: Poll) -> None:
        if poll.events and poll.end - poll.first > len(poll.events):
            shown = {event["idx"] for event in poll.events}
            for idx in range(poll.first, poll.end):
                if idx not in shown and len(self._holes) < 1000:
                    self._holes.setdefault(idx, poll.exchange)

    def _read(self) -> None:
        """Give the grammar what has come next, in the order of idx."""
        while self._reader is not None and self._read_up_to in self._events:
            event = self._events[self._read_up_to]
            self._read_up_to += 1
            self._charge(self._reader.feed(event), self._shown_by[event["idx"]])

    def _charge(self, violation: Violation | None, exchange: Exchange) -> None:
        if violation is not None:
            self._misread.add(violation.rule)
            self._charges.breach(
                violation.rule,
                "the order of a task's events",
                "the rules for the events of every server",
                violation.message[:400],
                exchange,
            )

    def _forget(self) -> None:
        if self._keep is None or len(self._events) <= self._keep:
            return
        for idx in [idx for idx in self._events if idx < self.head - self._keep]:
            del self._events[idx], self._shown_by[idx]
