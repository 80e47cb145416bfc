"""What the tests of ``pollux cast`` share."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from pollux import schemas
from pollux.replay.cast.cli import cast
from pollux.replay.cast.entries import Entry
from pollux.replay.cast.findings import Verdict
from pollux.replay.cast.sink import open_sink
from pollux.replay.cast.source import LineReader
from pollux.replay.cast.synth import Plan, synth
from pollux.replay.cast.validate import validate
from pollux.replay.format import Record
from pollux.replay.recording import Recording

ROOT = Path(schemas.__file__).resolve().parent.parent
FIXTURES = sorted((ROOT / "fixtures" / "recordings").glob("*.taskcast.jsonl*"))


def run(*arguments: object, data: bytes | None = None) -> Result:
    return CliRunner().invoke(cast, [str(argument) for argument in arguments], input=data)


def shaped(*arguments: object, data: bytes | None = None) -> bytes:
    """What a command writes to standard output; it must end well."""
    result = run(*arguments, data=data)
    assert result.exit_code == 0, result.output
    return result.stdout_bytes


def told(*arguments: object, code: int = 0) -> Any:
    """The JSON answer of a command."""
    result = run(*arguments, "--json")
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def records_of(path: Path) -> list[Record]:
    """The records of a recording that must be a good one, but its trailer."""
    with Recording(path) as recording:
        records = [placed.record for placed in recording.records()]
        assert recording.checksum_matches() is True
    assert records[-1].code == "x"
    return records[:-1]


def events_of(path: Path) -> list[dict[str, Any]]:
    return [record.payload for record in records_of(path) if record.code == "e"]


def trailer_of(path: Path) -> dict[str, Any]:
    with Recording(path) as recording:
        trailer = recording.trailer()
    assert trailer is not None
    return dict(trailer)


def entries(records: Iterable[Record]) -> list[Entry]:
    """RECORDS as a command sees them."""
    at_ms, found = 0, []
    for line, record in enumerate(records, start=2):
        at_ms += record.delta_ms
        found.append(Entry(at_ms, record.code, record.payload, None, line))
    return found


def judged(path: Path, *, stream: bool = True) -> Verdict:
    with LineReader(str(path)) as reader:
        return validate(reader, stream=stream)


def made_up(path: Path, seed: int = 1, events: int = 300, *scenes: str, ring: int = 50) -> Path:
    with open_sink(str(path), force=True) as sink:
        synth(Plan(seed, events, scenes or None, ring), sink)
    return path
