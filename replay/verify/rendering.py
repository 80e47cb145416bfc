"""Whether a client shows what it was given: all of it, once, in order, and the gaps."""

from collections import Counter
from collections.abc import Callable

from pollux.replay.journal import Entry
from pollux.replay.verify.case import (
    Case,
    absent,
    broken,
    passed,
    terminal,
    told,
    untestable,
)
from pollux.replay.verify.endings import stopped_at
from pollux.replay.verify.outcome import End, Finding

#: What a client must give so that its rendering can be judged.
WANTED = (
    'print one line {"idx": N} on stdout for each event that is shown, or POST it to '
    "/__replay/ack, or set data-idx in the DOM and let the page be watched"
)
WANTED_FOR_GAPS = 'print {"gap": [FROM, TO]} on stdout for the events that are lost, or ' + (
    "POST it to /__replay/ack"
)


def complete(case: Case) -> Finding:
    """All events that were delivered are shown."""
    return _all_shown(case, lambda poll: not terminal(poll), "")


def last_batch(case: Case) -> Finding:
    """The events of the answer that tells the end are shown, too."""
    return _all_shown(case, terminal, " with the terminal status")


def once(case: Case) -> Finding:
    """No event is shown twice."""
    if (missing := _unjudgeable(case)) is not None:
        return missing
    allowed = 1 + max((len(walk.restarts) for walk in case.walks), default=0)
    doubled = {idx for idx, polls in case.bringers.items() if _served_twice(idx, polls)}
    shown = Counter((ack.client, ack.idx) for ack in case.shown)
    twice = sorted(
        {idx for (_, idx), count in shown.items() if count > allowed and idx not in doubled}
    )
    if twice:
        polls = [poll for idx in twice for poll in case.bringers.get(idx, ())]
        return broken(f"{_events(twice)} shown more than once", polls)
    return passed(f"{len(shown)} events, none shown more than once", case.polls)


def in_order(case: Case) -> Finding:
    """Events are shown in the order of their idx."""
    if (missing := _unjudgeable(case)) is not None:
        return missing
    if any(list(poll.events) != sorted(poll.events) for poll in case.polls):
        return absent("an answer itself was out of order")
    for client in {ack.client for ack in case.shown}:
        found = _first_too_late(case, client)
        if found is not None:
            late, latest = found
            polls = [*case.bringers.get(late, ()), *case.bringers.get(latest, ())]
            return broken(f"event {late} was shown after event {latest}", polls)
    return passed(f"{len(case.shown)} times an event was shown, in their order", case.polls)


def gap_noticed(case: Case) -> Finding:
    """A client learns that events are lost to it, and does not hide it."""
    gaps = [
        poll
        for poll in case.polls
        if told(poll) and poll.events and poll.offset is not None and poll.events[0] > poll.offset
    ]
    if not gaps:
        return absent("no event was lost to the client")
    noticed = [ack.gap for ack in case.acks if ack.gap is not None]
    for poll in gaps:
        lost = range(poll.offset or 0, poll.events[0])
        said = any(first < lost.stop and behind > lost.start for first, behind in noticed)
        if said or _read_conversation_after(case, poll):
            continue
        if not case.acks:
            return untestable(
                f"{_span(lost)} lost before request {poll.number}, and nobody can see whether "
                f"the client knows: {WANTED_FOR_GAPS}",
                [poll],
            )
        if case.facts.end is End.RUNNING and poll is gaps[-1]:
            continue
        return broken(
            f"request {poll.number} asked from {poll.offset} and was answered from "
            f"{poll.events[0]} on: {_span(lost)} lost, and the client says nothing of it",
            [poll],
        )
    return passed(f"{len(gaps)} gaps, each noticed", gaps)


def _first_too_late(case: Case, client: str) -> tuple[int, int] | None:
    """Return the first event that CLIENT showed behind a later one, and that one; or None."""
    anew = sorted(poll.since_ms for walk in case.walks for poll in walk.restarts)
    latest, seen = -1, set[int]()
    for ack in case.shown:
        if ack.client != client:
            continue
        if anew and ack.since_ms >= anew[0]:
            anew.pop(0)
            latest = -1
        if ack.idx < latest and ack.idx not in seen:
            return ack.idx, latest
        seen.add(ack.idx)
        latest = max(latest, ack.idx)
    return None


def _all_shown(case: Case, wanted: Callable[[Entry], bool], where: str) -> Finding:
    if (missing := _unjudgeable(case)) is not None:
        return missing
    if case.shifted:
        return absent("a fault has added events that no client needs to show")
    if not case.facts.end.over:
        judged = [poll for walk in case.walks for poll in walk.polls[:-1]]
    else:
        broke_off = {last.number for _, last in stopped_at(case)}
        judged = [poll for poll in case.polls if poll.number not in broke_off]
    shown = {ack.idx for ack in case.shown}
    kinds = {case.facts.types.get(idx) for idx in shown}
    lost: dict[int, Entry] = {}
    given = 0
    for poll in judged:
        if not (told(poll) and wanted(poll)):
            continue
        for idx in poll.events:
            # A client may have no place for a type of event; what it shows it shows each time.
            if case.facts.types.get(idx) in kinds:
                given += 1
                if idx not in shown:
                    lost[idx] = poll
    if lost:
        return broken(f"{_events(sorted(lost))} delivered{where} and not shown", lost.values())
    if not given:
        return absent("no such event was delivered")
    return passed(f"{given} events delivered{where}, all shown", judged)


def _unjudgeable(case: Case) -> Finding | None:
    """Return why the rendering cannot be judged, or None when it can."""
    if not any(poll.events for poll in case.polls):
        return absent("no event was delivered")
    if not case.shown:
        return untestable(f"nobody can see what the client shows: {WANTED}")
    if len({walk.task_id for walk in case.walks}) > 1:
        return untestable("several tasks were polled, and what is shown does not tell of which")
    if len(case.walks) > len({ack.client for ack in case.shown}):
        return untestable(
            "several clients polled the task: let each say who it is (client, in its ack)"
        )
    return None


def _read_conversation_after(case: Case, poll: Entry) -> bool:
    return any(
        entry.operation == "getConversation"
        and entry.http_status == 200
        and entry.number > poll.number
        for entry in case.entries
    )


def _served_twice(idx: int, polls: tuple[Entry, ...]) -> bool:
    """Tell whether a client that shows the event IDX twice was led to it by a fault."""
    return any(not told(poll) or poll.events.count(idx) > 1 for poll in polls)


def _events(idxs: list[int]) -> str:
    named = ", ".join(str(idx) for idx in idxs[:5])
    if len(idxs) == 1:
        return f"event {named} was"
    more = f" and {len(idxs) - 5} more" if len(idxs) > 5 else ""
    return f"events {named}{more} were"


def _span(lost: range) -> str:
    if len(lost) == 1:
        return f"event {lost.start} is"
    return f"events {lost.start} to {lost.stop - 1} are"
