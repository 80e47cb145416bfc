"""What one sequence of calls is judged with: it notes, and leaves the verdict to others."""

from collections.abc import Mapping

from pollux.conformance.errors import CannotVerifyError
from pollux.conformance.judge import By, Judge
from pollux.polling.breach import Breach
from pollux.polling.exchange import Exchange
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
        super().__init__(judge.check, (), catalogue)
        self.breaches: list[Breach] = []
        self._judge = judge
        self._levels = catalogue

    def that(
        self,
        requirement: str,
        holds: bool,
        message: str,
        *,
        expected: str = "",
        got: str = "",
        by: By = (),
    ) -> bool:
        """Note one look at a requirement, declared or not."""
        if holds:
            self.held(requirement)
        else:
            exchanges = (by,) if isinstance(by, Exchange) else tuple(by)
            self.breached(Breach(requirement, message, expected, got, exchanges))
        return holds

    def held(self, requirement: str) -> None:
        """Tell the judge of the check."""
        self._judge.held(requirement)

    def breached(self, breach: Breach) -> None:
        """Note a breach, or pass it on."""
        if self._levels[breach.requirement].level is Level.MUST:
            self.breaches.append(breach)
        else:
            self._judge.breached(breach)

    def require(
        self,
        requirement: str,
        holds: bool,
        message: str,
        *,
        expected: str = "",
        got: str = "",
        by: By = (),
    ) -> None:
        """Note a look at what the sequence stands on.

        Raises:
            CannotVerifyError: when it does not hold.
        """
        if not self.that(requirement, holds, message, expected=expected, got=got, by=by):
            raise CannotVerifyError(f"{message}: expected {expected}, got {got}", requirement)
