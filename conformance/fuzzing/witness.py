"""The client that sends generated requests: every answer is judged, nothing is charged at once."""

from pollux.conformance.fuzzing.hunt import Charge
from pollux.conformance.stage import Stage
from pollux.polling.breach import Breach


class Witness:
    """A client of a stage's first user, and what its answers break.

    A request is to be made smaller before it is shown, so a breach waits until somebody takes
    it. What holds is noted at once.

    Args:
        stage: Where the user appears.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._charges: list[Charge] = []
        self.api = stage.client(stage.target.token, self)
        stage.judge.at_end(self.api.close)

    def add(self, charge: Charge) -> None:
        """Note a breach that was seen otherwise than by the rules of every answer."""
        self._charges.append(charge)

    def take(self) -> list[Charge]:
        """Return what was noted since the last time."""
        charges, self._charges = self._charges, []
        return charges

    def held(self, requirement: str) -> None:
        """Note that a rule had something to look at, and it was right."""
        self._stage.judge.held(requirement)

    def breached(self, breach: Breach) -> None:
        """Note a breach of a rule of every answer, or of a task's story."""
        self._charges.append(Charge(breach.requirement, breach))
