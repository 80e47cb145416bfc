"""The values a script is made of: statements, turns, and the script itself."""

import re
from dataclasses import dataclass, field
from typing import ClassVar

from pollux.scripted_model.texts import auto_chunks

MAX_CHUNKS = 100_000
"""Most chunks of one ``say COUNT`` or ``think COUNT``."""
MAX_TIMES = 1000
"""Most tries of one ``times COUNT``."""
MAX_PAUSE_MS = 600_000
"""Longest ``pause``, in milliseconds."""
MAX_SHRED = 65_536
"""Largest piece of ``shred``, in bytes."""
MAX_TOKENS = 1_000_000_000
"""Most tokens of ``usage``."""
MAX_RETRY_AFTER_MS = 86_400_000
"""Longest ``retry-after``, in milliseconds."""

FINISH_REASONS = ("stop", "length", "tool_calls", "content_filter", "function_call")
NAME_PATTERN = re.compile(r"[A-Za-z0-9_.:-]{1,100}")
"""What names of holds, ids of scripts and error codes look like."""


class StatementError(ValueError):
    """A statement that says something impossible, or stands where it can never be played.

    Attributes:
        position: Index of the statement in its turn, None when the statement itself is wrong.
    """

    def __init__(self, message: str, position: int | None = None) -> None:
        super().__init__(message)
        self.position = position


def _check_range(what: str, number: int, low: int, high: int) -> None:
    if not low <= number <= high:
        raise StatementError(f"{what} must lie between {low} and {high}, not at {number}")


def _check_name(what: str, name: str) -> None:
    if not NAME_PATTERN.fullmatch(name):
        raise StatementError(
            f"{what} is made of at most 100 letters, digits and _ . : -, not {name[:40]!r}"
        )


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise StatementError("half of a surrogate pair is not a character") from error


@dataclass(frozen=True, slots=True)
class _Chunks:
    """A number of automatic chunks, or exact texts (an empty text is an empty chunk)."""

    chunks: int | tuple[str, ...]
    prefix: ClassVar[str]

    def __post_init__(self) -> None:
        if isinstance(self.chunks, int):
            _check_range("the number of chunks", self.chunks, 1, MAX_CHUNKS)
        elif not self.chunks:
            raise StatementError("nothing to say: give a number of chunks, or their texts")
        else:
            for text in self.chunks:
                _check_text(text)

    def texts(self, start: int) -> tuple[str, ...]:
        """Return the texts; START numbers the first automatic chunk."""
        if isinstance(self.chunks, int):
            return tuple(auto_chunks(self.chunks, start=start, prefix=self.prefix))
        return self.chunks

    @property
    def automatic(self) -> int:
        """How many automatic chunks this is."""
        return self.chunks if isinstance(self.chunks, int) else 0


@dataclass(frozen=True, slots=True)
class Say(_Chunks):
    """``say``: chunks of the answer."""

    prefix: ClassVar[str] = "w"


@dataclass(frozen=True, slots=True)
class Think(_Chunks):
    """``think``: chunks of reasoning."""

    prefix: ClassVar[str] = "t"


@dataclass(frozen=True, slots=True)
class Call:
    """``call``: one tool call.

    Attributes:
        name: Name of the tool; None is *any* safe tool that the request offers.
        arguments: The text of the arguments, sent as it stands; None makes them from the
            JSON schema of the tool.
        split: Byte offsets in the UTF-8 of ``arguments`` at which they are cut into chunks. An
            offset inside a character moves to its first byte: JSON carries whole characters.
    """

    name: str | None
    arguments: str | None = "{}"
    split: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.name is not None:
            if not self.name:
                raise StatementError("a tool has a name")
            _check_text(self.name)
        if self.name is None and self.arguments is not None:
            raise StatementError("'call any' makes its own arguments")
        if self.arguments is not None:
            _check_text(self.arguments)
        length = None if self.arguments is None else len(self.arguments.encode())
        previous = 0
        for offset in self.split:
            if offset <= previous:
                raise StatementError("the offsets of 'split' start at 1 and rise")
            if length is not None and offset >= length:
                raise StatementError(
                    f"the arguments are {length} bytes long: they cannot be split at {offset}"
                )
            previous = offset


@dataclass(frozen=True, slots=True)
class Pause:
    """``pause``: nothing happens for a while."""

    milliseconds: int

    def __post_init__(self) -> None:
        _check_range("a pause in milliseconds", self.milliseconds, 0, MAX_PAUSE_MS)


@dataclass(frozen=True, slots=True)
class Hold:
    """``hold``: nothing happens until the hold of this name is released."""

    name: str

    def __post_init__(self) -> None:
        _check_name("the name of a hold", self.name)


@dataclass(frozen=True, slots=True)
class Empty:
    """``empty``: the answer has no content."""


@dataclass(frozen=True, slots=True)
class Usage:
    """``usage``: the tokens reported for this answer."""

    prompt: int
    completion: int

    def __post_init__(self) -> None:
        _check_range("a number of tokens", self.prompt, 0, MAX_TOKENS)
        _check_range("a number of tokens", self.completion, 0, MAX_TOKENS)


