"""When rules fire, how often, and that the same seed gives the same every time."""

from pathlib import Path
from typing import Any

import pytest

from pollux.replay.faults import RuleSet, parse_rules
from pollux.replay.faults.triggers import Asked, Truth
from tests.replay.faults_support import EVENTS, Faulty, faulty


def poll(nth: int, *, task: int = 1, **fields: Any) -> Asked:
    task_id = f"task {task}"
    return Asked(nth + 1, "pollTask", nth, task_id, task, offset=0, **fields)


def send(nth: int = 1, **fields: Any) -> Asked:
    return Asked(nth, "sendMessage", nth, **fields)


def truth(*idx: int, type_: str = "text_chunk", terminal: bool = False) -> Truth:
    events = tuple((number, type_) for number in idx)
    return Truth(events, terminal, idx[-1] + 1 if idx else 0)


def fires(rules: RuleSet, asked: Asked, answer: Truth | None = None) -> bool:
    return bool(rules.strikes(asked, answer))


def fired_at(text: str, polls: int = 12, seed: int = 0, task: int = 1) -> list[int]:
    rules = parse_rules(text, seed=seed)
    return [nth for nth in range(1, polls + 1) if fires(rules, poll(nth, task=task), truth())]


@pytest.mark.parametrize(
    ("when", "polls"),
    [
        ("poll 3", [3]),
        ("poll 3..5", [3, 4, 5]),
        ("poll 10..", [10, 11, 12]),
        ("every 4", [4, 8, 12]),
        ("every 2 every 3", [6, 12]),
        ("poll 5.. every 4 times 1", [8]),
        ("always once", [1]),
        ("poll 7.. times 2", [7, 8]),
        ("operation poll poll 2", [2]),
        ("operation send", []),
        ("p=1.0 poll 2", [2]),
    ],
)
def test_polls(when: str, polls: list[int]) -> None:
    assert fired_at(f"{when} -> status 503") == polls


def test_other_operations_have_no_poll_number_but_are_counted() -> None:
    assert not fires(parse_rules("poll 1 -> reset"), send())
    third = parse_rules("every 3 -> reset")
    assert [fires(third, send(nth)) for nth in range(1, 7)] == [False, False, True] * 2
    of_send = parse_rules("operation sendMessage -> reset")
    assert (fires(of_send, send()), fires(of_send, poll(1))) == (True, False)


def test_idx_is_the_first_answer_that_would_bring_the_event_in_each_task() -> None:
    rules = parse_rules("idx 4 -> status 503")
    answers = [truth(0, 1, 2), truth(3, 4, 5), truth(3, 4, 5, 6), truth(7)]
    assert [fires(rules, poll(nth), answer) for nth, answer in enumerate(answers)] == [
        False,
        True,
        False,
        False,
    ]
    assert fires(rules, poll(1, task=2), truth(4))
    often = parse_rules("idx 4 times 2 -> status 503")
    assert [fires(often, poll(nth), truth(3, 4)) for nth in range(3)] == [True, True, False]
    several = parse_rules("idx 4..6 -> status 503")
    assert [fires(several, poll(1), truth(n)) for n in (3, 4, 6, 7)] == [False, True, True, False]
    [(_, strike)] = parse_rules("idx 4.. type b -> evict").strikes(
        poll(1), truth(3, 4, 5, type_="b")
    )
    assert strike.named == (3, 4, 5)


def test_time_is_a_moment_that_has_come_or_a_range() -> None:
    once = parse_rules("time 30s -> reset")
    times = [None, 29_999, 31_000, 32_000]
    assert [fires(once, poll(1, time_ms=ms)) for ms in times] == [False, False, True, False]
    span = parse_rules("time 1m..2m -> reset")
    assert [fires(span, poll(1, time_ms=ms)) for ms in (59_999, 60_000, 120_000, 120_001)] == [
        False,
        True,
        True,
        False,
    ]
    assert fires(parse_rules("time 1s.. -> reset"), send(time_ms=10**9))


def test_type_and_terminal_look_at_what_would_be_answered() -> None:
    rules = parse_rules("type tool_start -> status 503")
    assert [fires(rules, poll(1), truth(1, type_=t)) for t in ("tool_start", "x")] == [True, False]
    end = parse_rules("terminal -> status 503")
    ended, running = truth(1, terminal=True), truth(1)
    assert [fires(end, poll(1), a) for a in (None, running, ended, ended)] == [
        False,
        False,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("pattern", "yes"),
    [
        ("firefox", True),
        ("Fire*1?8", True),
        ("127.0.0.1", True),
        ("chrome", False),
        ("[F]irefox", False),
        ('"mozilla firefox"', True),
    ],
)
def test_client_is_a_part_of_address_or_user_agent(pattern: str, yes: bool) -> None:
    rules = parse_rules(f"client {pattern} -> reset")
    assert fires(rules, poll(1, client="127.0.0.1 Mozilla Firefox/128")) is yes


