"""Shows what a recording holds, as tables."""

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pollux.replay.cast.events import safe
from pollux.replay.cast.info import Info

_MOST_ROWS = 20


def print_info(name: str, info: Info, console: Console) -> None:
    """Print INFO of the recording NAME on CONSOLE."""
    about = Table(title=_text(name), show_header=False, title_justify="left")
    for row in _rows(info):
        about.add_row(*map(_text, row))
    console.print(about)
    _print(console, "Events", ("type", "count"), list(info.types.items()))
    _print(console, "Gaps", ("from", "to", "reason"), [tuple(gap.values()) for gap in info.gaps])
    _print(console, "Anomalies", ("kind", "count"), list(info.anomaly_kinds.items()))
    markers = [(f"{marker.seconds:.3f}", marker.idx, marker.label) for marker in info.markers]
    _print(console, "Markers", ("seconds", "before event", "label"), markers)
    for warning in info.warnings:
        console.print(f"Warning: {warning}", markup=False, highlight=False)


def _rows(info: Info) -> list[tuple[str, str]]:
    header = info.header
    task = header.get("task")
    task = task if isinstance(task, dict) else {}
    request = header.get("request")
    rows = [
        ("title", header.get("title")),
        ("task", task.get("task_id")),
        ("conversation", task.get("conversation_id")),
        ("message", request.get("message") if isinstance(request, dict) else None),
        ("recorder", header.get("recorder")),
    ]
    shown = [(label, _shortened(str(value))) for label, value in rows if value is not None]
    numbers = "none" if info.first_idx is None else f"{info.first_idx} .. {info.next_idx - 1}"
    lost = f", {info.lost} lost" if info.lost else ""
    return [
        *shown,
        ("events", f"{info.events} (idx {numbers}{lost})"),
        ("records", ", ".join(f"{code} {count}" for code, count in info.counts.items())),
        ("server time", f"{info.server_seconds:.3f} s"),
        ("arrival", f"{info.arrival_seconds:.3f} s"),
        ("longest pause", f"{info.longest_pause:.3f} s"),
        ("ring", f"{info.ring} (from the {info.ring_from})"),
        ("status", str(info.status or "unknown")),
        ("complete", "yes" if info.complete else f"no: {info.reason or 'there is no trailer'}"),
    ]


def _print(
    console: Console, title: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]
) -> None:
    if not rows:
        return
    table = Table(*columns, title=title, title_justify="left")
    for row in rows[:_MOST_ROWS]:
        table.add_row(*("-" if cell is None else _text(str(cell)) for cell in row))
    if len(rows) > _MOST_ROWS:
        table.caption = f"and {len(rows) - _MOST_ROWS} more: see --json"
    console.print(table)


def _text(text: str) -> str:
    return escape(safe(text))


def _shortened(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 100 else f"{text[:100]}..."
