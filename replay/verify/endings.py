"""Whether a client goes on as long as it should, and no longer."""

from collections.abc import Callable, Iterator
from itertools import takewhile

from pollux.replay.journal import Entry
from pollux.replay.verify.case import (
    Case,
    Walk,
    absent,
    broken,
    ended_ms,
    passed,
    runs,
    terminal,
    told,
    untestable,
)
from pollux.replay.verify.offsets import Kind, strays
from pollux.replay.verify.outcome import End, Finding

#: Once more to be sure, and a poll that was under way already: that is no fault.
MOST_AFTER_THE_END = 2
#: So many tries in a row are enough before a client may give up.
ENOUGH_TRIES = 3


def stopped_at(case: Case) -> Iterator[tuple[Walk, Entry]]:
    """Yield the last poll of each task whose client has ended without having seen its end.

    Who has cancelled a task need not look at how it ends.
    """
    if not case.facts.end.over:
        return
    last: dict[str, Walk] = {}
    ended = {entry.task_id for entry in case.entries if entry.operation == "cancelTask"}
    for walk in case.walks:
        other = last.get(walk.task_id)
        if other is None or other.polls[-1].number < walk.polls[-1].number:
            last[walk.task_id] = walk
        if any(terminal(poll) for poll in walk.polls):
            ended.add(walk.task_id)
    for task_id, walk in last.items():
        if task_id not in ended:
            yield walk, walk.polls[-1]


def until_terminal(case: Case) -> Finding:
    """Polling goes on until an answer tells a terminal status."""
    for _, last in stopped_at(case):
        if told(last) and last not in case.unknown:
            return broken(
                f"the client stopped after request {last.number}, which told "
                f"{last.told_status!r}: only a terminal status ends a task",
                [last],
            )
    accepted = [
        entry
        for entry in case.entries
        if entry.operation == "sendMessage" and entry.http_status == 202
    ]
    if case.facts.end.over and accepted and not case.polls:
        return broken("the client sent a message and never polled its task", accepted)
    seen = [poll for poll in case.polls if terminal(poll)]
    if seen:
        return passed("polled until the terminal status was there", seen[:1])
    if case.polls and case.facts.end is End.TIMEOUT:
        return untestable(
            "the client was still at work when its time was over: give it more (--timeout)"
        )
    return absent("no task was left before its end")


def stops_at_terminal(case: Case) -> Finding:
    """Polling stops once an answer has told a terminal status."""
    ends: list[Entry] = []
    for walk in case.walks:
        last: Entry | None = None
        beyond: list[Entry] = []
        for poll in walk.polls:
            if last is not None and poll.offset == last.next_offset:
                # One that was under way when the end was told is none that came after it.
                if poll.since_ms >= ended_ms(last):
                    beyond.append(poll)
            else:
                beyond = []
            if last is None and terminal(poll):
                last = poll
                ends.append(poll)
            if last is not None and len(beyond) > MOST_AFTER_THE_END:
                count = sum(other.number > last.number for other in walk.polls)
                return broken(
                    f"request {last.number} told {last.told_status!r}, and {count} polls came "
                    f"after it; {MOST_AFTER_THE_END} are enough to be sure",
                    [last, *beyond],
                )
    if not ends:
        return absent("no terminal status was told")
    return passed("polling stopped at the terminal status", ends)


def stops_when_gone(case: Case) -> Finding:
    """Polling stops once the server no longer knows the task."""
    gone = [run for walk in case.walks for run in runs(walk.polls, (404, 410))]
    if not gone:
        return absent("no poll was answered with 404")
    for run in gone:
        if len(run) > 1 + MOST_AFTER_THE_END:
            return broken(
                f"request {run[0].number} was told that there is no such task, and "
                f"{len(run) - 1} polls came after it",
                run,
            )
    return passed("polling stopped when the task was gone", [poll for run in gone for poll in run])


def retries_lost(case: Case) -> Finding:
    """A poll that was lost is tried again from the same offset."""
    return _retries(case, case.lost, "brought nothing", "every poll brought an answer")


def retries_unreadable(case: Case) -> Finding:
    """A poll whose answer cannot be read is tried again from the same offset."""
    return _retries(case, case.unreadable, "could not be read", "every answer could be read")


def _retries(case: Case, concerns: Callable[[Entry], bool], what: str, nothing: str) -> Finding:
    for walk in case.walks:
        for stray in strays(walk):
            before = stray.before
            if stray.kind is Kind.AFTER_FAILURE and before is not None and concerns(before):
                return broken(
                    f"request {before.number} asked from {before.offset} and {what}, and "
                    f"request {stray.poll.number} asked from {stray.poll.offset}",
                    [before, stray.poll],
                )
    for walk, last in stopped_at(case):
        tries = _tries_at_the_end(case, walk)
        if concerns(last) and len(tries) < ENOUGH_TRIES:
            return broken(
                f"the client gave up after request {last.number}, which {what} ({_what(last)}): "
                "the next try may succeed",
                tries,
            )
    again = [pair for walk in case.walks for pair in walk.pairs if concerns(pair[0])]
    if again:
        proof = [poll for pair in again for poll in pair]
        return passed(f"{len(again)} polls that {what} were tried again", proof)
    return absent(nothing)


def _tries_at_the_end(case: Case, walk: Walk) -> list[Entry]:
    """Return the polls since the last one that brought something, the latest first."""
    return list(
        takewhile(lambda poll: case.lost(poll) or case.unreadable(poll), reversed(walk.polls))
    )


def tolerates_unknown(case: Case) -> Finding:
    """What the client does not know does not stop it."""
    if not case.unknown:
        return absent("no answer held anything unknown")
    for _, last in stopped_at(case):
        if last in case.unknown:
            return broken(
                f"the client stopped after request {last.number}, which held an event that API v1 "
                "does not name: clients ignore what they do not know",
                [last],
            )
    return passed("the client went on behind what it does not know", case.unknown)


def _what(poll: Entry) -> str:
    if poll.http_status == 0:
        return "the connection was lost"
    if poll.http_status == 200:
        return "a damaged body"
    return f"status {poll.http_status}"
