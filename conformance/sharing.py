"""Shares a run out among workers: each has a server, or users, that no other worker has."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from typing import Any

import pytest

from pollux.conformance.bench import Setting, running_model, set_up
from pollux.conformance.effort import Budget, Effort
from pollux.conformance.errors import TargetError
from pollux.conformance.plugin import SHARE
from pollux.conformance.recorder import CHECKS, Plan, Recorder
from pollux.conformance.target import Profile, Target
from pollux.schemas.requirements import load_requirements


@contextmanager
def shares(
    setting: Setting,
    workers: int,
    tokens: Sequence[str] = (),
    other_tokens: Sequence[str] = (),
) -> Iterator[tuple[Target, tuple[Setting, ...]]]:
    """See to it that each of so many WORKERS can begin; see :func:`shared_out`.

    Returns:
        What the workers have in common, and the setting of each.

    Raises:
        TargetError: when there is too little to share, or the target cannot be reached or
            started: said once, here, and not by every worker.
    """
    settings = shared_out(setting, workers, tokens, other_tokens)
    with ExitStack() as stack:
        if setting.model_listen is not None:
            model = stack.enter_context(running_model(setting.model_listen))
            settings = tuple(
                replace(share, model_listen=None, model_control=model.url) for share in settings
            )
        targets = [_tried(share) for share in dict.fromkeys(settings)]
        target = targets[0]
        if setting.reference or setting.start:
            target = replace(target, base_url="http://127.0.0.1:{port}")
        yield target, settings


def _tried(setting: Setting) -> Target:
    with set_up(setting) as bench:
        return bench.target


def shared_out(
    setting: Setting,
    workers: int,
    tokens: Sequence[str] = (),
    other_tokens: Sequence[str] = (),
) -> tuple[Setting, ...]:
    """Return the setting of each of so many WORKERS.

    A server that the suite starts is started once for each worker. On a server that runs
    already each worker needs users of its own, since a user has one task at a time
    (api_v1 2.2).

    Args:
        setting: What the run is asked to do, with the users of the first worker.
        workers: How many there are.
        tokens: Tokens of all first users.
        other_tokens: Tokens of all second users; all workers or none have one.

    Raises:
        TargetError: when there is too little to share.
    """
    if setting.reference or setting.start:
        start = setting.start or "{port} {data_dir}"
        if setting.url or "{port}" not in start or "{data_dir}" not in start:
            raise TargetError(
                f"-n {workers} starts a server for each worker: --start needs {{port}} and "
                "{data_dir} in it, and no URL may be given"
            )
        if setting.model_listen is not None:
            raise TargetError(
                f"-n {workers} starts a scripted model for each worker: leave --model-listen out"
            )
        return (setting,) * workers
    if len(set(tokens)) < workers:
        raise TargetError(
            f"-n {workers} on a server that runs already needs a user for each worker, since a "
            f"user has one task at a time: give --token {workers} times, or let the suite start "
            "the server (--start)"
        )
    if other_tokens and len(set(other_tokens)) < workers:
        raise TargetError(
            f"-n {workers} needs a second user for each worker, or none: give --other-token "
            f"{workers} times"
        )
    if set(tokens) & set(other_tokens):
        raise TargetError("a token of --token is one of --other-token, too: they must differ")
    others: Sequence[str | None] = other_tokens or [None] * workers
    return tuple(
        replace(setting, token=token, other_token=other)
        for token, other in zip(tokens[:workers], others, strict=False)
    )


def packed(setting: Setting, plan: Plan) -> dict[str, Any]:
    """Return what a worker has to know of its share, as plain values that can be sent to it."""
    values = asdict(setting)
    values["profile"] = setting.profile.value if setting.profile else None
    budget = asdict(plan.budget)
    budget["effort"] = plan.budget.effort.value
    return {"setting": values, "only": list(plan.only), "seed": plan.seed, "budget": budget}


@contextmanager
def unpacked(values: Mapping[str, Any]) -> Iterator[Plan]:
    """Set up the share that :func:`packed` made VALUES of, and return its plan.

    Raises:
        TargetError: when it cannot be set up.
    """
    setting, budget = values["setting"], values["budget"]
    profile, listen = setting["profile"], setting["model_listen"]
    share = Setting(
        **{
            **setting,
            "profile": Profile(profile) if profile else None,
            "model_listen": tuple(listen) if listen else None,
        }
    )
    with set_up(share) as bench:
        yield Plan(
            bench.target,
            load_requirements(),
            only=tuple(values["only"]),
            seed=values["seed"],
            budget=Budget(**{**budget, "effort": Effort(budget["effort"])}),
            process=bench.process,
        )


class Sharing:
    """The plugin of the process that has the workers: it gives each its share.

    Args:
        recorder: Writes the log of the run.
        settings: One for each worker.
    """

    def __init__(self, recorder: Recorder, settings: Sequence[Setting]) -> None:
        self._recorder = recorder
        self._settings = settings

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Give a worker its share, before it begins."""
        number = int(node.gateway.id.removeprefix("gw"))
        share = self._settings[number % len(self._settings)]
        node.workerinput[SHARE] = packed(share, self._recorder.plan)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Note what checks a worker has found, and whether it came to its end."""
        found = getattr(node, "workeroutput", {}).get(CHECKS)
        if found is not None:
            self._recorder.note_checks(found)
        if error:
            self._recorder.note_trouble(f"worker {node.gateway.id} ended: {error}")
