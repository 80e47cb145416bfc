"""The pytest plugin: options, the marker of checks, and fixtures for tests of one's own.

It is loaded in every run of pytest on a machine that has Pollux, so nothing heavy is imported
until a test or an option asks for it.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pollux.conformance.bench import Setting
    from pollux.conformance.recorder import Plan, Recorder
    from pollux.conformance.target import Target
    from pollux.polling.client import ApiClient
    from pollux.scripted_model.server import ModelServer

# May be given several times: under pytest-xdist each worker has users of its own.
_TOKENS = (
    ("--pollux-token", "T", "token of a user; or POLLUX_TOKEN in the environment"),
    ("--pollux-other-token", "T2", "token of another user; or POLLUX_OTHER_TOKEN"),
)
_OPTIONS = (
    ("--pollux-url", "URL", "base URL of the implementation under test"),
    ("--pollux-profile", "NAME", "blackbox or scripted"),
    ("--pollux-start", "CMD", "start the implementation, as 'pollux check --start' does"),
    ("--pollux-ready", "URL", "answers when it is ready"),
    ("--pollux-model-listen", "HOST:PORT", "where the scripted model listens"),
    ("--pollux-seed", "N", "repeat the random choices of an earlier run"),
    ("--pollux-effort", "NAME", "quick, normal or thorough"),
    ("--pollux-fuzz-cases", "N", "generated requests for each operation and kind"),
    ("--pollux-time-scale", "X", "factor of every deadline"),
    ("--pollux-log", "FILE", "write the events of the run"),
    ("--pollux-report", "FILE", "write the report as JSON"),
    ("--pollux-junit", "FILE", "write it as JUnit XML, a test case for each requirement"),
    ("--pollux-html", "FILE", "write it as one HTML page"),
    ("--pollux-badge", "FILE", "write the verdict as an SVG badge"),
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("pollux", "conformance to API v1")
    for name, metavar, text in _OPTIONS:
        group.addoption(name, metavar=metavar, help=text)
    for name, metavar, text in _TOKENS:
        group.addoption(name, action="append", metavar=metavar, help=text)
    group.addoption(
        "--pollux-reference", action="store_true", help="test the reference server, and start it"
    )
    group.addoption(
        "--pollux-only", action="append", default=[], metavar="WHAT", help="judge only these"
    )


#: What the run is to do; set by ``pollux check``, or made when the first check is collected.
PLAN = pytest.StashKey["Plan"]()

#: Where a worker of pytest-xdist finds which part of the target is its own.
SHARE = "pollux_share"

_RECORDER = "pollux-recorder"
_TARGET_OPTIONS = ("url", "start", "reference")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker; share the target out where there are several workers."""
    config.addinivalue_line(
        "markers", "pollux_check(*requirements, needs=()): verifies these requirements of API v1"
    )
    workers = config.getoption("numprocesses", None)
    named = any(config.getoption(f"pollux_{option}") for option in _TARGET_OPTIONS)
    if workers and named and PLAN not in config.stash and not config.option.collectonly:
        _share(config, int(workers))


def _share(config: pytest.Config, workers: int) -> None:
    from pollux.conformance.errors import TargetError
    from pollux.conformance.recorder import Plan, Recorder
    from pollux.conformance.report.log import EventLog
    from pollux.conformance.sharing import Sharing, shares
    from pollux.schemas.requirements import load_requirements

    around = ExitStack()
    config.add_cleanup(around.close)
    tokens, others = _tokens(config, "token"), _tokens(config, "other_token")
    try:
        target, settings = around.enter_context(shares(_setting(config), workers, tokens, others))
    except TargetError as error:
        raise pytest.UsageError(str(error)) from error
    plan = Plan(target, load_requirements(), **_wishes(config))
    log_file = config.getoption("pollux_log")
    recorder = Recorder(plan, EventLog(Path(log_file) if log_file else None))
    config.pluginmanager.register(recorder, _RECORDER)
    config.pluginmanager.register(Sharing(recorder, settings), "pollux-sharing")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Set the target up and begin to record, when there are checks among the tests."""
    if PLAN in config.stash or config.option.collectonly:
        return
    if not any(item.get_closest_marker("pollux_check") for item in items):
        return
    from pollux.conformance.recorder import Recorder
    from pollux.conformance.report.log import EventLog

    log_file = config.getoption("pollux_log")
    if hasattr(config, "workerinput"):
        # What a worker sees travels with its reports; only one process writes the log.
        recorder = Recorder(_plan(config), None)
    else:
        recorder = Recorder(_plan(config), EventLog(Path(log_file) if log_file else None))
    config.pluginmanager.register(recorder, _RECORDER)
    # pytest is in the midst of calling this hook: the new plugin would miss it.
    recorder.pytest_collection_modifyitems(config, items)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say the verdict at the end of a run of checks, and write the report."""
    recorder: Recorder | None = config.pluginmanager.get_plugin(_RECORDER)
    if recorder is None or recorder.log is None:
        return
    from rich.console import Console

    from pollux.conformance.report.console import print_report
    from pollux.conformance.report.outputs import FORMATS, write_output
    from pollux.conformance.report.report import build_report

    recorder.log.close()
    if not any(event["event"] == "check" for event in recorder.log.events):
        return
    report = build_report(recorder.log.events)
    for name, (render, _) in FORMATS.items():
        file = config.getoption(f"pollux_{name}")
        if file:
            write_output(Path(file), render(report))
    terminalreporter.section("Pollux")
    console = Console(width=100)
    with console.capture() as capture:
        print_report(report, console)
    terminalreporter.write(capture.get())


