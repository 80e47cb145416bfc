"""The buffer of 1000 (api_v1 2.3.6, 2.3.7), driven over its edge by a scripted burst."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from pollux.conformance.check import SLOW, verifies
from pollux.conformance.judge import Judge
from pollux.conformance.stage import Stage, Task
from pollux.polling.poll import Poll
from pollux.scripted_model.builder import hold, say, script, turn

# More events than this around its chunks no answer is expected to have.
_MOST_AROUND = 12
_RING = (
    "RING-WINDOW-KEPT",
    "POLL-OFFSET-COMPLETE",
    "POLL-OFFSET-GAPLESS",
    "POLL-OFFSET-RESPECTED",
    "POLL-EVENT-IMMUTABLE",
    "POLL-NEXT-OFFSET",
)


def _burst(stage: Stage, least: int) -> Task:
    """Run a task of at least so many events, and as few more as can be; return it at its end.

    What an implementation puts around the chunks of the model is its own affair, and may differ
    from task to task, so the edge of the window is approached from below.
    """
    chunks = max(1, least - _MOST_AROUND)
    for _ in range(6):
        task = _burst_of(stage, chunks)
        missing = least - task.watcher.invariants.head
        if missing <= 0:
            return task
        chunks += missing
    # However few events are around the chunks: these alone are enough.
    return _burst_of(stage, least)


def _burst_of(stage: Stage, chunks: int) -> Task:
    """Run a task whose model sends so many CHUNKS; return it at its end."""
    task = stage.user.start(script(turn(say(chunks))))
    task.end()
    return task


@verifies(*_RING, needs=["scripted-model"], slow=True)
@pytest.mark.parametrize("less", [1, 0])
def test_up_to_the_size_of_the_buffer_everything_is_kept(
    stage: Stage, judge: Judge, less: int
) -> None:
    """A task that just fits into the buffer can be read from its first event."""
    _judge_window(stage, judge, _burst(stage, stage.target.buffer_size - less))


@verifies(*_RING, "RING-WINDOW-BOUNDED", "RING-BELOW-WINDOW", needs=["scripted-model"])
@pytest.mark.parametrize("more", [pytest.param(1, marks=SLOW), 100, pytest.param(1500, marks=SLOW)])
def test_past_the_size_of_the_buffer_exactly_the_last_are_kept(
    stage: Stage, judge: Judge, more: int
) -> None:
    """After N events a poll from 0 shows the last 1000, and says by its first idx what is gone."""
    size = stage.target.buffer_size
    task = _burst(stage, size + more) if more == 1 else _burst_of(stage, size + more)
    end = task.watcher.invariants.head
    whole = task.poll(0)
    if end <= size:
        # Which is the matter of the granularity of events, or of the polls that showed them.
        judge.cannot_verify(f"{size + more} chunks of text came to {end} events")
    judge.that(
        "RING-BELOW-WINDOW",
        bool(whole.events),
        "a poll from below the window",
        expected="the window from its start",
        got=_extent(whole),
        by=whole.exchange,
    )
    judge.that(
        "RING-WINDOW-BOUNDED",
        len(whole.events) <= size,
        f"the events that are kept of {end}",
        expected=f"from event {end - size} on",
        got=f"{len(whole.events)} events, {_extent(whole)}",
        by=whole.exchange,
    )
    _judge_window(stage, judge, task)


def _judge_window(stage: Stage, judge: Judge, task: Task) -> None:
    """Judge that of a finished TASK the whole window can be polled, from any offset in it."""
    end = task.watcher.invariants.head
    oldest = max(0, end - stage.target.buffer_size)
    window = task.poll(oldest)
    # From which offset it is shown is for other rules to say.
    shown = [window, task.poll(max(0, oldest - 1)), task.poll(0)]
    judge.that(
        "RING-WINDOW-KEPT",
        any(poll.events and poll.first <= oldest for poll in shown),
        f"the last {end - oldest} of {end} events",
        expected=f"from event {oldest} on",
        got=_extent(window),
        by=window.exchange,
    )
    edges = {0, 1, oldest - 1, oldest, oldest + 1, end - 2, end - 1, end}
    inside = {stage.random.randint(oldest, end) for _ in range(6)}
    for offset in sorted(offset for offset in edges | inside if 0 <= offset <= end):
        poll = task.poll(offset)
        if offset >= oldest:
            judge.that(
                "POLL-OFFSET-COMPLETE",
                len(poll.events) >= len([e for e in window.events if e["idx"] >= offset]),
                f"the events from {offset} on, of a window from {oldest} to {end}",
                expected=f"{end - offset} events",
                got=_extent(poll),
                by=(window.exchange, poll.exchange),
            )


def _extent(poll: Poll) -> str:
    return f"events {poll.first} to {poll.end - 1}" if poll.events else "no events"


@verifies("RING-WINDOW-START-TRUE", "RING-WINDOW-START", needs=["scripted-model"], slow=True)
def test_a_window_start_is_the_oldest_event_there_is(stage: Stage, judge: Judge) -> None:
    """Where a server tells `window_start`, it is true before and after the window has moved."""
    size = stage.target.buffer_size
    name = stage.hold_name()
    task = stage.user.start(script(turn(say(10), hold(name), say(size + 200))))
    stage.model.holds.wait_until_held(name, stage.seconds(15))
    polls = [task.poll(0)]
    stage.model.holds.release(name)
    task.end()
    end = task.poll(0).end
    polls += [task.poll(offset) for offset in (0, 5, end - size, end - size + 1, end - 1, end)]
    if all(poll.window_start is None for poll in polls):
        for requirement in ("RING-WINDOW-START", "RING-WINDOW-START-TRUE"):
            judge.not_applicable(requirement, "the server tells no window_start")
        return
    for poll in polls:
        oldest = max(0, end - size) if poll.terminal else 0
        judge.that(
            "RING-WINDOW-START",
            poll.window_start is not None or not poll.end,
            "the window_start of a poll",
            expected="a window_start in every answer once there are events, or in none",
            got="none in this one",
            by=poll.exchange,
        )
        judge.that(
            "RING-WINDOW-START-TRUE",
            poll.window_start in (None, oldest) or (not poll.end and not poll.terminal),
            f"the window_start of a poll from {poll.asked}",
            expected=f"{oldest}, the idx of the oldest retained event",
            got=f"{poll.window_start}",
            by=poll.exchange,
        )


@verifies("RING-WINDOW-KEPT", "POLL-CONCURRENT-AGREES", needs=["scripted-model"], slow=True)
def test_the_window_moves_under_readers_without_a_tear(stage: Stage, judge: Judge) -> None:
    """Pollers read from below, in and at the end of the window while events push it on."""
    size = stage.target.buffer_size
    task = stage.user.start(script(turn(say(size * 2))))

    def read(offset_below_head: int) -> bool:
        offset = 0

        def ended() -> bool:
            nonlocal offset
            _, poll = task.watcher.ask(max(0, offset - offset_below_head))
            offset = poll.next_offset or 0 if poll else offset
            return poll is None or poll.terminal

        return stage.eventually(ended, 30)

    with ThreadPoolExecutor(3) as pool:
        ended = list(pool.map(read, [0, size // 2, size * 3]))
    if not all(ended):
        judge.cannot_verify("the burst did not end")
    task.end()
    whole = task.poll(0)
    seen = task.watcher.events[-len(whole.events) :] if whole.events else []
    judge.that(
        "POLL-CONCURRENT-AGREES",
        list(whole.events) == seen,
        "the window after the end and what was read while it moved",
        expected="the same events",
        got="other ones",
        by=whole.exchange,
    )
