"""The rules for clients of API v1: each with its id, level, sentence, source and judgement.

API v1 binds servers; what follows from it for clients is said here. What the contract leaves open
fails no client: to poll once more after the end, to begin again at 0, to give up after some tries.
"""

from collections.abc import Callable
from dataclasses import dataclass

from pollux.replay.verify import endings, offsets, pacing, rendering
from pollux.replay.verify.case import Case
from pollux.replay.verify.outcome import Finding, Level


@dataclass(frozen=True)
class Rule:
    """One rule that a client keeps or breaks.

    Attributes:
        id: Its stable name, such as ``OFFSET-AS-TOLD``.
        level: How much it counts.
        sentence: What a client does that keeps it.
        source: What it follows from.
        judge: Returns what it says of a case.
        rendering: Whether it judges what a client shows rather than what it asks.
    """

    id: str
    level: Level
    sentence: str
    source: str
    judge: Callable[[Case], Finding]
    rendering: bool = False


RULES: tuple[Rule, ...] = (
    Rule(
        "OFFSET-AS-TOLD",
        Level.MUST,
        "Each poll asks from the `next_offset` that the answer before it told.",
        "api_v1 2.3.3",
        offsets.as_told,
    ),
    Rule(
        "OFFSET-NO-REWIND",
        Level.MUST,
        "No poll goes back to an offset that was left behind; beginning again at 0 is allowed.",
        "api_v1 2.3.3",
        offsets.no_rewind,
    ),
    Rule(
        "OFFSET-NO-SKIP",
        Level.MUST,
        "No poll asks beyond what was told; the first poll of a task asks from 0.",
        "api_v1 2.3.1, 2.3.3",
        offsets.no_skip,
    ),
    Rule(
        "RETRY-SAME-OFFSET",
        Level.MUST,
        "After a lost connection, 429 or 5xx the same offset is asked again, at least until three "
        "tries in a row have failed.",
        "api_v1 1.10, 2.3.6",
        endings.retries_lost,
    ),
    Rule(
        "UNTIL-TERMINAL",
        Level.MUST,
        "Polling goes on until an answer tells a terminal status: no event type ends a task.",
        "api_v1 2.3, 2.3.8",
        endings.until_terminal,
    ),
    Rule(
        "TERMINAL-STOPS",
        Level.MUST,
        "Polling stops after a terminal status; up to two more polls, to be sure, are allowed.",
        "api_v1 2.3",
        endings.stops_at_terminal,
    ),
    Rule(
        "GONE-STOPS",
        Level.MUST,
        "Polling stops when the task is unknown (404): a restarted server never knows it again.",
        "api_v1 2.3.10",
        endings.stops_when_gone,
    ),
    Rule(
        "TOKEN-NOT-HAMMERED",
        Level.MUST,
        "A token that is refused (401) is not tried four times in a row within a second each.",
        "api_v1 1.5",
        pacing.refused_token,
    ),
    Rule(
        "BUSY-NOT-HAMMERED",
        Level.MUST,
        "A message refused with 409 is not sent four times in a row within a second each.",
        "api_v1 2.2",
        pacing.busy_send,
    ),
    Rule(
        "UNKNOWN-TOLERATED",
        Level.MUST,
        "Event types and fields that the client does not know are ignored, and it goes on.",
        "api_v1 2.4",
        endings.tolerates_unknown,
    ),
    Rule(
        "GAP-NOTICED",
        Level.MUST,
        "When the first event is beyond the offset asked for, the client knows that events are "
        "lost to it: it says so, or reads the conversation.",
        "api_v1 2.3.6",
        rendering.gap_noticed,
        rendering=True,
    ),
    Rule(
        "SHOWN-ALL",
        Level.MUST,
        "Every event that was delivered is shown, of the types that the client shows at all.",
        "api_v1 2.3.2",
        rendering.complete,
        rendering=True,
    ),
    Rule(
        "SHOWN-LAST-BATCH",
        Level.MUST,
        "The events of the answer that tells the terminal status are shown, too.",
        "api_v1 2.3.8",
        rendering.last_batch,
        rendering=True,
    ),
    Rule(
        "SHOWN-ONCE",
        Level.MUST,
        "No event is shown twice, unless the client began again at 0.",
        "api_v1 2.3.1",
        rendering.once,
        rendering=True,
    ),
    Rule(
        "SHOWN-IN-ORDER",
        Level.MUST,
        "Events are shown in the order of their idx.",
        "api_v1 2.3.2",
        rendering.in_order,
        rendering=True,
    ),
    Rule(
        "RETRY-UNREADABLE",
        Level.SHOULD,
        "After a body that cannot be read, which API v1 forbids, the same offset is asked again.",
        "api_v1 1.2, 2.3.6",
        endings.retries_unreadable,
    ),
    Rule(
        "SINGLE-FLIGHT",
        Level.SHOULD,
        "A task is not polled again while a poll of it is being answered, for a second at least.",
        "api_v1 2.3.12",
        pacing.single_flight,
    ),
    Rule(
        "SANE-INTERVAL",
        Level.SHOULD,
        "Where there is nothing new, polls begin at least 100 ms apart in the median.",
        "api_v1 2.3",
        pacing.sane_interval,
    ),
    Rule(
        "BACK-OFF",
        Level.SHOULD,
        "While the server answers 5xx, the tries grow further apart, or are a second apart.",
        "api_v1 1.10",
        pacing.back_off,
    ),
    Rule(
        "RETRY-AFTER",
        Level.SHOULD,
        "No try comes before the time that `Retry-After` tells.",
        "RFC 9110 10.2.3",
        pacing.retry_after,
    ),
)

BY_ID = {rule.id: rule for rule in RULES}
