"""``GET /tasks/{id}``: offsets, the window of 1000, status and events together (api_v1 2.3)."""

import json
import threading

import httpx
import pytest

from pollux.scripted_model import auto_chunks
from tests.reference_server.conftest import LIVE, Api, chunks


@pytest.mark.parametrize("offset", ["-1", "1.5", "", "abc", "0x1", "+1", " 1", "1e3", "٣"])
def test_an_offset_that_is_no_number_is_refused(api: Api, offset: str) -> None:
    task = api.send("say 1")["task_id"]
    api.finish(task)
    response = api.http.get(f"/tasks/{task}", params={"from": offset})
    assert response.status_code == 400
    assert response.json()["success"] is False


def test_an_offset_past_the_end_heals(api: Api) -> None:
    task = api.send("say 1")["task_id"]
    end = api.finish(task)["next_offset"]
    for offset in ("999999", "9" * 5000, "0" * 50 + "999999"):
        data = api.poll(task, offset)
        assert data["events"] == []
        assert data["next_offset"] == end
    assert api.poll(task, "0" * 50 + "1")["events"][0]["idx"] == 1


@pytest.mark.parametrize("task", ["60322db3-f884-4a1e-a9b3-6eeb07fbab47", "x", "..", "%00", "null"])
def test_an_unknown_task_is_not_found(api: Api, task: str) -> None:
    for method, path in (("GET", f"/tasks/{task}"), ("POST", f"/tasks/{task}/cancel")):
        response = api.http.request(method, path)
        assert response.status_code in (404, 405), response.text
        assert response.json()["success"] is False


@pytest.mark.parametrize("count", [0, 1, 990, 991, 992, 993, 994, 2500])
def test_the_last_thousand_events_are_kept(api: Api, count: int) -> None:
    data = api.run(f"say {count}") if count else api.run("empty")
    total = data["next_offset"]
    assert [e["idx"] for e in data["events"]] == list(range(max(0, total - 1000), total))
    assert data["window_start"] == max(0, total - 1000)
    texts = auto_chunks(count)
    assert chunks(data) == texts[len(texts) - len(chunks(data)) :]
    for offset in {0, data["window_start"], data["window_start"] + 1, total - 1, total}:
        again = api.poll(data["task_id"], offset)
        assert again["events"] == [e for e in data["events"] if e["idx"] >= offset]


def test_a_terminal_status_never_shows_without_its_last_events(api: Api) -> None:
    for _ in range(60):
        task = api.send("say 2")["task_id"]
        while True:
            data = api.poll(task)
            if data["status"] not in LIVE:
                break
        assert data["events"][-1]["type"] == "task_complete"
        assert api.poll(task) == data


def test_concurrent_pollers_read_the_same_bytes(api: Api) -> None:
    answer = api.send("hold go", "say 900")
    stories: list[list[str]] = []

    def follow() -> None:
        offset, story = 0, list[str]()
        with httpx.Client(headers=api.http.headers, timeout=30) as client:
            url = f"{api.server.base_url}/api/v1/tasks/{answer['task_id']}"
            while True:
                data = client.get(url, params={"from": offset}).json()["data"]
                story += [json.dumps(event) for event in data["events"]]
                offset = data["next_offset"]
                if data["status"] not in LIVE:
                    break
        stories.append(story)

    pollers = [threading.Thread(target=follow) for _ in range(6)]
    for poller in pollers:
        poller.start()
    api.model.holds.release("go")
    for poller in pollers:
        poller.join(60)
    assert len(stories) == 6
    assert all(story == stories[0] for story in stories)
    assert [json.loads(event)["idx"] for event in stories[0]] == list(range(len(stories[0])))


def test_times_agree_with_each_other(api: Api) -> None:
    data = api.run("say 20")
    times = [event["ts"] for event in data["events"]]
    assert times == sorted(times)
    assert data["created_at"] <= times[0]
    assert data["updated_at"] >= times[-1]
