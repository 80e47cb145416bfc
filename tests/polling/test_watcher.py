"""Following a task over HTTP, against a small server whose tasks are simulated."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import pytest

from pollux.polling import ApiClient, NoAnswerError, Pace, TaskStalledError, TaskWatcher
from pollux.polling.watcher import Strategy, follow, from_start, overlapping
from pollux.serving import WsgiServer
from tests.polling.exchanges import Notebook, poll_body
from tests.polling.simulated import TASK_ID, SimulatedTask

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

QUICK = Pace(first=0.0, factor=1.0, most=0.0)


class _Server:
    """Adds some events at every poll, until the story is told."""

    def __init__(self, events: int, per_poll: int = 3) -> None:
        self.story = SimulatedTask()
        self.story.say(events - 4)
        self.task = SimulatedTask()
        self.asked: list[str] = []
        self._per_poll = per_poll

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        text = query.get("from", [""])[0]
        self.asked.append(text)
        self.task.events += self.story.events[len(self.task.events) :][: self._per_poll]
        if len(self.task.events) == len(self.story.events):
            self.task.status = "succeeded"
        known = environ["PATH_INFO"].endswith(TASK_ID)
        body = poll_body(self.task.data(int(text) if text.isdecimal() else 0))
        if not known:
            body = {"success": False, "error": "no such task"}
        start_response(
            "200 OK" if known else "404 Not Found",
            [
                ("Content-Type", "application/json"),
                ("Cache-Control", "no-store"),
                ("X-Content-Type-Options", "nosniff"),
            ],
        )
        return [json.dumps(body).encode()]


@contextmanager
def _watching(server: _Server, task_id: str = TASK_ID) -> Iterator[tuple[TaskWatcher, Notebook]]:
    notebook = Notebook()
    with WsgiServer(server) as running, ApiClient(running.base_url, "t") as client:
        yield TaskWatcher(client, task_id, notebook), notebook


@pytest.mark.parametrize("strategy", [follow, from_start, overlapping(2)])
def test_a_task_is_followed_to_its_end(strategy: Strategy) -> None:
    server = _Server(events=20)
    with _watching(server) as (watcher, notebook):
        last = watcher.to_end(strategy=strategy, pace=QUICK)
        watcher.settle()
    assert last.status == "succeeded"
    assert [event["idx"] for event in watcher.events] == list(range(20))
    assert watcher.texts("text_chunk")[:2] == ["w1 ", "w2 "]
    assert notebook.broken == set()
    # After the end: what must not come, and all of it once more.
    assert server.asked[-2:] == ["20", "0"]
    assert "POLL-TERMINAL-COMPLETE" in notebook.held_rules


def test_a_task_is_followed_up_to_a_point() -> None:
    with _watching(_Server(events=20)) as (watcher, _):
        poll = watcher.run(lambda poll: poll.end >= 9, pace=QUICK)
    assert poll.end == 9
    assert poll.status == "running"


def test_a_task_that_does_nothing_is_given_up() -> None:
    with (
        _watching(_Server(events=20, per_poll=0)) as (watcher, _),
        pytest.raises(TaskStalledError, match=r"did nothing for 0\.1 s: it is running"),
    ):
        watcher.to_end(stall=0.1)


def test_a_task_that_is_not_there() -> None:
    with (
        _watching(_Server(events=20), "other") as (watcher, notebook),
        pytest.raises(NoAnswerError, match="no such task"),
    ):
        watcher.to_end()
    assert notebook.broken == {"POLL-TASK-FOUND"}


def test_a_bad_from_may_be_answered_as_0() -> None:
    with _watching(_Server(events=8, per_poll=8)) as (watcher, notebook):
        for bad in ("-1", "abc", "", "1.5"):
            _, poll = watcher.ask(bad)
            assert poll is not None
            assert poll.asked == 0
        watcher.ask(None)
    assert notebook.broken == set()


def test_what_is_left_open_is_asked_for_at_the_end() -> None:
    server = _Server(events=8, per_poll=8)
    with _watching(server) as (watcher, _):
        first = watcher.client.poll_task(TASK_ID, 2)
        server.task.events, whole = server.task.events[1:], server.task.events
        watcher.ask(1)
        server.task.events = whole
        assert first.ok
        asked = len(server.asked)
        watcher.settle()
    assert server.asked[asked:] == ["0"]


def test_the_pace_slows_down_while_nothing_comes() -> None:
    pace = Pace(first=0.01, factor=2.0, most=0.05)
    server = _Server(events=5, per_poll=5)
    with _watching(server) as (watcher, _):
        busy, idle = watcher.poll(0), watcher.poll(5)
    assert pace.after(0.04, busy) == 0.01
    assert pace.after(0.01, idle) == 0.02
    assert pace.after(0.04, idle) == 0.05
