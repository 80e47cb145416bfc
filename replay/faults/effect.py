"""What an effect is: the base classes of everything in ``effects/``, by where they strike.

An answer passes them in this order: a :class:`Refusal` takes the place of the answer; or else
:class:`Lasting` effects change the story of the task for good, and :class:`Passing` ones this
answer's part of it. A :class:`Form` changes bytes and headers, a :class:`OnTheLine` the way they
go over the network.
"""

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from inspect import getdoc
from typing import TYPE_CHECKING, Any, ClassVar

from werkzeug.datastructures import Headers

from pollux.replay.faults.triggers import Asked, Truth
from pollux.replay.faults.values import Kind
from pollux.replay.format import dumps
from pollux.serving import CutConnection

if TYPE_CHECKING:
    from pollux.replay.faults.story import Story, Told
    from pollux.replay.session import Session


@dataclass
class Answer:
    """An answer on its way to the client.

    Attributes:
        status: HTTP status.
        headers: All but the length of the body, which is told as it is.
        body: The whole body.
    """

    status: int
    headers: Headers
    body: bytes


def envelope(status: int, error: str, **headers: str) -> Answer:
    """Return a failure as API v1 wants it (api_v1 1.2), HEADERS in snake case."""
    answer = Answer(status, Headers(), dumps({"success": False, "error": error}))
    answer.headers["Content-Type"] = "application/json"
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Access-Control-Allow-Origin"] = "*"
    # A page of another origin reads only these, and those few that are always allowed.
    answer.headers["Access-Control-Expose-Headers"] = "Retry-After, WWW-Authenticate"
    for name, value in headers.items():
        answer.headers[name.replace("_", "-").title()] = value
    return answer


@dataclass(frozen=True)
class Strike:
    """One firing of a rule.

    Attributes:
        asked: The request that it hits.
        truth: What would be answered; None unless it is a poll that would be answered well.
        named: The events that the triggers of the rule are about.
        random: Chance, the same for the same seed, rule and request.
    """

    asked: Asked
    truth: Truth | None
    named: tuple[int, ...]
    random: random.Random


class Line:
    """The connection to the client.

    Args:
        wait: Waits so many seconds; False when the client is gone or the server stops.
    """

    def __init__(self, wait: Callable[[float], bool]) -> None:
        self._wait = wait

    def wait(self, milliseconds: float) -> None:
        """Let time pass.

        Raises:
            CutConnection: when the client is gone, or the server stops.
        """
        if milliseconds > 0 and not self._wait(milliseconds / 1000):
            raise CutConnection


@dataclass(frozen=True)
class Effect(ABC):
    """What goes wrong when a rule fires. Its fields are the parameters that a rule can give.

    The docstring says in its first paragraph what the server does, in its second whom it hurts.

    Attributes:
        name: Its name in rules: that of its module.
        aliases: Other names that rules may use.
        example: A rule with it.
        lawful: Whether the client is told nothing that API v1 forbids; see :attr:`breaks`.
    """

    name: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()
    example: ClassVar[str]
    lawful: ClassVar[bool] = True

    @property
    def works(self) -> bool:
        """Whether the operation takes place although its answer suffers. Polls always do."""
        return True

    @property
    def breaks(self) -> bool:
        """Whether a client is told something that API v1 forbids."""
        return not self.lawful

    def fits(self, asked: Asked, truth: Truth | None) -> bool:
        """Tell whether the effect can hit this request; else the rule does not fire."""
        return not asked.is_preflight

    @classmethod
    def parameters(cls) -> Iterator[tuple[str, Kind, str, bool, Any]]:
        """Yield name, kind, meaning, whether the name may be left out, and default of each."""
        for field in fields(cls):
            told = field.metadata
            name = field.name.replace("_", "-")
            yield name, told["kind"], told["meaning"], told["bare"], field.default

    @classmethod
    def paragraphs(cls) -> list[str]:
        """Return the paragraphs of its description, each on one line."""
        return [" ".join(part.split()) for part in (getdoc(cls) or "").split("\n\n")]

    def __str__(self) -> str:
        """Return it as it is written, without what needs no mention."""
        words = [self.name]
        for name, kind, _, bare, default in self.parameters():
            value = getattr(self, name.replace("-", "_"))
            if value is None or (value == default and not bare):
                continue
            values = value if isinstance(value, tuple) else (value,)
            words += [(f"{name}=" if not bare else "") + kind.show(each) for each in values]
        return " ".join(words)


class Refusal(Effect):
    """Something else is answered, and the operation does not take place."""

    @property
    def works(self) -> bool:
        """Say no."""
        return False

    def strike(self, session: "Session") -> None:
        """Do to the server what lasts."""

    @abstractmethod
    def answer(self, strike: Strike) -> Answer:
        """Return what is answered instead."""


class OfPolls(Effect):
    """Hits polls that would be answered well."""

    def fits(self, asked: Asked, truth: Truth | None) -> bool:
        """Tell whether it is one."""
        return truth is not None


class Lasting(OfPolls):
    """Changes what the task tells from now on."""

    @abstractmethod
    def change(self, story: "Story", truth: Truth, strike: Strike) -> None:
        """Change STORY, before the answer is told from it.

        Args:
            story: What the task tells.
            truth: What would be answered.
            strike: The firing.
        """


class Passing(OfPolls):
    """Changes what one answer tells."""

    lawful = False

    @abstractmethod
    def retell(self, told: "Told", story: "Story", strike: Strike) -> None:
        """Change TOLD, the answer to a poll."""


class Form(Effect):
    """Changes the bytes and headers of an answer."""

    lawful = False

    @abstractmethod
    def reform(self, answer: Answer, strike: Strike) -> None:
        """Change ANSWER."""


class OnTheLine(Effect):
    """Changes the way that an answer takes over the network."""

    @abstractmethod
    def send(
        self, pieces: Iterable[bytes], answer: Answer, line: Line, strike: Strike
    ) -> Iterator[bytes]:
        """Yield the pieces of the body as they are sent.

        The head goes before the first piece, an empty one included. CutConnection closes the
        connection, ResetConnection resets it.

        Args:
            pieces: As they would be sent.
            answer: The answer that they are the body of.
            line: The connection.
            strike: The firing.
        """
