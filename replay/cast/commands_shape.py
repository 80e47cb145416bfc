"""The commands that write another recording."""

import json
from contextlib import ExitStack
from dataclasses import asdict

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
    shaping,
    warn,
)
from pollux.replay.cast.place import By, Place
from pollux.replay.cast.sink import open_sink, rewrite
from pollux.replay.cast.source import Source


@click.command()
@file_argument
@click.option("--from", "from_idx", type=click.IntRange(min=0), help="Begin before this idx.")
@click.option("--to", "to_idx", type=click.IntRange(min=0), help="End before this idx.")
@click.option("--since", type=as_seconds, help="Begin at this time.")
@click.option("--until", type=as_seconds, help="End before this time.")
@click.option("--from-marker", metavar="LABEL", help="Begin at this marker.")
@click.option("--to-marker", metavar="LABEL", help="End before this marker.")
@by_option
@click.option("--renumber", is_flag=True, help="Let the first event of the part become event 0.")
@output_options
def cut(
    file: str,
    from_idx: int | None,
    to_idx: int | None,
    since: float | None,
    until: float | None,
    from_marker: str | None,
    to_marker: str | None,
    by: By,
    renumber: bool,
    output: str,
    force: bool,
) -> None:
    """Take a part out of the recording FILE.

    The events keep their idx, unless --renumber is given; what lies before them is named as a
    gap. Time zero moves to the beginning of the part.

    \b
    pollux cast cut long.taskcast.jsonl --from 300 --to 400 -o part.taskcast.jsonl
    """
    from pollux.replay.cast.cut import Part
    from pollux.replay.cast.cut import cut as cut_part

    begin = _place("begins", from_idx, since, from_marker)
    end = _place("ends", to_idx, until, to_marker)
    if begin is None and end is None:
        raise click.UsageError("say where to cut: --from, --to, --since, --until, ...")
    with shaping(file, output, force) as (source, sink):
        cut_part(source, sink, Part(begin, end, by, renumber))


def _place(what: str, idx: int | None, seconds: float | None, marker: str | None) -> Place | None:
    if [idx, seconds, marker].count(None) < 2:
        raise click.UsageError(f"say in one way where the part {what}")
    place = Place(idx, seconds, marker)
    return None if place == Place() else place


@click.command()
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="FILE...")
@click.option(
    "--pause", type=as_seconds, default="0", help="Time between one part and the next.  [0]"
)
@output_options
def splice(files: tuple[str, ...], pause: float, output: str, force: bool) -> None:
    """Join recordings, one after the other, into the recording of one task.

    It has the beginning of the first and the end of the last FILE; idx, times and ids go on
    from part to part. Where a part breaks off in the middle, one idx is left out and named.

    \b
    pollux cast splice a.taskcast.jsonl b.taskcast.jsonl --pause 2s -o both.taskcast.jsonl
    """
    from pollux.replay.cast.splice import splice as join

    only_one_standard_input(files)
    with ExitStack() as stack:
        stack.enter_context(failures_told())
        sources = [stack.enter_context(Source(file)) for file in files]
        with open_sink(output, force=force) as sink:
            join(sources, sink, pause)
        for source in sources:
            warn(source)


@click.command()
@file_argument
@click.argument("time", type=as_seconds)
@output_options
def cap(file: str, time: float, output: str, force: bool) -> None:
    """Shorten every pause of the recording FILE to at most TIME.

    A pause is the time between two events or statuses; the recorder's polls do not end it.

    \b
    pollux cast cap thinking.taskcast.jsonl 2s -o brisk.taskcast.jsonl
    """
    from pollux.replay.cast.cap import cap as capped

    with shaping(file, output, force) as (source, sink):
        rewrite(source, sink, capped(source.entries(), time, source.header.created_at))


@click.command()
@file_argument
@click.argument("factor", type=click.FloatRange(min=0.001, max=1000))
@output_options
def speed(file: str, factor: float, output: str, force: bool) -> None:
    """Make the recording FILE FACTOR times as fast: 2 halves all times, 0.5 doubles them.

    \b
    pollux cast speed hello.taskcast.jsonl 4 -o fast.taskcast.jsonl
    """
    from pollux.replay.cast.speed import speed as sped

    with shaping(file, output, force) as (source, sink):
        rewrite(source, sink, sped(source.entries(), factor, source.header.created_at))


