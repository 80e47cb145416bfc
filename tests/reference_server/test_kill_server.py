"""SIGKILL in the middle of tasks, uploads and saves: what was acknowledged is there, whole."""

import random
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from pollux.reference_server.users import USERS_FILE, UserStore
from tests.reference_server.zygote import Zygote

KILLS = 50
SCRIPT = 'pollux-script\nsay 40\ncall write_file {"path": "tool.txt", "content": "t"}\nturn\nsay 40'


class Ledger:
    """What the server has acknowledged, and what was on its way when it was killed."""

    def __init__(self) -> None:
        self.busy = threading.Event()
        self.conversations: dict[str, str] = {}
        self.tasks: list[str] = []
        # name -> the acknowledged value, then those that may have been taken without a word
        self.files: dict[str, list[bytes]] = {}
        self.prompts: dict[str, list[str]] = {}
        self.tones: dict[str, list[str]] = {}

    def note(
        self, book: dict[str, list[Any]], name: str, value: Any, act: Callable[[], Any]
    ) -> None:
        """Remember VALUE as possible before it is sent, as the only one when it is acknowledged."""
        book.setdefault(name, [None]).append(value)
        act().raise_for_status()
        book[name] = [value]


def work(url: str, token: str, ledger: Ledger, seed: int) -> None:
    """Use the API until the server is gone."""
    chance = random.Random(seed)
    headers = {"Authorization": f"Bearer {token}"}
    try:
        with httpx.Client(base_url=f"{url}/api/v1", headers=headers, timeout=10) as http:
            while True:
                step(http, ledger, chance)
    except httpx.TransportError:
        return  # killed, as intended


def step(http: httpx.Client, ledger: Ledger, chance: random.Random) -> None:
    """One call of each kind that leaves something on the disk."""
    name = f"n{chance.randrange(6)}"
    data = bytes([chance.randrange(256)]) * chance.choice([0, 1, 5000, 300_000])
    ledger.note(
        ledger.files, name, data, lambda: http.post("/files/upload", files={"file": (name, data)})
    )
    text = f"{chance.random()} 你好 " * chance.choice([1, 2000])
    ledger.note(
        ledger.prompts, name, text,
        lambda: http.post("/prompts", json={"name": name, "content": text}),
    )  # fmt: skip
    tone = f"tone {chance.randrange(10**9)}"
    ledger.note(
        ledger.tones, name, tone,
        lambda: http.post("/personalizations", json={"name": name, "content": {"tone": tone}}),
    )  # fmt: skip
    sent = http.post("/messages", json={"message": f"{SCRIPT}\nend-script\n{tone}"})
    if sent.status_code == 202:
        ledger.busy.set()
        ledger.tasks.append(sent.json()["task_id"])
        ledger.conversations[sent.json()["conversation_id"]] = tone
    else:
        assert sent.status_code == 409


def judge(http: httpx.Client, ledger: Ledger) -> None:
    """Compare what a fresh server tells with the ledger."""
    for task in ledger.tasks[-3:]:
        assert http.get(f"/tasks/{task}").status_code == 404
    for name, values in ledger.files.items():
        response = http.get("/files/download", params={"path": name})
        settle(values, response.content if response.status_code == 200 else None)
    for name, texts in ledger.prompts.items():
        response = http.get(f"/prompts/{name}")
        settle(texts, response.json()["content"] if response.status_code == 200 else None)
    for name, tones in ledger.tones.items():
        response = http.get(f"/personalizations/{name}")
        settle(tones, response.json()["content"]["tone"] if response.status_code == 200 else None)
    for conversation_id, tone in list(ledger.conversations.items())[-5:]:
        stored = http.get(f"/conversations/{conversation_id}", params={"full": "1"}).json()["data"]
        assert tone in stored["messages"][0]["content"]
        called = [c["id"] for m in stored["messages"] for c in m.get("tool_calls", [])]
        answered = [m["tool_call_id"] for m in stored["messages"] if m["role"] == "tool"]
        assert called == answered
    assert http.get("/conversations").json()["total"] >= len(ledger.conversations)
    listed = {item["name"] for item in http.get("/files").json()["items"]}
    assert listed <= {*ledger.files, "tool.txt"}
    for group, book in (("prompts", ledger.prompts), ("personalizations", ledger.tones)):
        listed = {item["name"] for item in http.get(f"/{group}").json()["items"]}
        assert listed <= set(book)


def settle(values: list[Any], found: Any) -> None:
    """FOUND is one of the possible values, whole; from now on it is the only one."""
    assert found in values
    values[:] = [found]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")
def test_what_was_acknowledged_survives_fifty_kills(tmp_path: Path) -> None:
    token = UserStore(tmp_path / USERS_FILE).add("ann")
    chance = random.Random(20)
    ledger = Ledger()
    pause = threading.Event()
    with Zygote() as zygote:
        for kill in range(KILLS):
            url = zygote.start(tmp_path)
            worker = threading.Thread(target=work, args=(url, token, ledger, kill))
            ledger.busy.clear()
            worker.start()
            # However slow the machine: a task is running when the blow falls.
            assert ledger.busy.wait(60)
            pause.wait(chance.random() * 0.08)
            zygote.kill()
            worker.join(20)
            assert not worker.is_alive()
            url = zygote.start(tmp_path)
            headers = {"Authorization": f"Bearer {token}"}
            with httpx.Client(base_url=f"{url}/api/v1", headers=headers, timeout=20) as http:
                judge(http, ledger)
            zygote.kill()
    assert len(ledger.tasks) >= KILLS
    assert len(ledger.files) == 6
