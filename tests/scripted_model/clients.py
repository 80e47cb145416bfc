"""Four ways to reach one model with the openai package, behind one face; and raw answers."""

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, cast

import httpx2
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from pollux.scripted_model import IN_PROCESS_BASE_URL, ScriptedModel
from pollux.scripted_model.builder import quote

Message = dict[str, Any]
TIMEOUT = 20.0

LIST_FILES = {
    "type": "function",
    "function": {
        "name": "list_files",
        "parameters": {"type": "object", "properties": {"path": {"type": "string"}}},
    },
}
DELETE_FILE = {
    "type": "function",
    "function": {
        "name": "delete_file",
        "parameters": {"type": "object", "properties": {}},
    },
}


def user(text: str) -> list[Message]:
    """Make a conversation of one user message."""
    return [{"role": "user", "content": text}]


def body_of(asked: str | Sequence[Message], **options: Any) -> dict[str, Any]:
    """Make the body of a request."""
    messages = user(asked) if isinstance(asked, str) else list(asked)
    return {"model": "pollux-scripted", "messages": messages, **options}


class Asking(ABC):
    """One way to ask a model."""

    @abstractmethod
    def stream(self, asked: str | Sequence[Message], **options: Any) -> list[ChatCompletionChunk]:
        """Ask for a stream, and return its chunks."""

    @abstractmethod
    def whole(self, asked: str | Sequence[Message], **options: Any) -> ChatCompletion:
        """Ask for a whole answer."""


class AskingSync(Asking):
    """Asks with ``openai.OpenAI``; TRANSPORT None is real HTTP."""

    def __init__(self, base_url: str, transport: httpx2.BaseTransport | None) -> None:
        self._base_url = base_url
        self._transport = transport

    def client(self) -> OpenAI:
        """Make the client."""
        http = httpx2.Client(transport=self._transport, timeout=TIMEOUT, trust_env=False)
        return OpenAI(api_key="k", base_url=self._base_url, http_client=http, max_retries=0)

    def stream(self, asked: str | Sequence[Message], **options: Any) -> list[ChatCompletionChunk]:
        with self.client() as client:
            body = body_of(asked, **options)
            return list(client.chat.completions.create(**cast(Any, body), stream=True))

    def whole(self, asked: str | Sequence[Message], **options: Any) -> ChatCompletion:
        with self.client() as client:
            answer = client.chat.completions.create(**cast(Any, body_of(asked, **options)))
            assert isinstance(answer, ChatCompletion)
            return answer


class AskingAsync(Asking):
    """Asks with ``openai.AsyncOpenAI`` in an event loop; TRANSPORT None is real HTTP."""

    def __init__(self, base_url: str, transport: httpx2.AsyncBaseTransport | None) -> None:
        self._base_url = base_url
        self._transport = transport

    def client(self) -> AsyncOpenAI:
        """Make the client."""
        http = httpx2.AsyncClient(transport=self._transport, timeout=TIMEOUT, trust_env=False)
        return AsyncOpenAI(api_key="k", base_url=self._base_url, http_client=http, max_retries=0)

    def stream(self, asked: str | Sequence[Message], **options: Any) -> list[ChatCompletionChunk]:
        async def ask() -> list[ChatCompletionChunk]:
            async with self.client() as client:
                body = body_of(asked, **options)
                stream = await client.chat.completions.create(**cast(Any, body), stream=True)
                return [chunk async for chunk in stream]

        return asyncio.run(ask())

    def whole(self, asked: str | Sequence[Message], **options: Any) -> ChatCompletion:
        async def ask() -> ChatCompletion:
            async with self.client() as client:
                body = body_of(asked, **options)
                answer = await client.chat.completions.create(**cast(Any, body))
                assert isinstance(answer, ChatCompletion)
                return answer

        return asyncio.run(ask())


def in_process(model: ScriptedModel) -> AskingSync:
    """Ask without a network."""
    return AskingSync(IN_PROCESS_BASE_URL, model.transport())


def raw(model: ScriptedModel, asked: str | Sequence[Message], **options: Any) -> httpx2.Response:
    """Ask without ``openai``, and return the answer as it is."""
    with httpx2.Client(transport=model.transport(), base_url=IN_PROCESS_BASE_URL) as client:
        return client.post("/chat/completions", json=body_of(asked, **options))


def told(model: ScriptedModel, asked: str | Sequence[Message], **options: Any) -> list[str]:
    """Ask for a stream, and tell what came, one line for each chunk.

    This is the notation of the answers in docs/scripted-model.md.
    """
    lines: list[str] = []
    body = body_of(asked, stream=True, **options)
    with (
        httpx2.Client(transport=model.transport(), base_url=IN_PROCESS_BASE_URL) as client,
        client.stream("POST", "/chat/completions", json=body) as response,
    ):
        if response.status_code != 200:
            response.read()
            error = response.json()["error"]
            after = response.headers.get("retry-after")
            line = f"HTTP {response.status_code} {quote(error['message'])}"
            return [line + (f" retry-after {after}" if after else "")]
        pending = ""
        try:
            for text in response.iter_text():
                pending += text
                *events, pending = pending.split("\n\n")
                lines += [line for each in events for line in _tell(each.removeprefix("data: "))]
        except httpx2.ReadError:
            lines.append("cut")
    return lines


def _tell(data: str) -> list[str]:
    if data == "[DONE]":
        return ["[DONE]"]
    try:
        chunk = json.loads(data)
    except ValueError:
        return ["not JSON"]
    if "error" in chunk:
        return [f"error event {quote(chunk['error']['message'])}"]
    if not chunk["choices"]:
        usage = chunk["usage"]
        return [f"usage {usage['prompt_tokens']} {usage['completion_tokens']}"]
    choice = chunk["choices"][0]
    delta = choice["delta"]
    if choice["finish_reason"] is not None:
        return [f"finish {choice['finish_reason']}"]
    if "role" in delta:
        return ["role assistant"]
    lines = [f"content {quote(delta['content'])}"] if "content" in delta else []
    if "reasoning_content" in delta:
        lines.append(f"reasoning {quote(delta['reasoning_content'])}")
    for call in delta.get("tool_calls", ()):
        if "id" in call:
            lines.append(f"call {call['index']} {call['function']['name']}")
        else:
            lines.append(f"arguments {call['index']} {quote(call['function']['arguments'])}")
    return lines
