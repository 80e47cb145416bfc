"""Runs the suite against mutants, several at a time, and says what turned red."""

import json
import os
import secrets
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pollux.conformance.mutants.mutant import Mutant, MutantError
from pollux.conformance.selection import CHECKED

MATRIX_VERSION = 1
_RUN_SECONDS = 600.0
_RED = ("FAIL", "WARN")


@dataclass(frozen=True)
class Kill:
    """What the suite said of one mutant.

    Attributes:
        mutant: The mutant.
        red: Ids of the requirements that were violated.
        trouble: Why the suite could not judge it, or None.
        seconds: How long it took.
    """

    mutant: Mutant
    red: frozenset[str]
    trouble: str | None
    seconds: float

    @property
    def survived(self) -> frozenset[str]:
        """What should have turned red and did not."""
        return self.mutant.breaks - self.red

    @property
    def surplus(self) -> frozenset[str]:
        """What turned red and should not have."""
        return self.red - self.mutant.breaks

    @property
    def exact(self) -> bool:
        """Whether just what should have turned red did."""
        return self.trouble is None and self.red == self.mutant.breaks

    @property
    def killed(self) -> bool:
        """Whether all that should have turned red did."""
        return self.trouble is None and not self.survived


def run_mutants(
    mutants: Iterable[Mutant],
    *,
    workers: int,
    quick: bool = False,
    fuzz_cases: int | None = None,
    on_kill: Callable[[Kill], object] = lambda _: None,
) -> list[Kill]:
    """Judge MUTANTS, WORKERS at a time; the result is in their order.

    Args:
        mutants: Which ones.
        workers: How many servers and suites run at the same time.
        quick: Run the quick checks; all checks only of what they should have turned red.
        fuzz_cases: As of ``pollux check``.
        on_kill: Called with each result as it comes.
    """
    wanted = list(mutants)
    kills: dict[str, Kill] = {}
    with ThreadPoolExecutor(workers) as pool:
        futures = [
            pool.submit(judge_mutant, mutant, quick=quick, fuzz_cases=fuzz_cases)
            for mutant in wanted
        ]
        for future in as_completed(futures):
            kill = future.result()
            kills[kill.mutant.name] = kill
            on_kill(kill)
    return [kills[mutant.name] for mutant in wanted]


def judge_mutant(mutant: Mutant, *, quick: bool = False, fuzz_cases: int | None = None) -> Kill:
    """Start one mutant, run the suite against it and return what turned red.

    Args:
        mutant: The mutant.
        quick: Run the quick checks; all checks only of what they should have turned red.
        fuzz_cases: As of ``pollux check``.
    """
    cases = [] if fuzz_cases is None else ["--fuzz-cases", str(fuzz_cases)]
    kill = _judge(mutant, [*cases, *(["--quick"] if quick else [])], [CHECKED])
    # A check that declares the requirement, then any check: some charge what they come upon.
    for only in (sorted(kill.survived), [CHECKED]) if quick else ():
        if kill.trouble is None and kill.survived:
            more = _judge(mutant, cases, only)
            kill = Kill(mutant, kill.red | more.red, more.trouble, kill.seconds + more.seconds)
    return kill


def _judge(mutant: Mutant, options: Iterable[str], only: Iterable[str]) -> Kill:
    python = shlex.quote(sys.executable)
    serve = f"{python} -m pollux.conformance.mutants {mutant.name} --quiet"
    tokens = {"POLLUX_TOKEN": secrets.token_urlsafe(24)}
    tokens["POLLUX_OTHER_TOKEN"] = secrets.token_urlsafe(24)
    users = " ".join(f"user-{number}={token}" for number, token in enumerate(tokens.values()))
    with tempfile.TemporaryDirectory(prefix="pollux-mutant-") as folder:
        report = Path(folder) / "report.json"
        command = [
            sys.executable, "-m", "pollux", "check", "--profile", "scripted", "--seed", "1",
            "--start", f"{serve} --port {{port}} --data {{data_dir}}", "--report", str(report),
            *(word for name in only for word in ("--only", name)),
            *options,
        ]  # fmt: skip
        return _judged(mutant, command, {**tokens, "POLLUX_USERS": users}, report)


def _judged(
    mutant: Mutant, command: Sequence[str], variables: Mapping[str, str], report: Path
) -> Kill:
    started = time.monotonic()
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=_RUN_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Kill(mutant, frozenset(), f"no verdict within {_RUN_SECONDS:g} s", _RUN_SECONDS)
    seconds = time.monotonic() - started
    try:
        result: Mapping[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        said = (done.stderr or done.stdout).strip().splitlines()[-3:]
        return Kill(mutant, frozenset(), "; ".join(said) or f"exit {done.returncode}", seconds)
    rows = result["requirements"]
    red = frozenset(row["id"] for row in rows if row["outcome"] in _RED)
    broken = [row for row in rows if row["outcome"] == "HARNESS_ERROR"]
    trouble = f"{broken[0]['id']}: {broken[0]['detail']}" if broken else None
    return Kill(mutant, red, trouble, seconds)


def matrix(kills: Iterable[Kill]) -> dict[str, Any]:
    """Return the kill matrix as JSON data: for each mutant what turned red."""
    return {
        "pollux_kill_matrix": MATRIX_VERSION,
        "mutants": {
            kill.mutant.name: {
                "summary": kill.mutant.summary,
                "upstream": list(kill.mutant.upstream),
                "red": sorted(kill.red),
            }
            for kill in kills
        },
    }


def merged(kills: Iterable[Kill], path: Path, known: Iterable[str]) -> dict[str, Any]:
    """Return the matrix of KILLS, with what the file in PATH says of the mutants not run.

    Args:
        kills: What was judged; who could not be judged is left out.
        path: A matrix of before; it need not be there.
        known: The names of all mutants there are: who is gone is left out.

    Raises:
        MutantError: when the file is not a kill matrix.
    """
    new = matrix(kill for kill in kills if kill.trouble is None)
    rows: dict[str, Any] = {}
    if path.exists():
        try:
            rows = json.loads(path.read_text(encoding="utf-8"))["mutants"]
        except (ValueError, KeyError, TypeError) as error:
            raise MutantError(f"{path} is not a kill matrix: {error!r}") from error
    rows = {**rows, **new["mutants"]}
    return {**new, "mutants": {name: rows[name] for name in sorted(known) if name in rows}}
