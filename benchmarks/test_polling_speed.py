"""What a poll costs over HTTP, beside a bare "hello" of the same WSGI server.

Run with ``pytest benchmarks --benchmark-group-by=group --benchmark-columns=mean,ops``: only the
ratios within one run mean anything. One client on one keep-alive connection, so that the
figures are those of the server and not of the load generator.
"""

import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pollux.reference_server.app import ReferenceServer
from pollux.reference_server.config import ServerConfig
from pollux.serving import WsgiServer

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

Get = Callable[[str], bytes]


def hello(environ: "WSGIEnvironment", start_response: "StartResponse") -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"hello"]


def getter(connection: http.client.HTTPConnection, headers: dict[str, str]) -> Get:
    def get(path: str) -> bytes:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().read()

    return get


def connected(server: WsgiServer) -> "closing[http.client.HTTPConnection]":
    return closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=30))


@pytest.fixture(scope="module")
def bare() -> Iterator[Get]:
    with WsgiServer(hello) as server, connected(server) as connection:
        yield getter(connection, {})


@pytest.fixture(scope="module")
def polled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Get, str, int]]:
    """A finished task with a full window: how to get, its path, its next offset."""
    data_dir: Path = tmp_path_factory.mktemp("data")
    with ReferenceServer(ServerConfig(data_dir=data_dir)) as server:
        token = server.services.users.add("ann")
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        with connected(server.wsgi) as connection:
            body = json.dumps({"message": "pollux-script\nsay 3000"})
            connection.request("POST", "/api/v1/messages", body=body, headers=headers)
            task = json.loads(connection.getresponse().read())["task_id"]
            get = getter(connection, headers)
            path = f"/api/v1/tasks/{task}"
            while (data := json.loads(get(path))["data"])["status"] == "running":
                pass
            yield get, path, data["next_offset"]


@pytest.mark.benchmark(group="over HTTP")
def test_bare_hello(benchmark: Any, bare: Get) -> None:
    assert benchmark(bare, "/") == b"hello"


@pytest.mark.benchmark(group="over HTTP")
def test_idle_poll(benchmark: Any, polled: tuple[Get, str, int]) -> None:
    get, path, end = polled
    assert json.loads(benchmark(get, f"{path}?from={end}"))["data"]["events"] == []


@pytest.mark.benchmark(group="over HTTP")
def test_poll_with_one_new_event(benchmark: Any, polled: tuple[Get, str, int]) -> None:
    get, path, end = polled
    assert len(json.loads(benchmark(get, f"{path}?from={end - 1}"))["data"]["events"]) == 1


@pytest.mark.benchmark(group="over HTTP")
def test_poll_with_a_full_window(benchmark: Any, polled: tuple[Get, str, int]) -> None:
    get, path, _ = polled
    assert len(json.loads(benchmark(get, path))["data"]["events"]) == 1000