@dataclass(frozen=True, slots=True)
class Finish:
    """``finish``: the finish reason of this answer."""

    reason: str

    def __post_init__(self) -> None:
        if self.reason not in FINISH_REASONS:
            raise StatementError(
                f"{self.reason[:40]!r} is no finish reason; there are {', '.join(FINISH_REASONS)}"
            )


@dataclass(frozen=True, slots=True)
class Shred:
    """``shred``: the bytes of this answer travel in pieces of ``size`` bytes."""

    size: int

    def __post_init__(self) -> None:
        _check_range("the size of a piece in bytes", self.size, 1, MAX_SHRED)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fault:
    """Something that goes wrong, on the first ``times`` tries of a turn or (None) on every one."""

    times: int | None = None

    def __post_init__(self) -> None:
        if self.times is not None:
            _check_range("'times'", self.times, 1, MAX_TIMES)


@dataclass(frozen=True, slots=True)
class Error(_Fault):
    """``error``: an HTTP error instead of an answer."""

    status: int
    text: str | None = None
    retry_after_ms: int | None = None
    code: str | None = None

    def __post_init__(self) -> None:
        _Fault.__post_init__(self)
        _check_range("the status of an error", self.status, 400, 599)
        if self.text is not None:
            _check_text(self.text)
        if self.retry_after_ms is not None:
            _check_range(
                "'retry-after' in milliseconds", self.retry_after_ms, 0, MAX_RETRY_AFTER_MS
            )
        if self.code is not None:
            _check_name("the code of an error", self.code)


@dataclass(frozen=True, slots=True)
class Fail(_Fault):
    """``fail``: an error event in the midst of the stream, which ends with it."""

    text: str | None = None

    def __post_init__(self) -> None:
        _Fault.__post_init__(self)
        if self.text is not None:
            _check_text(self.text)


@dataclass(frozen=True, slots=True)
class Break(_Fault):
    """``break``: the connection is cut."""


@dataclass(frozen=True, slots=True)
class EndEarly(_Fault):
    """``end-early``: the stream ends in good order, but without a finish reason."""


@dataclass(frozen=True, slots=True)
class Malformed(_Fault):
    """``malformed``: a chunk that is not JSON; the stream goes on after it."""


Ending = Error | Fail | Break | EndEarly
"""The faults after which nothing follows."""
Fault = Ending | Malformed
"""The statements that take ``times``."""
Statement = Say | Think | Call | Pause | Hold | Empty | Usage | Finish | Shred | Fault

_CONTENT = (Say, Think, Call)
_ANSWERS = (Say, Think, Call, Empty, Error, Fail, Break, EndEarly, Malformed)
_SETTINGS = (Usage, Finish, Shred, Empty)


@dataclass(frozen=True, slots=True)
class Turn:
    """One answer of the model.

    Attributes:
        statements: What happens, in order.
        repeat: This turn answers every later call of the model, too.
    """

    statements: tuple[Statement, ...]
    repeat: bool = False

    def __post_init__(self) -> None:
        if not any(isinstance(statement, _ANSWERS) for statement in self.statements):
            raise StatementError("this turn answers nothing; write 'empty' if that is meant")
        is_empty = any(isinstance(statement, Empty) for statement in self.statements)
        seen: set[type[Statement]] = set()
        ended = False
        for position, statement in enumerate(self.statements):
            if ended:
                raise StatementError("nothing is played after the fault before it", position)
            if isinstance(statement, _SETTINGS) and type(statement) in seen:
                raise StatementError("this stands twice in its turn", position)
            if isinstance(statement, _CONTENT) and is_empty:
                raise StatementError("a turn with 'empty' has no content", position)
            if isinstance(statement, Error) and seen.intersection((*_CONTENT, Malformed)):
                raise StatementError(
                    "an HTTP error comes before anything is said; 'fail' is an error afterwards",
                    position,
                )
            seen.add(type(statement))
            ended = isinstance(statement, Ending) and statement.times is None

    def said(self) -> list[str]:
        """Return the texts of every ``say`` of this turn, in order, empty ones too."""
        return self._texts(Say)

    def thought(self) -> list[str]:
        """Return the texts of every ``think`` of this turn, in order, empty ones too."""
        return self._texts(Think)

    def _texts(self, kind: type[Say] | type[Think]) -> list[str]:
        texts: list[str] = []
        automatic = 0
        for statement in self.statements:
            if isinstance(statement, kind):
                texts.extend(statement.texts(automatic + 1))
                automatic += statement.automatic
        return texts


@dataclass(frozen=True, slots=True)
class Script:
    """What the model answers, turn by turn.

    Attributes:
        turns: One for each call of the model in a run.
        id: The word after ``pollux-script``: tells two equal scripts apart.
        source: The text it was read from; two scripts are equal whatever theirs.
    """

    turns: tuple[Turn, ...]
    id: str | None = None
    source: str = field(default="", compare=False, repr=False)

    def __post_init__(self) -> None:
        if not self.turns:
            raise StatementError("a script has at least one turn")
        if any(turn.repeat for turn in self.turns[:-1]):
            raise StatementError("only the last turn can repeat")
        if self.id is not None:
            _check_name("the id of a script", self.id)

    def turn(self, index: int) -> Turn | None:
        """Return the turn of the model call INDEX (from 0), None past the end."""
        if index < len(self.turns):
            return self.turns[index]
        return self.turns[-1] if self.turns[-1].repeat else None
