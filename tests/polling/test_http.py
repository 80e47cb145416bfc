"""Requests through real sockets: bounded in time and size, raw, and never raising."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from pollux.polling.client import ApiClient
from pollux.polling.exchange import Exchange
from pollux.polling.http import Limits, normal_base_url

OK = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n"
    b'{"success": true}'
)
Serve = Callable[[socket.socket], None]


@contextmanager
def raw_server(*answers: Serve) -> Iterator[str]:
    """Serve one connection after the other, each by one of ANSWERS, the last for all others."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stop = threading.Event()
        listener.settimeout(0.05)

        def run() -> None:
            number = 0
            while not stop.is_set():
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    continue
                serve = answers[min(number, len(answers) - 1)]
                number += 1
                threads.append(threading.Thread(target=_served, args=(connection, serve)))
                threads[-1].start()

        threads: list[threading.Thread] = []
        main = threading.Thread(target=run)
        main.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            stop.set()
            main.join()
            for thread in threads:
                thread.join()


def _served(connection: socket.socket, serve: Serve) -> None:
    # The client may go at any time.
    with connection, contextlib.suppress(OSError):
        connection.settimeout(5)
        serve(connection)


def read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return data
        data += piece
    return data


def answer(*pieces: bytes, pause: float = 0.0, times: int = 1) -> Serve:
    def serve(connection: socket.socket) -> None:
        for _ in range(times):
            if not read_request(connection):
                return
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause)

    return serve


def silence(connection: socket.socket) -> None:
    read_request(connection)
    connection.recv(1)  # until the client goes


