"""One sequence of calls, played on a server and held against the model of it step by step."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pollux.conformance.errors import CannotVerifyError
from pollux.conformance.machine.blame import Blame
from pollux.conformance.machine.ledger import Ledger
from pollux.conformance.machine.model import World
from pollux.conformance.stage import Stage, Task, User
from pollux.polling.breach import Breach
from pollux.polling.exchange import Exchange
from pollux.schemas.requirements import load_requirements

#: How many names for prompts and personalizations there are, see :meth:`Play.name`.
MOST_NAMES = 5
#: In place of the number of a conversation: the id of none.
NOBODYS = 99
_LONGEST_NAME = 64


@dataclass(frozen=True)
class Step:
    """One call by its name, with small numbers for who calls and for what.

    The numbers mean the same on every server and in every run: the ids that a server makes are
    not among them.
    """

    action: str
    arguments: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return the step as it would be called."""
        return f"{self.action}({', '.join(f'{k}={v}' for k, v in self.arguments.items())})"


@dataclass(frozen=True)
class Line:
    """What a reader has to do to repeat one request.

    Attributes:
        exchange: The request.
        takes: Shell variables that later lines need, and the fields of the answer they hold.
        until: It is repeated until its answer has this, as grep -E finds it; "": once.
        release: In place of a request: the hold of the scripted model to be opened.
    """

    exchange: Exchange | None
    takes: Mapping[str, str] = field(default_factory=dict)
    until: str = ""
    release: str | None = None


class Play:
    """A stage of its own for one sequence.

    Nothing of an earlier sequence is met again: names and folders are new, no task is live.

    Args:
        stage: The stage of the check.

    Attributes:
        stage: The stage of the sequence, with clients of its own.
        ledger: What it is judged with.
        world: The model.
        base: The beginning of all names.
        tasks: All accepted tasks, by id.
        lines: How to repeat what was done.
        names: What stands for shell variables: ids, and the base of the names.
    """

    def __init__(self, stage: Stage) -> None:
        self.ledger = Ledger(stage.judge, load_requirements())
        self.stage = Stage(
            stage.target,
            self.ledger,
            stage.pulse,
            stage.model if stage.scripted else None,
            "",
        )
        self.world = World(len(self.stage.users))
        self.base = self.stage.name()
        self.tasks: dict[str, Task] = {}
        self.lines: list[Line] = []
        self.names: dict[str, str] = {self.base: "$N"}
        self._holds: list[str] = []
        self._number = 0

    def close(self) -> None:
        """End what is live, delete what can be deleted."""
        for name in self._holds:
            self.stage.model.holds.release(name)
        self.stage.close()

    def settle(self) -> Breach | None:
        """Judge what only all the polls of a task together show."""
        try:
            self.ledger.finish()
        except CannotVerifyError:
            if not self.ledger.breaches:
                raise
        return self.breach

    @property
    def breach(self) -> Breach | None:
        """The first thing that was seen broken."""
        return self.ledger.breaches[0] if self.ledger.breaches else None

    # -- what actions need --------------------------------------------------------------

    def user(self, number: int) -> User:
        """Return a user; where there is only one, it is every one."""
        return self.stage.users[number % len(self.stage.users)]

    def number(self, user: int) -> int:
        """Return the number that the model knows a user by."""
        return user % len(self.stage.users)

    def name(self, number: int) -> str:
        """Return one of the names for prompts and personalizations.

        Some are the beginning of others, two are as long as a name may be and differ at the end.
        """
        longest = self.base.ljust(_LONGEST_NAME - 1, "x")
        names = (self.base, f"{self.base}a", f"{self.base}ab", f"{longest}a", f"{longest}b")
        return names[number]

    def new_number(self) -> int:
        """Return a number that makes a text unlike all others of the sequence."""
        self._number += 1
        return self._number

    def hold_name(self) -> str:
        """Return the name of a new hold, which is released at the end."""
        name = f"{self.base}-h{len(self._holds) + 1}"
        self._holds.append(name)
        return name

    def sent(self, exchange: Exchange, **takes: tuple[str, str]) -> Exchange:
        """Note a request for who wants to repeat it.

        Args:
            exchange: The request.
            takes: Fields of its answer, with the letter of the shell variable that keeps them
                and what stands in them.
        """
        found = {}
        for field_name, (letter, value) in takes.items():
            if value not in self.names:
                number = sum(shown.startswith(f"${letter}") for shown in self.names.values()) + 1
                variable = f"{letter}{number:02}"
                self.names[value] = f"${variable}"
                found[variable] = field_name
        self.lines.append(Line(exchange, found))
        return exchange

    def check(
        self,
        blame: Blame | None,
        held: str | Sequence[str],
        message: str,
        by: Exchange | Sequence[Exchange],
    ) -> bool:
        """Note what the model says of an answer.

        Args:
            blame: What is wrong with it, if anything is.
            held: The rules that were looked at, and hold if nothing is.
            message: What was looked at.
            by: The exchanges that show it.

        Returns:
            Whether nothing is wrong.
        """
        if blame is None:
            for rule in (held,) if isinstance(held, str) else held:
                self.ledger.held(rule)
            return True
        return self.ledger.that(
            blame.rule, False, message, expected=blame.expected, got=blame.got, by=by
        )

    def status(self, exchange: Exchange, rule: str, message: str, *allowed: int) -> bool:
        """Note whether an answer has one of the ALLOWED statuses."""
        return self.ledger.that(
            rule,
            exchange.status in allowed,
            message,
            expected=" or ".join(map(str, allowed)),
            got=exchange.summary,
            by=exchange,
        )

    def absent(
        self,
        exchange: Exchange,
        message: str,
        rule: str,
        isolation: str | None = None,
        control: Callable[[], Exchange] | None = None,
    ) -> bool:
        """Note whether the answer about something that the user has not is a 404.

        Args:
            exchange: The answer.
            message: What was asked for.
            rule: The rule for what does not exist at all.
            isolation: The rule for what another user has, if one does.
            control: Asks for what does not exist at all: who shows something there, too, does
                not show what is another user's.
        """
        if isolation is not None and control is not None:
            shown = exchange.ok and not control().ok
            rule = isolation if shown or exchange.status == 404 else rule
        return self.status(exchange, rule, message, 404)
