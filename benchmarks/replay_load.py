"""How soon a replay answers many clients, and how true its clock is.

Run by hand: ``python benchmarks/replay_load.py [--clients 200] [--seconds 60]``. The recording is
made up, plays at speed 1, and each client polls it in a session of its own. A poll tells when it
was sent and when it was answered; every event that was due before the first must be in the answer,
none that is due after the second. How far an answer is off that is the error of the clock.
The clients share the machine with the server; what the server itself took is told apart.
"""

import argparse
import http.client
import json
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from pollux.replay.recording import Recording
from pollux.replay.timeline import Timeline

_HEADERS = {"Authorization": "Bearer any", "Content-Type": "application/json"}
_PROCESSES = 2


@dataclass(frozen=True)
class Seen:
    """What one client saw: milliseconds of each answer, and how far the clock was off."""

    took_ms: list[float]
    early_ms: float
    late_ms: float
    failures: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--interval", type=float, default=0.25, help="seconds between two polls")
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "load.taskcast.jsonl"
        # About 20 events a second, for longer than is measured.
        events = str(int(options.seconds * 20) + 2000)
        synth = ["cast", "synth", "--seed", "1", "--events", events, "--scene", "talk"]
        subprocess.run(_pollux(*synth, "-o", str(path)), check=True, capture_output=True)
        due_ms = _due(path)
        server = subprocess.Popen(
            _pollux("replay", str(path), "--port", "0", "--json"), stdout=subprocess.PIPE, text=True
        )
        assert server.stdout is not None
        port = int(json.loads(server.stdout.readline())["base_url"].rpartition(":")[2])
        try:
            before = _memory_mb(server.pid)
            seen = _all_clients(port, due_ms, options.clients, options.interval, options.seconds)
            _tell(seen, options.seconds, due_ms)
            click.echo(f"memory  {before:.1f} MB before, {_memory_mb(server.pid):.1f} MB after")
            _tell_server(port, options.clients)
        finally:
            server.terminate()
            server.wait()


def _pollux(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pollux", *arguments]


def _due(path: Path) -> list[float]:
    """Return when each event is due, in ms from the beginning of its task."""
    recording = Recording(path)
    timeline = Timeline(recording)
    due = [(float(event["ts"]) - timeline.created_at) * 1000 for event in timeline.events()]
    recording.close()
    return due


def _all_clients(
    port: int, due_ms: list[float], clients: int, interval: float, seconds: float
) -> list[Seen]:
    share = [range(start, clients, _PROCESSES) for start in range(_PROCESSES)]
    with multiprocessing.Pool(_PROCESSES) as pool:
        jobs = [(port, due_ms, numbers, interval, seconds) for numbers in share]
        return [seen for part in pool.starmap(_some_clients, jobs) for seen in part]


def _some_clients(
    port: int, due_ms: list[float], numbers: Sequence[int], interval: float, seconds: float
) -> list[Seen]:
    seen: list[Seen] = []
    threads = []
    for place, number in enumerate(numbers):
        delay = interval * place / len(numbers)  # they do not poll in step

        def run(number: int = number, delay: float = delay) -> None:
            time.sleep(delay)
            seen.append(_client(port, f"/s/load-{number}/api/v1", due_ms, interval, seconds))

        threads.append(threading.Thread(target=run))
        threads[-1].start()
    for thread in threads:
        thread.join()
    return seen


def _client(port: int, prefix: str, due_ms: list[float], interval: float, seconds: float) -> Seen:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def ask(method: str, path: str, body: bytes | None = None) -> tuple[float, float, Any]:
        sent = time.monotonic()
        connection.request(method, prefix + path, body, _HEADERS)
        payload = json.loads(connection.getresponse().read())
        return sent, time.monotonic(), payload

    send_from, send_to, accepted = ask("POST", "/messages", b'{"message":"load"}')
    offset, failures, early, late = 0, 0, 0.0, 0.0
    took = []
    end = send_to + seconds
    while (begin := time.monotonic()) < end:
        try:
            sent, got, answer = ask("GET", f"/tasks/{accepted['task_id']}?from={offset}")
        except (OSError, http.client.HTTPException, ValueError):
            failures += 1
            connection.close()
            continue
        took.append((got - sent) * 1000)
        offset = answer["data"]["next_offset"]
        # The task began somewhere between the send and its answer.
        if offset:
            early = max(early, due_ms[offset - 1] - (got - send_from) * 1000)
        if offset < len(due_ms):
            late = max(late, (sent - send_to) * 1000 - due_ms[offset])
        time.sleep(max(0.0, interval - (time.monotonic() - begin)))
    connection.close()
    return Seen(took, early, late, failures)


def _tell(seen: list[Seen], seconds: float, due_ms: list[float]) -> None:
    took = sorted(ms for each in seen for ms in each.took_ms)
    cuts = statistics.quantiles(took, n=100)
    failures = sum(each.failures for each in seen)
    click.echo(f"clients {len(seen)}, each in a session of its own, for {seconds:g} s")
    click.echo(f"polls   {len(took):,}, {len(took) / seconds:.0f} a second, {failures} failed")
    click.echo(f"answer  p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms, longest {took[-1]:.1f} ms")
    early, late = max(each.early_ms for each in seen), max(each.late_ms for each in seen)
    reached = sum(ms <= seconds * 1000 for ms in due_ms)
    click.echo(f"clock   {reached:,} events due; at most {early:.1f} ms early, {late:.1f} ms late")


def _tell_server(port: int, clients: int) -> None:
    """Tell how long the server itself took, by the polls that its journals still have."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    took = []
    for number in range(clients):
        connection.request("GET", f"/s/load-{number}/__replay/journal?limit=100000")
        journal = json.loads(connection.getresponse().read())
        took += [entry["took_ms"] for entry in journal["requests"] if entry["poll"]]
    cuts = statistics.quantiles(took, n=100)
    click.echo(
        f"server  p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms, longest {max(took):.1f} ms from "
        f"the request to the answer, in the {len(took):,} polls that it has kept"
    )


def _memory_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return float("nan")


if __name__ == "__main__":
    main()
