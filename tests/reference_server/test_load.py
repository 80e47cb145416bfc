"""200 clients polling at once: all are answered, and a send in the middle is not starved."""

import threading
from collections import Counter

import httpx

from tests.reference_server.conftest import Api, types

CLIENTS = 200
POLLS = 5


def test_two_hundred_pollers_do_not_starve_a_send(api: Api, other: Api) -> None:
    held = api.send("say 50", "hold open")
    url = f"{api.server.base_url}/api/v1/tasks/{held['task_id']}"
    barrier = threading.Barrier(CLIENTS + 1)
    stop = threading.Event()
    answers: Counter[int] = Counter()
    lock = threading.Lock()

    def poll() -> None:
        with httpx.Client(headers=api.http.headers, timeout=60) as client:
            barrier.wait(60)
            done = 0
            while done < POLLS or not stop.is_set():
                status = client.get(url).status_code
                done += 1
                with lock:
                    answers[status] += 1

    pollers = [threading.Thread(target=poll) for _ in range(CLIENTS)]
    for poller in pollers:
        poller.start()
    barrier.wait(60)
    try:
        data = other.run("say 5")
        assert types(data)[-1] == "task_complete"
    finally:
        stop.set()
        for poller in pollers:
            poller.join(60)
    assert set(answers) == {200}
    assert answers[200] >= CLIENTS * POLLS
    api.model.holds.release("open")
    assert api.finish(held["task_id"])["status"] == "succeeded"


def test_a_client_that_sends_its_body_slowly_holds_up_nobody(api: Api) -> None:
    connections = [httpx.Client(timeout=30) for _ in range(40)]

    def trickle(index: int) -> None:
        def body() -> object:
            yield b'{"message"'
            assert release.wait(30)
            yield b': "x"}'

        connections[index].post(
            f"{api.server.base_url}/api/v1/prompts",
            content=body(),  # type: ignore[arg-type]
            headers={"Authorization": "Bearer none", "Content-Type": "application/json"},
        )

    release = threading.Event()
    slow = [threading.Thread(target=trickle, args=(index,)) for index in range(40)]
    for thread in slow:
        thread.start()
    try:
        assert api.run("say 1")["status"] == "succeeded"
    finally:
        release.set()
        for thread in slow:
            thread.join(30)
        for connection in connections:
            connection.close()
