"""The journal as the rules read it: what each client did with each task, one poll after another."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from pollux.replay.format import TERMINAL_STATUSES
from pollux.replay.journal import Ack, Entry, Journal
from pollux.replay.verify.outcome import Facts, Finding, Outcome
from pollux.schemas.events import EVENT_TYPES

# What ends a connection in the middle of an answer.
_CUTTING_EFFECTS = frozenset({"truncate", "close", "reset", "hang", "drip"})
_UNKNOWN_EFFECTS = frozenset({"unknown-type", "extra-fields"})
# Adds events, so that those behind have another idx than in the recording.
_SHIFTING_EFFECT = "unknown-type"


def told(poll: Entry) -> bool:
    """Tell whether the poll was answered as API v1 wants it, so that its client knows it all."""
    return poll.http_status == 200 and poll.next_offset is not None and poll.intact


def doubtful(poll: Entry) -> bool:
    """Tell whether the client may have taken the answer, or may have taken it for none."""
    return poll.http_status == 200 and not poll.intact


def failed(poll: Entry) -> bool:
    """Tell whether the poll brought nothing, and another try may bring it (api_v1 1.10)."""
    return poll.http_status in (0, 429) or poll.http_status >= 500


def _unread(poll: Entry) -> bool:
    return doubtful(poll) and poll.next_offset is None


def terminal(poll: Entry) -> bool:
    """Tell whether the client knows from the answer that the task has ended."""
    return told(poll) and poll.told_status in TERMINAL_STATUSES


def ended_ms(entry: Entry) -> float:
    """Return when the answer was out, in milliseconds from the beginning of the session."""
    return entry.since_ms + entry.took_ms


def wait_ms(earlier: Entry, later: Entry) -> float:
    """Return the milliseconds between the answer of EARLIER and the beginning of LATER."""
    return later.since_ms - ended_ms(earlier)


def numbers(entries: Iterable[Entry]) -> tuple[int, ...]:
    """Return the numbers of ENTRIES, each once and in order."""
    return tuple(sorted({entry.number for entry in entries}))


def runs(entries: Iterable[Entry], statuses: Iterable[int]) -> Iterator[list[Entry]]:
    """Yield the longest stretches of ENTRIES that were all answered with one of STATUSES."""
    wanted = frozenset(statuses)
    run: list[Entry] = []
    for entry in entries:
        if entry.http_status in wanted:
            run.append(entry)
            continue
        if run:
            yield run
        run = []
    if run:
        yield run


@dataclass(frozen=True)
class Walk:
    """How one client polled one task.

    Attributes:
        client: Who.
        task_id: Which task.
        polls: In the order in which they began.
        first: Whether nobody had polled the task before.
    """

    client: str
    task_id: str
    polls: tuple[Entry, ...]
    first: bool = True

    @property
    def pairs(self) -> Iterator[tuple[Entry, Entry]]:
        """Each poll with the one that began next."""
        return zip(self.polls, self.polls[1:], strict=False)

    @cached_property
    def restarts(self) -> tuple[Entry, ...]:
        """The polls from 0 of a client that knew better: it has begun anew, as after a reload."""
        found, known = [], 0
        for poll in self.polls:
            if poll.offset == 0 and known > 0:
                found.append(poll)
            if told(poll) or doubtful(poll):
                known = max(known, poll.next_offset or 0)
        return tuple(found)


@dataclass(frozen=True)
class Case:
    """All that is known when a client is judged.

    Attributes:
        entries: The client's requests, in the order in which they began.
        acks: What it says it has shown, in the order in which it said so.
        facts: What is known beside the journal.
    """

    entries: tuple[Entry, ...]
    acks: tuple[Ack, ...]
    facts: Facts

    @classmethod
    def of(cls, journal: Journal, facts: Facts) -> "Case":
        """Return the case of a JOURNAL."""
        entries = [entry for entry in journal.entries if entry.method != "OPTIONS"]
        entries.sort(key=lambda entry: entry.number)
        return cls(tuple(entries), journal.acks, facts)

    @cached_property
    def walks(self) -> tuple[Walk, ...]:
        """What each client did with each task, in the order in which they began."""
        found: dict[tuple[str, str], list[Entry]] = {}
        for entry in self.entries:
            if entry.poll is not None and entry.task_id is not None:
                found.setdefault((entry.client, entry.task_id), []).append(entry)
        seen: set[str] = set()
        walks = []
        for (client, task_id), polls in found.items():
            walks.append(Walk(client, task_id, tuple(polls), task_id not in seen))
            seen.add(task_id)
        return tuple(walks)

    @cached_property
    def polls(self) -> tuple[Entry, ...]:
        """The polls of all walks."""
        return tuple(poll for walk in self.walks for poll in walk.polls)

    @cached_property
    def shown(self) -> tuple[Ack, ...]:
        """What the client says it has shown, without what it says of gaps."""
        return tuple(ack for ack in self.acks if ack.gap is None)

    @cached_property
    def unknown(self) -> tuple[Entry, ...]:
        """The polls whose answers held what the catalogue of events does not know (api_v1 2.4)."""
        known = frozenset(EVENT_TYPES)
        strange = {idx for idx, kind in self.facts.types.items() if kind not in known}
        return tuple(
            poll
            for poll in self.polls
            if poll.http_status == 200
            and (strange.intersection(poll.events) or self.effects(poll) & _UNKNOWN_EFFECTS)
        )

    @cached_property
    def bringers(self) -> Mapping[int, tuple[Entry, ...]]:
        """The polls that brought each event, by its idx."""
        found: dict[int, list[Entry]] = {}
        for poll in self.polls:
            if poll.http_status == 200:
                for idx in poll.events:
                    found.setdefault(idx, []).append(poll)
        return {idx: tuple(polls) for idx, polls in found.items()}

    def lost(self, poll: Entry) -> bool:
        """Tell whether POLL brought nothing: no answer, a part of one, or another try is due."""
        return failed(poll) or (_unread(poll) and bool(self.effects(poll) & _CUTTING_EFFECTS))

    def unreadable(self, poll: Entry) -> bool:
        """Tell whether POLL was answered with a whole body that says nothing."""
        return _unread(poll) and not self.lost(poll)

    @cached_property
    def shifted(self) -> bool:
        """Whether a fault has given events another idx, so that their types are not known."""
        return any(_SHIFTING_EFFECT in self.effects(poll) for poll in self.polls)

    def effects(self, poll: Entry) -> frozenset[str]:
        """Return the effects of the fault rules that fired at POLL."""
        return frozenset(self.facts.effects.get(name, name) for name in poll.faults)


def passed(detail: str, entries: Iterable[Entry] = ()) -> Finding:
    """Return that a rule holds, proved by ENTRIES."""
    return Finding(Outcome.PASS, detail, numbers(entries))


def broken(detail: str, entries: Iterable[Entry]) -> Finding:
    """Return that a rule is broken, proved by ENTRIES."""
    return Finding(Outcome.FAIL, detail, numbers(entries))


def absent(detail: str) -> Finding:
    """Return that nothing happened that a rule speaks of."""
    return Finding(Outcome.NOT_APPLICABLE, detail)


def untestable(detail: str, entries: Iterable[Entry] = ()) -> Finding:
    """Return that what would prove a rule is missing; DETAIL says what."""
    return Finding(Outcome.UNTESTABLE, detail, numbers(entries))
