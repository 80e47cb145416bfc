"""Cuts one line of a script into words, JSON strings and JSON objects."""

import json
import re
from dataclasses import dataclass
from enum import Enum
from typing import NoReturn


class TokenKind(Enum):
    """What a token is."""

    WORD = "a word"
    STRING = "a JSON string"
    OBJECT = "a JSON object"


@dataclass(frozen=True, slots=True)
class Token:
    """One token of a line.

    Attributes:
        kind: What it is.
        text: The word, the value of the string, or the source of the object.
        column: Where it begins, from 1.
    """

    kind: TokenKind
    text: str
    column: int


class LexError(ValueError):
    """A line that cannot be cut into tokens; ``column`` (from 1) and ``word`` say where."""

    def __init__(self, message: str, column: int, word: str) -> None:
        super().__init__(message)
        self.column = column
        self.word = word


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
_BLANK = re.compile(r"[ \t]*")
_WORD = re.compile(r"[^\s\"{#][^\s]*")


def tokens_of(line: str) -> list[Token]:
    """Return the tokens of LINE; a ``#`` where a token could begin starts a comment.

    Raises:
        LexError: for JSON that does not parse, and for tokens without a blank between them.
    """
    found: list[Token] = []
    at = _skip_blanks(line, 0)
    while at < len(line) and line[at] != "#":
        token, end = _token_at(line, at)
        if end < len(line) and line[end] not in " \t":
            raise LexError("a blank is missing before this", end + 1, line[end:][:40])
        found.append(token)
        at = _skip_blanks(line, end)
    return found


def is_json_object(text: str) -> bool:
    """Tell whether TEXT is one JSON object on one line, as ``call`` takes it unquoted."""
    if not text.startswith("{") or "\n" in text or "\r" in text:
        return False
    try:
        _, end = _DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        return False
    return end == len(text)


def _skip_blanks(line: str, at: int) -> int:
    blank = _BLANK.match(line, at)
    return blank.end() if blank else at


def _token_at(line: str, at: int) -> tuple[Token, int]:
    if line[at] in '"{':
        try:
            value, end = _DECODER.raw_decode(line, at)
        except (ValueError, RecursionError) as error:
            reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            raise LexError(f"this is not JSON ({reason})", at + 1, line[at:][:40]) from error
        if isinstance(value, str):
            return Token(TokenKind.STRING, value, at + 1), end
        return Token(TokenKind.OBJECT, line[at:end], at + 1), end
    word = _WORD.match(line, at)
    if word is None:
        raise LexError("this character cannot begin a word", at + 1, line[at : at + 1])
    return Token(TokenKind.WORD, word.group(), at + 1), word.end()
