"""Runs the checks in a pytest of their own, away from the user's configuration and plugins."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

import pytest

from pollux.conformance.bench import Setting
from pollux.conformance.recorder import Plan, Recorder
from pollux.conformance.report.log import EventLog
from pollux.conformance.sharing import Sharing

SUITE = "pollux.conformance.suite"

# Plugins of pytest itself that print, write files, or change how Python warns.
_LEFT_OUT = (
    "cacheprovider",
    "doctest",
    "faulthandler",
    "junitxml",
    "logging",
    "nose",
    "pastebin",
    "stepwise",
    "terminal",
    "threadexception",
    "unraisableexception",
    "warnings",
)


def run_checks(
    plan: Plan,
    log: EventLog,
    *,
    suite: str = SUITE,
    modules: Sequence[str] = (),
    settings: Sequence[Setting] = (),
) -> None:
    """Run the checks of the package SUITE; everything that comes of it goes into LOG.

    A Ctrl-C ends the run early; the log then holds what was measured, and says so.

    Args:
        plan: What is judged, and how.
        log: Takes the events of the run.
        suite: A package of checks.
        modules: Only these modules of it; none means all.
        settings: One for each worker that the checks are shared out among; none: they run in
            this process, on the target of the plan.
    """
    with resources.as_file(resources.files(suite)) as folder:
        arguments = [
            *(word for name in _LEFT_OUT for word in ("-p", f"no:{name}")),
            "-p",
            "pollux.conformance.plugin",
            "--capture=no",
            "--strict-markers",
            f"--rootdir={folder}",
            f"--confcutdir={folder}",
            "--config-file",
            os.devnull,
            "--pyargs",
            *(f"{suite}.{module}" for module in modules),
            *(() if modules else (suite,)),
        ]
        recorder = Recorder(plan, log)
        with _without_foreign_settings():
            if not settings:
                pytest.main(arguments, plugins=[recorder])
                return
            # The workers collect for themselves; what there is to do is to be known before.
            if pytest.main([*arguments, "--collect-only"], plugins=[recorder]) != 0:
                return
            workers = ["-p", "xdist.plugin", f"-n{len(settings)}", "--max-worker-restart=0"]
            pytest.main([*workers, *arguments], plugins=[recorder, Sharing(recorder, settings)])


@contextmanager
def _without_foreign_settings() -> Iterator[None]:
    """Keep pytest from options, plugins and folders of the place it happens to be run in."""
    changes = {
        "PYTEST_ADDOPTS": None,
        "PYTEST_PLUGINS": None,
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        # Hypothesis would make a folder in the current one.
        "HYPOTHESIS_STORAGE_DIRECTORY": str(_cache() / "hypothesis"),
    }
    before = {name: os.environ.get(name) for name in changes}
    _set_environment(changes)
    try:
        yield
    finally:
        _set_environment(before)


def _set_environment(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _cache() -> Path:
    """Return the folder of this user for what can be made again at any time."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "pollux"
