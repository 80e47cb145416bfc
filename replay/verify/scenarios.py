"""The situations that a client is put into: what is played, how, and what goes wrong."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial

from pollux.replay.errors import ReplayError
from pollux.replay.format import Record
from pollux.replay.verify import streams

#: A recording with fewer events is over before a scenario's faults come: one is made instead.
FEWEST_EVENTS = 24

_OFFSETS = ("OFFSET-AS-TOLD", "OFFSET-NO-REWIND", "OFFSET-NO-SKIP")
_ENDS = ("UNTIL-TERMINAL", "TERMINAL-STOPS")
_SHOWN = ("SHOWN-ALL", "SHOWN-LAST-BATCH", "SHOWN-ONCE", "SHOWN-IN-ORDER")


@dataclass(frozen=True)
class Scenario:
    """One situation.

    Attributes:
        name: What it is called on the command line.
        sentence: What happens.
        rules: Which rules it can judge.
        faults: The fault rules, one a line.
        stream: Returns the records that are played; None: the recording that was given.
        clock: ``poll`` (each poll brings the next share of the events, so that the same happens
            on every machine), or ``wall`` where the rules are about time.
        polls: With the poll clock: how many polls the events are shared out over.
        ring: Events kept; None: as many as the recorded server kept.
        busy: Whether another task of the same user is live when the client sends its message.
    """

    name: str
    sentence: str
    rules: tuple[str, ...]
    faults: str = ""
    stream: Callable[[], Iterable[Record]] | None = None
    clock: str = "poll"
    polls: int = 10
    ring: int | None = None
    busy: bool = False


SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        "calm",
        "Nothing goes wrong.",
        (*_OFFSETS, *_ENDS, *_SHOWN),
    ),
    Scenario(
        "slow",
        "Two answers take a second and a half, and then ten polls bring nothing new.",
        ("SANE-INTERVAL", "SINGLE-FLIGHT", *_OFFSETS),
        faults="poll 3..4 -> latency 1500ms\npoll 5 -> empty-polls 10",
    ),
    Scenario(
        "bursts",
        "400 events at once, three times.",
        (*_OFFSETS, *_SHOWN),
        stream=streams.bursts,
        clock="wall",
    ),
    Scenario(
        "gap",
        "The client is away too long: the server keeps 40 events, and 60 come between two polls.",
        ("GAP-NOTICED", *_OFFSETS),
        stream=partial(streams.words, 300),
        polls=5,
        ring=40,
    ),
    Scenario(
        "storm",
        "The server answers 503 three times in a row, later once with Retry-After: 2.",
        ("BACK-OFF", "RETRY-AFTER", "RETRY-SAME-OFFSET", *_OFFSETS),
        faults="poll 3..5 -> status 503\npoll 8 -> status 503 retry-after=2",
    ),
    Scenario(
        "resets",
        "The connection is reset three times.",
        ("RETRY-SAME-OFFSET", *_OFFSETS, "SHOWN-ONCE"),
        faults="poll 3 -> reset\npoll 6..7 -> reset",
    ),
    Scenario(
        "hang",
        "An answer hangs for six seconds, and is never given.",
        ("RETRY-SAME-OFFSET", *_OFFSETS),
        faults="poll 4 -> hang 6s",
    ),
    Scenario(
        "malformed",
        "One answer is no JSON, another one ends in the middle.",
        ("RETRY-UNREADABLE", "RETRY-SAME-OFFSET", *_OFFSETS, "SHOWN-ONCE"),
        faults="poll 3 -> malformed\npoll 6 -> truncate",
    ),
    Scenario(
        "refused",
        "In the middle the token is no longer taken: 401.",
        ("TOKEN-NOT-HAMMERED",),
        faults="poll 4.. -> unauthorized",
    ),
    Scenario(
        "busy",
        "Another task is live when the client sends its message: 409, for four seconds.",
        ("BUSY-NOT-HAMMERED",),
        busy=True,
    ),
    Scenario(
        "restart",
        "The server is restarted in the middle and does not know the task any more: 404.",
        ("GONE-STOPS",),
        faults="poll 5 -> epoch-reset",
    ),
    Scenario(
        "unknown",
        "Events have types and fields that API v1 does not name.",
        ("UNKNOWN-TOLERATED", *_OFFSETS, *_ENDS),
        stream=streams.strange,
    ),
    Scenario(
        "late-terminal",
        "The status tells the end three polls after the last event.",
        _ENDS,
        faults="terminal -> late-terminal 3",
        stream=streams.words,
    ),
    Scenario(
        "empty",
        "The task succeeds without an event.",
        _ENDS,
        stream=streams.nothing,
        clock="wall",
    ),
)

BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}


class NoSuchScenario(ReplayError):
    """A scenario was asked for that there is not; the message names those that there are."""


def choose(names: Iterable[str], faults: str | None = None) -> list[Scenario]:
    """Return the scenarios of these NAMES, and one under the given FAULTS; without both, all.

    Args:
        names: Names of scenarios; each is taken once.
        faults: Fault rules, one a line; None: there is no such scenario.

    Raises:
        NoSuchScenario: when a name is unknown.
    """
    chosen: list[Scenario] = []
    for name in dict.fromkeys(names):
        if name not in BY_NAME:
            near = get_close_matches(name, BY_NAME, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise NoSuchScenario(
                f"there is no scenario {name!r}{hint}; there are {', '.join(BY_NAME)}"
            )
        chosen.append(BY_NAME[name])
    if faults is not None:
        chosen.append(Scenario("faults", "The fault rules that were given.", (), faults=faults))
    return chosen or list(SCENARIOS)
