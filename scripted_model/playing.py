"""Plays a settled answer: the actions that send it, as a stream of chunks or as a whole."""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from http import HTTPStatus

from pollux.scripted_model.actions import Action, Cut, Send, Start, Wait, WaitForRelease, whole
from pollux.scripted_model.answer import Answer, ToolCall
from pollux.scripted_model.script import (
    Break,
    EndEarly,
    Error,
    Fail,
    Hold,
    Malformed,
    Pause,
    Say,
    Think,
)
from pollux.scripted_model.shapes import (
    DONE,
    EVENT_STREAM,
    JSON,
    Frame,
    error_answer,
    error_object,
    event,
)

NOT_JSON = b'{"choices": [{"index": 0, "delta": {"content": "this chunk is not'
"""What ``malformed`` sends."""
_FAIL_TEXT = "The scripted model failed while it was answering."


def play(answer: Answer, frame: Frame, *, stream: bool) -> Iterator[Action]:
    """Return the actions that send ANSWER."""
    actions = _stream(answer, frame) if stream else _whole(answer, frame)
    return actions if answer.shred is None else _shredded(actions, answer.shred)


def _shredded(actions: Iterable[Action], size: int) -> Iterator[Action]:
    for action in actions:
        if isinstance(action, Send):
            data = action.data
            yield from (Send(data[at : at + size]) for at in range(0, len(data), size))
        else:
            yield action


def _http_error(error: Error) -> Iterator[Action]:
    headers: tuple[tuple[str, str], ...] = ()
    if error.retry_after_ms is not None:
        headers = (("Retry-After", str(Decimal(error.retry_after_ms) / 1000)),)
    text = error.text if error.text is not None else _default_text(error.status)
    return error_answer(error.status, text, code=error.code, headers=headers)


def _default_text(status: int) -> str:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Error"
    return f"{phrase} (as the script says)"


def _stream(answer: Answer, frame: Frame) -> Iterator[Action]:
    started = False
    for step in answer.steps:
        # Nothing is sent, not even the status, before the first thing that must be sent.
        if not started and not isinstance(step, Pause | Hold | Error):
            started = True
            yield from _open(frame)
        match step:
            case Pause(milliseconds):
                yield Wait(milliseconds / 1000)
            case Hold(name):
                yield WaitForRelease(name)
            case Error():
                yield from _http_error(step)
                return
            case Say(tuple(texts)):
                for text in texts:
                    yield Send(frame.chunk({"content": text}))
            case Think(tuple(texts)):
                for text in texts:
                    yield Send(frame.chunk({"reasoning_content": text}))
            case ToolCall():
                yield from _stream_call(step, frame)
            case Malformed():
                yield Send(b"data: " + NOT_JSON + b"\n\n")
            case Fail(text=text):
                yield Send(event(error_object(_FAIL_TEXT if text is None else text, 500)))
                return
            case EndEarly():
                return
            case Break():
                yield Cut()
                return
            case _:
                raise TypeError(f"{step!r} is not settled")
    if not started:
        yield from _open(frame)
    yield Send(frame.chunk({}, answer.finish_reason))
    if frame.include_usage:
        yield Send(frame.usage_chunk(answer.usage))
    yield Send(DONE)


def _open(frame: Frame) -> Iterator[Action]:
    yield Start(200, (("Content-Type", EVENT_STREAM), ("Cache-Control", "no-cache")))
    yield Send(frame.chunk({"role": "assistant", "content": ""}))


def _stream_call(call: ToolCall, frame: Frame) -> Iterator[Action]:
    function = {"name": call.name, "arguments": ""}
    head = {"index": call.index, "id": call.id, "type": "function", "function": function}
    yield Send(frame.chunk({"tool_calls": [head]}))
    for piece in call.pieces():
        delta = {"index": call.index, "function": {"arguments": piece}}
        yield Send(frame.chunk({"tool_calls": [delta]}))


def _whole(answer: Answer, frame: Frame) -> Iterator[Action]:
    said: list[str] = []
    thought: list[str] = []
    calls: list[ToolCall] = []
    finish_reason: str | None = answer.finish_reason
    malformed = cut = False
    for step in answer.steps:
        match step:
            case Pause(milliseconds):
                yield Wait(milliseconds / 1000)
            case Hold(name):
                yield WaitForRelease(name)
            case Error():
                yield from _http_error(step)
                return
            case Say(tuple(texts)):
                said += texts
            case Think(tuple(texts)):
                thought += texts
            case ToolCall():
                calls.append(step)
            case Malformed():
                malformed = True
            case Fail(text=text):
                yield from error_answer(500, _FAIL_TEXT if text is None else text)
                return
            case EndEarly():
                finish_reason = None
            case Break():
                cut = True
            case _:
                raise TypeError(f"{step!r} is not settled")
    if malformed:
        body = NOT_JSON
    else:
        message = _message("".join(said), "".join(thought), calls)
        body = frame.completion(message, finish_reason, answer.usage)
    if cut:
        yield next(whole(200, body, JSON))
        yield Send(body[: len(body) // 2])
        yield Cut()
    else:
        yield from whole(200, body, JSON)


def _message(said: str, thought: str, calls: Sequence[ToolCall]) -> dict[str, object]:
    message: dict[str, object] = {"role": "assistant", "content": said, "refusal": None}
    if thought:
        message["reasoning_content"] = thought
    if calls:
        message["content"] = said or None
        message["tool_calls"] = [call.as_json() for call in calls]
    return message
