"""Reads rules, ``[NAME:] TRIGGER... -> EFFECT ARGUMENT...``, one a line; see docs/faults.md."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any

from pollux.replay.errors import ReplayError
from pollux.replay.faults.effect import Effect
from pollux.replay.faults.registry import all_effects, find_effect
from pollux.replay.faults.rules import Rule, RuleSet
from pollux.replay.faults.triggers import TRIGGERS, Trigger
from pollux.replay.faults.values import Kind, count

_ARROW = "->"
_LABEL = re.compile(r"[A-Za-z][\w.-]*:", re.ASCII)
_KEY = re.compile(r"([a-z][a-z-]*)=", re.ASCII)
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_PLAIN = re.compile(r'[^\s";]+')
_LIMITS = ("once", "times")
_SHAPE = "a rule is TRIGGER... -> EFFECT ARGUMENT..., such as 'poll 3 -> status 503'"


class FaultSyntaxError(ReplayError):
    """A fault rule that is not understood.

    Args:
        place: Where the text comes from: a file name, an option.
        line: Number of the line, from 1.
        column: Of the character in the line, from 1.
        problem: What is wrong, and what would be right.
        text: The line.
    """

    def __init__(self, place: str, line: int, column: int, problem: str, text: str) -> None:
        pointer = "".join("\t" if c == "\t" else " " for c in text[: column - 1]) + "^"
        super().__init__(f"{place}, line {line}, column {column}: {problem}\n  {text}\n  {pointer}")
        self.line = line
        self.column = column
        self.problem = problem


@dataclass(frozen=True)
class _Word:
    """A word of a rule: its value without quotes, and where it stands."""

    value: str
    column: int
    quoted: bool = False
    key: str | None = None

    def is_(self, text: str) -> bool:
        return not self.quoted and self.value == text and self.key is None


class _Wrong(Exception):
    """What is wrong in a line, and at which column."""

    def __init__(self, column: int, problem: str) -> None:
        super().__init__(problem)
        self.column = column


def parse_rules(text: str, *, place: str = "the rules", seed: int = 0) -> RuleSet:
    """Return the rules of a text.

    Args:
        text: One rule a line, or several with ``;`` between them; ``#`` begins a comment.
        place: Where the text comes from, for errors.
        seed: Of everything that is left to chance.

    Raises:
        FaultSyntaxError: names line, column and, where there is one, the nearest right word.
    """
    return collect([(place, text)], seed=seed)


def collect(sources: Iterable[tuple[str, str]], *, seed: int = 0) -> RuleSet:
    """Return the rules of several texts as one set.

    Args:
        sources: Place and text of each.
        seed: Of everything that is left to chance.

    Raises:
        FaultSyntaxError: as :func:`parse_rules`.
    """
    rules: list[Rule] = []
    names: set[str] = set()
    for place, text in sources:
        for number, line in enumerate(text.split("\n"), start=1):
            try:
                for column, rule in _rules_of(line):
                    if rule.name in names:
                        hint = "give this one another name in front, 'NAME: ...'"
                        raise _Wrong(
                            column, f"there is a rule called {rule.name!r} already: {hint}"
                        )
                    names.add(rule.name)
                    rules.append(rule)
            except _Wrong as wrong:
                raise FaultSyntaxError(place, number, wrong.column, str(wrong), line) from None
    return RuleSet(rules, seed=seed)


def _rules_of(line: str) -> Iterator[tuple[int, Rule]]:
    words: list[_Word] = []
    for word in [*_words(line), _Word(";", len(line) + 1)]:
        if not word.is_(";"):
            words.append(word)
        elif words:
            yield words[0].column, _rule(words, end=word.column)
            words = []


def _words(line: str) -> Iterator[_Word]:
    at = 0
    while at < len(line):
        if line[at].isspace():
            at += 1
        elif line[at] == "#":
            return
        elif line[at] == ";":
            yield _Word(";", at + 1)
            at += 1
        else:
            word, at = _word(line, at)
            yield word


def _word(line: str, start: int) -> tuple[_Word, int]:
    key = _KEY.match(line, start)
    at = key.end() if key else start
    value, quoted = "", False
    while at < len(line):
        if plain := _PLAIN.match(line, at):
            value += plain[0]
            at = plain.end()
        elif line[at] == '"':
            text = _QUOTED.match(line, at)
            if not text:
                raise _Wrong(at + 1, "the quotation mark is not closed")
            try:
                value += json.loads(text[0], strict=False)
            except ValueError:
                raise _Wrong(at + 1, 'after \\ comes one of " \\ / b f n r t u') from None
            quoted = True
            at = text.end()
        else:
            break
    return _Word(value, start + 1, quoted, key[1] if key else None), at


def _rule(words: list[_Word], end: int) -> Rule:
    label = None
    if not words[0].quoted and _LABEL.fullmatch(words[0].value):
        label, words = words[0].value[:-1], words[1:]
    arrow = next((place for place, word in enumerate(words) if word.is_(_ARROW)), None)
    if arrow is None:
        raise _Wrong(words[0].column if words else end, f"there is no '->': {_SHAPE}")
    triggers, times = _conditions(words[:arrow], words[arrow].column)
    effect = _effect(words[arrow + 1 :], end)
    return Rule(triggers, effect, times, label)


def _conditions(words: list[_Word], end: int) -> tuple[tuple[Trigger, ...], int | None]:
    triggers: list[Trigger] = []
    times: int | None = None
    rest = iter(words)
    for word in rest:
        if word.key == "p":
            triggers.append(_built(TRIGGERS["p"], [_value(TRIGGERS["p"].kind, word)], word))
        elif word.is_("once") or word.is_("times"):
            if times is not None:
                raise _Wrong(word.column, "how often is said twice")
            times = 1 if word.is_("once") else _value(count(1), _next(rest, word, end))
        elif word.key is None and not word.quoted and word.value in TRIGGERS and word.value != "p":
            trigger = TRIGGERS[word.value]
            values = [] if trigger.kind is None else [_value(trigger.kind, _next(rest, word, end))]
            triggers.append(_built(trigger, values, word))
        else:
            known = [*(name for name in TRIGGERS if name != "p"), "p=", *_LIMITS]
            raise _Wrong(word.column, _unknown("trigger", word, known))
    if not triggers:
        raise _Wrong(end, f"it is not said when: write a trigger, or 'always'; {_SHAPE}")
    return tuple(triggers), times


def _effect(words: list[_Word], end: int) -> Effect:
    if not words:
        raise _Wrong(end, f"there is no effect behind '->': {_SHAPE}")
    name, *arguments = words
    effect = find_effect(name.value) if name.key is None else None
    if effect is None:
        raise _Wrong(name.column, _unknown("effect", name, all_effects()))
    given: dict[str, Any] = {}
    parameters = {parameter: kind for parameter, kind, *_ in effect.parameters()}
    bare = [parameter for parameter, _, _, is_bare, _ in effect.parameters() if is_bare]
    for word in arguments:
        parameter = word.key
        if parameter is None:
            if not bare:
                raise _Wrong(word.column, _no_argument(effect, word))
            parameter = bare.pop(0)
        elif parameter not in parameters:
            raise _Wrong(word.column, _unknown(f"parameter of {effect.name}", word, parameters))
        elif parameter in bare:
            bare.remove(parameter)
        value = _value(parameters[parameter], word)
        field = parameter.replace("-", "_")
        if _is_repeatable(effect, field):
            given[field] = (*given.get(field, ()), value)
        elif field in given:
            raise _Wrong(word.column, f"{parameter} is given twice")
        else:
            given[field] = value
    built: Effect = _built(effect, given, name)
    return built


def _is_repeatable(effect: type[Effect], name: str) -> bool:
    return any(field.name == name and field.default == () for field in fields(effect))


def _built(what: Any, given: Any, word: _Word) -> Any:
    try:
        return what(**given) if isinstance(given, dict) else what(*given)
    except ValueError as error:
        raise _Wrong(word.column, str(error)) from None


def _value(kind: Kind | None, word: _Word) -> Any:
    assert kind is not None
    try:
        return kind.read(word.value)
    except ValueError as error:
        nearest = _nearest(word.value, kind.words)
        raise _Wrong(word.column, f"{error}{nearest}") from None


def _next(rest: Iterator[_Word], word: _Word, end: int) -> _Word:
    found = next(rest, None)
    if found is None:
        kind = TRIGGERS[word.value].kind if word.value in TRIGGERS else count(1)
        raise _Wrong(end, f"behind {word.value!r} comes {kind.noun if kind else 'nothing'}")
    if found.key is not None:  # p=... cannot be a value, unless it is quoted
        return _Word(f"{found.key}={found.value}", found.column, found.quoted)
    return found


def _unknown(what: str, word: _Word, known: Iterable[str]) -> str:
    text = word.key if word.key is not None else word.value
    return f"there is no {what} {text!r}" + (
        _nearest(text, known) or f": there are {', '.join(known) or 'none'}"
    )


def _no_argument(effect: type[Effect], word: _Word) -> str:
    names = [name for name, *_ in effect.parameters()]
    if not names:
        return f"{effect.name} takes no argument, and here stands {word.value!r}"
    near = _nearest(word.value, names)
    return f"{word.value!r} says not what it is: {effect.name} takes {'=, '.join(names)}={near}"


def _nearest(text: str, known: Iterable[str]) -> str:
    near = get_close_matches(text, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""
