"""Walks along the links of openapi.yaml: each request is made of the answer to an earlier one."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from pollux.conformance.fuzzing import ties
from pollux.conformance.fuzzing.expected import Expected, judge
from pollux.conformance.fuzzing.hunt import Charge
from pollux.conformance.fuzzing.links import Link, links
from pollux.conformance.fuzzing.request import Request
from pollux.conformance.fuzzing.rules import expected_of
from pollux.conformance.fuzzing.rules_things import file_part
from pollux.conformance.fuzzing.trial import Trial
from pollux.conformance.fuzzing.world import World
from pollux.conformance.stage import Stage, Task
from pollux.polling.exchange import Exchange
from pollux.polling.invariants import TaskInvariants
from pollux.polling.poll import TERMINAL, read_poll

_LONGEST = 8
_ROOTS = (
    "createConversation",
    "sendMessage",
    "uploadFile",
    "savePrompt",
    "savePersonalization",
    "listModels",
)


@dataclass(frozen=True)
class Step:
    """One request of a walk.

    Attributes:
        request: The request, but for what a link takes from an answer.
        link: The link that it follows; None: it stands on its own.
        before: Which step the link begins at.
    """

    request: Request
    link: Link | None = None
    before: int = 0


Plan = tuple[Step, ...]


@st.composite
def plans(draw: DrawFn, world: World) -> Plan:
    """Draw the plan of a walk; which links can be followed is seen on the way."""
    steps = [Step(draw(ties.good(draw(st.sampled_from(_ROOTS)), world)))]
    for _ in range(draw(st.integers(1, _LONGEST - 1))):
        ways = [
            (number, link)
            for number, step in enumerate(steps)
            for link in links()
            if link.source == step.request.operation
        ]
        if not ways:
            break
        # The later step first: most stories go on where they are.
        number, link = draw(st.sampled_from(ways[::-1]))
        steps.append(Step(draw(ties.good(link.target, world)), link, number))
    return tuple(steps)


class Walks:
    """Goes walks as a stage's first user; the trial of a hunt.

    Args:
        stage: Where the user appears.
        trial: Has the witness, and knows what the user has.
    """

    def __init__(self, stage: Stage, trial: Trial) -> None:
        self._stage = stage
        self._trial = trial

    def __call__(self, plan: Plan) -> Sequence[Charge]:
        """Go the walk of PLAN, end what it has begun, and return what it has seen broken."""
        walk = _Walk(self._stage, self._trial)
        try:
            walk.go(plan)
        finally:
            walk.end()
        exchanges = tuple(walk.exchanges)
        return [
            Charge(charge.kind, replace(charge.breach, exchanges=exchanges))
            for charge in walk.charges
        ]


class _Walk:
    def __init__(self, stage: Stage, trial: Trial) -> None:
        self.exchanges: list[Exchange] = []
        self.charges: list[Charge] = []
        self._stage = stage
        self._trial = trial
        self._world = deepcopy(trial.world)
        self._stories: dict[str, TaskInvariants] = {}
        self._cancelled: set[str] = set()
        self._begun: list[Task] = []

    def go(self, plan: Plan) -> None:
        """Take the steps of PLAN; it ends early where something is broken."""
        taken: list[tuple[Request, Exchange] | None] = []
        for step in plan:
            request: Request | None = step.request
            if step.link is not None:
                before = taken[step.before]
                request = before and step.link.follow(step.request, *before)
            exchange = None if request is None else self._take(request)
            success = exchange is not None and exchange.ok
            taken.append((request, exchange) if request and exchange and success else None)
            self.charges += self._trial.witness.take()
            if self.charges:
                return

    def end(self) -> None:
        """End the tasks that were begun."""
        for task in self._begun:
            task.clear()

    def _take(self, request: Request) -> Exchange | None:
        ready = self._trial.ready(request)
        if ready is not request:
            request = ready
            self._world.conversations.add(request.place)
        expected = expected_of(request, self._world)
        if request.operation == "sendMessage" and not self._trial.may_send:
            return None
        exchange = request.send(self._trial.witness.api)
        self.exchanges.append(exchange)
        if request.operation == "cancelTask":
            expected = self._expected_of_cancel(request, exchange, expected)
        for charge in judge(request, expected, exchange):
            self._trial.witness.add(charge)
        self._learn(request, exchange)
        if not expected.faults:
            self._trial.aftermath.look(request, exchange, self._world)
        return exchange

    def _expected_of_cancel(
        self, request: Request, exchange: Exchange, expected: Expected
    ) -> Expected:
        """Say what a refused cancel breaks: that depends on whether the task had ended."""
        name = request.place
        if exchange.ok or name not in self._world.tasks:
            return expected
        if name in self._cancelled:
            return Expected(wanted=["CANCEL-REPEATED"])
        poll = read_poll(self._trial.witness.api.poll_task(name, 0), 0)
        if poll is not None and poll.terminal:
            return Expected(wanted=["CANCEL-TERMINAL"])
        return Expected(wanted=["CANCEL-LIVE"])

    # -- what is known from an answer on ------------------------------------------------

    def _learn(self, request: Request, exchange: Exchange) -> None:
        match request.operation:
            case "pollTask":
                self._polled(request, exchange)
            case "sendMessage" if exchange.status == 202:
                self._sent(exchange)
            case "createConversation" if exchange.ok:
                made = str(exchange.payload.get("conversation_id"))
                self._world.conversations.add(made)
                self._stage.user.made(made)
            case "deleteConversation" if exchange.ok:
                self._world.conversations.discard(request.place)
                self._world.deleted.add(request.place)
            case "cancelTask" if exchange.ok:
                self._cancelled.add(request.place)
            case "uploadFile" if exchange.ok:
                part, path = file_part(request), str(exchange.payload.get("path"))
                self._world.files[path] = part.content if part else b""
            case "savePrompt" if exchange.ok:
                name = str(request.fields.get("name"))
                self._world.prompts[name] = request.fields.get("content") or ""
            case "savePersonalization" if exchange.ok:
                name = str(request.fields.get("name"))
                self._world.personalizations[name] = exchange.payload.get("content")

    def _sent(self, exchange: Exchange) -> None:
        world = self._world
        task = self._stage.user.task_of(exchange)
        self._trial.note_task()
        self._begun.append(task)
        for story in self._stories.values():
            story.may_be_gone()
        world.forgotten |= world.tasks
        world.tasks, world.live = {task.id}, {task.id}
        world.conversations.add(task.conversation_id)
        ring = self._stage.target.buffer_size
        self._stories[task.id] = TaskInvariants(task.id, self._trial.witness, ring=ring)

    def _polled(self, request: Request, exchange: Exchange) -> None:
        story = self._stories.get(request.place)
        text = request.parameter("from")
        if story is None or not (text is None or text.isdecimal()):
            return
        poll = story.observe(exchange, int(text or 0))
        if poll is not None and poll.status in TERMINAL:
            self._world.live.discard(request.place)
