"""Walks over the tokens of one line of a script, and says where an error is."""

import re
from decimal import Decimal
from difflib import get_close_matches

from pollux.scripted_model.lexer import LexError, TokenKind, tokens_of

_COUNT = re.compile(r"\d{1,12}")
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)([a-z]*)")


class ScriptError(ValueError):
    """A script that cannot be read.

    Attributes:
        line: Line of the script, the one with ``pollux-script`` being 1.
        column: Where in that line, from 1.
        word: What stands there (cut to 40 characters), "" at the end of the line.
    """

    def __init__(self, message: str, line: int, column: int, word: str) -> None:
        place = f"line {line}, column {column}" + (f" ({word!r})" if word else "")
        super().__init__(f"script {place}: {message}")
        self.line = line
        self.column = column
        self.word = word


class Cursor:
    """The tokens of one line, taken one after the other.

    Args:
        number: Number of the line in its script, from 1.
        text: The line.

    Raises:
        ScriptError: when the line cannot be cut into tokens.
    """

    def __init__(self, number: int, text: str) -> None:
        self.number = number
        self._text = text
        try:
            self._tokens = tokens_of(text)
        except LexError as error:
            raise ScriptError(str(error), number, error.column, error.word) from error
        self._at = 0

    def __bool__(self) -> bool:
        """Tell whether there are tokens left."""
        return self._at < len(self._tokens)

    def error(self, message: str, near: tuple[str, ...] = ()) -> ScriptError:
        """Make the error of the token that comes next; NEAR are the words it may have meant."""
        if not self:
            return ScriptError(message, self.number, len(self._text) + 1, "")
        token = self._tokens[self._at]
        matches = get_close_matches(token.text[:40], near, n=1)
        if matches:
            message += f"; did you mean {matches[0]!r}?"
        return ScriptError(message, self.number, token.column, token.text[:40])

    def back_to(self, position: int) -> None:
        """Go back to the token POSITION (from 0), for an error there."""
        self._at = position

    def next_is(self, *words: str) -> bool:
        """Tell whether the next token is one of these words."""
        return self.next_is_a(TokenKind.WORD) and self._tokens[self._at].text in words

    def next_is_a(self, kind: TokenKind) -> bool:
        """Tell whether the next token is of this kind."""
        return bool(self) and self._tokens[self._at].kind is kind

    def next_is_count(self) -> bool:
        """Tell whether the next token is a whole number."""
        return self.next_is_a(TokenKind.WORD) and bool(
            _COUNT.fullmatch(self._tokens[self._at].text)
        )

    def take(self, kind: TokenKind, what: str) -> str:
        """Take a token of this kind; WHAT says in an error what is missing."""
        if not self.next_is_a(kind):
            raise self._missing(what)
        self._at += 1
        return self._tokens[self._at - 1].text

    def take_word(self, *words: str) -> bool:
        """Take the next token if it is one of these words, and tell whether it was."""
        taken = self.next_is(*words)
        self._at += taken
        return taken

    def take_count(self, what: str) -> int:
        """Take a whole number."""
        if not self.next_is_count():
            raise self._missing(what)
        return int(self.take(TokenKind.WORD, what))

    def take_milliseconds(self, what: str, units: dict[str, int]) -> int:
        """Take a duration: a number and a unit of UNITS (its name -> milliseconds)."""
        start = self._at
        number = _DURATION.fullmatch(self.take(TokenKind.WORD, what))
        if number is None or number.group(2) not in units:
            self.back_to(start)
            raise self._missing(what)
        milliseconds = Decimal(number.group(1)) * units[number.group(2)]
        if milliseconds != int(milliseconds):
            self.back_to(start)
            raise self.error("a duration is a whole number of milliseconds")
        return int(milliseconds)

    def end(self, near: tuple[str, ...] = ()) -> None:
        """Make sure that nothing is left; NEAR are the words that could have stood here."""
        if self:
            raise self.error("this word does not belong here", near)

    def _missing(self, what: str) -> ScriptError:
        return self.error(f"here belongs {what}" if self else f"{what} is missing")
