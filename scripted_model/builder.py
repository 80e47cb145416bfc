"""Writes scripts from Python: every helper returns a value, ``script`` returns the text."""

import json
import unicodedata
from collections.abc import Mapping, Sequence

from pollux.scripted_model.lexer import is_json_object
from pollux.scripted_model.parser import BEGIN, END
from pollux.scripted_model.script import (
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
    Think,
    Turn,
    Usage,
)


def script(*turns: Turn, id: str | None = None) -> str:
    """Return the text of a script of these turns, from ``pollux-script`` to ``end-script``.

    Args:
        turns: One for each call of the model; see ``turn``.
        id: Tells this script from an equal one, for counting tries and finding requests.

    Raises:
        StatementError: when the script cannot be played.
    """
    return render(Script(turns, id))


def turn(*statements: Statement, repeat: bool = False) -> Turn:
    """Make one turn; with REPEAT it answers every later model call, too."""
    return Turn(statements, repeat)


def say(*chunks: str | int) -> Say:
    """Say these texts, one chunk each, or a number of automatic chunks: ``say(1500)``."""
    return Say(_chunks(chunks))


def think(*chunks: str | int) -> Think:
    """Think these texts, one chunk each, or a number of automatic chunks: ``think(3)``."""
    return Think(_chunks(chunks))


def call(
    name: str,
    arguments: Mapping[str, object] | None = None,
    /,
    *,
    split: Sequence[int] = (),
    **keywords: object,
) -> Call:
    """Call a tool with these arguments, given as a mapping, as keywords, or both.

    Args:
        name: Name of the tool. It need not be one that the request offers.
        arguments: JSON-serialisable arguments.
        split: Byte offsets at which the text of the arguments is cut into chunks.
        keywords: Further arguments.
    """
    return Call(name, _json({**(arguments or {}), **keywords}), tuple(split))


def call_raw(name: str, arguments: str, /, *, split: Sequence[int] = ()) -> Call:
    """Call a tool with a text for arguments that need not be JSON."""
    return Call(name, arguments, tuple(split))


def call_auto(name: str, /, *, split: Sequence[int] = ()) -> Call:
    """Call a tool that the request offers, with arguments made from its JSON schema."""
    return Call(name, None, tuple(split))


def call_any(*, split: Sequence[int] = ()) -> Call:
    """Call any safe tool that the request offers, with arguments made from its JSON schema."""
    return Call(None, None, tuple(split))


def pause(seconds: float) -> Pause:
    """Do nothing for so many seconds (to the millisecond)."""
    return Pause(round(seconds * 1000))


def hold(name: str) -> Hold:
    """Do nothing until the hold NAME is released."""
    return Hold(name)


def error(
    status: int,
    text: str | None = None,
    *,
    times: int | None = None,
    retry_after: float | None = None,
    code: str | None = None,
) -> Error:
    """Answer with an HTTP error.

    Args:
        status: 400 to 599.
        text: The message; None takes one that fits the status.
        times: Only on the first so many tries of the turn; None: on all.
        retry_after: Seconds for the ``Retry-After`` header (to the millisecond).
        code: The ``code`` in the body.
    """
    retry_after_ms = None if retry_after is None else round(retry_after * 1000)
    return Error(status, text, retry_after_ms, code, times=times)


def fail(text: str | None = None, *, times: int | None = None) -> Fail:
    """Send an error event in the midst of the stream, and end it."""
    return Fail(text, times=times)


def cut(*, times: int | None = None) -> Break:
    """Cut the connection (the statement ``break``)."""
    return Break(times=times)


def end_early(*, times: int | None = None) -> EndEarly:
    """End the stream in good order, but without a finish reason."""
    return EndEarly(times=times)


def malformed(*, times: int | None = None) -> Malformed:
    """Send a chunk that is not JSON."""
    return Malformed(times=times)


def empty() -> Empty:
    """Answer without content."""
    return Empty()


