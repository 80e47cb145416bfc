"""Ends a program together with all that it has started."""

import contextlib
import os
import signal
import subprocess
from typing import Any


def end_group(
    process: subprocess.Popen[Any], *, grace: float, first: signal.Signals = signal.SIGTERM
) -> None:
    """End the process group that PROCESS leads, and wait for PROCESS.

    Args:
        process: Started with ``start_new_session=True``.
        grace: Seconds that it has to end by itself.
        first: What the group is told at first. Whoever of it is there after the grace, or
            outlives its leader, is killed.
    """
    _signal(process, first)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(grace)
    _signal(process, signal.SIGKILL)
    process.wait()


def _signal(process: subprocess.Popen[Any], number: signal.Signals) -> None:
    # macOS refuses permission where only zombies are left in the group.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
