"""What a run of `pollux verify` says of a client: by rule, by scenario, and in one word."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pollux.replay.journal import Entry
from pollux.replay.verify.outcome import End, Level, Outcome, Result
from pollux.replay.verify.rules import RULES, Rule

FORMAT = 1

_WORST_FIRST = (
    Outcome.FAIL,
    Outcome.WARN,
    Outcome.PASS,
    Outcome.UNTESTABLE,
    Outcome.NOT_APPLICABLE,
)


class Verdict(StrEnum):
    """What a report says of a client, in one word."""

    #: All that is required was judged, and holds.
    CONFORMANT = "conformant"
    #: A MUST is broken.
    VIOLATED = "violated"
    #: Nothing required is broken, but not all of it could be judged.
    INCOMPLETE = "incomplete"


EXIT_CODES: Mapping[Verdict, int] = {
    Verdict.CONFORMANT: 0,
    Verdict.VIOLATED: 1,
    Verdict.INCOMPLETE: 3,
}


@dataclass(frozen=True)
class Visit:
    """What a client did in one scenario, and what is said of it.

    Attributes:
        scenario: Name of the scenario.
        sentence: What happened in it.
        faults: Its fault rules, one a line.
        stream: What was played: the name of a recording, or of a stream that was made.
        end: How it ended with the client.
        exit_code: The exit code of the client; None when it was ended from outside.
        seconds: How long it took.
        requests: What the client asked.
        shown: How many events it said it had shown.
        unfired: The fault rules that never fired.
        results: What the rules say.
        trouble: Why nothing could be judged; None when it could.
        last_words: What the client printed at the end.
    """

    scenario: str
    sentence: str
    faults: str
    stream: str
    end: End
    exit_code: int | None
    seconds: float
    requests: tuple[Entry, ...]
    shown: int
    unfired: tuple[str, ...]
    results: tuple[Result, ...]
    trouble: str | None = None
    last_words: str = ""

    def result(self, rule: str) -> Result:
        """Return what RULE says."""
        return next(result for result in self.results if result.rule == rule)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "name": self.scenario,
            "sentence": self.sentence,
            "faults": self.faults,
            "stream": self.stream,
            "end": self.end.value,
            "exit_code": self.exit_code,
            "seconds": round(self.seconds, 3),
            "shown": self.shown,
            "unfired": list(self.unfired),
            "trouble": self.trouble,
            "last_words": self.last_words,
            "results": [result.as_dict() for result in self.results],
            "requests": [entry.as_dict() for entry in self.requests],
        }


@dataclass(frozen=True)
class Standing:
    """What all scenarios together say of one rule.

    Attributes:
        rule: The rule.
        outcome: The worst that was found; a pass counts more than not having been testable.
        scenario: Where that was found; None when the rule spoke nowhere.
        result: What was found there.
    """

    rule: Rule
    outcome: Outcome
    scenario: str | None
    result: Result

    @property
    def red(self) -> bool:
        """Whether the rule is broken."""
        return self.outcome in (Outcome.FAIL, Outcome.WARN)

    @property
    def unproved(self) -> bool:
        """Whether something required could not be judged."""
        return self.outcome is Outcome.UNTESTABLE and self.rule.level is Level.MUST

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "id": self.rule.id,
            "level": self.rule.level.value,
            "sentence": self.rule.sentence,
            "source": self.rule.source,
            "outcome": self.outcome.value,
            "scenario": self.scenario,
            "detail": self.result.detail,
            "polls": list(self.result.polls),
        }


@dataclass(frozen=True)
class Report:
    """What is said of a client.

    Attributes:
        client: The command that starts it.
        recording: Name of the recording that was given.
        visits: The scenarios, in the order in which they were run.
        started_at: When the run began, ISO 8601.
        finished_at: When it ended.
        version: That of Pollux.
        complete: Whether all scenarios were run that were asked for.
        rendering: Whether what the client shows was to be judged, too.
    """

    client: str
    recording: str
    visits: Sequence[Visit]
    started_at: str
    finished_at: str
    version: str
    complete: bool = True
    rendering: bool = True

    @property
    def standings(self) -> list[Standing]:
        """What is said by each rule, in the order of the rules."""
        judged = [rule for rule in RULES if self.rendering or not rule.rendering]
        return [self._standing(rule) for rule in judged] if self.visits else []

    @property
    def verdict(self) -> Verdict:
        """The word for all of it; never a good one from nothing."""
        standings = self.standings
        if any(standing.outcome is Outcome.FAIL for standing in standings):
            return Verdict.VIOLATED
        proved = any(standing.outcome is Outcome.PASS for standing in standings)
        trouble = any(visit.trouble for visit in self.visits)
        unproved = any(standing.unproved for standing in standings)
        if not proved or trouble or unproved or not self.complete:
            return Verdict.INCOMPLETE
        return Verdict.CONFORMANT

    @property
    def exit_code(self) -> int:
        """The exit code of the command."""
        return EXIT_CODES[self.verdict]

    def visit(self, scenario: str) -> Visit:
        """Return what happened in SCENARIO."""
        return next(visit for visit in self.visits if visit.scenario == scenario)

    def counts(self) -> dict[str, dict[str, int]]:
        """Return how many rules of each level have which outcome."""
        found = Counter((standing.rule.level, standing.outcome) for standing in self.standings)
        return {
            level.value: {outcome.value: found[level, outcome] for outcome in Outcome}
            for level in Level
        }

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON data; see ``schemas/verify-report.schema.json``."""
        return {
            "pollux_verify_report": FORMAT,
            "client": self.client,
            "recording": self.recording,
            "verdict": self.verdict.value,
            "complete": self.complete,
            "rendering": self.rendering,
            "counts": self.counts(),
            "rules": [standing.as_dict() for standing in self.standings],
            "scenarios": [visit.as_dict() for visit in self.visits],
            "started_at": self.started_at,
            "finished_at": self.finished_at,
            "pollux_version": self.version,
        }

    def _standing(self, rule: Rule) -> Standing:
        found = [(visit.scenario, visit.result(rule.id)) for visit in self.visits]
        scenario, result = min(found, key=lambda one: _WORST_FIRST.index(one[1].outcome))
        spoke = result.outcome is not Outcome.NOT_APPLICABLE
        return Standing(rule, result.outcome, scenario if spoke else None, result)
