"""Whether a client asks at a pace that a server can bear, above all when something is wrong."""

from collections.abc import Iterable
from itertools import pairwise
from statistics import mean, median

from pollux.replay.format import TERMINAL_STATUSES
from pollux.replay.journal import Entry
from pollux.replay.verify.case import Case, absent, broken, passed, runs, told, wait_ms
from pollux.replay.verify.outcome import Finding

#: Two polls overlap only when they do so for longer: an answer is noted shortly after it is out.
OVERLAP_MS = 100.0
#: Who has waited so long for an answer may have given it up: a new poll is no second one then.
GIVEN_UP_MS = 1000.0
#: Between the beginnings of two polls, where the first brought nothing new.
SHORTEST_INTERVAL_MS = 100.0
#: So many intervals are needed for a verdict on the pace.
FEWEST_INTERVALS = 5
#: Between two tries, one is not hammering.
CALM_MS = 1000.0
#: So many waits in a row shorter than that are hammering.
FEWEST_QUICK = 3
#: How much longer than without trouble a client waits that backs off.
BACK_OFF_FACTOR = 1.5
#: How much longer the last of several waits is than the first when they grow.
GROWTH_FACTOR = 1.8
#: How much sooner than ``Retry-After`` says is taken for the inaccuracy of two clocks.
EARLY_MS = 50.0


def single_flight(case: Case) -> Finding:
    """One poll of a task at a time."""
    overlapping: list[tuple[Entry, Entry]] = []
    for walk in case.walks:
        running: list[Entry] = []
        for poll in walk.polls:
            running = [other for other in running if wait_ms(other, poll) < -OVERLAP_MS]
            overlapping += [
                (other, poll) for other in running if poll.since_ms - other.since_ms < GIVEN_UP_MS
            ]
            running.append(poll)
    if overlapping:
        first, second = overlapping[0]
        detail = (
            f"request {second.number} was sent {-wait_ms(first, second):.0f} ms before request "
            f"{first.number} was answered; it happened {len(overlapping)} times"
        )
        return broken(detail, [entry for pair in overlapping for entry in pair])
    if len(case.polls) < 2:
        return absent("there were fewer than two polls")
    return passed("each poll waited for the answer to the one before", case.polls)


def sane_interval(case: Case) -> Finding:
    """Not asking all the time for what is not there."""
    waiting = [
        (earlier, later)
        for walk in case.walks
        for earlier, later in walk.pairs
        if told(earlier) and not earlier.events and earlier.told_status not in TERMINAL_STATUSES
    ]
    if len(waiting) < FEWEST_INTERVALS:
        return absent(f"fewer than {FEWEST_INTERVALS} polls found nothing new")
    middle = median(later.since_ms - earlier.since_ms for earlier, later in waiting)
    detail = f"with nothing new, a poll every {middle:.0f} ms in the median"
    proof = [entry for pair in waiting for entry in pair]
    if middle < SHORTEST_INTERVAL_MS:
        return broken(f"{detail}; {SHORTEST_INTERVAL_MS:.0f} ms are not too slow for anyone", proof)
    return passed(detail, proof)


def back_off(case: Case) -> Finding:
    """Longer waits while the server fails."""
    judged: list[Entry] = []
    for walk in case.walks:
        calm = [
            wait_ms(earlier, later)
            for earlier, later in walk.pairs
            if told(earlier) and earlier.told_status not in TERMINAL_STATUSES
        ]
        usual = max(median(calm) if calm else 0.0, SHORTEST_INTERVAL_MS)
        polls = [poll for poll in walk.polls if poll.retry_after is None]
        for run in runs(polls, range(500, 600)):
            behind = [poll for poll in walk.polls if poll.number > run[-1].number][:1]
            tries = [*run, *behind]
            waits = [wait_ms(earlier, later) for earlier, later in pairwise(tries)]
            if len(waits) < FEWEST_QUICK:
                continue
            judged += tries
            grown = waits[-1] >= max(GROWTH_FACTOR * waits[0], SHORTEST_INTERVAL_MS)
            if not grown and min(waits) < CALM_MS and mean(waits) < BACK_OFF_FACTOR * usual:
                told_waits = ", ".join(f"{wait:.0f}" for wait in waits)
                return broken(
                    f"{len(run)} answers 5xx in a row, and the tries were only "
                    f"{told_waits} ms apart, no further than before",
                    tries,
                )
    if not judged:
        return absent(f"there were no {FEWEST_QUICK} tries in a row after 5xx")
    return passed("the waits were longer while the server failed", judged)


def retry_after(case: Case) -> Finding:
    """``Retry-After`` is waited for."""
    judged: list[Entry] = []
    for pair in _repeated(case):
        earlier, later = pair
        if earlier.retry_after is None or earlier.http_status < 400:
            continue
        wanted, waited = earlier.retry_after * 1000, wait_ms(earlier, later)
        if waited < wanted - EARLY_MS:
            detail = (
                f"request {earlier.number} was told to wait {earlier.retry_after:g} s, and "
                f"request {later.number} came after {waited / 1000:.2f} s"
            )
            return broken(detail, pair)
        judged += pair
    if not judged:
        return absent("no answer with Retry-After was followed by another try")
    return passed("no try came before the time that Retry-After told", judged)


def refused_token(case: Case) -> Finding:
    """A refused token is not tried over and over."""
    refused = [run for walk in case.walks for run in runs(walk.polls, (401,))]
    sends = [entry for entry in case.entries if entry.operation == "sendMessage"]
    refused += runs(sends, (401,))
    if not refused:
        return absent("no request was answered with 401")
    return _not_hammered(refused, "401")


def busy_send(case: Case) -> Finding:
    """A message that is refused with 409 is not sent over and over."""
    sends = [entry for entry in case.entries if entry.operation == "sendMessage"]
    refused = list(runs(sends, (409,)))
    if not refused:
        return absent("no message was answered with 409")
    return _not_hammered(refused, "409")


def _repeated(case: Case) -> Iterable[tuple[Entry, Entry]]:
    for walk in case.walks:
        yield from walk.pairs
    yield from pairwise(entry for entry in case.entries if entry.operation == "sendMessage")


def _not_hammered(refused: list[list[Entry]], status: str) -> Finding:
    for run in refused:
        quick = 0
        for earlier, later in pairwise(run):
            quick = quick + 1 if wait_ms(earlier, later) < CALM_MS else 0
            if quick >= FEWEST_QUICK:
                return broken(
                    f"{len(run)} requests in a row were answered with {status}, and the client "
                    f"tried again within {CALM_MS / 1000:g} s each time",
                    run,
                )
    tries = max(len(run) for run in refused)
    return passed(
        f"at most {tries} in a row were answered with {status}, not hammered",
        [entry for run in refused for entry in run],
    )
