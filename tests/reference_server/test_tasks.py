"""Tasks without HTTP: one live task per user, an end in one step, nothing after the end."""

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pollux.reference_server.config import ServerConfig
from pollux.reference_server.tasks import (
    Job,
    ServerBusy,
    Status,
    Task,
    TaskRefused,
    TaskRegistry,
)


class Held:
    """A job that stays live until it is let go."""

    def __init__(self) -> None:
        self.running = threading.Event()
        self.go_on = threading.Event()

    async def __call__(self, task: Task) -> None:
        task.emit("ai_message_start")
        self.running.set()
        while not self.go_on.is_set():
            await asyncio.sleep(0.001)
        task.finish(Status.SUCCEEDED, [("task_complete", {})])


async def at_once(task: Task) -> None:
    task.finish(Status.SUCCEEDED, [("ai_message_start", {}), ("task_complete", {})])


def registry(tmp_path: Path, **settings: Any) -> TaskRegistry:
    return TaskRegistry(ServerConfig(data_dir=tmp_path, **settings))


def start(tasks: TaskRegistry, user: str, job: Job, conversation_id: str = "c") -> Task:
    with tasks.reserve(user) as slot:
        return slot.start(conversation_id, job)


def wait_for(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(2000):
        if condition():
            return
        pause.wait(0.005)
    raise AssertionError("it did not happen within 10 s")


def poll(task: Task, offset: int = 0) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(task.poll(offset))["data"]
    return data


def test_of_many_sends_at_one_instant_exactly_one_is_accepted(tmp_path: Path) -> None:
    tasks, held, count = registry(tmp_path), Held(), 32
    barrier = threading.Barrier(count)
    outcomes: list[bool] = []

    def send() -> None:
        barrier.wait(10)
        try:
            start(tasks, "ann", held)
            outcomes.append(True)
        except TaskRefused:
            outcomes.append(False)

    threads = [threading.Thread(target=send) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(outcomes) == [False] * (count - 1) + [True]
    held.go_on.set()


def test_a_refused_preparation_gives_the_place_back(tmp_path: Path) -> None:
    tasks = registry(tmp_path)
    reserved: list[str] = []
    with pytest.raises(KeyError), tasks.reserve("ann") as slot:
        reserved.append(slot.task.task_id)
        raise KeyError
    assert tasks.find("ann", reserved[0]) is None
    start(tasks, "ann", at_once)


def test_two_users_do_not_block_each_other_and_do_not_see_each_other(tmp_path: Path) -> None:
    tasks, held = registry(tmp_path), Held()
    of_ann = start(tasks, "ann", held)
    of_bob = start(tasks, "bob", held)
    assert tasks.find("ann", of_ann.task_id) is of_ann
    assert tasks.find("bob", of_ann.task_id) is None
    assert tasks.find("ann", of_bob.task_id) is None
    held.go_on.set()


def test_who_sees_the_end_can_send_again_at_once(tmp_path: Path) -> None:
    tasks = registry(tmp_path)
    for _ in range(200):
        task = start(tasks, "ann", at_once)
        while not task.status.terminal:
            pass
        assert poll(task)["events"][-1]["type"] == "task_complete"


def test_a_cancel_interrupts_whatever_the_job_waits_for(tmp_path: Path) -> None:
    tasks = registry(tmp_path)

    async def for_ever(task: Task) -> None:
        task.emit("ai_message_start")
        await asyncio.Event().wait()

    task = start(tasks, "ann", for_ever)
    wait_for(lambda: poll(task)["next_offset"] == 1)
    task.cancel()
    task.cancel()
    wait_for(lambda: task.status.terminal)
    end = poll(task)
    assert end["status"] == "canceled"
    assert end["error"] is None
    assert [event["type"] for event in end["events"]] == ["ai_message_start", "task_stopped"]


def test_a_cancel_that_was_accepted_wins_over_a_success(tmp_path: Path) -> None:
    task = Task("ann", 10)
    task.begin()
    task.cancel()
    assert poll(task)["status"] == "cancel_requested"
    assert not task.finish(Status.SUCCEEDED, [("task_complete", {})])
    assert poll(task)["events"] == []
    assert task.finish(Status.CANCELED, [("task_stopped", {})])
    assert poll(task)["status"] == "canceled"


def test_nothing_is_added_and_nothing_changes_after_the_end() -> None:
    task = Task("ann", 10)
    task.begin()
    task.finish(Status.FAILED, [("error", {"message": "no"})], "no")
    before = task.poll(0)
    task.cancel()
    with pytest.raises(RuntimeError, match="has ended"):
        task.emit("text_chunk", {"content": "late"})
    assert task.poll(0) == before
    assert poll(task)["error"] == "no"


def test_a_job_that_raises_or_forgets_to_end_its_task_leaves_it_failed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tasks = registry(tmp_path)

    async def broken(task: Task) -> None:
        raise ZeroDivisionError

    async def forgetful(task: Task) -> None:
        task.emit("ai_message_start")

    for job in (broken, forgetful):
        task = start(tasks, "ann", job)
        wait_for(lambda task=task: task.status.terminal)  # type: ignore[misc]
        end = poll(task)
        assert end["status"] == "failed"
        assert end["error"]
        assert end["events"][-1]["type"] == "error"
    assert "ZeroDivisionError" in caplog.text


def test_a_conversation_with_a_live_task_cannot_be_deleted(tmp_path: Path) -> None:
    tasks, held = registry(tmp_path), Held()
    task = start(tasks, "ann", held, "mine")
    with pytest.raises(TaskRefused), tasks.not_in_use("ann", "mine"):
        pass
    with tasks.not_in_use("ann", "another"):
        pass
    held.go_on.set()
    wait_for(lambda: task.status.terminal)
    with tasks.not_in_use("ann", "mine"):
        pass


def test_finished_tasks_are_forgotten_by_age_and_by_number(tmp_path: Path) -> None:
    now = [1e12]
    config = ServerConfig(data_dir=tmp_path, task_retention=60, max_finished_tasks=2)
    tasks = TaskRegistry(config, clock=lambda: now[0])
    ended = []
    for _ in range(5):
        task = start(tasks, "ann", at_once)
        wait_for(lambda task=task: task.status.terminal)  # type: ignore[misc]
        now[0] = task.updated_at
        ended.append(task)
    found = [tasks.find("ann", task.task_id) is not None for task in ended]
    assert found == [False, False, True, True, True]
    now[0] += 61
    assert all(tasks.find("ann", task.task_id) is None for task in ended)


def test_the_server_takes_no_more_tasks_than_it_may_and_none_while_it_stops(
    tmp_path: Path,
) -> None:
    tasks, held = registry(tmp_path, max_running_tasks=2), Held()
    start(tasks, "ann", held)
    second = start(tasks, "bob", held)
    with pytest.raises(ServerBusy):
        start(tasks, "eve", held)
    second.cancel()
    wait_for(lambda: second.status.terminal)
    third = start(tasks, "eve", held)
    tasks.close()
    assert third.status is Status.CANCELED
    with pytest.raises(ServerBusy, match="stopping"):
        start(tasks, "bob", at_once)


def test_times_never_go_back_even_if_the_clock_does(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([100.0, 90.0, 120.0, 110.0, 80.0])
    monkeypatch.setattr("pollux.reference_server.tasks.time.time", lambda: next(clock))
    task = Task("ann", 10)
    for _ in range(3):
        task.emit("text_chunk")
    data = poll(task)
    assert data["created_at"] == 100.0
    assert [event["ts"] for event in data["events"]] == [100.0, 120.0, 120.0]
    assert data["updated_at"] == 120.0
