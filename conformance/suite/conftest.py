"""The fixtures of the checks: the judge, the stage, and who appears on it."""

from collections.abc import Iterator

import pytest

from pollux.conformance.judge import Judge
from pollux.conformance.plugin import PLAN
from pollux.conformance.pulse import Pulse
from pollux.conformance.recorder import JUDGE, check_name
from pollux.conformance.stage import Stage, User
from pollux.conformance.target import Target
from pollux.scripted_model.control import HttpModelControl, ModelControl

if not __name__.startswith("pollux."):
    raise pytest.UsageError(
        "collect the checks by their package (pytest --pyargs pollux.conformance.suite), "
        "or run `pollux check`"
    )


@pytest.fixture(scope="session")
def pulse(pollux_target: Target) -> Pulse:
    """Whether the target still answers."""
    return Pulse(pollux_target.base_url, pollux_target.time_scale)


@pytest.fixture(scope="session")
def model_control(pollux_target: Target) -> Iterator[ModelControl | None]:
    """The scripted model behind the target, in the scripted profile."""
    if pollux_target.model_control is None:
        yield None
    else:
        with HttpModelControl(pollux_target.model_control) as control:
            yield control


@pytest.fixture
def judge(request: pytest.FixtureRequest) -> Judge:
    """The judge of this check."""
    found: Judge = request.node.stash[JUDGE]
    return found


@pytest.fixture
def stage(
    request: pytest.FixtureRequest,
    pollux_target: Target,
    judge: Judge,
    pulse: Pulse,
    model_control: ModelControl | None,
) -> Iterator[Stage]:
    """What the check plays on."""
    plan = request.config.stash[PLAN]
    seed = f"{plan.seed}:{check_name(request.node)}"
    with Stage(pollux_target, judge, pulse, model_control, seed, plan.budget) as stage:
        yield stage


@pytest.fixture
def user(stage: Stage) -> User:
    """The user that does most of the work."""
    return stage.user
