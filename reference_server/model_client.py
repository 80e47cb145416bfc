"""One streamed model call through the ``openai`` package, as a sequence of plain deltas."""

import asyncio
import functools
import json
import re
import ssl
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx2
import openai

from pollux.reference_server.models import ModelSpec, ThinkingSwitch
from pollux.reference_server.modes import Effort
from pollux.scripted_model import ScriptedModel

_PASSING_STATUSES = frozenset({408, 409, 425, 429})
_LOOKS_LIKE_A_KEY = re.compile(r"\b(?:sk|key|token)[-_][\w-]{8,}", re.IGNORECASE)
_LONGEST_DETAIL = 400


class ModelCallError(Exception):
    """A model call that failed.

    The message is fit for the user: it holds no key, request or URL of the endpoint
    (api_v1 2.4, ``error``).

    Attributes:
        error_type: A short word for the kind of failure.
        passing: Whether another try may succeed.
        retry_after: Seconds that the endpoint asks to wait, or None.
    """

    def __init__(
        self, message: str, error_type: str, *, passing: bool, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.error_type = error_type
        self.passing = passing
        self.retry_after = retry_after


@dataclass(frozen=True)
class Reasoning:
    """A non-empty piece of the model's reasoning, as it was sent."""

    text: str


@dataclass(frozen=True)
class Text:
    """A non-empty piece of the answer, as it was sent."""

    text: str


@dataclass(frozen=True)
class ToolPiece:
    """A piece of a tool call; name and id come once, the arguments in any number of pieces."""

    index: int
    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Usage:
    """What the call cost, in tokens."""

    input_tokens: int
    output_tokens: int


Delta = Reasoning | Text | ToolPiece | Usage


@dataclass(frozen=True)
class ModelCall:
    """One question to the model: messages and tools in OpenAI's shape."""

    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[Mapping[str, Any]]
    effort: Effort


@functools.cache
def _tls() -> ssl.SSLContext:
    """Return what all connections share: reading the certificates for each task is slow."""
    return httpx2.create_ssl_context()


class ModelClient:
    """The connection of one task to its model. An asynchronous context manager.

    Args:
        spec: The model.
        scripted: Answers the calls of a model without a ``base_url``, in this process.
        timeout: Seconds without a byte after which a call has failed.
    """

    def __init__(self, spec: ModelSpec, scripted: ScriptedModel, timeout: float) -> None:
        self._spec = spec
        self._key = spec.api_key()
        transport = scripted.async_transport() if spec.base_url is None else None
        self._client = openai.AsyncOpenAI(
            api_key=self._key,
            base_url=spec.base_url or "http://scripted-model/v1",
            max_retries=0,  # the agent retries, and tells the user so
            http_client=httpx2.AsyncClient(
                transport=transport,
                timeout=httpx2.Timeout(timeout, connect=10.0),
                verify=_tls(),
            ),
        )

    async def __aenter__(self) -> Self:
        """Return the client; it connects with its first call."""
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close its connections, also while a late cancel is being delivered."""
        await asyncio.shield(self._client.close())

    async def stream(self, call: ModelCall) -> AsyncGenerator[Delta, None]:
        """Yield the deltas of one answer; empty chunks make none.

        Raises:
            ModelCallError: the endpoint refused, broke off, or sent what is no answer.
        """
        finished = False
        try:
            async with await self._client.chat.completions.create(
                **self._parameters(call)
            ) as chunks:
                async for chunk in chunks:
                    for delta in _deltas(chunk):
                        yield delta
                    finished = finished or any(c.finish_reason for c in chunk.choices or [])
        except openai.APIStatusError as error:
            raise self._status_error(error) from None
        except openai.APITimeoutError:
            raise ModelCallError(
                "the model did not answer in time", "timeout", passing=True
            ) from None
        except (openai.APIConnectionError, httpx2.HTTPError):
            raise ModelCallError(
                "the connection to the model failed or broke off", "connection", passing=True
            ) from None
        except (json.JSONDecodeError, UnicodeDecodeError):
            raise ModelCallError(
                "the model sent a malformed chunk", "malformed_stream", passing=True
            ) from None
        except openai.APIError as error:
            detail = self._without_secrets(str(error.message))
            raise ModelCallError(
                f"the model reported an error: {detail}", "model_error", passing=True
            ) from None
        if not finished:
            raise ModelCallError(
                "the answer of the model ended early", "incomplete_stream", passing=True
            )

    def _parameters(self, call: ModelCall) -> dict[str, Any]:
        parameters: dict[str, Any] = {
            "model": self._spec.model or self._spec.model_key,
            "messages": list(call.messages),
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if call.tools:
            parameters["tools"] = list(call.tools)
        if self._spec.max_output_tokens is not None:
            parameters["max_tokens"] = self._spec.max_output_tokens
        parameters.update(_thinking_parameters(self._spec, call.effort))
        return parameters

    def _status_error(self, error: openai.APIStatusError) -> ModelCallError:
        body = error.body if isinstance(error.body, dict) else {}
        detail = self._without_secrets(str(body.get("message") or ""))
        return ModelCallError(
            f"the model answered HTTP {error.status_code}" + (f": {detail}" if detail else ""),
            "rate_limit" if error.status_code == 429 else "http_error",
            passing=error.status_code in _PASSING_STATUSES or error.status_code >= 500,
            retry_after=_seconds(error.response.headers.get("retry-after")),
        )

    def _without_secrets(self, text: str) -> str:
        for secret in (self._key, self._spec.base_url):
            if secret and len(secret) > 4:
                text = text.replace(secret, "***")
        return _LOOKS_LIKE_A_KEY.sub("***", text)[:_LONGEST_DETAIL]


def _deltas(chunk: Any) -> list[Delta]:
    deltas: list[Delta] = []
    for choice in (chunk.choices or [])[:1]:
        delta = choice.delta
        if delta is None:
            continue
        extra = delta.model_extra or {}
        reasoning = extra.get("reasoning_content") or extra.get("reasoning")
        if isinstance(reasoning, str) and reasoning:
            deltas.append(Reasoning(reasoning))
        if delta.content:
            deltas.append(Text(delta.content))
        for position, call in enumerate(delta.tool_calls or []):
            function = call.function
            deltas.append(
                ToolPiece(
                    index=position if call.index is None else call.index,
                    call_id=call.id or "",
                    name=(function.name if function else None) or "",
                    arguments=(function.arguments if function else None) or "",
                )
            )
    if chunk.usage is not None:
        deltas.append(Usage(chunk.usage.prompt_tokens or 0, chunk.usage.completion_tokens or 0))
    return deltas


def _thinking_parameters(spec: ModelSpec, effort: Effort) -> dict[str, Any]:
    match spec.thinking_switch:
        case ThinkingSwitch.REASONING_EFFORT:
            if effort.level is None:
                return {}
            level = effort.level if spec.supports_reasoning_effort else "medium"
            return {"reasoning_effort": level}
        case ThinkingSwitch.THINKING:
            kind = "enabled" if effort.thinking else "disabled"
            return {"extra_body": {"thinking": {"type": kind}}}
        case ThinkingSwitch.ENABLE_THINKING:
            return {"extra_body": {"enable_thinking": effort.thinking}}
        case ThinkingSwitch.NONE:
            return {}


def _seconds(value: str | None) -> float | None:
    """Read a ``Retry-After`` of seconds; the form with a date is left to the own delay."""
    try:
        return float(value) if value else None
    except ValueError:
        return None
