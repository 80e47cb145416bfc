"""Ctrl-C ends a command where it may end, and with the exit code that it says."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pollux.interrupts import Interrupts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_interrupts_what_is_not_held(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with Interrupts().caught():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        assert signal.getsignal(number) != before
    assert signal.getsignal(number) == before


def test_a_signal_within_a_write_comes_behind_it() -> None:
    interrupts = Interrupts()
    written = []
    with interrupts.caught():
        with pytest.raises(KeyboardInterrupt), interrupts.held_back():
            signal.raise_signal(signal.SIGINT)
            written.append("all of it")
        with interrupts.held_back():
            written.append("and the trailer")
    assert written == ["all of it", "and the trailer"]


def test_an_interrupted_program_ends_with_its_own_exit_code(tmp_path: Path) -> None:
    program = tmp_path / "interrupted_program.py"
    program.write_text(
        "import sys\n"
        "from pollux.interrupts import Interrupts\n"
        "try:\n"
        "    with Interrupts().caught():\n"
        "        exec('import signal; signal.raise_signal(signal.SIGINT)')\n"
        "except KeyboardInterrupt:\n"
        "    sys.exit(3)\n"
    )
    done = subprocess.run([sys.executable, "-m", program.stem], cwd=tmp_path, check=False)
    assert done.returncode == 3
