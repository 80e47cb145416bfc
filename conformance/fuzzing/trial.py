"""Tries generated requests, one at a time, and says which requirements their answers break."""

from collections.abc import Sequence

from pollux.conformance.fuzzing.aftermath import Aftermath
from pollux.conformance.fuzzing.expected import judge
from pollux.conformance.fuzzing.hunt import Charge
from pollux.conformance.fuzzing.request import Request
from pollux.conformance.fuzzing.rules import expected_of
from pollux.conformance.fuzzing.witness import Witness
from pollux.conformance.fuzzing.world import World
from pollux.conformance.stage import Stage

_MOST_TASKS_OF_A_REAL_MODEL = 3


class Trial:
    """Tries requests of a stage's first user; the trial of a hunt.

    Args:
        stage: Where the user appears.
        world: What the user has.
    """

    def __init__(self, stage: Stage, world: World) -> None:
        self.world = world
        self.witness = Witness(stage)
        self.aftermath = Aftermath(stage, self.witness)
        self._tasks_left = None if stage.scripted else _MOST_TASKS_OF_A_REAL_MODEL

    def __call__(self, request: Request) -> Sequence[Charge]:
        """Send REQUEST and return what its answer breaks."""
        expected = expected_of(request, self.world)
        if request.operation == "sendMessage" and not expected.faults and not self.may_send:
            return []
        request = self.ready(request)
        exchange = request.send(self.witness.api)
        for charge in judge(request, expected, exchange):
            self.witness.add(charge)
        if exchange.status == 202:
            self.note_task()
        self.aftermath.clear(exchange)
        if not expected.faults:
            self.aftermath.look(request, exchange, self.world)
        return self.witness.take()

    @property
    def may_send(self) -> bool:
        """Whether one more task may be begun: a model that costs money is not asked for ever."""
        return self._tasks_left is None or self._tasks_left > 0

    def note_task(self) -> None:
        """Note that a task was begun."""
        if self._tasks_left is not None:
            self._tasks_left -= 1

    def ready(self, request: Request) -> Request:
        """Have something of its own deleted by each deletion of something that is there.

        What all requests may speak of stays; the result is REQUEST itself for everything else.
        """
        if request.operation != "deleteConversation" or request.method is not None:
            return request
        if request.place not in self.world.conversations:
            return request
        exchange = self.witness.api.create_conversation({})
        self.aftermath.clear(exchange)
        made = exchange.payload.get("conversation_id")
        return request.with_place(made) if isinstance(made, str) else request