@click.command()
@file_argument
@click.option("--add", metavar="LABEL", help="Add a marker, with --idx or --time.")
@click.option("--idx", type=click.IntRange(min=0), help="Right before this event.")
@click.option("--time", "seconds", type=as_seconds, help="At this time.")
@by_option
@click.option("--remove", metavar="LABEL", help="Remove the markers of this name.")
@json_option
@output_options
def mark(
    file: str,
    add: str | None,
    idx: int | None,
    seconds: float | None,
    by: By,
    remove: str | None,
    as_json: bool,
    output: str,
    force: bool,
) -> None:
    """List the markers of the recording FILE; or add one, or remove some.

    \b
    pollux cast mark long.taskcast.jsonl
    pollux cast mark long.taskcast.jsonl --add "tools begin" --idx 300 -o marked.taskcast.jsonl
    """
    from pollux.replay.cast import mark as markers

    if add is None and remove is None:
        if idx is not None or seconds is not None:
            raise click.UsageError("--idx and --time go with --add")
        _list_markers(file, as_json)
        return
    if as_json:
        raise click.UsageError("--json lists markers: it goes with neither --add nor --remove")
    place = _place("marked", idx, seconds, None)
    if (add is None) != (place is None):
        raise click.UsageError("--add needs a place, and a place --add: --idx N or --time T")
    with shaping(file, output, force) as (source, sink):
        entries = source.entries()
        if remove is not None:
            entries = markers.without_markers(entries, remove)
        if add is not None and place is not None:
            created_at = source.header.created_at
            entries = markers.with_marker(entries, add, place, created_at, by)
        rewrite(source, sink, entries)


def _list_markers(file: str, as_json: bool) -> None:
    from pollux.replay.cast.mark import markers

    with reading(file) as source:
        found = markers(source.entries(), source.header.created_at)
        if as_json:
            told = [asdict(marker) for marker in found]
            click.echo(json.dumps({"markers": told}, ensure_ascii=False))
            return
        for marker in found:
            click.echo(f"{marker.seconds:10.3f} s  before event {marker.idx}  {marker.label}")


@click.command()
@file_argument
@click.option(
    "--value", "values", multiple=True, metavar="TEXT", help="Replace TEXT; may be repeated."
)
@click.option(
    "--values-from",
    type=FILE,
    help="Replace each line of this file: so that no secret stands on the command line.",
)
@click.option(
    "--pattern",
    "patterns",
    multiple=True,
    metavar="REGEX",
    help="Replace what matches; may be repeated.",
)
@output_options
def redact(
    file: str,
    values: tuple[str, ...],
    values_from: str | None,
    patterns: tuple[str, ...],
    output: str,
    force: bool,
) -> None:
    """Replace secrets in the recording FILE: in its header, its events, its markers.

    The same text gets the same placeholder everywhere: <redacted-1>, <redacted-2>, ... in the
    order of the values, then of what the patterns find. Text that a stream spreads over several
    chunks is found, too.

    \b
    pollux cast redact mine.taskcast.jsonl --pattern "sk-[A-Za-z0-9]+" -o shared.taskcast.jsonl
    """
    from pollux.replay.cast.redact import Redaction
    from pollux.replay.cast.redact import redact as redacted

    only_one_standard_input((file, values_from or ""))
    if values_from is not None:
        with failures_told(), click.open_file(values_from, encoding="utf-8") as lines:
            values = (*values, *(line.rstrip("\r\n") for line in lines))
    values = tuple(filter(None, values))
    if not values and not patterns:
        raise click.UsageError("say what to replace: --value, --values-from or --pattern")
    with failures_told():
        redaction = Redaction(values, patterns)
    with shaping(file, output, force) as (source, sink):
        redacted(source, sink, redaction)


@click.command()
@click.option("--seed", type=int, required=True, help="The same seed makes the same bytes.")
@click.option(
    "--events",
    type=click.IntRange(min=2),
    default=4000,
    show_default=True,
    help="How many events the task has.",
)
@click.option(
    "--scene",
    "scenes",
    multiple=True,
    type=click.Choice(["talk", "burst", "overrun", "thinking", "tools", "unicode"]),
    help="What happens; may be repeated. All of it by default.",
)
@click.option(
    "--ring",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    help="How many events the server keeps.",
)
@output_options
def synth(
    seed: int, events: int, scenes: tuple[str, ...], ring: int, output: str, force: bool
) -> None:
    """Make up a recording: a task that never was, but could have been.

    Scenes: talk (thinking and text), burst (chunks without a pause), overrun (more events than
    the server keeps, while the recorder is away), thinking (very long), tools (a storm of
    them), unicode (text that is hard to show).

    \b
    pollux cast synth --seed 1 -o made-up.taskcast.jsonl
    pollux cast synth --seed 7 --scene unicode --events 2000 -o letters.taskcast.jsonl.gz
    """
    from pollux.replay.cast.synth import Plan
    from pollux.replay.cast.synth import synth as make_up

    plan = Plan(seed, events, scenes or None, ring)
    with failures_told(), open_sink(output, force=force) as sink:
        make_up(plan, sink)