@pytest.fixture(scope="session")
def pollux_target(pytestconfig: pytest.Config) -> "Target":
    """The implementation under test: what the options say of it, started if they say so."""
    return _plan(pytestconfig).target


@pytest.fixture
def pollux_client(pollux_target: "Target") -> "Iterator[ApiClient]":
    """A client of the first user of ``pollux_target``."""
    from pollux.polling.client import ApiClient

    with ApiClient(
        pollux_target.base_url, pollux_target.token, redactor=pollux_target.redactor()
    ) as client:
        yield client


@pytest.fixture(scope="session")
def scripted_model() -> "Iterator[ModelServer]":
    """A scripted model of one's own on a free port, for the test to point its server at."""
    from pollux.scripted_model.server import ModelServer

    with ModelServer() as server:
        yield server


@pytest.fixture(scope="session")
def reference_server() -> "Iterator[Target]":
    """The reference server in a process of its own, with two users and a scripted model."""
    from pollux.conformance.bench import Setting, set_up

    with set_up(Setting(reference=True)) as bench:
        yield bench.target


def _plan(config: pytest.Config) -> "Plan":
    """Return the plan of this run; the first to ask sets the target up."""
    plan = config.stash.get(PLAN, None)
    if plan is None:
        from pollux.conformance.bench import set_up
        from pollux.conformance.errors import TargetError
        from pollux.conformance.recorder import Plan
        from pollux.conformance.sharing import unpacked
        from pollux.schemas.requirements import load_requirements

        around = ExitStack()
        config.add_cleanup(around.close)
        share = getattr(config, "workerinput", {}).get(SHARE)
        try:
            if share is not None:
                plan = around.enter_context(unpacked(share))
            else:
                bench = around.enter_context(set_up(_setting(config)))
                wishes = _wishes(config)
                plan = Plan(bench.target, load_requirements(), process=bench.process, **wishes)
        except TargetError as error:
            raise pytest.UsageError(str(error)) from error
        config.stash[PLAN] = plan
    return plan


def _wishes(config: pytest.Config) -> dict[str, Any]:
    """Return what the options say of the run itself."""
    from pollux.conformance.effort import Budget, Effort

    try:
        cases = config.getoption("pollux_fuzz_cases")
        effort = Effort(config.getoption("pollux_effort") or Effort.NORMAL)
        return {
            "only": tuple(config.getoption("pollux_only") or ()),
            "seed": int(config.getoption("pollux_seed") or 0),
            "budget": Budget.of(effort, int(cases) if cases else None),
        }
    except ValueError as error:
        raise pytest.UsageError(f"a --pollux option: {error}") from error


def _tokens(config: pytest.Config, name: str) -> list[str]:
    """Return the tokens of the option of this NAME, or else those of the environment."""
    given: list[str] | None = config.getoption(f"pollux_{name}")
    if given or config.getoption("pollux_reference"):
        return given or []
    return os.environ.get(f"POLLUX_{name.upper()}", "").split()


def _setting(config: pytest.Config) -> "Setting":
    from pollux.conformance.bench import Setting
    from pollux.conformance.target import Profile, address

    profile = config.getoption("pollux_profile")
    listen = config.getoption("pollux_model_listen")
    reference = bool(config.getoption("pollux_reference"))
    tokens, others = _tokens(config, "token"), _tokens(config, "other_token")
    try:
        return Setting(
            url=config.getoption("pollux_url"),
            token=tokens[0] if tokens else None,
            other_token=others[0] if others else None,
            profile=Profile(profile) if profile else None,
            model_listen=address(listen) if listen else None,
            start=config.getoption("pollux_start"),
            ready=config.getoption("pollux_ready"),
            reference=reference,
            time_scale=float(config.getoption("pollux_time_scale") or 1),
        )
    except ValueError as error:
        raise pytest.UsageError(f"a --pollux option: {error}") from error
