"""Rules that say when what goes wrong, and what they have done so far."""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pollux.replay.faults.effect import Effect, Lasting, Passing, Refusal, Strike
from pollux.replay.faults.triggers import Asked, Chance, Trigger, Truth, chance

_MOST_FIRINGS = 1000


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        triggers: When it fires: all of them must hold.
        effect: What goes wrong then.
        times: How often it fires at most; None: as often as it may.
        label: The name in front of it; None without one.
    """

    triggers: tuple[Trigger, ...]
    effect: Effect
    times: int | None = None
    label: str | None = None

    @property
    def name(self) -> str:
        """What it is called in the journal: its label, or else its text."""
        return self.label or str(self)

    @property
    def once_a_task(self) -> bool:
        """Whether it fires once for each task at most."""
        return self.times is None and any(trigger.first_only for trigger in self.triggers)

    def holds(self, asked: Asked, truth: Truth | None) -> bool:
        """Tell whether the rule is for this request, chance and counts apart."""
        return self.effect.fits(asked, truth) and all(
            trigger.holds(asked, truth) for trigger in self.triggers
        )

    def __str__(self) -> str:
        """Return it as it is written; parsed again it is the same rule."""
        words = [str(trigger) for trigger in self.triggers]
        if self.times is not None:
            words.append("once" if self.times == 1 else f"times {self.times}")
        text = f"{' '.join(words)} -> {self.effect}"
        return f"{self.label}: {text}" if self.label else text


@dataclass(frozen=True)
class Firing:
    """A request at which a rule fired.

    Attributes:
        request: Its number in the journal.
        operation: Its operation id, or None.
        task_id: The task that it is about, or None.
        poll: Which poll of that task it is, or None.
    """

    request: int
    operation: str | None
    task_id: str | None
    poll: int | None


@dataclass
class _Count:
    fired: int = 0
    firings: list[Firing] = field(default_factory=list)
    tasks: set[str | None] = field(default_factory=set)

    def add(self, asked: Asked) -> None:
        self.fired += 1
        self.tasks.add(asked.task_id)
        if len(self.firings) < _MOST_FIRINGS:
            poll = asked.nth if asked.is_poll else None
            self.firings.append(Firing(asked.number, asked.operation, asked.task_id, poll))


class RuleSet:
    """The rules of one session, and how often each has fired; safe for threads.

    Args:
        rules: In the order in which they are looked at.
        seed: Of everything that is left to chance.

    Raises:
        ValueError: when two rules have the same name.
    """

    def __init__(self, rules: Iterable[Rule] = (), *, seed: int = 0) -> None:
        self.rules: Sequence[Rule] = tuple(rules)
        self.seed = seed
        names = [rule.name for rule in self.rules]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two rules are called {name!r}: give one another name in front")
        self._lock = threading.Lock()
        self._counts = {name: _Count() for name in names}

    def __bool__(self) -> bool:
        """Tell whether there are any rules."""
        return bool(self.rules)

    def __str__(self) -> str:
        """Return the rules as they are written, one a line."""
        return "\n".join(str(rule) for rule in self.rules)

    def fresh(self) -> "RuleSet":
        """Return the same rules, none of which has fired."""
        return RuleSet(self.rules, seed=self.seed)

    def strikes(self, asked: Asked, truth: Truth | None) -> list[tuple[Rule, Strike]]:
        """Return which rules fire at a request, in their order, and count them.

        When one puts something else in the place of the answer, those that would change what
        the answer tells do not fire, and wait for another one.

        Args:
            asked: The request.
            truth: What would be answered; None unless it is a poll that would be answered well.
        """
        if not self.rules:
            return []
        with self._lock:
            hit = [found for rule in self.rules if (found := self._strike(rule, asked, truth))]
            refused = next((pair for pair in hit if isinstance(pair[0].effect, Refusal)), None)
            if refused:
                hit = [
                    pair
                    for pair in hit
                    if pair is refused
                    or not isinstance(pair[0].effect, Refusal | Lasting | Passing)
                ]
            for rule, _ in hit:
                self._counts[rule.name].add(asked)
            return hit

    @property
    def effects(self) -> dict[str, str]:
        """The name of each rule's effect, by the name of the rule."""
        return {rule.name: rule.effect.name for rule in self.rules}

    def fired(self, name: str) -> int:
        """Return how often the rule called NAME has fired."""
        with self._lock:
            return self._counts[name].fired

    @property
    def never_fired(self) -> list[Rule]:
        """The rules that have not fired yet."""
        return [rule for rule in self.rules if not self.fired(rule.name)]

    def report(self) -> list[dict[str, Any]]:
        """Return for each rule ``name``, ``rule``, ``effect``, ``fired`` and ``at``, as JSON data.

        ``at`` names the requests (``request``, ``operation``, ``task_id``, ``poll``) at which it
        fired, the first 1000 of them.
        """
        with self._lock:
            return [
                {
                    "name": rule.name,
                    "rule": str(rule),
                    "effect": rule.effect.name,
                    "fired": self._counts[rule.name].fired,
                    "at": [asdict(firing) for firing in self._counts[rule.name].firings],
                }
                for rule in self.rules
            ]

    def summary(self) -> list[str]:
        """Return a line for each rule: at which polls or requests it fired, if it did."""
        return [_line(told) for told in self.report()]

    def _strike(self, rule: Rule, asked: Asked, truth: Truth | None) -> tuple[Rule, Strike] | None:
        count = self._counts[rule.name]
        if rule.times is not None and count.fired >= rule.times:
            return None
        if rule.once_a_task and asked.task_id in count.tasks:
            return None
        if not rule.holds(asked, truth):
            return None
        dice = chance(self.seed, str(rule), asked)
        for trigger in rule.triggers:
            if isinstance(trigger, Chance) and dice.random() >= trigger.probability:
                return None
        named = sorted({idx for t in rule.triggers if truth for idx in t.named(truth)})
        return rule, Strike(asked, truth, tuple(named), dice)


def _line(told: dict[str, Any]) -> str:
    label = told["rule"]
    if not told["fired"]:
        return f"{label}: never fired"
    polls = [str(at["poll"]) for at in told["at"] if at["poll"] is not None]
    others = [
        at["operation"] or ("a request" if at["request"] else "a preflight")
        for at in told["at"]
        if at["poll"] is None
    ]
    where = []
    if polls:
        where.append(f"at poll{'s' if len(polls) > 1 else ''} {_shortened(polls)}")
    if others:
        where.append(f"at {_shortened(others)}")
    times = "once" if told["fired"] == 1 else f"{told['fired']} times"
    return f"{label}: fired {times}, {' and '.join(where)}"


def _shortened(words: list[str], most: int = 20) -> str:
    shown = ", ".join(words[:most])
    return f"{shown} and more" if len(words) > most else shown
