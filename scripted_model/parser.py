"""Reads the script out of the text of a chat message."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pollux.scripted_model.cursor import Cursor, ScriptError
from pollux.scripted_model.lexer import TokenKind
from pollux.scripted_model.script import (
    FINISH_REASONS,
    NAME_PATTERN,
    Break,
    Call,
    Empty,
    EndEarly,
    Error,
    Fail,
    Finish,
    Hold,
    Malformed,
    Pause,
    Say,
    Script,
    Shred,
    Statement,
    StatementError,
    Think,
    Turn,
    Usage,
)

BEGIN = "pollux-script"
END = "end-script"
_PAUSE_UNITS = {"ms": 1, "s": 1000}
_SECONDS = {"": 1000}


def parse_script(text: str) -> Script | None:
    """Return the script in the text of a message, None when there is none.

    The script is the block from a line ``pollux-script [ID]`` to a line ``end-script``, or to
    the end of the text. What stands before and after it is not looked at.

    Raises:
        ScriptError: for a word that is unknown or out of place, with the place and, where one
            is near, the right word.
    """
    block = _block_of(text)
    if not block:
        return None
    cursors = [Cursor(number, line) for number, line in enumerate(block, start=1)]
    script_id = _read_header(cursors[0])
    turns = list(_read_turns(cursors[1:]))
    try:
        return Script(tuple(turns), script_id, "\n".join(block))
    except StatementError as error:
        raise ScriptError(str(error), 1, 1, BEGIN) from error


def _block_of(text: str) -> list[str]:
    """Return the lines of the block without its last one, [] when there is no block."""
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    words = [line.split(maxsplit=1)[:1] for line in lines]
    if [BEGIN] not in words:
        return []
    begin = words.index([BEGIN])
    end = words.index([END], begin) if [END] in words[begin:] else len(lines)
    return lines[begin:end]


def _read_header(cursor: Cursor) -> str | None:
    cursor.take(TokenKind.WORD, BEGIN)
    if not cursor:
        return None
    script_id = cursor.take(TokenKind.WORD, "the id of the script")
    if not NAME_PATTERN.fullmatch(script_id):
        cursor.back_to(1)
        raise cursor.error("an id is made of at most 100 letters, digits and _ . : -")
    cursor.end()
    return script_id


@dataclass
class _OpenTurn:
    """A turn whose end has not been read; ``cursors[0]`` is its line, then its statements'."""

    repeat: bool
    statements: list[Statement]
    cursors: list[Cursor]

    def close(self) -> Turn:
        try:
            return Turn(tuple(self.statements), self.repeat)
        except StatementError as error:
            cursor = self.cursors[0 if error.position is None else error.position + 1]
            cursor.back_to(0)
            raise cursor.error(str(error)) from error


def _read_turns(cursors: list[Cursor]) -> Iterator[Turn]:
    current: _OpenTurn | None = None
    for cursor in cursors:
        if not cursor:
            continue
        if cursor.next_is("turn"):
            if current is not None:
                if current.repeat:
                    raise cursor.error("no turn follows 'turn repeat'")
                yield current.close()
            current = _OpenTurn(_read_turn(cursor), [], [cursor])
            continue
        if current is None:
            current = _OpenTurn(False, [], [cursor])
        current.statements.append(_read_statement(cursor))
        current.cursors.append(cursor)
    if current is not None:
        yield current.close()


def _read_turn(cursor: Cursor) -> bool:
    cursor.take(TokenKind.WORD, "turn")
    repeat = cursor.take_word("repeat")
    cursor.end(("repeat",))
    return repeat


def _read_statement(cursor: Cursor) -> Statement:
    if not cursor.next_is(*_READERS):
        words = ("turn", *_READERS)
        raise cursor.error(
            f"this is no statement; there are {', '.join(words)}, and {END} at the end",
            (*words, END),
        )
    reader = _READERS[cursor.take(TokenKind.WORD, "a statement")]
    try:
        statement = reader(cursor)
    except StatementError as error:
        cursor.back_to(1)
        raise cursor.error(str(error)) from error
    return statement


def _chunks(cursor: Cursor) -> int | tuple[str, ...]:
    if cursor.next_is_count():
        count = cursor.take_count("a number of chunks")
        cursor.end()
        return count
    texts = [cursor.take(TokenKind.STRING, "a number of chunks, or texts in quotes")]
    while cursor:
        texts.append(cursor.take(TokenKind.STRING, "a text in quotes"))
    return tuple(texts)