def usage(prompt: int, completion: int) -> Usage:
    """Report these numbers of tokens."""
    return Usage(prompt, completion)


def finish(reason: str) -> Finish:
    """Give this finish reason."""
    return Finish(reason)


def shred(size: int) -> Shred:
    """Send the bytes of this answer in pieces of SIZE bytes."""
    return Shred(size)


def render(value: Script) -> str:
    """Return the text of a script; ``parse_script`` reads the same script from it."""
    lines = [BEGIN if value.id is None else f"{BEGIN} {value.id}"]
    for each in value.turns:
        lines.append("turn repeat" if each.repeat else "turn")
        lines.extend(render_statement(statement) for statement in each.statements)
    return "\n".join([*lines, END])


def render_statement(statement: Statement) -> str:
    """Return the line of one statement."""
    match statement:
        case Say(chunks):
            return f"say {_render_chunks(chunks)}"
        case Think(chunks):
            return f"think {_render_chunks(chunks)}"
        case Call():
            return _render_call(statement)
        case Pause(milliseconds):
            return f"pause {milliseconds}ms"
        case Hold(name):
            return f"hold {name}"
        case Error():
            return _render_error(statement)
        case Fail(text=text, times=times):
            return " ".join(["fail", *([] if text is None else [quote(text)]), *_times(times)])
        case Break(times=times):
            return " ".join(["break", *_times(times)])
        case EndEarly(times=times):
            return " ".join(["end-early", *_times(times)])
        case Malformed(times=times):
            return " ".join(["malformed", *_times(times)])
        case Empty():
            return "empty"
        case Usage(prompt, completion):
            return f"usage {prompt} {completion}"
        case Finish(reason):
            return f"finish {reason}"
        case Shred(size):
            return f"shred {size}"


def quote(text: str) -> str:
    """Return TEXT as a JSON string, with escapes for what cannot be seen or might be changed."""
    return _json(text)


def _chunks(chunks: tuple[str | int, ...]) -> int | tuple[str, ...]:
    match chunks:
        case (int(count),):
            return count
    texts = tuple(chunk for chunk in chunks if isinstance(chunk, str))
    if len(texts) != len(chunks):
        raise TypeError("give texts, or one number of chunks")
    return texts


def _render_chunks(chunks: int | tuple[str, ...]) -> str:
    return str(chunks) if isinstance(chunks, int) else " ".join(quote(text) for text in chunks)


def _render_call(statement: Call) -> str:
    words = ["call"]
    if statement.name is None:
        words.append("any")
    else:
        plain = NAME_PATTERN.fullmatch(statement.name) and statement.name != "any"
        words.append(statement.name if plain else quote(statement.name))
        if statement.arguments is None:
            words.append("auto")
        elif is_json_object(statement.arguments):
            words.append(statement.arguments)
        else:
            words += ["raw", quote(statement.arguments)]
    if statement.split:
        words += ["split", *map(str, statement.split)]
    return " ".join(words)


def _render_error(statement: Error) -> str:
    words = ["error", str(statement.status), *_times(statement.times)]
    if statement.text is not None:
        words.append(quote(statement.text))
    if statement.retry_after_ms is not None:
        seconds, rest = divmod(statement.retry_after_ms, 1000)
        words += ["retry-after", f"{seconds}.{rest:03}" if rest else str(seconds)]
    if statement.code is not None:
        words += ["code", statement.code]
    return " ".join(words)


def _times(times: int | None) -> list[str]:
    return [] if times is None else ["times", str(times)]


def _json(value: object) -> str:
    return _as_ascii_if_fragile(json.dumps(value, ensure_ascii=False, allow_nan=False))


def _as_ascii_if_fragile(text: str) -> str:
    """Escape what a server on the way might change: what cannot be seen, combines, is not NFC."""
    combines = any(map(unicodedata.combining, text))
    if text.isprintable() and not combines and unicodedata.is_normalized("NFC", text):
        return text
    return json.dumps(json.loads(text))
