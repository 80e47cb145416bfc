"""What one sequence of calls is judged with: it notes, and leaves the verdict to others."""

from collections.abc import Mapping

from pollux.conformance.judge import Judge
from pollux.polling.breach import Breach
from pollux.schemas.requirements import Level, Requirement


class Ledger(Judge):
    """Takes what a judge takes, of any requirement.

    A sequence is played again and again to find its shortest form, so that what one run of it
    sees is not yet what is reported. A broken SHOULD or MAY does not end a sequence: it is
    passed on as it is.

    Args:
        judge: The judge of the check, who is told what holds.
        catalogue: All requirements.

    Attributes:
        breaches: What was seen broken, in this order.
    """

    def __init__(self, judge: Judge, catalogue: Mapping[str, Requirement]) -> None:
        super().__init__(judge.check, catalogue, catalogue)
        self.breaches: list[Breach] = []
        self._judge = judge

    def held(self, requirement: str) -> None:
        """Tell the judge of the check."""
        self._judge.held(requirement)

    def breached(self, breach: Breach) -> None:
        """Keep what is a MUST; pass on what is not."""
        if self._known(breach.requirement).level is Level.MUST:
            self.breaches.append(breach)
        else:
            self._judge.breached(breach)
