"""A run shared out among workers: nobody gets in anybody's way, and nothing is lost."""

import json
from pathlib import Path

import pytest

from pollux.conformance.bench import Setting
from pollux.conformance.effort import Budget, Effort
from pollux.conformance.errors import TargetError
from pollux.conformance.outcome import Outcome, Verdict
from pollux.conformance.recorder import Plan
from pollux.conformance.report.log import EventLog
from pollux.conformance.report.report import build_report
from pollux.conformance.runner import run_checks
from pollux.conformance.sharing import packed, shared_out, shares, unpacked
from pollux.conformance.target import Profile
from pollux.reference_server.app import ReferenceServer, services_of
from pollux.reference_server.config import ServerConfig
from pollux.reference_server.models import ModelCatalogue, scripted_spec
from pollux.schemas.requirements import load_requirements
from pollux.scripted_model.server import ModelServer

_TOKENS = ("first-of-one", "first-of-two")
_OTHERS = ("second-of-one", "second-of-two")
_RUNNING = Setting(url="http://127.0.0.1:9", token=_TOKENS[0])
_STARTED = Setting(start="serve {port} {data_dir}", token=_TOKENS[0])


def test_on_a_server_that_runs_each_has_users_of_its_own() -> None:
    one, two = shared_out(_RUNNING, 2, _TOKENS, _OTHERS)
    assert (one.token, one.other_token) == ("first-of-one", "second-of-one")
    assert (two.token, two.other_token) == ("first-of-two", "second-of-two")
    assert [share.other_token for share in shared_out(_RUNNING, 2, _TOKENS)] == [None, None]


def test_what_the_suite_starts_is_started_for_each() -> None:
    assert shared_out(_STARTED, 3) == (_STARTED,) * 3


@pytest.mark.parametrize(
    ("setting", "tokens", "others", "why"),
    [
        (_RUNNING, _TOKENS[:1], (), "give --token 2 times"),
        (_RUNNING, ("same", "same"), (), "give --token 2 times"),
        (_RUNNING, _TOKENS, _OTHERS[:1], "give --other-token 2 times"),
        (_RUNNING, _TOKENS, _TOKENS[::-1], "must differ"),
        (Setting(start="serve {data_dir}", token="t"), (), (), "{port}"),
        (Setting(start="serve {port}", token="t"), (), (), "{data_dir}"),
        (Setting(start="s {port} {data_dir}", url="http://a", token="t"), (), (), "no URL"),
        (Setting(reference=True, model_listen=("127.0.0.1", 1)), (), (), "--model-listen"),
    ],
)
def test_too_little_to_share_is_said(
    setting: Setting, tokens: tuple[str, ...], others: tuple[str, ...], why: str
) -> None:
    with pytest.raises(TargetError) as caught:
        shared_out(setting, 2, tokens, others)
    assert why in str(caught.value)


def test_a_share_survives_its_way_to_a_worker(tmp_path: Path) -> None:
    with ReferenceServer(ServerConfig(data_dir=tmp_path)) as server:
        services_of(server.app).users.add("one", token=_TOKENS[0])
        setting = Setting(
            url=server.base_url,
            token=_TOKENS[0],
            profile=Profile.SCRIPTED,
            model_control="http://127.0.0.1:1",
            time_scale=2.0,
        )
        with shares(setting, 1, _TOKENS[:1]) as (target, _):
            budget = Budget.of(Effort.THOROUGH, 3)
            plan = Plan(target, load_requirements(), only=("auth",), seed=7, budget=budget)
        values = json.loads(json.dumps(packed(setting, plan)))
        with unpacked(values) as again:
            assert again == plan


def test_two_workers_on_one_server_judge_like_one(tmp_path: Path) -> None:
    with ModelServer() as model:
        config = ServerConfig(data_dir=tmp_path)
        catalogue = ModelCatalogue([scripted_spec()], model.model)
        with ReferenceServer(config, catalogue) as server:
            for token in (*_TOKENS, *_OTHERS):
                services_of(server.app).users.add(token, token=token)
            setting = Setting(
                url=server.base_url,
                token=_TOKENS[0],
                profile=Profile.SCRIPTED,
                model_control=model.url,
            )
            log = EventLog()
            with shares(setting, 2, _TOKENS, _OTHERS) as (target, settings):
                only = ("auth", "SEND-BUSY-*", "POLL-UNKNOWN-TASK", "RESTART-USER-FREE")
                plan = Plan(target, load_requirements(), only=only, seed=1)
                run_checks(plan, log, settings=settings)
    report = build_report(log.events)
    assert report.complete
    assert report.troubles == ()
    unverified = {row.id for row in report.having(Outcome.NOT_VERIFIED)}
    assert unverified == {"RESTART-USER-FREE"}
    assert len(report.having(Outcome.PASS)) == len(report.requirements) - 1 > 15
    assert report.verdict is Verdict.INCOMPLETE
    assert all(token not in json.dumps(log.events) for token in (*_TOKENS, *_OTHERS))
