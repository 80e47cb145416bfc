"""What is set up around a target, and which settings are refused before anything is done."""

import os
import shlex
import sys
from pathlib import Path

import httpx
import pytest

from pollux.conformance.bench import Setting, set_up
from pollux.conformance.errors import LaunchError, TargetError
from pollux.conformance.launch import free_port
from pollux.conformance.target import Profile, Target, address
from pollux.schemas.requirements import Need
from tests.conformance.workshop import OTHER_TOKEN, TOKEN, Workshop

_SERVE = f"{shlex.quote(sys.executable)} -m pollux serve --port {{port}} --data {{data_dir}}"


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        (Setting(url="http://127.0.0.1:9"), "no token"),
        (Setting(token="t"), "no target"),
        (Setting(url="http://127.0.0.1:9", token="t", other_token="t"), "both tokens are the same"),
        (Setting(url="nonsense", token="t"), "not an absolute URL"),
        (Setting(start="run", token="t"), r"without \{port\}"),
        (
            Setting(url="http://127.0.0.1:9", token="t", profile=Profile.SCRIPTED),
            "--model-listen",
        ),
        (Setting(reference=True, url="http://h"), "leave the rest out"),
    ],
)
def test_a_setting_that_cannot_work_says_why(setting: Setting, why: str) -> None:
    with pytest.raises(TargetError, match=why), set_up(setting):
        pass


def test_nobody_at_the_address() -> None:
    setting = Setting(url=f"http://127.0.0.1:{free_port()}", token="t", time_scale=0.1)
    with pytest.raises(TargetError, match="does not answer"), set_up(setting):
        pass


@pytest.mark.parametrize(
    ("token", "other", "why"),
    [("wrong", None, "--token is refused"), (TOKEN, "wrong", "--other-token is refused")],
)
def test_a_wrong_token_is_the_users_mistake_and_is_not_shown(
    workshop: Workshop, token: str, other: str | None, why: str
) -> None:
    with workshop.serve() as url:
        setting = Setting(url=url, token=token, other_token=other)
        with pytest.raises(TargetError, match=why) as raised, set_up(setting):
            pass
    assert "wrong" not in str(raised.value).partition("$")[2]


def test_a_target_by_its_url(workshop: Workshop) -> None:
    with workshop.serve() as url:
        setting = Setting(url=f"{url}/api/v1/", token=TOKEN, other_token=OTHER_TOKEN)
        with set_up(setting) as bench:
            assert bench.process is None
            assert bench.target.base_url == url
            assert bench.target.profile is Profile.BLACKBOX
            assert bench.target.lacking(Need.TWO_USERS) is None
            assert "scripted" in str(bench.target.lacking(Need.SCRIPTED_MODEL))
            assert "restart" in str(bench.target.lacking(Need.RESTART))


def test_the_model_listens_where_it_is_told_to(workshop: Workshop) -> None:
    port = free_port()
    with workshop.serve() as url:
        setting = Setting(
            url=url, token=TOKEN, profile=Profile.SCRIPTED, model_listen=("127.0.0.1", port)
        )
        with set_up(setting) as bench:
            assert bench.target.model_control == f"http://127.0.0.1:{port}"
            assert httpx.get(f"http://127.0.0.1:{port}/v1/models").status_code == 200
            with pytest.raises(TargetError, match="cannot listen"), set_up(setting):
                pass


def test_an_implementation_is_started_with_the_model_in_its_environment(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    users = "POLLUX_USERS='one='$POLLUX_TOKEN"
    start = f"echo {{port}} {{model_url}} {{data_dir}} > {seen}; env >> {seen}; {users} {_SERVE}"
    with set_up(Setting(start=start, token="a-token")) as bench:
        target = bench.target
        assert target.profile is Profile.SCRIPTED
        assert httpx.get(f"{target.base_url}/api/v1/health").status_code == 200
        text = seen.read_text()
        port, model_url, data_dir = text.split("\n")[0].split()
        assert target.base_url.endswith(f":{port}")
        assert model_url == f"{target.model_control}/v1"
        assert f"OPENAI_BASE_URL={model_url}" in text
        assert "OPENAI_API_KEY=" in text
        assert Path(data_dir).is_dir()
        assert "a-token" not in str(target.public())
    assert not Path(data_dir).exists()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{target.base_url}/api/v1/health")


def test_an_implementation_that_does_not_start_is_shown() -> None:
    setting = Setting(start="echo no such thing; exit 1; # {port}", token="t")
    with pytest.raises(LaunchError, match="no such thing"), set_up(setting):
        pass


def test_the_reference_server_has_users_that_nobody_can_see() -> None:
    with set_up(Setting(reference=True)) as bench:
        target = bench.target
        assert target.other_token
        assert bench.process is not None
        command = Path(f"/proc/{bench.process.pid}/cmdline")
        if command.exists():
            assert target.token.encode() not in command.read_bytes()
        assert target.token not in repr(target) + str(target.public()) + bench.process.output
        assert target.lacking(Need.RESTART) is None


def test_in_the_blackbox_profile_the_reference_server_calls_no_model_of_this_shell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    with set_up(Setting(reference=True, profile=Profile.BLACKBOX)) as bench:
        assert bench.target.model_control is None
        assert bench.process is not None
        environment = Path(f"/proc/{bench.process.pid}/environ")
        if environment.exists():
            assert b"OPENAI_BASE_URL" not in environment.read_bytes()
    assert os.environ["OPENAI_BASE_URL"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0.0.0.0:80", ("0.0.0.0", 80)), (":0", ("127.0.0.1", 0)), ("[::1]:5", ("::1", 5))],
)
def test_an_address(text: str, expected: tuple[str, int]) -> None:
    assert address(text) == expected


@pytest.mark.parametrize("text", ["", "host", "host:", "host:http", "host:70000"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        address(text)


def test_the_redactor_of_a_target_knows_every_token() -> None:
    target = Target("http://h", "first-secret", "second-secret")
    shown = target.redactor().text("first-secret second-secret first-secre")
    assert shown == "$TOKEN $OTHER_TOKEN ${TOKEN%?}"
