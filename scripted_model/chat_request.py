"""Reads the body of a request for a chat completion."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, cast

Json = Mapping[str, Any]

_OFF = frozenset({"", "none", "minimal", "off"})


class BadRequest(ValueError):
    """A request that cannot be answered; ``param`` names the field that is wrong."""

    def __init__(self, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.param = param
        self.code = code


def read_object(data: bytes) -> Json:
    """Read a JSON object.

    Raises:
        BadRequest: when the bytes are something else.
    """
    try:
        body = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise BadRequest("the body is not a JSON object")
    return body


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A request for a chat completion, as far as the model looks at it.

    Attributes:
        body: The whole body.
        model: Name of the model.
        messages: The conversation.
        stream: A stream of chunks is asked for.
        include_usage: The stream shall end with the usage.
    """

    body: Json
    model: str
    messages: Sequence[Json]
    stream: bool
    include_usage: bool

    @classmethod
    def from_body(cls, body: Json) -> Self:
        """Read a body.

        Raises:
            BadRequest: when a field that matters has the wrong type.
        """
        model = body.get("model")
        if not isinstance(model, str) or not model:
            raise BadRequest("'model' must be a text", "model")
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages:
            raise BadRequest("'messages' must be a list that is not empty", "messages")
        for number, message in enumerate(messages):
            if not isinstance(message, dict) or not isinstance(message.get("role"), str):
                raise BadRequest(
                    f"messages[{number}] must be an object with a 'role'", f"messages[{number}]"
                )
        stream = body.get("stream", False)
        if not isinstance(stream, bool | None):
            raise BadRequest("'stream' must be true or false", "stream")
        if body.get("n") not in (None, 1):
            raise BadRequest("only one choice can be asked for ('n': 1)", "n")
        options = body.get("stream_options")
        include_usage = isinstance(options, dict) and options.get("include_usage") is True
        return cls(body, model, messages, bool(stream), include_usage)

    @property
    def last_user_text(self) -> str:
        """The text of the last user message, "" without one; text parts are joined by lines."""
        position = self._last_user()
        return "" if position is None else _text_of(self.messages[position].get("content"))

    @property
    def turn(self) -> int:
        """How many answers there have been since the last user message."""
        after = self.messages[(self._last_user() or 0) :]
        return sum(message["role"] == "assistant" for message in after)

    @property
    def tools(self) -> list[Json]:
        """The functions offered, as ``{name, description, parameters}``."""
        tools = self.body.get("tools")
        if not isinstance(tools, list) or self.body.get("tool_choice") == "none":
            return []
        functions = [tool.get("function") for tool in tools if isinstance(tool, dict)]
        return [
            cast(Json, function)
            for function in functions
            if isinstance(function, dict) and isinstance(function.get("name"), str)
        ]

    @property
    def wants_thinking(self) -> bool:
        """Whether reasoning is asked for; what switches it off wins."""
        wishes = [wish for wish in self._thinking_wishes() if wish is not None]
        return bool(wishes) and all(wishes)

    def fingerprint(self) -> str:
        """Return a hash of the conversation and the model: equal for equal requests."""
        text = json.dumps([self.model, self.messages], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def prompt_tokens(self) -> int:
        """Return a plausible number of prompt tokens: one for every four bytes of JSON."""
        text = json.dumps([self.messages, self.body.get("tools")], ensure_ascii=False)
        return len(text.encode("utf-8", "surrogatepass")) // 4 + 1

    def _last_user(self) -> int | None:
        for position in range(len(self.messages) - 1, -1, -1):
            if self.messages[position]["role"] == "user":
                return position
        return None

    def _thinking_wishes(self) -> list[bool | None]:
        template = self.body.get("chat_template_kwargs")
        nested = template if isinstance(template, dict) else {}
        thinking = self.body.get("thinking")
        reasoning = self.body.get("reasoning")
        return [
            _effort_wish(self.body.get("reasoning_effort")),
            _effort_wish(reasoning.get("effort")) if isinstance(reasoning, dict) else None,
            thinking.get("type") != "disabled" if isinstance(thinking, dict) else None,
            _switch_wish(self.body.get("enable_thinking")),
            _switch_wish(nested.get("enable_thinking")),
        ]


def _effort_wish(effort: object) -> bool | None:
    return effort.lower() not in _OFF if isinstance(effort, str) else None


def _switch_wish(switch: object) -> bool | None:
    return switch if isinstance(switch, bool) else None


def _text_of(content: object) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = [part.get("text") for part in content if isinstance(part, dict)]
    return "\n".join(part for part in parts if isinstance(part, str))
