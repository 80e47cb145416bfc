"""A replay in which something goes wrong, and a client that shows exactly what it gets."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from pollux.replay.faults import RuleSet, parse_rules
from pollux.replay.format import Record
from pollux.replay.journal import Entry
from pollux.replay.server import ReplayServer
from tests.replay.support import e, ids, s, write

#: Events of the stream: 19 words, and the end.
EVENTS = 20


def stream() -> list[Record]:
    words = [e(idx, idx * 100) for idx in range(EVENTS - 1)]
    return [*words, e(EVENTS - 1, 1900, "task_complete"), s("succeeded", 1900)]


class Faulty:
    """A server with fault rules, and a client of it."""

    def __init__(self, server: ReplayServer, http: httpx.Client) -> None:
        self.server = server
        self.http = http
        self.task_id = ""

    @property
    def session_faults(self) -> RuleSet:
        return self.server.session.faults

    def send(self) -> httpx.Response:
        answer = self.http.post("/messages", json={"message": "Hello"})
        if answer.status_code == 202:
            self.task_id = answer.json()["task_id"]
        return answer

    def get(self, offset: int = 0) -> httpx.Response:
        return self.http.get(f"/tasks/{self.task_id}", params={"from": offset})

    def poll(self, offset: int = 0) -> dict[str, Any]:
        answer = self.get(offset)
        assert answer.status_code == 200, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    def told(self, offset: int = 0) -> tuple[list[int], int, str]:
        data = self.poll(offset)
        return ids(data["events"]), data["next_offset"], data["status"]

    def entry(self, number: int) -> Entry:
        """The entry of request NUMBER, waited for when its answer is still under way."""
        journal = self.server.session.journal
        assert journal.wait_for(lambda: any(x.number == number for x in journal.entries), 30)
        return next(x for x in journal.entries if x.number == number)

    def until_fired(self, times: int) -> None:
        """Wait until the rules have fired so often in all: the requests have come that far."""
        deadline = time.monotonic() + 30
        while sum(told["fired"] for told in self.session_faults.report()) < times:
            assert time.monotonic() < deadline
            time.sleep(0.005)

    @property
    def last(self) -> Entry:
        return self.server.session.journal.entries[-1]


@contextmanager
def faulty(
    tmp_path: Path, rules: str, *, per_poll: int = 3, seed: int = 0, **options: Any
) -> Iterator[Faulty]:
    """Serve the stream, PER_POLL new events with each poll, and begin a task."""
    tmp_path.mkdir(exist_ok=True)
    path = write(tmp_path / "a.taskcast.jsonl", stream())
    options = {"clock": "poll", "per_poll": per_poll, **options}
    with (
        ReplayServer(path, faults=parse_rules(rules, seed=seed), **options) as server,
        httpx.Client(
            base_url=f"{server.base_url}/api/v1",
            headers={"Authorization": "Bearer secret-token", "User-Agent": "probe/1"},
            timeout=30,
        ) as http,
    ):
        client = Faulty(server, http)
        client.send()
        yield client
