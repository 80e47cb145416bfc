"""The options of the command line that let things go wrong, and what is said at the end."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from pollux.replay.faults.rules import RuleSet
    from pollux.replay.session import Session

_F = TypeVar("_F", bound=Callable[..., Any])


def fault_options(command: _F) -> _F:
    """Give a command ``fault_files``, ``fault_rules``, ``fault_seed`` and ``--list-faults``."""
    for option in (
        click.option(
            "--list-faults",
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_list_faults,
            help="List all effects, and end.",
        ),
        click.option(
            "--fault-seed",
            type=int,
            default=0,
            show_default=True,
            help="Seed of what faults leave to chance.",
        ),
        click.option(
            "--fault",
            "fault_rules",
            multiple=True,
            metavar="RULE",
            help="Let something go wrong, such as 'poll 3..5 -> status 503'; may be repeated.",
        ),
        click.option(
            "--faults",
            "fault_files",
            multiple=True,
            type=click.Path(path_type=Path, dir_okay=False),
            metavar="FILE",
            help="Let go wrong what the rules in FILE say, one a line; see docs/faults.md.",
        ),
    ):
        command = option(command)
    return command


def rules_of(files: Iterable[Path], rules: Iterable[str], seed: int) -> "RuleSet":
    """Return the rules of the options.

    Args:
        files: Files of rules.
        rules: Single rules.
        seed: Of everything that is left to chance.

    Raises:
        FaultSyntaxError: when a rule is not understood.
        ValueError: when a file is no text in UTF-8.
        OSError: when a file cannot be read.
    """
    from pollux.replay.faults.grammar import collect

    sources = [(str(path), _text(path)) for path in files]
    sources += [("--fault", rule) for rule in rules]
    return collect(sources, seed=seed)


def say_what_fired(sessions: Iterable["Session"], *, as_json: bool) -> None:
    """Print which rule fired when, and which never did; nothing where there are no rules."""
    for session in sessions:
        faults = session.faults
        if not faults:
            continue
        if as_json:
            told = {"session": session.id, "seed": faults.seed, "faults": faults.report()}
            click.echo(json.dumps(told, ensure_ascii=False))
            continue
        where = f" of session {session.id}" if session.id else ""
        click.echo(f"Faults{where} (seed {faults.seed}):")
        for line in faults.summary():
            click.echo(f"  {line}")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no text in UTF-8") from None


def _list_faults(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if not wanted:
        return
    from pollux.replay.faults.catalogue import catalogue_text

    click.echo(catalogue_text())
    context.exit()
