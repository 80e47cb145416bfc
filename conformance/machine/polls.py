"""Plans of polls of one task, and what they must show of its window (api_v1 2.3.2 to 2.3.6)."""

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies

from pollux.conformance.machine.generating import for_each
from pollux.conformance.machine.ledger import Ledger
from pollux.conformance.machine.play import Step
from pollux.conformance.stage import Task
from pollux.polling.breach import Breach
from pollux.polling.exchange import Exchange
from pollux.polling.poll import Event, Poll, read_poll
from pollux.polling.watcher import TaskWatcher
from pollux.schemas.requirements import load_requirements

#: What is no `from`: refused with 400, or taken as 0.
BAD = ("-1", "abc", "1.5", "", "-1000", "0x1", " ", "1,2")
_FAR = (1_000, 1_000_000, 2**31 - 1)
_MOST_POLLS = 8

#: The moves of a plan: where to poll from.
MOVES = strategies.one_of(
    strategies.just(Step("follow")),
    strategies.builds(
        lambda mark, by: Step("near", {"mark": mark, "by": by}),
        strategies.sampled_from((0, 1, 2, 3)),
        strategies.sampled_from((0, -1, 1, -2, 2, 5)),
    ),
    strategies.builds(
        lambda percent: Step("within", {"percent": percent}),
        strategies.sampled_from(tuple(range(0, 100, 3))),
    ),
    strategies.builds(
        lambda far: Step("far", {"far": far}), strategies.sampled_from(range(len(_FAR)))
    ),
    strategies.builds(
        lambda bad: Step("bad", {"bad": bad}), strategies.sampled_from(range(len(BAD)))
    ),
    strategies.just(Step("missing")),
)

#: Every kind of offset once.
EVERY_MOVE = (
    Step("near", {"mark": 1, "by": -1}),
    Step("near", {"mark": 1, "by": 0}),
    Step("near", {"mark": 1, "by": 1}),
    Step("near", {"mark": 3, "by": -1}),
    Step("follow"),
    Step("near", {"mark": 3, "by": 1}),
    Step("bad", {"bad": 0}),
)


@dataclass(frozen=True)
class FailedPlan:
    """A plan whose polls have shown something wrong.

    Attributes:
        breach: What.
        steps: The moves.
        exchanges: The polls.
    """

    breach: Breach
    steps: tuple[Step, ...]
    exchanges: tuple[Exchange, ...]


def offset_of(move: Step, following: int, head: int, size: int) -> int | str | None:
    """Return the `from` of a move.

    Args:
        move: The move.
        following: The ``next_offset`` of the poll before.
        head: How many events there are.
        size: How many are kept.
    """
    oldest = max(0, head - size)
    match move.action:
        case "near":
            marks = (0, oldest, (oldest + head) // 2, head)
            return max(0, marks[move.arguments["mark"]] + move.arguments["by"])
        case "within":
            return oldest + (head - oldest) * move.arguments["percent"] // 100
        case "far":
            return head + _FAR[move.arguments["far"]]
        case "bad":
            return BAD[move.arguments["bad"]]
        case "missing":
            return None
    return following


class Window:
    """What has been seen of a task, and plans of polls held against it.

    One follower has seen (nearly) every event, so that the plans know what there must be. It is
    polled only while nothing is appended: its model is held, or it has ended.

    Args:
        task: The task.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self._stage = task.user.stage
        self._size = self._stage.target.buffer_size
        self._history: list[tuple[Exchange, int]] = []
        self._last_text = ""
        self._head = 0

    @property
    def head(self) -> int:
        """How many events there are."""
        return self._head

    def follow(self, text: str | None, seconds: float = 30.0) -> bool:
        """Poll until a chunk with this TEXT is shown, or for None the end of the task."""

        def arrived() -> bool:
            poll = self._poll()
            return poll.terminal if text is None else self._last_text == text

        return self._stage.eventually(arrived, seconds)

    def _poll(self) -> Poll:
        poll = self.task.poll(self._head)
        self._history.append((poll.exchange, self._head))
        self._head = max(self._head, poll.end)
        texts = [event for event in poll.events if event.get("type") == "text_chunk"]
        if texts:
            self._last_text = text_of(texts[-1])
        return poll

    def made(self, plans: int) -> FailedPlan | None:
        """Play the plan of every move, then so many PLANS made by chance, until one fails."""
        failed = self.played(EVERY_MOVE)
        if failed is not None:
            return failed

        def play(plan: list[Step]) -> None:
            found = self.played(plan)
            if found is not None:
                raise _Found(found)

        chance = self._stage.random.getrandbits(64)
        try:
            for_each(strategies.lists(MOVES, min_size=2, max_size=_MOST_POLLS), plans, chance, play)
        except _Found as found:
            return found.failed
        return None

    def played(self, plan: Sequence[Step]) -> FailedPlan | None:
        """Play a plan, by somebody who knows of the task what its follower has seen."""
        ledger = Ledger(self._stage.judge, load_requirements())
        client = self.task.user.api
        watcher = TaskWatcher(client, self.task.id, ledger, ring=self._size)
        for exchange, asked in self._history:
            watcher.invariants.observe(exchange, asked)
        # What is wrong with these is told by the follower.
        ledger.breaches.clear()
        exchanges: list[Exchange] = []
        following = 0
        for number, move in enumerate(plan):
            asked_for = offset_of(move, following, self._head, self._size)
            if isinstance(asked_for, str):
                exchange, poll = self._judge_bad(ledger, watcher, asked_for), None
            else:
                exchange, poll = watcher.ask(asked_for)
            exchanges.append(exchange)
            if poll is not None and poll.next_offset is not None:
                following = max(0, poll.next_offset)
            if number == len(plan) - 1:
                watcher.settle()
            if ledger.breaches:
                steps = tuple(plan[: number + 1])
                return FailedPlan(ledger.breaches[0], steps, tuple(exchanges))
        return None

    def _judge_bad(self, ledger: Ledger, watcher: TaskWatcher, asked: str) -> Exchange:
        """Poll from what is no offset; whatever is answered is no part of the task's story."""
        _, before = watcher.ask(0)
        exchange = watcher.client.poll_task(self.task.id, asked)
        poll = read_poll(exchange, 0)
        _, after = watcher.ask(0) if poll is not None else (None, None)
        same = any(_tell_the_same(poll, whole) for whole in (before, after))
        ledger.that(
            "POLL-FROM-INVALID",
            exchange.status == 400 or same,
            f"a poll with from={asked!r}",
            expected="400, or the answer to from=0",
            got=exchange.summary if poll is None else f"{exchange.summary}, other events",
            by=exchange,
        )
        return exchange


class _Found(Exception):
    """A plan has failed."""

    def __init__(self, failed: FailedPlan) -> None:
        super().__init__(failed.breach.requirement)
        self.failed = failed


def text_of(event: Event) -> str:
    """Return the text of a chunk."""
    data = event.get("data")
    return str(data.get("content")) if isinstance(data, dict) else ""


def _tell_the_same(poll: Poll | None, other: Poll | None) -> bool:
    if poll is None or other is None:
        return False
    names = ("status", "events", "next_offset")
    return all(poll.data.get(name) == other.data.get(name) for name in names)