def _call(cursor: Cursor) -> Call:
    name: str | None
    arguments: str | None
    if cursor.take_word("any"):
        name = arguments = None
        options: tuple[str, ...] = ("split",)
    else:
        kind = TokenKind.STRING if cursor.next_is_a(TokenKind.STRING) else TokenKind.WORD
        name = cursor.take(kind, "the name of a tool, or any")
        arguments = _arguments(cursor)
        options = ("raw", "auto", "split")
    split: list[int] = []
    if cursor.take_word("split"):
        split.append(cursor.take_count("a byte offset"))
        while cursor:
            split.append(cursor.take_count("a byte offset"))
    cursor.end(options)
    return Call(name, arguments, tuple(split))


def _arguments(cursor: Cursor) -> str | None:
    if cursor.next_is_a(TokenKind.OBJECT):
        return cursor.take(TokenKind.OBJECT, "the arguments")
    if cursor.take_word("auto"):
        return None
    if cursor.take_word("raw"):
        return cursor.take(TokenKind.STRING, "the arguments as a text in quotes")
    return "{}"


def _error(cursor: Cursor) -> Error:
    status = cursor.take_count("the status of the error")
    text: str | None = None
    times: int | None = None
    retry_after: int | None = None
    code: str | None = None
    while cursor:
        if text is None and cursor.next_is_a(TokenKind.STRING):
            text = cursor.take(TokenKind.STRING, "the text of the error")
        elif times is None and cursor.take_word("times"):
            times = cursor.take_count("how many times")
        elif retry_after is None and cursor.take_word("retry-after"):
            retry_after = cursor.take_milliseconds("a number of seconds", _SECONDS)
        elif code is None and cursor.take_word("code"):
            code = cursor.take(TokenKind.WORD, "the code of the error")
        else:
            cursor.end(("times", "retry-after", "code"))
    return Error(status, text, retry_after, code, times=times)


def _fail(cursor: Cursor) -> Fail:
    text = None
    if cursor.next_is_a(TokenKind.STRING):
        text = cursor.take(TokenKind.STRING, "the text of the error")
    return Fail(text, times=_times(cursor))


def _times(cursor: Cursor) -> int | None:
    times = cursor.take_count("how many times") if cursor.take_word("times") else None
    cursor.end(("times",))
    return times


def _pause(cursor: Cursor) -> Pause:
    pause = Pause(cursor.take_milliseconds("a time as 200ms or 1.5s", _PAUSE_UNITS))
    cursor.end()
    return pause


def _hold(cursor: Cursor) -> Hold:
    hold = Hold(cursor.take(TokenKind.WORD, "the name of the hold"))
    cursor.end()
    return hold


def _empty(cursor: Cursor) -> Empty:
    cursor.end()
    return Empty()


def _usage(cursor: Cursor) -> Usage:
    prompt = cursor.take_count("the number of prompt tokens")
    usage = Usage(prompt, cursor.take_count("the number of completion tokens"))
    cursor.end()
    return usage


def _finish(cursor: Cursor) -> Finish:
    if not cursor.next_is(*FINISH_REASONS):
        raise cursor.error(f"here belongs one of {', '.join(FINISH_REASONS)}", FINISH_REASONS)
    finish = Finish(cursor.take(TokenKind.WORD, "a finish reason"))
    cursor.end()
    return finish


def _shred(cursor: Cursor) -> Shred:
    shred = Shred(cursor.take_count("the size of a piece in bytes"))
    cursor.end()
    return shred


_READERS: dict[str, Callable[[Cursor], Statement]] = {
    "think": lambda cursor: Think(_chunks(cursor)),
    "say": lambda cursor: Say(_chunks(cursor)),
    "call": _call,
    "pause": _pause,
    "hold": _hold,
    "error": _error,
    "fail": _fail,
    "break": lambda cursor: Break(times=_times(cursor)),
    "end-early": lambda cursor: EndEarly(times=_times(cursor)),
    "malformed": lambda cursor: Malformed(times=_times(cursor)),
    "empty": _empty,
    "usage": _usage,
    "finish": _finish,
    "shred": _shred,
}
