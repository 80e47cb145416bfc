"""The kinds of values that fault rules are written with, each read from a word."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)(ms|s|m|h)")
_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}
_COUNT = re.compile(r"[0-9]{1,12}")
_BARE = re.compile(r"[\w./*?:+@%~^-]+", re.ASCII)


@dataclass(frozen=True)
class Kind:
    """One kind of value.

    Attributes:
        noun: What it is, for people: "a duration such as 2s".
        read: Returns the value of a word; raises ValueError, which says what is wrong.
        show: Returns the word of a value; :attr:`read` of it is the value again.
        words: The only words there are, when they can be listed.
    """

    noun: str
    read: Callable[[str], Any]
    show: Callable[[Any], str] = str
    words: Sequence[str] = ()


@dataclass(frozen=True)
class Span:
    """From FIRST to LAST, both included; without an end when LAST is None."""

    first: int
    last: int | None

    def __contains__(self, value: float) -> bool:
        """Tell whether VALUE lies in it."""
        return self.first <= value and (self.last is None or value <= self.last)

    @property
    def single(self) -> bool:
        """Whether it was written as one value."""
        return self.first == self.last


def read_duration(word: str) -> int:
    """Return the milliseconds that WORD says, such as ``500ms``, ``1.5s``, ``2m``."""
    found = _DURATION.fullmatch(word)
    if not found:
        raise ValueError(f"{word!r} is no duration: write it as 500ms, 2s, 1.5s or 3m")
    milliseconds = float(found[1]) * _UNITS[found[2]]
    if not milliseconds.is_integer():
        raise ValueError(f"{word!r} is no whole number of milliseconds")
    return int(milliseconds)


def show_duration(milliseconds: int) -> str:
    """Return MILLISECONDS as a word."""
    for unit in ("m", "s"):
        if milliseconds and milliseconds % _UNITS[unit] == 0:
            return f"{milliseconds // _UNITS[unit]}{unit}"
    return f"{milliseconds}ms"


def show_text(text: str) -> str:
    """Return TEXT as a word, in quotes when it needs them."""
    if _BARE.fullmatch(text) and text != "->":
        return text
    return json.dumps(text, ensure_ascii=False)


def count(least: int = 0, most: int = 10**12) -> Kind:
    """Return the kind of whole numbers from LEAST to MOST."""

    def read(word: str) -> int:
        if not _COUNT.fullmatch(word):
            raise ValueError(f"{word!r} is no whole number")
        if not least <= int(word) <= most:
            limit = f"from {least} on" if most == 10**12 else f"from {least} to {most}"
            raise ValueError(f"{word} is not allowed here: a number {limit}")
        return int(word)

    return Kind("a whole number" + (f" from {least} on" if least else ""), read)


def choice(*words: str) -> Kind:
    """Return the kind of values that are one of WORDS."""

    def read(word: str) -> str:
        if word not in words:
            raise ValueError(f"{word!r} is not allowed here: {' or '.join(words)}")
        return word

    return Kind(" or ".join(words), read, words=words)


def span(noun: str, value: Kind) -> Kind:
    """Return the kind of spans ``A``, ``A..B`` and ``A..`` whose ends are VALUEs."""

    def read(word: str) -> Span:
        first, dots, last = word.partition("..")
        try:
            found = Span(value.read(first), value.read(last if last else first))
        except ValueError:
            raise ValueError(f"{word!r} is not {noun}") from None
        if dots and not last:
            return Span(found.first, None)
        if found.last is not None and found.last < found.first:
            raise ValueError(f"{word!r} ends before it begins")
        return found

    def show(found: Span) -> str:
        if found.single:
            return value.show(found.first)
        end = "" if found.last is None else value.show(found.last)
        return f"{value.show(found.first)}..{end}"

    return Kind(noun, read, show)


def _read_probability(word: str) -> float:
    try:
        probability = float(word)
    except ValueError:
        probability = 0.0
    if not 0 < probability <= 1:
        raise ValueError(f"{word!r} is no probability: write a number above 0 and up to 1")
    return probability


def _read_flag(word: str) -> bool:
    return {"yes": True, "no": False}[choice("yes", "no").read(word)]


def _show_flag(flag: bool) -> str:
    return "yes" if flag else "no"


DURATION = Kind("a duration such as 500ms or 2s", read_duration, show_duration)
TEXT = Kind("a text", str, show_text)
YES_OR_NO = Kind("yes or no", _read_flag, _show_flag, words=("yes", "no"))
PROBABILITY = Kind("a number above 0 and up to 1", _read_probability, repr)
POLLS = span("a number or range of polls such as 3, 3..5 or 3..", count(1))
EVENTS = span("an idx or range of idx such as 300, 300..310 or 300..", count())
TIMES = span("a time or range of times such as 30s, 1m..2m or 30s..", DURATION)


def parameter(kind: Kind, meaning: str, *, bare: bool = False) -> Mapping[str, Any]:
    """Return the metadata of a dataclass field that can be given in a rule.

    Args:
        kind: How its value is written.
        meaning: What it does, in a few words.
        bare: Whether it may be given without its name. Such fields come first.
    """
    return {"kind": kind, "meaning": meaning, "bare": bare}
