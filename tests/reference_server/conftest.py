"""The reference server in this process, and a small client for it."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from pollux.reference_server.app import ReferenceServer
from pollux.reference_server.config import RetryPolicy, ServerConfig
from pollux.schemas.events import envelope_problems, payload_problems
from pollux.schemas.grammar import Grammar, StreamReader
from pollux.scripted_model import ScriptedModel

LIVE = ("pending", "running", "cancel_requested")
_PAUSE = threading.Event()


class Api:
    """The API as one user: paths behind the prefix, answers as they come."""

    def __init__(self, server: ReferenceServer, token: str) -> None:
        self.server = server
        self.model: ScriptedModel = server.services.models.scripted
        self.token = token
        self.http = httpx.Client(
            base_url=f"{server.base_url}/api/v1",
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
        )

    def send(self, *lines: str, **fields: Any) -> dict[str, Any]:
        """Send a script of these lines, or a plain message; it has to be accepted."""
        message = "\n".join(["pollux-script", *lines]) if lines else "Hello!"
        response = self.http.post("/messages", json={"message": message, **fields})
        assert response.status_code == 202, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def poll(self, task_id: str, offset: int | str = 0) -> dict[str, Any]:
        """Poll once; it has to succeed."""
        response = self.http.get(f"/tasks/{task_id}", params={"from": offset})
        assert response.status_code == 200, response.text
        data: dict[str, Any] = response.json()["data"]
        return data

    def until(self, task_id: str, kind: str) -> list[dict[str, Any]]:
        """Poll until an event of this type has come; return all events up to then."""
        for _ in range(3000):
            data = self.poll(task_id)
            if any(event["type"] == kind for event in data["events"]):
                events: list[dict[str, Any]] = data["events"]
                return events
            assert data["status"] in LIVE, f"ended without {kind}: {data}"
            _PAUSE.wait(0.005)
        raise AssertionError(f"no {kind} within 15 s")

    def finish(self, task_id: str) -> dict[str, Any]:
        """Poll until the task has ended; return the last answer to a poll from 0."""
        for _ in range(4000):
            data = self.poll(task_id)
            if data["status"] not in LIVE:
                assert_by_the_grammar(data)
                return data
            _PAUSE.wait(0.005)
        raise AssertionError("the task did not end within 20 s")

    def run(self, *lines: str, **fields: Any) -> dict[str, Any]:
        """Send and poll to the end."""
        return self.finish(self.send(*lines, **fields)["task_id"])

    def messages(self, conversation_id: str) -> list[dict[str, Any]]:
        """Return the stored messages of a conversation."""
        response = self.http.get(f"/conversations/{conversation_id}", params={"full": "1"})
        assert response.status_code == 200, response.text
        stored: list[dict[str, Any]] = response.json()["data"]["messages"]
        return stored


@pytest.fixture
def config(tmp_path: Path) -> ServerConfig:
    """Settings with quick retries; a test module may override them."""
    return ServerConfig(data_dir=tmp_path / "data", retry=RetryPolicy(first_delay=0.01))


@pytest.fixture
def server(config: ServerConfig) -> Iterator[ReferenceServer]:
    """A running server with the scripted model in the same process."""
    with ReferenceServer(config) as running:
        yield running


@pytest.fixture
def api(server: ReferenceServer) -> Iterator[Api]:
    """The first user."""
    client = Api(server, server.services.users.add("ann"))
    yield client
    client.http.close()


@pytest.fixture
def other(server: ReferenceServer) -> Iterator[Api]:
    """The second user."""
    client = Api(server, server.services.users.add("bob"))
    yield client
    client.http.close()


def assert_by_the_grammar(data: dict[str, Any]) -> None:
    """Every stream of every test keeps the grammar of the reference, to the end (api_v1 2.4)."""
    reader = StreamReader(Grammar.REFERENCE)
    if data["window_start"]:
        reader.gap()
    for event in data["events"]:
        assert envelope_problems(event) == []
        assert payload_problems(event) == []
        assert reader.feed(event) is None
    assert reader.finish(data["status"]) is None


def types(data: dict[str, Any]) -> list[str]:
    """The types of the events of an answer, in order."""
    return [event["type"] for event in data["events"]]


def chunks(data: dict[str, Any], kind: str = "text_chunk") -> list[str]:
    """The contents of the chunks of an answer, in order."""
    return [event["data"]["content"] for event in data["events"] if event["type"] == kind]


def quoted(*texts: str) -> str:
    """Texts as a script writes them."""
    return " ".join(json.dumps(text, ensure_ascii=False) for text in texts)
