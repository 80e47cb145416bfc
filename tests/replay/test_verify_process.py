"""A client as a process: what is read from it, and that nothing of it is left."""

import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pollux.replay.journal import Journal
from pollux.replay.verify.client_process import ClientProcess, read_ack
from tests.replay.support import PROPERTY, json_values


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_what_it_shows_is_written_down_and_the_rest_are_its_last_words() -> None:
    journal = Journal()
    command = """echo '{"idx": 5, "type": "x"}'; echo hello; echo '{"gap": [6, 9]}'; echo oh >&2"""
    with ClientProcess(command, {}, journal) as client:
        assert client.ended_within(30)
        assert client.exit_code == 0
    assert [(ack.idx, ack.gap, ack.client) for ack in journal.acks] == [
        (5, None, "stdout"),
        (9, (6, 9), "stdout"),
    ]
    assert sorted(client.last_words.splitlines()) == ["hello", "oh"]


def test_the_whole_group_is_ended_also_what_does_not_listen() -> None:
    journal = Journal()
    command = "trap '' TERM; sleep 600 & echo '{\"idx\": '$!'}'; wait; sleep 600"
    with ClientProcess(command, {}, journal) as client:
        assert journal.wait_for(lambda: bool(journal.acks), 30)
        (ack,) = journal.acks
        assert not gone(ack.idx)
        assert not client.ended_within(0)
    # Whoever has adopted the orphan may take a moment to bury it.
    waited = threading.Event()
    assert any(gone(ack.idx) or waited.wait(0.1) for _ in range(100))


def test_it_ends_with_whoever_looks_after_it() -> None:
    with (
        pytest.raises(RuntimeError, match="no more"),
        ClientProcess("sleep 600", {}, Journal()) as client,
    ):
        raise RuntimeError("no more")
    assert client.ended_within(0)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "hello",
        "5",
        "[5]",
        '{"idx": -1}',
        '{"idx": true}',
        '{"idx": 1.5}',
        '{"idx": "5"}',
        '{"gap": 5}',
        '{"gap": [5]}',
        '{"gap": [5, -6]}',
        '{"gap": [5, 6, 7]}',
        '{"idx": 5',
    ],
)
def test_what_says_nothing_of_events_is_left_alone(line: str) -> None:
    assert read_ack(line, 0.0) is None


@PROPERTY
@given(st.text() | json_values.map(repr))
def test_no_line_does_harm(line: str) -> None:
    assert read_ack(line, 0.0) is None or "idx" in line or "gap" in line
