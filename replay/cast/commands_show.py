"""The commands that look into recordings."""

import json
import re
import sys
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from pollux.replay.cast.options import (
    FILE,
    as_seconds,
    by_option,
    failures_told,
    file_argument,
    json_option,
    only_one_standard_input,
    output_options,
    reading,
    warn,
)
from pollux.replay.cast.place import By
from pollux.replay.cast.source import STANDARD_STREAM, LineReader, Source

if TYPE_CHECKING:
    from pollux.replay.cast.diff import Difference
    from pollux.replay.cast.findings import Verdict


@click.command()
@file_argument
@json_option
def info(file: str, as_json: bool) -> None:
    """Say what the recording FILE holds: events by type, both clocks, gaps, anomalies, its end.

    \b
    pollux cast info hello.taskcast.jsonl
    pollux cast info hello.taskcast.jsonl --json | jq .types
    """
    from pollux.replay.cast.info import inform

    with failures_told(), Source(file) as source:
        found = inform(source)
    if as_json:
        click.echo(_json({"file": source.name, **asdict(found)}))
        return
    from rich.console import Console

    from pollux.replay.cast.info_table import print_info

    print_info(source.name, found, Console())


@click.command()
@file_argument
@click.option("--fix", is_flag=True, help="Write the recording (-o) with all that can be mended.")
@click.option("--file-only", is_flag=True, help="Judge the file, not what the server told.")
@json_option
@output_options
def validate(
    file: str, fix: bool, file_only: bool, as_json: bool, output: str, force: bool
) -> None:
    """Find what is wrong with the recording FILE, with the number of each line.

    The file is judged by its JSON Schema, the order of its events, its gaps and its trailer;
    what the recorded server told is judged by the rules of API v1 for every server.

    --fix mends the file: a missing or wrong trailer is made, a cut last line and broken lines
    are left out, events told twice too, and gaps get a name. What the server told stays.

    Exit codes: 0 nothing is wrong (or all of it was mended); 1 something is; 2 usage, or the
    file cannot be read.

    \b
    pollux cast validate hello.taskcast.jsonl
    pollux cast validate cut-off.taskcast.jsonl --fix -o mended.taskcast.jsonl
    """
    from pollux.replay.cast.sink import open_sink
    from pollux.replay.cast.validate import validate as judge

    if output != STANDARD_STREAM and not fix:
        raise click.UsageError("-o goes with --fix: without it nothing is written")
    if fix and as_json and output == STANDARD_STREAM:
        raise click.UsageError("with --fix --json the recording needs a file: -o FILE")
    with ExitStack() as stack:
        stack.enter_context(failures_told())
        reader = stack.enter_context(LineReader(file))
        sink = stack.enter_context(open_sink(output, force=force)) if fix else None
        verdict = judge(reader, sink, stream=not file_only)
    if as_json:
        told = {"file": reader.name, "valid": verdict.count == 0, **asdict(verdict)}
        click.echo(_json(told))
    else:
        _print_verdict(reader.name, verdict, err=fix and output == STANDARD_STREAM)
    sys.exit(verdict.exit_code)


def _print_verdict(name: str, verdict: "Verdict", *, err: bool) -> None:
    for finding in verdict.findings:
        mended = " (mended)" if verdict.fixed and finding.fixable else ""
        click.echo(f"{name}:{finding.line}: {finding.rule}: {finding.message}{mended}", err=err)
    if verdict.count > len(verdict.findings):
        click.echo(f"... and {verdict.count - len(verdict.findings)} more", err=err)
    for note in verdict.notes:
        click.echo(f"Note: {note}", err=err)
    if not verdict.count:
        click.echo(f"{name}: valid, {verdict.lines} lines", err=err)
        return
    fixable = verdict.count - verdict.unfixable
    what = f"{fixable} of them {'mended' if verdict.fixed else 'can be mended (--fix)'}"
    click.echo(f"{name}: {verdict.count} findings, {what}", err=err)


