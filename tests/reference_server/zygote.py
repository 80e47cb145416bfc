"""Starts reference servers quickly, one after the other, each in a process that can be killed.

Run as a program it imports the server once, then forks for every line on its standard input
(a data folder) and answers with "PID PORT". Forking a process that has no threads yet is safe,
and takes milliseconds where a new interpreter takes a second.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self


class Zygote:
    """Forks reference servers; a context manager."""

    def __enter__(self) -> Self:
        """Start the process that forks."""
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._running: int | None = None
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Kill whatever is left."""
        self.kill()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def start(self, data_dir: Path) -> str:
        """Start a server on DATA_DIR and return its base URL."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{data_dir}\n")
        self._process.stdin.flush()
        pid, port = self._process.stdout.readline().split()
        self._running = int(pid)
        return f"http://127.0.0.1:{port}"

    def kill(self) -> None:
        """Kill the running server with SIGKILL."""
        if self._running is not None:
            os.kill(self._running, signal.SIGKILL)
            self._running = None


def _serve(data_dir: Path) -> None:
    from pollux.reference_server.app import ReferenceServer
    from pollux.reference_server.config import ServerConfig

    with ReferenceServer(ServerConfig(data_dir=data_dir)) as server:
        print(os.getpid(), server.wsgi.port, flush=True)  # noqa: T201
        signal.pause()


def _main() -> None:
    import pollux.reference_server.app  # noqa: F401

    # Killed children are reaped by the system.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        if os.fork() == 0:
            _serve(Path(line.rstrip("\n")))


if __name__ == "__main__":
    _main()
