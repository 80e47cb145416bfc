"""The JSON that OpenAI's API speaks: completions, chunks, errors and models."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pollux.scripted_model.actions import Action, whole

MODELS = ("pollux-scripted", "pollux-scripted-thinking")
"""The models listed; the second one thinks without being asked to. Any other name is taken, too."""
_MODELS_CREATED = 1_767_225_600
JSON = "application/json"
EVENT_STREAM = "text/event-stream; charset=utf-8"
DONE = b"data: [DONE]\n\n"

# Lines end here for str.splitlines(), and so for many a reader of event streams.
_LINE_ENDS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def to_json(value: object) -> bytes:
    """Return VALUE as JSON in UTF-8, on one line for every reader."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).translate(_LINE_ENDS)
    try:
        return text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, in what the caller sent
        return json.dumps(value, separators=(",", ":")).encode()


def event(value: object) -> bytes:
    """Return one ``data:`` line of an event stream."""
    return b"data: " + to_json(value) + b"\n\n"


@dataclass(frozen=True, slots=True)
class Usage:
    """Numbers of tokens."""

    prompt: int
    completion: int
    reasoning: int

    def as_json(self) -> dict[str, object]:
        """Return OpenAI's ``usage`` object."""
        return {
            "prompt_tokens": self.prompt,
            "completion_tokens": self.completion,
            "total_tokens": self.prompt + self.completion,
            "completion_tokens_details": {"reasoning_tokens": self.reasoning},
        }


@dataclass(frozen=True, slots=True)
class Frame:
    """What all chunks of one answer have in common.

    Attributes:
        id: ``chatcmpl-...``.
        created: Epoch seconds.
        model: The model as the request named it.
        include_usage: The stream ends with a chunk that holds the usage.
    """

    id: str
    created: int
    model: str
    include_usage: bool = False

    def chunk(self, delta: Mapping[str, object], finish_reason: str | None = None) -> bytes:
        """Return the event of one ``chat.completion.chunk``."""
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        usage = {"usage": None} if self.include_usage else {}
        return event({**self._head("chat.completion.chunk"), "choices": [choice], **usage})

    def usage_chunk(self, usage: Usage) -> bytes:
        """Return the event of the chunk that holds the usage and no choices."""
        head = self._head("chat.completion.chunk")
        return event({**head, "choices": [], "usage": usage.as_json()})

    def completion(
        self, message: Mapping[str, object], finish_reason: str | None, usage: Usage
    ) -> bytes:
        """Return a whole ``chat.completion``."""
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}
        head = self._head("chat.completion")
        return to_json({**head, "choices": [choice], "usage": usage.as_json()})

    def _head(self, kind: str) -> dict[str, object]:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": "fp_pollux",
        }


def error_object(
    message: str, status: int, *, code: str | None = None, param: str | None = None
) -> dict[str, object]:
    """Return OpenAI's error object."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    kind = "rate_limit_error" if status == 429 else kind
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def error_answer(
    status: int,
    message: str,
    *,
    code: str | None = None,
    param: str | None = None,
    headers: tuple[tuple[str, str], ...] = (),
) -> Iterator[Action]:
    """Answer with an HTTP error in OpenAI's shape."""
    body = to_json(error_object(message, status, code=code, param=param))
    return whole(status, body, JSON, headers)


def models_answer() -> Iterator[Action]:
    """Answer ``GET /v1/models``."""
    return whole(200, to_json({"object": "list", "data": [_model(m) for m in MODELS]}), JSON)


def model_answer(model: str) -> Iterator[Action]:
    """Answer ``GET /v1/models/MODEL``."""
    if model not in MODELS:
        return error_answer(
            404, f"the model {model[:100]!r} is not listed", code="model_not_found", param="model"
        )
    return whole(200, to_json(_model(model)), JSON)


def _model(model: str) -> dict[str, object]:
    return {"id": model, "object": "model", "created": _MODELS_CREATED, "owned_by": "pollux"}
