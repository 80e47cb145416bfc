"""Several pollers at once, each with habits of its own, while events are appended."""

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from hypothesis import strategies

from pollux.conformance.judge import Judge
from pollux.conformance.machine.edges import Stop
from pollux.conformance.machine.generating import for_each
from pollux.conformance.machine.play import Step
from pollux.conformance.machine.polls import MOVES, offset_of, text_of
from pollux.conformance.stage import Stage, Task
from pollux.polling.exchange import Exchange
from pollux.polling.poll import Event
from pollux.scripted_model.builder import hold, say, script, turn
from pollux.scripted_model.script import Statement


@dataclass
class Reader:
    """One poller, and what it has read.

    Attributes:
        habit: Where it polls from, again and again, between polls of what comes next.
        events: What it has seen, by idx.
        refused: The poll that was refused, although it was a good one.
        arrived: Whether it has seen the last chunk.
    """

    habit: Sequence[Step]
    events: dict[int, Event] = field(default_factory=dict)
    refused: list[Exchange] = field(default_factory=list)
    arrived: bool = False

    def read(self, task: Task, begin: int, text: str) -> None:
        """Poll TASK until a chunk with this TEXT is shown."""
        stage, following = task.user.stage, begin
        moves = itertools.cycle([Step("follow"), *self.habit])

        def arrived() -> bool:
            nonlocal following
            head = task.watcher.invariants.head
            asked = offset_of(next(moves), following, head, stage.target.buffer_size)
            if isinstance(asked, str):
                task.user.api.poll_task(task.id, asked)
                return False
            exchange, poll = task.watcher.ask(asked)
            if poll is None:
                self.refused.append(exchange)
                return True
            self.events.update((int(event["idx"]), event) for event in poll.events)
            if poll.events:
                following = max(following, poll.next_offset or 0)
            self.arrived |= any(
                event.get("type") == "text_chunk" and text_of(event) == text
                for event in poll.events
            )
            return self.arrived

        stage.eventually(arrived, 60)


def read_while_events_are_appended(stage: Stage, judge: Judge) -> None:
    """Several at once, each with offsets of its own, while the window moves under them."""
    size = stage.target.buffer_size
    many, rounds = size * 2 // 3, max(3, stage.budget.examples // 4)
    stops = [Stop(stage.hold_name(), number * many) for number in range(rounds + 1)]
    statements: list[Statement] = [hold(stops[0].hold)]
    for stop in stops[1:]:
        statements += [say(many), hold(stop.hold)]
    task = stage.user.start(script(turn(*statements, say("the end"))))
    left = iter(itertools.pairwise(stops))

    def play(habits: list[list[Step]]) -> None:
        pair = next(left, None)
        if pair is not None:
            _read_at_once(stage, judge, task, [Reader(habit) for habit in habits], *pair)

    habits = strategies.lists(strategies.lists(MOVES, max_size=4), min_size=2, max_size=5)
    for_each(habits, rounds, stage.random.getrandbits(64), play)
    for stop in stops:
        stage.model.holds.release(stop.hold)
    task.end()


def _read_at_once(
    stage: Stage, judge: Judge, task: Task, readers: list[Reader], begin: Stop, end: Stop
) -> None:
    """Let the model go on from one stop to the next, while all READERS poll."""
    stage.model.holds.release(begin.hold)
    head = task.watcher.invariants.head
    with ThreadPoolExecutor(len(readers)) as pool:
        list(pool.map(lambda reader: reader.read(task, head, f"w{end.chunks} "), readers))
    known = {int(event["idx"]): event for event in task.watcher.events}
    for reader in readers:
        judge.that(
            "POLL-CONCURRENT-SUCCEEDS",
            not reader.refused,
            f"the polls of {len(readers)} pollers at once, of a task of {len(known)} events",
            expected="200 for all of them",
            got=reader.refused[0].summary if reader.refused else "",
            by=reader.refused,
        )
        other = [idx for idx, event in reader.events.items() if known.get(idx) != event]
        judge.that(
            "POLL-CONCURRENT-AGREES",
            not other,
            f"what one of {len(readers)} pollers has read of a task",
            expected="the events that the others have read",
            got=f"{len(other)} other ones, the first is event {min(other)}" if other else "",
        )
    if not all(reader.arrived or reader.refused for reader in readers):
        judge.cannot_verify("a chunk of the model was not shown to all pollers")
