"""Settles one answer: which tools, which arguments, which texts, how many tokens."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pollux.scripted_model.chat_request import ChatRequest
from pollux.scripted_model.script import (
    Break,
    Call,
    EndEarly,
    Error,
    Fail,
    Finish,
    Hold,
    Malformed,
    Pause,
    Say,
    Shred,
    Statement,
    Think,
    Usage,
)
from pollux.scripted_model.shapes import Usage as Tokens
from pollux.scripted_model.texts import CLOSING_CHUNKS, FRIENDLY_CHUNKS, FRIENDLY_THINKING
from pollux.scripted_model.tool_choice import any_call, call_of


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call ready to be sent."""

    id: str
    index: int
    name: str
    arguments: str
    split: tuple[int, ...]

    def pieces(self) -> list[str]:
        """Return the chunks of the arguments: cut at the byte offsets, never inside a character."""
        data = self.arguments.encode()
        cuts = sorted({_character_start(data, offset) for offset in self.split} - {0, len(data)})
        edges = [0, *cuts, len(data)]
        return [data[a:b].decode() for a, b in pairwise(edges) if a < b]

    def as_json(self) -> dict[str, object]:
        """Return the call as a message holds it."""
        function = {"name": self.name, "arguments": self.arguments}
        return {"id": self.id, "type": "function", "function": function}


def _character_start(data: bytes, offset: int) -> int:
    offset = min(offset, len(data))
    while 0 < offset < len(data) and data[offset] & 0xC0 == 0x80:
        offset -= 1
    return offset


Step = Say | Think | ToolCall | Pause | Hold | Error | Fail | Break | EndEarly | Malformed


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer with everything settled: what happens, and what is said about it.

    Attributes:
        steps: What happens, in order; automatic chunks have their texts.
        finish_reason: Why the answer ends.
        usage: The tokens reported.
        shred: Size of the pieces in which the bytes travel, None: as they come.
    """

    steps: Sequence[Step]
    finish_reason: str
    usage: Tokens
    shred: int | None = None


def friendly_statements(*, thinking: bool) -> tuple[Statement, ...]:
    """Return what is played when there is no script."""
    thoughts = (Think(FRIENDLY_THINKING),) if thinking else ()
    return (*thoughts, Say(FRIENDLY_CHUNKS))


def closing_statements() -> tuple[Statement, ...]:
    """Return what is played past the last turn of a script."""
    return (Say(CLOSING_CHUNKS),)


def settle(statements: Iterable[Statement], request: ChatRequest) -> Answer:
    """Number the automatic chunks, choose tools and make arguments, count tokens.

    Raises:
        BadRequest: when a ``call`` asks for a tool that the request does not offer.
    """
    steps: list[Step] = []
    automatic = {Say: 0, Think: 0}
    finish_reason: str | None = None
    given: Usage | None = None
    shred: int | None = None
    calls = 0
    for statement in statements:
        match statement:
            case Say() | Think():
                kind = type(statement)
                steps.append(kind(statement.texts(automatic[kind] + 1)))
                automatic[kind] += statement.automatic
            case Call():
                steps.append(_settle_call(statement, request, calls))
                calls += 1
            case Finish(reason):
                finish_reason = reason
            case Usage():
                given = statement
            case Shred(size):
                shred = size
            case Pause() | Hold() | Error() | Fail() | Break() | EndEarly() | Malformed():
                steps.append(statement)
            case _:  # Empty: there is nothing to do
                pass
    usage = _count(steps, request)
    if given is not None:
        usage = Tokens(given.prompt, given.completion, min(usage.reasoning, given.completion))
    return Answer(steps, finish_reason or ("tool_calls" if calls else "stop"), usage, shred)


def _settle_call(call: Call, request: ChatRequest, index: int) -> ToolCall:
    name, arguments = call.name, call.arguments
    if name is None:
        name, arguments = any_call(request.tools)
    elif arguments is None:
        arguments = call_of(request.tools, name)
    # The id belongs to a place in a conversation: the same run has the same ids every time.
    call_id = f"call_{request.fingerprint()[:22]}{index:02}"
    return ToolCall(call_id, index, name, arguments or "", call.split)


def _count(steps: Iterable[Step], request: ChatRequest) -> Tokens:
    said = thought = called = 0
    for step in steps:
        match step:
            case Say(tuple(texts)):
                said += sum(map(bool, texts))
            case Think(tuple(texts)):
                thought += sum(map(bool, texts))
            case ToolCall():
                called += len(step.name + step.arguments) // 4 + 1
            case _:
                pass
    return Tokens(request.prompt_tokens(), said + thought + called, thought)


def status_of(answer: Answer, *, stream: bool) -> int:
    """Return the HTTP status with which ANSWER is sent."""
    for step in answer.steps:
        if isinstance(step, Error):
            return step.status
        if isinstance(step, Fail) and not stream:
            return 500
    return 200
