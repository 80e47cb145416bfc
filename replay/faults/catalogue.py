"""All effects and triggers as text for a terminal and as tables for the documentation."""

from inspect import getdoc

from rich.console import Console
from rich.table import Table

from pollux.replay.faults.effect import Effect
from pollux.replay.faults.registry import all_effects
from pollux.replay.faults.triggers import TRIGGERS
from pollux.replay.faults.values import Kind


def catalogue_text(width: int | None = None) -> str:
    """Return every effect with what it does, its parameters and an example.

    Args:
        width: Columns; None: as many as the terminal has.
    """
    console = Console(width=width, highlight=False)
    table = Table(box=None, padding=(0, 2, 1, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column()
    for name, effect in all_effects().items():
        lines = [effect.paragraphs()[0], *(f"  {line}" for line in _parameters(effect))]
        table.add_row(name, "\n".join([*lines, f"  example: {effect.example}"]).replace("``", ""))
    with console.capture() as captured:
        console.print(table, markup=False)
    return "\n".join(line.rstrip() for line in captured.get().splitlines()).rstrip()


def effects_table() -> str:
    """Return the table of all effects in Markdown."""
    lines = [
        "| effect | what the server does | parameters | API v1 allows it |",
        "|---|---|---|---|",
    ]
    for name, effect in all_effects().items():
        what = "<br>".join([*effect.paragraphs(), f"``{effect.example}``"])
        parameters = "<br>".join(_parameters(effect)) or "-"
        allowed = "yes" if effect.lawful else "no"
        lines.append(f"| `{name}` | {what.replace('``', '`')} | {parameters} | {allowed} |")
    return "\n".join(lines)


def triggers_table() -> str:
    """Return the table of all triggers in Markdown."""
    lines = ["| trigger | holds for |", "|---|---|"]
    for word, trigger in TRIGGERS.items():
        value = "" if trigger.kind is None else trigger.kind.noun
        written = f"`{word}=`" if word == "p" else f"`{word}`"
        what = " ".join((getdoc(trigger) or "").split())
        lines.append(f"| {written} {value}".rstrip() + f" | {what.replace('``', '`')} |")
    return "\n".join(lines)


def _parameters(effect: type[Effect]) -> list[str]:
    return [
        f"{name}{'' if bare else '='}: {meaning} ({_default(kind, default)})"
        for name, kind, meaning, bare, default in effect.parameters()
    ]


def _default(kind: Kind, default: object) -> str:
    if default is None or default == ():
        return kind.noun
    return f"{kind.noun}, by default {kind.show(default)}"
