"""What a check judges with: it collects what was seen, and says at the end what that means.

A check never stops at the first breach and never raises one. It ends early only when its
scenario cannot go on (:meth:`Judge.require`, :meth:`Judge.cannot_verify`).
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Never

from pollux.conformance.errors import CannotVerifyError, CheckDefinitionError
from pollux.conformance.outcome import Cause, Evidence, Judgement, Outcome
from pollux.polling.breach import Breach
from pollux.polling.exchange import Exchange
from pollux.schemas.requirements import Level, Requirement

# More of the same adds nothing; the count is said.
_MOST_EVIDENCE = 5

By = Exchange | Iterable[Exchange]


class Judge:
    """Collects the judgements of one run of one check. Safe for use by several threads.

    Args:
        check: Name of the check.
        declared: Ids of the requirements that it verifies.
        catalogue: All requirements.

    Raises:
        CheckDefinitionError: when a declared id is not in the catalogue.
    """

    def __init__(
        self, check: str, declared: Iterable[str], catalogue: Mapping[str, Requirement]
    ) -> None:
        self.check = check
        self.declared = tuple(declared)
        self._catalogue = catalogue
        self._lock = threading.Lock()
        self._held: set[str] = set()
        self._broken: dict[str, list[Evidence]] = {}
        self._breaches: Counter[str] = Counter()
        self._not_applicable: dict[str, str] = {}
        self._at_end: list[Callable[[], None]] = []
        for name in self.declared:
            self._known(name)

    # -- what checks say ----------------------------------------------------------------

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
        """Judge one declared requirement once; a check does so as often as it looks.

        Args:
            requirement: Its id.
            holds: Whether what was seen is as it should be.
            message: What was looked at, in a sentence.
            expected: What the contract asks for.
            got: What came instead.
            by: The exchange(s) that prove it.

        Returns:
            HOLDS, so that a scenario can go another way.

        Raises:
            CheckDefinitionError: when the check does not declare the requirement.
        """
        if requirement not in self.declared:
            raise CheckDefinitionError(f"{self.check} judges {requirement} without declaring it")
        return self._look(requirement, holds, message, expected, got, by)

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
        """Look at what the scenario stands on: a positive control, a step that has to work.

        A breach is charged to REQUIREMENT, declared or not, and ends the check: what it still
        had to see is NOT_VERIFIED and names REQUIREMENT.

        Raises:
            CannotVerifyError: when it does not hold.
        """
        if not self._look(requirement, holds, message, expected, got, by):
            raise CannotVerifyError(f"{message}: expected {expected}, got {got}", requirement)

    def cannot_verify(self, reason: str) -> Never:
        """End the check: what was missing is nobody's fault, but nothing can be said.

        Raises:
            CannotVerifyError: always.
        """
        raise CannotVerifyError(reason)

    def not_applicable(self, requirement: str, reason: str) -> None:
        """Say that the target has nothing to which a declared requirement applies."""
        with self._lock:
            self._not_applicable[requirement] = reason

    def nothing_applies(self, reason: str) -> None:
        """Say so of all declared requirements; what there was to judge one by still counts."""
        for requirement in self.declared:
            self.not_applicable(requirement, reason)

    # -- what the polling client says ---------------------------------------------------

    def held(self, requirement: str) -> None:
        """Note that an always-on invariant had something to look at, and it was right."""
        with self._lock:
            self._held.add(requirement)

    def breached(self, breach: Breach) -> None:
        """Note a breach, whoever declares its requirement."""
        name = breach.requirement
        self._known(name)
        with self._lock:
            self._breaches[name] += 1
            if self._breaches[name] > _MOST_EVIDENCE:
                return
        evidence = Evidence(
            check=self.check,
            message=_sendable(breach.message),
            expected=_sendable(breach.expected),
            got=_sendable(breach.got),
            exchanges=tuple(exchange.as_dict() for exchange in breach.exchanges),
            script=_sendable(breach.script),
        )
        with self._lock:
            self._broken.setdefault(name, []).append(evidence)

    # -- the end ------------------------------------------------------------------------

    def at_end(self, call: Callable[[], None]) -> None:
        """Have CALL called when the check has come to its end, before anything is concluded."""
        self._at_end.append(call)

    def finish(self) -> None:
        """Call what was to be called at the end."""
        while self._at_end:
            self._at_end.pop()()

    def judgements(self, end: BaseException | None = None) -> list[Judgement]:
        """Return one judgement for each requirement declared or seen broken.

        Args:
            end: What the check was ended by, or None when it came to its own end.
        """
        names = [*self.declared, *(name for name in self._broken if name not in self.declared)]
        return [self._judgement(name, end) for name in names]

    def _judgement(self, name: str, end: BaseException | None) -> Judgement:
        evidence = self._broken.get(name)
        if evidence:
            must = self._known(name).level is Level.MUST
            more = self._breaches[name] - 1
            detail = evidence[0].message + (f" (and {more} more)" if more else "")
            outcome = Outcome.FAIL if must else Outcome.WARN
            return Judgement(name, outcome, detail, evidence=tuple(evidence))
        if isinstance(end, CannotVerifyError):
            return Judgement(name, Outcome.NOT_VERIFIED, str(end), Cause.PREREQUISITE)
        if end is not None:
            text = f"{type(end).__name__}: {end}"
            return Judgement(name, Outcome.HARNESS_ERROR, f"the check itself failed: {text}")
        if name in self._held:
            return Judgement(name, Outcome.PASS)
        if name in self._not_applicable:
            return Judgement(name, Outcome.NOT_APPLICABLE, self._not_applicable[name])
        if self._broken:
            # A scenario that goes wrong may never come to what it was to see further on.
            culprit = next(iter(self._broken))
            reason = f"there was nothing to judge it by ({culprit})"
            return Judgement(name, Outcome.NOT_VERIFIED, reason, Cause.PREREQUISITE)
        return Judgement(
            name, Outcome.HARNESS_ERROR, f"{self.check} declares {name} but never judged it"
        )

    def _look(self, name: str, holds: bool, message: str, expected: str, got: str, by: By) -> bool:
        self._known(name)
        if holds:
            self.held(name)
        else:
            exchanges = (by,) if isinstance(by, Exchange) else tuple(by)
            self.breached(Breach(name, message, expected, got, exchanges))
        return holds

    def _known(self, name: str) -> Requirement:
        try:
            return self._catalogue[name]
        except KeyError:
            raise CheckDefinitionError(
                f"{self.check}: there is no requirement {name!r} in the catalogue"
            ) from None


def _sendable(text: str) -> str:
    """Return TEXT with half surrogates escaped: a broken server must not break the report."""
    return text.encode("utf-8", "backslashreplace").decode()