@click.command()
@file_argument
@click.option("--type", "types", multiple=True, metavar="TYPE", help="Of this type; may repeat.")
@click.option("--from", "begin", type=click.IntRange(min=0), default=0, help="From this idx on.")
@click.option("--to", "end", type=click.IntRange(min=0), help="Before this idx.")
@click.option("--since", type=as_seconds, default="0", help="From this time on.")
@click.option("--until", type=as_seconds, help="Before this time.")
@click.option("--grep", metavar="REGEX", help="With a match in the event's JSON.")
@by_option
@click.option("--text", is_flag=True, help="Print the text that the events make.")
@click.option("--json", "as_json", is_flag=True, help="Print the events as JSON lines.")
@output_options
def events(
    file: str,
    types: tuple[str, ...],
    begin: int,
    end: int | None,
    since: float,
    until: float | None,
    grep: str | None,
    by: By,
    text: bool,
    as_json: bool,
    output: str,
    force: bool,
) -> None:
    """Print events of the recording FILE: as a table, as JSON lines, or as the text they make.

    \b
    pollux cast events tools.taskcast.jsonl --type tool_start --type update_action
    pollux cast events hello.taskcast.jsonl --since 2s --until 5s --json
    pollux cast events hello.taskcast.jsonl --text
    """
    from pollux.replay.cast import events as picking
    from pollux.replay.cast.sink import open_output

    if text and as_json:
        raise click.UsageError("either --text or --json")
    try:
        pattern = None if grep is None else re.compile(grep)
    except re.error as error:
        raise click.UsageError(f"--grep: {grep!r} is no regular expression: {error}") from None
    wanted = picking.Wanted(frozenset(types), begin, end, since, until, pattern, by)
    with reading(file) as source, open_output(output, force=force) as write:
        picked = picking.pick(source.entries(), wanted, source.header.created_at)
        if as_json:
            for event in picked:
                write((event.entry.raw or b"") + b"\n")
        elif text:
            story = picking.Text()
            for event in picked:
                write(story.of(event).encode())
            write(story.finish().encode())
        else:
            write(f"{picking.HEADING}\n".encode())
            for event in picked:
                write(f"{picking.row(event)}\n".encode())


@click.command()
@click.argument("left", type=FILE)
@click.argument("right", type=FILE)
@click.option("--ignore", multiple=True, metavar="TYPE", help="Pass over these events.")
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Compare also polls, anomalies, live statuses and markers.",
)
@click.option(
    "--context",
    type=click.IntRange(min=0, max=1000),
    default=3,
    show_default=True,
    help="How many records before the difference are shown.",
)
@json_option
def diff(
    left: str, right: str, ignore: tuple[str, ...], everything: bool, context: int, as_json: bool
) -> None:
    """Find the first difference of the recordings LEFT and RIGHT.

    Ids that were generated count as the same where they stand at the same places; times are
    not compared, nor is what depends on when the recorder polled (but see --all).

    Exit codes: 0 no difference; 1 they differ; 2 usage, or a file cannot be read.

    \b
    pollux cast diff before.taskcast.jsonl after.taskcast.jsonl --ignore token_update
    """
    from pollux.replay.cast.diff import diff as compare

    only_one_standard_input((left, right))
    with failures_told(), Source(left) as one, Source(right) as other:
        found = compare(
            one, other, ignore=frozenset(ignore), everything=everything, context=context
        )
        warn(one)
        warn(other)
    if as_json:
        click.echo(_json({"equal": found is None, "difference": found and asdict(found)}))
    elif found is None:
        click.echo("No difference.")
    else:
        _print_difference(found, one.name, other.name)
    sys.exit(0 if found is None else 1)


def _print_difference(found: "Difference", left: str, right: str) -> None:
    from pollux.replay.cast.events import safe

    lines = [
        (f"{'-' if found.left is None else found.left.line}", left),
        (f"{'-' if found.right is None else found.right.line}", right),
    ]
    where = f" in {found.path}" if found.path else ""
    click.echo(f"They differ{where}: " + ", ".join(f"{name}:{line}" for line, name in lines))
    for same in found.before:
        click.echo(safe(f"  {same.code} {_json(same.payload)}"))
    for sign, record in (("-", found.left), ("+", found.right)):
        shown = "(it has ended)" if record is None else f"{record.code} {_json(record.payload)}"
        click.echo(safe(f"{sign} {shown}"))


def _json(value: Any) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False)
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value)
    return text
