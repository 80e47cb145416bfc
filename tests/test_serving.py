"""The WSGI runner: a free port in-process, JSON for malformed HTTP, a stop that leaves nothing."""

import json
import socket
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import httpx
import pytest

from pollux.serving import CutConnection, ResetConnection, WsgiServer

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def hello(environ: "WSGIEnvironment", start_response: "StartResponse") -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


def raw(server: WsgiServer, request: bytes) -> tuple[bytes, bytes]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(request)
        answer = b""
        while data := connection.recv(65536):
            answer += data
    head, _, body = answer.partition(b"\r\n\r\n")
    return head, body


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n", b"413"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ten\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHo st: x\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 262_200 + b"\r\n\r\n", b"431"),
    ],
)
def test_malformed_http_is_answered_with_the_error_envelope(
    request_bytes: bytes, status: bytes
) -> None:
    with WsgiServer(hello, max_body_bytes=1000) as server:
        head, body = raw(server, request_bytes)
    assert head.split()[1] == status
    answer = json.loads(body)
    assert answer["success"] is False
    assert answer["error"]


def test_a_port_in_use_is_refused_at_once() -> None:
    with WsgiServer(hello) as server, pytest.raises(OSError, match="in use"):
        WsgiServer(hello, port=server.port)


def test_stop_finishes_running_requests_and_leaves_no_thread() -> None:
    entered, release = threading.Event(), threading.Event()

    def slow(environ: "WSGIEnvironment", start_response: "StartResponse") -> list[bytes]:
        entered.set()
        assert release.wait(10)
        return hello(environ, start_response)

    before = set(threading.enumerate())
    server = WsgiServer(slow, threads=2).start()
    answers: list[str] = []
    client = threading.Thread(target=lambda: answers.append(httpx.get(server.base_url).text))
    client.start()
    assert entered.wait(10)
    stopper = threading.Thread(target=server.stop)
    stopper.start()
    release.set()
    stopper.join(10)
    client.join(10)
    assert answers == ["hello"]
    assert set(threading.enumerate()) <= before
    server.stop()
    WsgiServer(hello, port=server.port).start().stop()
    WsgiServer(hello, port=server.port).stop()
    assert set(threading.enumerate()) <= before


def test_a_body_can_be_cut_off_in_the_middle() -> None:
    def cut(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield b"half of it"
        raise CutConnection

    with WsgiServer(cut) as server, pytest.raises(httpx.RemoteProtocolError):
        httpx.get(server.base_url)


def test_the_application_can_see_that_its_client_is_gone() -> None:
    gone = threading.Event()

    def watch(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield b"first"
        pause = threading.Event()
        for _ in range(1000):
            if environ["waitress.client_disconnected"]():
                gone.set()
                return
            pause.wait(0.01)

    with WsgiServer(watch, detect_disconnect=True) as server:
        with httpx.stream("GET", server.base_url) as response:
            assert next(response.iter_bytes()) == b"first"
        assert gone.wait(10)


def test_a_connection_can_be_reset() -> None:
    def reset(environ: "WSGIEnvironment", start_response: "StartResponse") -> list[bytes]:
        raise ResetConnection

    with (
        WsgiServer(reset) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection,
    ):
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            connection.recv(1)


def test_requests_that_wait_keep_no_other_from_being_answered() -> None:
    waiting, ended = threading.Semaphore(0), threading.Semaphore(0)

    def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> list[bytes]:
        if environ["PATH_INFO"] == "/wait":
            waiting.release()
            assert environ["pollux.wait"](0.001) is True
            assert environ["pollux.wait"](600) is False
            ended.release()
        return hello(environ, start_response)

    def connect(server: WsgiServer) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        connection.sendall(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        assert waiting.acquire(timeout=10)
        return connection

    before = set(threading.enumerate())
    with WsgiServer(app, threads=2, detect_disconnect=True) as server:
        connections = [connect(server) for _ in range(20)]
        assert httpx.get(server.base_url).text == "hello"
        for connection in connections[:10]:
            connection.close()  # the client gives up, and with it the waiting ends
        assert all(ended.acquire(timeout=10) for _ in range(10))
        assert httpx.get(server.base_url).text == "hello"
    assert all(ended.acquire(timeout=10) for _ in range(10))  # so it does when the server stops
    for connection in connections:
        connection.close()
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive()
