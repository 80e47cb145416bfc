"""Looks for a sequence of calls to which a server does not answer as the model does."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from hypothesis import seed
from hypothesis.stateful import run_state_machine_as_test

from pollux.conformance.effort import Effort
from pollux.conformance.errors import CannotVerifyError
from pollux.conformance.machine.actions import do
from pollux.conformance.machine.audit import audit
from pollux.conformance.machine.generating import quiet_settings
from pollux.conformance.machine.play import Line, Play, Step
from pollux.conformance.machine.rules import Sequences
from pollux.conformance.machine.shell import script
from pollux.conformance.machine.shorten import Shortened, shortened
from pollux.conformance.stage import Stage
from pollux.polling.breach import Breach

# A server that takes long for each answer has fewer sequences to play.
_MOST_SECONDS = 60.0
_SHORTENING_SECONDS = 30.0


@dataclass(frozen=True)
class Failure:
    """A sequence in which the server was wrong.

    Attributes:
        breach: What was wrong, at the last step.
        steps: The sequence.
        lines: How to repeat it.
        names: What stands for shell variables in it.
    """

    breach: Breach
    steps: tuple[Step, ...]
    lines: tuple[Line, ...]
    names: Mapping[str, str]


class _Found(BaseException):
    """Leaves hypothesis with a failure; no ``Exception``, which it would catch."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.breach.requirement)
        self.failure = failure


class _Ended(BaseException):
    """Leaves hypothesis because a sequence cannot go on."""

    def __init__(self, error: CannotVerifyError) -> None:
        super().__init__(str(error))
        self.error = error


class _Sequence:
    """One sequence, while it is being made."""

    def __init__(self, stage: Stage) -> None:
        self._play = Play(stage)
        self._steps: list[Step] = []
        self._going = True

    def do(self, step: Step) -> None:
        """Do one more step."""
        failure = self._done(step)
        if failure is not None:
            raise _Found(failure)

    def end(self) -> None:
        """Look at everything once more, unless the sequence has ended already, and clear up."""
        try:
            failure = self.audited() if self._going else None
        finally:
            self._play.close()
        if failure is not None:
            raise _Found(failure)

    def played(self, steps: Iterable[Step], *, whole: bool) -> Failure | None:
        """Play all STEPS; a WHOLE sequence is looked at once more at its end."""
        try:
            for step in steps:
                failure = self._done(step)
                if failure is not None:
                    return failure
            return self.audited() if whole else self._failure(self._play.settle())
        except _Ended as ended:
            raise ended.error from None
        finally:
            self._play.close()

    def audited(self) -> Failure | None:
        """Look at everything that the model knows of."""
        before = len(self._play.lines), len(self._steps)
        for step in audit(self._play):
            failure = self._done(step)
            if failure is not None:
                return failure
            # What was right is no part of what has to be repeated.
            del self._play.lines[before[0] :], self._steps[before[1] :]
        return self._failure(self._play.settle())

    def _done(self, step: Step) -> Failure | None:
        self._steps.append(step)
        try:
            return self._failure(do(self._play, step))
        except CannotVerifyError as error:
            self._going = False
            raise _Ended(error) from error

    def _failure(self, breach: Breach | None) -> Failure | None:
        if breach is None:
            return None
        self._going = False
        play = self._play
        known = [line.exchange for line in play.lines]
        more = [Line(exchange) for exchange in breach.exchanges[-1:] if exchange not in known]
        return Failure(breach, tuple(self._steps), (*play.lines, *more), dict(play.names))


class Search:
    """One check's search.

    Args:
        stage: The stage of the check.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def run(self, opening: Sequence[Step], rules: type[Sequences], sequences: int) -> None:
        """Play the OPENING, then SEQUENCES made by the RULES; charge the first failure.

        Raises:
            CannotVerifyError: when a sequence cannot go on.
        """
        failure = self.played(opening, whole=True) or self.made(rules, sequences)
        if failure is not None:
            self._charge(shortened(failure, self._again, self._stage.seconds(_SHORTENING_SECONDS)))

    def played(self, steps: Sequence[Step], *, whole: bool = False) -> Failure | None:
        """Play a sequence from its beginning."""
        return _Sequence(self._stage).played(steps, whole=whole)

    def _again(self, steps: Sequence[Step]) -> Failure | None:
        try:
            return self.played(steps)
        except CannotVerifyError:
            return None  # what was found stands, whatever becomes of the server now

    def made(self, rules: type[Sequences], sequences: int) -> Failure | None:
        """Let hypothesis make sequences until one fails, at most so many."""
        if sequences < 1:
            return None
        until = time.monotonic() + self._stage.seconds(_MOST_SECONDS)
        thorough = self._stage.budget.effort is Effort.THOROUGH
        is_first = True

        def machine() -> Sequences:
            nonlocal is_first
            if is_first or (time.monotonic() > until and not thorough):
                # The first one is the simplest of all: one step again and again.
                is_first = False
                return rules(lambda _: None, lambda: None)
            try:
                sequence = _Sequence(self._stage)
            except CannotVerifyError as error:
                raise _Ended(error) from error
            return rules(sequence.do, sequence.end)

        chosen = quiet_settings(sequences + 1, self._stage.budget.steps)
        try:
            chance = seed(self._stage.random.getrandbits(64))
            # Whatever makes a machine will do, not only a class of them.
            run_state_machine_as_test(chance(machine), settings=chosen)  # type: ignore[arg-type]
        except _Found as found:
            return found.failure
        except _Ended as ended:
            raise ended.error from None
        return None

    def _charge(self, found: Shortened[Failure]) -> None:
        """Tell the judge of the check what was found, and how to see it."""
        failure, target, judge = found.failure, self._stage.target, self._stage.judge
        breach = failure.breach
        text = script(failure.lines, failure.names, target.base_url, target.model_control)
        for said, what in (("expected", breach.expected), ("got", breach.got)):
            text += f"\n# {said}: {' '.join(what.split())}"
        if not found.failed:
            text = f"# Seen once, and not again in {found.runs} repetitions.\n{text}"
        exchanges = tuple(line.exchange for line in failure.lines if line.exchange is not None)
        judge.breached(replace(breach, exchanges=exchanges, script=text))
