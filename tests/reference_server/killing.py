"""Kills processes in the middle of their work, and says what they had acknowledged by then."""

import json
import os
import random
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

#: Waits that are moments to strike at, not conditions: nothing has to be true afterwards.
_NEVER = threading.Event()


def acknowledged_until_killed(
    command: Sequence[str],
    *,
    lines: int,
    delay: float,
    environment: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """Run a process that prints a JSON object for all that it has done, and SIGKILL it.

    Args:
        command: The process; it never ends by itself.
        lines: Acknowledgements to wait for before the moment to strike is near.
        delay: Seconds from then to the kill.
        environment: Variables set beside those of this process.

    Returns:
        Everything acknowledged before the kill, oldest first.
    """
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        env={**os.environ, **(environment or {})},
    ) as process:
        assert process.stdout is not None
        try:
            seen = [process.stdout.readline() for _ in range(lines)]
            _NEVER.wait(delay)
            assert process.poll() is None, f"it ended by itself with {process.returncode}"
        finally:
            process.kill()
        seen += process.stdout.readlines()
    # What it was about to say when it died was not said.
    return [json.loads(line) for line in seen if line.endswith(b"\n")]


def moments(random_numbers: random.Random, rounds: int) -> Iterator[tuple[int, float]]:
    """Yield, for each round, after how many lines and seconds to strike."""
    for _ in range(rounds):
        yield random_numbers.randint(1, 12), random_numbers.uniform(0, 0.012)


def files_below(folder: Path) -> set[str]:
    """Return the relative paths of all files below FOLDER, whatever they are."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}