def drip(head: bytes) -> Serve:
    """Send a byte every now and then: each read is answered, the whole never comes."""

    def serve(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(head)
        for _ in range(100):
            time.sleep(0.05)
            connection.sendall(b"x")

    return serve


@pytest.mark.parametrize(
    "serve",
    [
        silence,
        drip(b"HTTP/1.1 200 OK\r\nX-Slow: "),
        drip(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"),
    ],
    ids=["silent", "slow headers", "slow body"],
)
def test_one_deadline_bounds_the_whole_request(serve: Serve) -> None:
    with raw_server(serve) as url, ApiClient(url, "t", limits=Limits(timeout=0.4)) as client:
        begun = time.monotonic()
        shown = client.health()
        assert time.monotonic() - begun < 2
    assert not shown.answered
    assert "timed out" in str(shown.error)


def test_nobody_there_is_no_exception() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with ApiClient(f"http://127.0.0.1:{port}", "t") as client:
        shown = client.send_message("hello")
    assert (shown.status, shown.answered) == (0, False)
    assert "refused" in str(shown.error)


@pytest.mark.parametrize(
    "garbage",
    [b"not http at all\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\ncut"],
    ids=["no http", "cut off"],
)
def test_a_broken_answer_is_no_answer(garbage: bytes) -> None:
    with raw_server(answer(garbage)) as url, ApiClient(url, "t") as client:
        assert not client.create_conversation().answered


def test_a_body_without_end_is_given_up() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
    limits = Limits(body_bytes=1000)
    with raw_server(answer(head, b"x" * 5000)) as url, ApiClient(url, "t", limits=limits) as client:
        shown = client.health()
    assert not shown.answered
    assert shown.error == "a body of more than 1000 bytes"


def test_a_kept_connection_that_the_server_closes_is_no_lost_answer() -> None:
    def closes_at_the_second_request(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(OK)
        read_request(connection)

    with raw_server(closes_at_the_second_request) as url, ApiClient(url, "t") as client:
        assert [client.health().status for _ in range(3)] == [200, 200, 200]


def test_a_new_connection_that_the_server_closes_is_one() -> None:
    with raw_server(lambda _: None) as url, ApiClient(url, "t") as client:
        assert not client.health().answered


def test_what_changes_something_is_never_sent_on_a_used_connection() -> None:
    seen: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        seen.append(read_request(connection))
        connection.sendall(OK)
        seen.append(read_request(connection))

    with raw_server(serve, serve, serve) as url, ApiClient(url, "t") as client:
        assert client.cancel_task("1").answered
        assert client.cancel_task("2").answered
    assert [b"POST" in request for request in seen if request] == [True, True]


def test_a_path_goes_out_as_it_is() -> None:
    seen: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        seen.append(read_request(connection).split(b"\r\n")[0])
        connection.sendall(OK)

    with raw_server(serve) as url, ApiClient(f"{url}/app/api/v1/", "t") as client:
        client.request("DELETE", "/a/../b/%2e%2e/%00//c", query="x=%zz&from=1")
        client.get_prompt("../x y")
        client.list_files("../ü")
    assert seen == [
        b"DELETE /app/api/v1/a/../b/%2e%2e/%00//c?x=%zz&from=1 HTTP/1.1",
        b"GET /app/api/v1/prompts/..%2Fx%20y HTTP/1.1",
        b"GET /app/api/v1/files?path=..%2F%C3%BC HTTP/1.1",
    ]


def test_a_redirect_is_an_answer_like_any_other() -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    with raw_server(answer(moved)) as url, ApiClient(url, "t") as client:
        assert client.health().status == 302


def test_http_1_0_will_do() -> None:
    old = b'HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{"success": true}'
    with raw_server(answer(old)) as url, ApiClient(url, "t") as client:
        assert client.list_models().payload == {"success": True}
        assert client.list_models().payload == {"success": True}


def test_busy_is_tried_again_as_long_as_there_is_patience() -> None:
    busy = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nRetry-After: 0\r\n\r\n"
    with raw_server(answer(busy), answer(busy), answer(OK)) as url:
        with ApiClient(url, "t", limits=Limits(patience=5)) as client:
            assert client.create_conversation().status == 200
            assert [shown.status for shown in client.exchanges] == [503, 503, 200]
        with ApiClient(url, "t") as client:
            assert client.create_conversation().status == 200
    with raw_server(answer(busy)) as url, ApiClient(url, "t") as client:
        assert client.create_conversation().status == 503


def test_racing_requests_wait_before_their_last_byte() -> None:
    arrived: list[bytes] = []
    first = threading.Event()

    def serve(connection: socket.socket) -> None:
        data = read_request(connection)
        while not data.endswith(b'"hello"'):
            data += connection.recv(100)
        first.set()
        arrived.append(data)
        data += connection.recv(100)
        arrived.append(data)
        connection.sendall(OK)

    def gate() -> None:
        assert first.wait(5)
        assert len(arrived) == 1

    with raw_server(serve) as url, ApiClient(url, "t") as client:
        shown = client.request("POST", "/messages", body={"m": "hello"}, before_last_byte=gate)
    assert shown.status == 200
    assert arrived[1].endswith(b'{"m": "hello"}')


def test_the_token_is_sent_and_not_kept() -> None:
    seen: list[Exchange] = []
    with (
        raw_server(answer(OK, times=9)) as url,
        ApiClient(url, "a-real-secret", observer=seen.append) as client,
    ):
        client.health()
        client.request("GET", "/x", query={"token": "a-real-secret"}, authorization=None)
        client.request("POST", "/x", body={"token": "a-real-secret"})
    assert len(seen) == len(client.exchanges) == 3
    assert "a-real-secret" not in repr(seen)
    assert ("Authorization", "Bearer $TOKEN") in seen[0].request_headers
    assert not any(name == "Authorization" for name, _ in seen[1].request_headers)


def test_an_upload_is_multipart() -> None:
    seen: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        data = read_request(connection)
        while b"--\r\n" not in data:
            data += connection.recv(65536)
        seen.append(data)
        connection.sendall(OK)

    with raw_server(serve) as url, ApiClient(url, "t") as client:
        shown = client.upload_file(b"\x00\xff", "ü.bin", dir="a/b")
    assert shown.status == 200
    assert b'name="file"; filename="\xc3\xbc.bin"' in seen[0]
    assert b"\r\n\r\n\x00\xff\r\n" in seen[0]
    assert b'name="dir"\r\n\r\na/b\r\n' in seen[0]


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("http://h:1", "http://h:1"),
        (" http://h:1/ ", "http://h:1"),
        ("http://h:1/api/v1", "http://h:1"),
        ("https://h/sub/api/v1/", "https://h/sub"),
    ],
)
def test_a_base_url_may_have_the_prefix(given: str, normal: str) -> None:
    assert normal_base_url(given) == normal


@pytest.mark.parametrize("given", ["", "localhost:8091", "ftp://h", "http://", "http://h:x"])
def test_what_is_no_base_url(given: str) -> None:
    with pytest.raises(ValueError, match="URL"):
        normal_base_url(given)
