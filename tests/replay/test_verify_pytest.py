"""The fixture replay_server, as somebody uses it who tests a client."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pollux.polling.client import ApiClient
from pollux.replay.faults import FaultSyntaxError
from pollux.replay.pytest_plugin import StartsReplays
from pollux.replay.testing import ReplayUnderTest
from pollux.replay.verify import Outcome

_HEAVY = ("httpx", "jsonschema", "rich", "flask", "yaml", "waitress", "click")


def follow(replay: ReplayUnderTest, *, skip: int = 0, stop: int = 100) -> list[int]:
    """Poll to the end, each time asking for SKIP events too late."""
    shown: list[int] = []
    with ApiClient(replay.base_url, "any") as client:
        task_id = str(client.send_message("Hello").payload["task_id"])
        offset = 0
        for _ in range(stop):
            answer = client.poll_task(task_id, offset)
            if answer.status != 200:
                continue
            data = answer.payload["data"]
            shown += [event["idx"] for event in data["events"]]
            if data["status"] == "succeeded":
                break
            offset = data["next_offset"] + skip
    return shown


def test_a_good_client_is_found_good(replay_server: StartsReplays) -> None:
    replay = replay_server("tools", clock="poll", per_poll=5, faults="poll 3 -> status 503")
    replay.ack(*follow(replay))
    replay.assert_client_ok()
    assert {result.rule for result in replay.report if result.red} == set()


def test_a_bad_one_is_not_and_the_message_proves_it(replay_server: StartsReplays) -> None:
    replay = replay_server("tools", clock="poll", per_poll=5)
    follow(replay, skip=1)
    with pytest.raises(AssertionError) as caught:
        replay.assert_client_ok()
    message = str(caught.value)
    assert message.startswith("OFFSET-NO-SKIP: request 3 asked from 6 instead of 5")
    assert "?from=6 -> 200 running, 4 events (6..9), next_offset 10" in message
    replay.assert_client_ok(allow=["OFFSET-NO-SKIP"])
    with pytest.raises(ValueError, match="no rule OFFSET-NO-SKIPS"):
        replay.assert_client_ok(allow=["OFFSET-NO-SKIPS"])


def test_of_a_client_that_never_came_nothing_is_said(replay_server: StartsReplays) -> None:
    with pytest.raises(AssertionError, match="did not poll"):
        replay_server("tools").assert_client_ok()


def test_a_gap_that_is_not_said_is_not_noticed(replay_server: StartsReplays) -> None:
    replay = replay_server("tools", clock="poll", per_poll=10, ring=4)
    replay.ack(*follow(replay))
    found = {result.rule: result.outcome for result in replay.report}
    assert found["GAP-NOTICED"] is Outcome.FAIL
    replay.ack_gap(0, 48)
    found = {result.rule: result.outcome for result in replay.report}
    assert found["GAP-NOTICED"] is Outcome.PASS


def test_it_moves_as_far_as_it_is_told(replay_server: StartsReplays) -> None:
    replay = replay_server("tools", clock="manual")
    with ApiClient(replay.base_url, "any") as client:
        task_id = str(client.send_message("Hello").payload["task_id"])
        client.poll_task(task_id, 0)
        replay.wait_for(polls=1)
        replay.step(3)
        assert len(client.poll_task(task_id, 0).payload["data"]["events"]) == 3
        replay.wait_for(polls=2, idx=2)
        replay.advance(3600)
        assert client.poll_task(task_id, 3).payload["data"]["status"] == "succeeded"
        replay.wait_for(end=True)


def test_what_does_not_come_is_told_with_what_came(replay_server: StartsReplays) -> None:
    replay = replay_server("tools", clock="poll", per_poll=10)
    follow(replay, stop=1)
    with pytest.raises(TimeoutError, match=r"(?s)not within 0.1 s: .*polls=5.*from=0 -> 200"):
        replay.wait_for(polls=5, timeout=0.1)
    with pytest.raises(ValueError, match="say what to wait for"):
        replay.wait_for()


def test_a_wrong_fault_rule_is_refused(replay_server: StartsReplays) -> None:
    with pytest.raises(FaultSyntaxError, match="rest"):
        replay_server("tools", faults=["poll 3 -> rest"])


def test_several_replays_share_nothing(replay_server: StartsReplays) -> None:
    one, two = replay_server("tools", clock="poll"), replay_server("thinking", clock="poll")
    follow(one, stop=3)
    assert len(one.journal.entries) == 4
    assert two.journal.entries == ()


def test_loading_the_plugin_imports_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "test_own.py").write_text(
        f"import sys\ndef test_own():\n    assert not set({_HEAVY!r}) & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "pollux.replay.pytest_plugin", "-q"],
        cwd=tmp_path,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout
