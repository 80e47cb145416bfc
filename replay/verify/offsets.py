"""Whether each poll asks from where it was told to: as told, never back, never ahead."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum, auto

from pollux.replay.journal import Entry
from pollux.replay.verify.case import (
    Case,
    Walk,
    absent,
    broken,
    doubtful,
    ended_ms,
    failed,
    passed,
    told,
)
from pollux.replay.verify.outcome import Finding

# A page may be loaded again, and some frameworks begin everything twice while one develops: two
# polls from 0 on end say nothing yet, a third one does.
_MOST_FROM_ZERO = 2


class Kind(StrEnum):
    """In which way a poll asks from a wrong offset; each is a rule of its own."""

    #: An offset that no answer has told.
    OTHER = auto()
    #: One that was told once, and left behind since.
    BACK = auto()
    #: One beyond all that was told.
    AHEAD = auto()
    #: Another one than before, right after a poll that brought nothing.
    AFTER_FAILURE = auto()


@dataclass(frozen=True, slots=True)
class Stray:
    """A poll from a wrong offset.

    Attributes:
        kind: In which way it is wrong.
        poll: The poll.
        before: The one before it, or None.
        expected: From where it should have asked.
    """

    kind: Kind
    poll: Entry
    before: Entry | None
    expected: int


def strays(walk: Walk) -> Iterator[Stray]:
    """Yield the polls of WALK that ask from a wrong offset.

    What an answer tells counts from the moment it is out; a poll that is still being answered may
    be repeated, and where it is not sure whether an answer could be read, both ways of going on
    are right. 0 always is: the client begins anew.
    """
    moments = [(poll.since_ms, True, poll) for poll in walk.polls]
    moments += [(ended_ms(poll), False, poll) for poll in walk.polls]
    # At the same moment an answer stands behind its own poll and before the next one.
    moments.sort(key=lambda moment: (moment[0], moment[2].number, not moment[1]))
    current, ever = {0}, {0}
    running: list[Entry] = []
    before: Entry | None = None
    from_zero = 0
    for _, begins, poll in moments:
        if not begins:
            running.remove(poll)
            if poll.http_status != 200:
                continue
            ever |= _ends(poll)
            repeated = any(other.offset == poll.offset for other in running)
            if told(poll) and not repeated and poll.offset is not None:
                current.discard(poll.offset)
            current |= _ends(poll)
            continue
        offset = poll.offset
        running.append(poll)
        if offset is None:
            continue
        if before is None and not walk.first:
            current, ever = {offset}, {offset}
        # Who knows what an answer says has got it, even if it is not yet noted as out.
        known = current.union(*(_ends(other) for other in running if other is not poll))
        from_zero = from_zero + 1 if offset == 0 and told(poll) and poll.next_offset else 0
        if from_zero > _MOST_FROM_ZERO:
            yield Stray(Kind.BACK, poll, before, max(known))
        elif offset not in known and offset != 0:
            yield Stray(_kind(offset, before, ever), poll, before, max(known))
            current.add(offset)
        before = poll


def as_told(case: Case) -> Finding:
    """``next_offset`` is used as it was told."""
    return _judge(case, Kind.OTHER, "an offset that no answer had told")


def no_rewind(case: Case) -> Finding:
    """No poll goes back."""
    return _judge(case, Kind.BACK, "an offset that it had left behind")


def no_skip(case: Case) -> Finding:
    """No poll asks beyond what was told."""
    return _judge(case, Kind.AHEAD, "an offset beyond all that it had been told")


def _judge(case: Case, kind: Kind, what: str) -> Finding:
    found = [stray for walk in case.walks for stray in strays(walk) if stray.kind is kind]
    if found:
        first = found[0]
        more = f", and {len(found) - 1} more polls did so" if found[1:] else ""
        detail = (
            f"request {first.poll.number} asked from {first.poll.offset} instead of "
            f"{first.expected}: {what}{more}"
        )
        return broken(detail, [poll for stray in found for poll in _proof(stray)])
    asked = [poll for poll in case.polls if poll.offset is not None]
    if len(asked) < 2 and not (asked and asked[0].offset):
        return absent("there were fewer than two polls")
    return passed(f"{len(asked)} polls asked from where they should", asked)


def _proof(stray: Stray) -> list[Entry]:
    return [stray.poll] if stray.before is None else [stray.before, stray.poll]


def _kind(offset: int, before: Entry | None, ever: set[int]) -> Kind:
    if before is not None and (failed(before) or doubtful(before)):
        return Kind.AFTER_FAILURE
    if offset > max(ever):
        return Kind.AHEAD
    return Kind.BACK if offset in ever else Kind.OTHER


def _ends(poll: Entry) -> set[int]:
    """Return from where a client may go on that has read the answer to POLL.

    That is ``next_offset``, or behind the last event that it knows: the contract has them equal
    where there are events (api_v1 2.3.3), and an empty answer need not move anyone.
    """
    if poll.http_status != 200 or poll.next_offset is None:
        return set()
    if poll.events:
        return {poll.next_offset, poll.events[-1] + 1}
    return {poll.next_offset, poll.offset or 0}
