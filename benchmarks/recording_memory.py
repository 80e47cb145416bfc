"""How much memory it takes to make, open, seek in and play long recordings.

Run by hand: ``python benchmarks/recording_memory.py [--events 1000000]``. Every step is a process
of its own, so that its peak is its own. Each is done with a recording of a hundredth of the
events, too: what is bounded by the ring, and not by the file, takes about the same for both.
"""

import argparse
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click

from pollux.replay.recording import Recording
from pollux.replay.timeline import Timeline

SEEKS = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--ring", type=int, default=1000)
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        STEPS[options.step](options.file, options.events)
        report(options.step)
        return
    with tempfile.TemporaryDirectory() as folder:
        for events in (options.events // 100, options.events):
            for ending in ("", ".gz"):
                measure(Path(folder) / f"{events}.taskcast.jsonl{ending}", events, options.ring)


def measure(path: Path, events: int, ring: int) -> None:
    scenes = [part for scene in ("talk", "thinking", "tools") for part in ("--scene", scene)]
    synth = ["cast", "synth", "--seed", "1", "--events", str(events), "--ring", str(ring), *scenes]
    began = time.perf_counter()
    peak = peak_of([sys.executable, "-m", "pollux", *synth, "-o", str(path)])
    took = time.perf_counter() - began
    size = path.stat().st_size / 1e6
    click.echo(f"\n{path.name}: {events:,} events, {size:.1f} MB, a ring of {ring}")
    click.echo(f"  synth   {took:8.2f} s  peak {peak:6.1f} MB")
    for step in STEPS:
        peak_of(
            [sys.executable, __file__, "--step", step, "--file", str(path), "--events", str(events)]
        )


def peak_of(command: list[str]) -> float:
    """Run a command and return its peak of memory, in MB."""
    child = subprocess.Popen(command)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(child.returncode)
    return usage.ru_maxrss / 1024


def imported(path: Path, events: int) -> None:
    """The program itself: what the other steps have in common."""


def opened(path: Path, events: int) -> None:
    with Recording(path) as recording:
        if recording.warnings():
            raise SystemExit(f"not whole: {recording.warnings()}")


def played(path: Path, events: int) -> None:
    """From the beginning to the end, with a poll every 50 events."""
    with Recording(path) as recording:
        cursor = Timeline(recording).cursor(recording.ring)
        told = 0
        while not cursor.state.terminal:
            cursor.step(50)
            told += len(cursor.events_from(told))
        if told != events or not cursor.events_from(0):
            raise SystemExit(f"{told} of {events} events were told")


def sought(path: Path, events: int) -> None:
    """To the end once, then here and there, back and forth."""
    dice = random.Random(1)
    with Recording(path) as recording:
        cursor = Timeline(recording).cursor(recording.ring)
        cursor.seek_event(events - 1)
        began = time.perf_counter()
        for _ in range(SEEKS):
            idx = dice.randrange(events)
            cursor.seek_event(idx)
            if cursor.state.head != idx + 1:
                raise SystemExit(f"sought {idx}, found {cursor.state.head - 1}")
        each = (time.perf_counter() - began) / SEEKS * 1000
        click.echo(f"          {each:8.2f} ms for each of {SEEKS} seeks, behind the first")


def rewritten(path: Path, events: int) -> None:
    """What a command of ``pollux cast`` takes that writes all of it again."""
    from pollux.replay.cast.cap import cap
    from pollux.replay.cast.sink import Sink, rewrite
    from pollux.replay.cast.source import Source

    with Source(str(path)) as source:
        rewrite(source, Sink(lambda line: None), cap(source.entries(), 1.0))


def validated(path: Path, events: int) -> None:
    from pollux.replay.cast.source import LineReader
    from pollux.replay.cast.validate import validate

    with LineReader(str(path)) as reader:
        if validate(reader).count:
            raise SystemExit("not valid")


STEPS: dict[str, Callable[[Path, int], None]] = {
    "import": imported,
    "open": opened,
    "play": played,
    "seek": sought,
    "cap": rewritten,
    "validate": validated,
}
BEGAN = time.perf_counter()


def report(step: str) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    click.echo(f"  {step:<8}{time.perf_counter() - BEGAN:8.2f} s  peak {peak:6.1f} MB")


if __name__ == "__main__":
    main()
