"""The command ``pollux mutants``."""

import fnmatch
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from pollux.conformance.mutants.mutant import Mutant, MutantError, load_mutants
from pollux.conformance.mutants.runner import Kill, merged, run_mutants
from pollux.files import write_atomically


@click.command()
@click.argument("patterns", nargs=-1, metavar="[PATTERN]...")
@click.option(
    "-n",
    "workers",
    type=click.IntRange(1, 64),
    default=max(2, (os.cpu_count() or 2)),
    show_default="one a core",
    help="Mutants judged at the same time.",
)
@click.option("--quick", is_flag=True, help="All checks only for what the quick ones miss.")
@click.option(
    "--fuzz-cases",
    type=click.IntRange(0),
    metavar="N",
    help="As of 'pollux check'; with 0 a run takes half the time.",
)
@click.option(
    "--matrix",
    "matrix_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the kill matrix, as JSON; what it says of mutants that are not run is kept.",
)
@click.option("--list", "list_only", is_flag=True, help="Only list the mutants.")
def mutants(
    patterns: tuple[str, ...],
    workers: int,
    quick: bool,
    fuzz_cases: int | None,
    matrix_file: Path | None,
    list_only: bool,
) -> None:
    """Run the suite against reference servers with one small fault each.

    PATTERN chooses mutants by name (polling-*), by requirement (POLL-*) or by a known defect
    (H-02); without one all are run.

    Exit codes: 0 each turned red just what it must; 1 one survived, or turned more red;
    2 usage; 3 the suite could not judge one.
    """
    chosen = _chosen(patterns)
    if list_only:
        _print_list(chosen)
        return
    console = Console(stderr=True)
    done: list[Kill] = []

    def keep() -> None:
        if matrix_file is None:
            return
        try:
            rows = merged(done, matrix_file, load_mutants())
        except MutantError as error:
            raise click.UsageError(str(error)) from error
        text = json.dumps(rows, indent=1, ensure_ascii=False) + "\n"
        write_atomically(matrix_file, text.encode())

    def tell(kill: Kill) -> None:
        done.append(kill)
        keep()
        console.print(
            f"{len(done):3} of {len(chosen)}  {_line(kill)}", markup=False, soft_wrap=True
        )

    keep()  # what is no matrix is refused before an hour's work, not after it
    kills = run_mutants(chosen, workers=workers, quick=quick, fuzz_cases=fuzz_cases, on_kill=tell)
    sys.exit(_conclude(kills))


def _chosen(patterns: Sequence[str]) -> list[Mutant]:
    every = list(load_mutants().values())
    chosen = {}
    for pattern in patterns or ("*",):
        found = [m for m in every if any(fnmatch.fnmatch(n, pattern) for n in _names(m))]
        if not found:
            raise click.UsageError(f"{pattern}: neither a mutant nor a requirement one breaks")
        chosen.update({mutant.name: mutant for mutant in found})
    return [mutant for mutant in every if mutant.name in chosen]


def _names(mutant: Mutant) -> list[str]:
    return [mutant.name, *mutant.breaks, *mutant.upstream]


def _print_list(chosen: Sequence[Mutant]) -> None:
    table = Table("Mutant", "Fault", "Must turn red", box=None, pad_edge=False)
    for mutant in chosen:
        table.add_row(mutant.name, mutant.summary, ", ".join(sorted(mutant.breaks)))
    Console().print(table)


def _line(kill: Kill) -> str:
    name = f"{kill.mutant.name} ({kill.seconds:.0f} s)"
    if kill.trouble is not None:
        return f"ERROR     {name}: {kill.trouble}"
    if kill.exact:
        return f"killed    {name}: {', '.join(sorted(kill.red))}"
    parts = []
    if kill.survived:
        parts.append(f"not red: {', '.join(sorted(kill.survived))}")
    if kill.surplus:
        parts.append(f"red as well: {', '.join(sorted(kill.surplus))}")
    return f"{'SURVIVED ' if kill.survived else 'INEXACT  '} {name}: {'; '.join(parts)}"


def _conclude(kills: Sequence[Kill]) -> int:
    troubled = [kill for kill in kills if kill.trouble is not None]
    wrong = [kill for kill in kills if not kill.exact]
    console = Console()
    for kill in wrong:
        console.print(_line(kill), markup=False, soft_wrap=True)
    killed = sum(kill.killed for kill in kills)
    console.print(
        f"{killed} of {len(kills)} mutants killed, {sum(kill.exact for kill in kills)} exactly"
    )
    if troubled:
        return 3
    return 1 if wrong else 0
