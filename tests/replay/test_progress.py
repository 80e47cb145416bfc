"""Progress is one moving line on a terminal, and plain lines elsewhere."""

import io

from rich.console import Console

from pollux.replay.progress import PlainLines, describe, shown
from pollux.replay.recorder import Progress


def progress(events: int, **more: object) -> Progress:
    return Progress("t", "running", events, 0, 0, **more)  # type: ignore[arg-type]


def test_plain_lines_come_on_changes_and_every_two_seconds() -> None:
    lines: list[str] = []
    seconds = [0.0]
    tell = PlainLines(lines.append, lambda: seconds[0])
    for at, events in ((0.0, 0), (0.5, 5), (1.9, 9), (2.1, 12), (2.2, 13), (9.0, 13), (19.0, 13)):
        seconds[0] = at
        tell(progress(events))
    tell(progress(14, trouble="a 503"))
    assert [line.partition(": ")[2] for line in lines] == [
        "running, 0 events",
        "running, 12 events",
        "running, 13 events",
        "running, 14 events, trying again after a 503",
    ]


def test_a_line_tells_losses_and_the_end() -> None:
    told = describe(Progress("t", "succeeded", 5, lost=3, anomalies=2, over="end"))
    assert told == "task t: succeeded, 5 events, 3 lost, 2 anomalies, over (end)"


def test_without_a_terminal_nothing_moves() -> None:
    out = io.StringIO()
    with shown(Console(file=out)) as tell:
        tell(progress(1, trouble="[bold]odd[/bold]"))
    assert out.getvalue() == "task t: running, 1 events, trying again after [bold]odd[/bold]\n"


def test_on_a_terminal_the_line_moves() -> None:
    out = io.StringIO()
    with shown(Console(file=out, force_terminal=True, width=80)) as tell:
        tell(progress(1, trouble="[bold]odd[/bold]"))
    assert "task t: running, 1 events, trying again after [bold]odd[/bold]" in out.getvalue()
    assert "\x1b[2K" in out.getvalue()  # and it is wiped at the end
