"""The scenarios of fuzzing: which requests are generated, and what they can be about."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar
from urllib.parse import quote

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from pollux.conformance.file_area import FileArea
from pollux.conformance.fuzzing import ties
from pollux.conformance.fuzzing.expected import charge
from pollux.conformance.fuzzing.furnish import with_files, with_task, world_of
from pollux.conformance.fuzzing.hunt import Bounds, Charge, hunt
from pollux.conformance.fuzzing.request import Request
from pollux.conformance.fuzzing.smaller import smaller_plans, smaller_requests
from pollux.conformance.fuzzing.source import can_be_bad
from pollux.conformance.fuzzing.trial import Trial
from pollux.conformance.fuzzing.walk import Walks, plans
from pollux.conformance.fuzzing.witness import Witness
from pollux.conformance.stage import Stage
from pollux.schemas.openapi import operations

# So much rarer are strangers than others.
_STRANGERS = 4
# Making a finding small takes a while; of each requirement so many operations are enough.
_FINDINGS = 2
_CONTROL = Request("listPrompts")

_Thing = TypeVar("_Thing")
_Trial = Callable[[_Thing], Sequence[Charge]]


def fuzz_operations(stage: Stage, *names: str, task: bool = False, files: bool = False) -> None:
    """Try good and bad requests of the operations of these NAMES.

    Args:
        stage: Whose first user sends them, and whose budget says how many.
        names: Operation ids.
        task: Whether they need a task.
        files: Whether they need a file.

    Raises:
        CannotVerifyError: when there can be no task or no file.
    """
    trial = Trial(stage, world_of(stage))
    if task:
        with_task(trial, stage)
    if files:
        with_files(trial, FileArea(stage.user))
    hunts = _Hunts(stage, stage.budget.fuzz_cases)
    for name in names:
        for maker in (ties.good, ties.bad):
            hunts.run(maker(name, trial.world), trial, smaller_requests)


def fuzz_strangers(stage: Stage) -> None:
    """Try requests without a valid token, of all operations that need one.

    Raises:
        CannotVerifyError: when there can be no task or no file.
    """
    trial = Trial(stage, world_of(stage))
    with_task(trial, stage)
    with_files(trial, FileArea(stage.user))
    hunts = _Hunts(stage, max(1, stage.budget.fuzz_cases // _STRANGERS))
    for operation in operations():
        if not operation.secured:
            continue
        name = operation.operation_id
        let_in = hunts.run(ties.strange(name, trial.world), trial)
        # Who is let in anyway is not let in before other faults are looked at.
        if "AUTH-REQUIRED" not in let_in and can_be_bad(name):
            hunts.run(ties.strange_and_bad(name, trial.world), trial)
        # The positive control; and nobody is locked out for what strangers do.
        for found in trial(_CONTROL):
            stage.judge.breached(found.breach)


def fuzz_links(stage: Stage) -> None:
    """Go walks along the links of the document.

    Raises:
        CannotVerifyError: when there can be no file.
    """
    trial = Trial(stage, world_of(stage))
    with_files(trial, FileArea(stage.user))
    hunts = _Hunts(stage, stage.budget.fuzz_cases)
    hunts.run(plans(trial.world), Walks(stage, trial), smaller_plans)


def fuzz_unknown_routes(stage: Stage) -> None:
    """Try paths that no operation has."""
    witness, mark = Witness(stage), stage.name("no-such")

    def ask(route: tuple[str, str]) -> list[Charge]:
        method, text = route
        exchange = witness.api.request(method, f"/{mark}/{quote(text, safe='')}")
        allowed = (404,) if text.isascii() and text.isprintable() else (404, 400)
        if exchange.status < 500 and exchange.status not in allowed:
            what = "a generated path that no operation has"
            wanted = " or ".join(map(str, allowed))
            witness.add(charge("ENVELOPE-UNKNOWN-ROUTE", "status", what, wanted, exchange))
        return witness.take()

    texts = st.text(min_size=1, max_size=30).filter(lambda text: bool(text.strip(". ")))
    routes = st.tuples(st.sampled_from(("GET", "POST")), texts)
    _Hunts(stage, stage.budget.fuzz_cases).run(routes, ask)


class _Hunts:
    """The hunts of one check; what was found often enough is not hunted any more.

    Args:
        stage: Whose judge is told what is found.
        cases: Different things that each hunt tries.
    """

    def __init__(self, stage: Stage, cases: int) -> None:
        self._stage = stage
        self._bounds = Bounds(cases)
        self._found: Counter[str] = Counter()

    def run(
        self,
        things: SearchStrategy[_Thing],
        trial: _Trial[_Thing],
        smaller: Callable[[_Thing], Iterable[_Thing]] | None = None,
    ) -> set[str]:
        """Hunt among THINGS, charge what is found, and return the ids of that."""
        known = {name for name, count in self._found.items() if count >= _FINDINGS}
        broken = set()
        found_here = hunt(
            things, trial, self._stage.random, self._bounds, smaller=smaller, known=known
        )
        for _, found in found_here:
            self._stage.judge.breached(found.breach)
            broken.add(found.breach.requirement)
        self._found.update(broken)
        return broken
