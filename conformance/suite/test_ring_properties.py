"""The window of a task (api_v1 2.3.6) under polls by chance: at its edges, and while it moves.

What is imported for them takes a while, and so waits until they are asked for.
"""

from pollux.conformance.check import verifies
from pollux.conformance.judge import Judge
from pollux.conformance.stage import Stage


@verifies(
    "RING-WINDOW-KEPT",
    "RING-WINDOW-BOUNDED",
    "RING-BELOW-WINDOW",
    "POLL-OFFSET-COMPLETE",
    "POLL-OFFSET-GAPLESS",
    "POLL-OFFSET-RESPECTED",
    "POLL-EVENT-IMMUTABLE",
    "POLL-NEXT-OFFSET",
    "POLL-FROM-INVALID",
    "POLL-FROM-PAST-END",
    needs=["scripted-model"],
    slow=True,
)
def test_polls_by_chance_show_the_window_at_every_edge(stage: Stage, judge: Judge) -> None:
    """One task stops just before, at and past the size of its buffer, and is polled anyhow."""
    from pollux.conformance.machine.edges import poll_at_every_edge

    poll_at_every_edge(stage, judge)


@verifies("POLL-CONCURRENT-SUCCEEDS", "POLL-CONCURRENT-AGREES", needs=["scripted-model"], slow=True)
def test_pollers_of_any_habit_agree_while_events_are_appended(stage: Stage, judge: Judge) -> None:
    """Several at once, each with offsets of its own, while the window moves under them."""
    from pollux.conformance.machine.readers import read_while_events_are_appended

    read_while_events_are_appended(stage, judge)