def test_chance_depends_on_seed_rule_and_request_alone() -> None:
    text = "p=0.3 -> reset"
    first = fired_at(text, 200)
    assert 30 < len(first) < 90
    assert fired_at(text, 200) == first
    # Whatever else is asked meanwhile, by whomever:
    rules = parse_rules(f"always -> latency\n{text}")
    again = []
    for nth in range(1, 201):
        rules.strikes(send(nth), None)
        rules.strikes(poll(nth, task=7), truth())
        if len(rules.strikes(poll(nth), truth())) == 2:
            again.append(nth)
    assert again == first
    assert fired_at(text, 200, seed=1) != first
    assert fired_at("p=0.3 -> close", 200) != first
    assert fired_at(text, 200, task=2) != first


def test_a_refusal_leaves_what_changes_the_answer_for_later() -> None:
    rules = parse_rules("always once -> status 503\nalways once -> evict\nalways -> latency")
    first = [rule.effect.name for rule, _ in rules.strikes(poll(1), truth(1))]
    second = [rule.effect.name for rule, _ in rules.strikes(poll(2), truth(1))]
    assert (first, second) == (["status", "latency"], ["evict", "latency"])


def test_effects_on_answers_wait_for_one_that_they_fit() -> None:
    rules = parse_rules("once always -> reorder")
    assert not fires(rules, poll(1), None)
    assert not fires(rules, poll(2), truth(1))
    assert fires(rules, poll(3), truth(1, 2))


def test_the_report_names_the_polls_and_what_never_fired() -> None:
    rules = parse_rules("storm: poll 2..3 -> status 503\nidx 9 -> evict\noperation send -> busy")
    for nth in range(1, 5):
        rules.strikes(poll(nth), truth())
    rules.strikes(send(), None)
    assert rules.summary() == [
        "storm: poll 2..3 -> status 503: fired 2 times, at polls 2, 3",
        "idx 9 -> evict: never fired",
        "operation send -> busy: fired once, at sendMessage",
    ]
    assert [rule.name for rule in rules.never_fired] == ["idx 9 -> evict"]
    first = rules.report()[0]
    assert (first["name"], first["effect"], first["fired"]) == ("storm", "status", 2)
    assert first["at"][0] == {
        "request": 3,
        "operation": "pollTask",
        "task_id": "task 1",
        "poll": 2,
    }
    assert [told["fired"] for told in rules.fresh().report()] == [0, 0, 0]


def test_a_report_stays_short_however_often_a_rule_fires() -> None:
    rules = parse_rules("always -> status 503")
    for nth in range(1, 1502):
        rules.strikes(poll(nth), truth())
    [told] = rules.report()
    assert (told["fired"], len(told["at"])) == (1501, 1000)
    assert rules.summary() == [
        "always -> status 503: fired 1501 times, at polls "
        f"{', '.join(map(str, range(1, 21)))} and more"
    ]


def whole_run(client: Faulty) -> list[tuple[int, str]]:
    seen = []
    for _ in range(60):
        answer = client.get()
        seen.append((answer.status_code, answer.text.replace(client.task_id, "")))
    return seen


def test_two_runs_with_one_seed_are_the_same(tmp_path: Path) -> None:
    rules = (
        "p=0.2 -> status 503\np=0.3 -> reorder how=shuffle\np=0.1 -> malformed\n"
        "p=0.05 -> unknown-type\np=0.1 -> duplicate"
    )
    runs: list[list[tuple[int, str]]] = []
    for seed in (5, 5, 6):
        with faulty(tmp_path / str(len(runs)), rules, seed=seed, per_poll=1) as client:
            runs.append(whole_run(client))
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]
    assert {status for status, _ in runs[0]} == {200, 503}


def test_time_of_the_play_is_that_of_the_recording(tmp_path: Path) -> None:
    with faulty(tmp_path, "time 500ms -> status 503", clock="manual") as client:
        client.server.advance(400)
        assert client.get().status_code == 200
        client.server.advance(200)
        assert [client.get().status_code for _ in range(2)] == [503, 200]
        client.server.advance(10_000)
        assert client.told(EVENTS) == ([], EVENTS, "succeeded")
