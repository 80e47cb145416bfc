"""Every command of ``pollux cast`` reads and writes files or ``-``, whole or not at all."""

import gzip
import json
import os
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pollux.replay.cast.cli import cast
from pollux.replay.cast.sink import open_output
from pollux.replay.format import Header, Record, record_line
from pollux.replay.recording import Recording
from tests.replay.cast_support import (
    FIXTURES,
    judged,
    made_up,
    records_of,
    run,
    shaped,
    told,
    trailer_of,
)
from tests.replay.support import PROPERTY, TASK, json_values, s, short_answer, write

COMMANDS = [
    "info",
    "validate",
    "events",
    "diff",
    "cut",
    "splice",
    "cap",
    "speed",
    "mark",
    "redact",
    "synth",
]
#: Commands that may leave a recording as it is, with what makes them do so.
KEEPING = [
    ("cap", 1000),
    ("speed", 1),
    ("cut", "--from", 0),
    ("redact", "--value", "nowhere-to-be-found"),
    ("splice",),
    ("validate", "--fix"),
]


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def arguments_of(command: tuple[object, ...], file: object) -> list[object]:
    return [command[0], file, *command[1:]]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_help_text_with_an_example(name: str) -> None:
    result = run(name, "--help")
    assert result.exit_code == 0
    assert f"pollux cast {name} " in result.output


def test_the_commands_are_those_of_the_table() -> None:
    assert sorted(cast.list_commands(None)) == sorted(COMMANDS)  # type: ignore[arg-type]


@pytest.mark.parametrize("command", KEEPING, ids=lambda command: command[0])
@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda path: path.name.partition(".")[0])
def test_what_is_not_to_be_changed_is_not_changed(
    fixture: Path, command: tuple[object, ...]
) -> None:
    data = fixture.read_bytes()
    plain = gzip.decompress(data) if fixture.suffix == ".gz" else data
    assert shaped(*arguments_of(command, fixture)) == plain
    assert shaped(*arguments_of(command, "-"), data=plain) == plain


@settings(PROPERTY, max_examples=25)
@given(
    records=st.lists(
        st.builds(
            Record,
            st.integers(0, 99),
            st.text(min_size=1, max_size=2).filter("x".__ne__),
            json_values,
        )
    ),
    fields=st.dictionaries(st.text(), json_values, max_size=3),
    command=st.sampled_from([("cap", 1000), ("speed", 1), ("redact", "--value", "nowhere-at-all")]),
)
@example(records=[Record(0, "\x7f", "\ud800")], fields={}, command=("speed", 1))
def test_unknown_codes_and_fields_survive(
    tmp_path: Path, records: list[Record], fields: dict[str, object], command: tuple[object, ...]
) -> None:
    path = tmp_path / "a.taskcast.jsonl"
    path.unlink(missing_ok=True)
    write(path, records, head=Header({**fields, "taskcast": 1, "task": TASK}), complete=False)
    before = path.read_bytes()
    after = shaped(*arguments_of(command, path))
    assert after.splitlines()[:-1] == before.splitlines()[:-1]


@pytest.mark.parametrize(
    "command",
    [
        ("cut", "--from", 1, "--to", 5),
        ("cut", "--from", 1, "--renumber"),
        ("splice",),
        ("mark", "--add", "here", "--idx", 3),
        ("validate", "--fix"),
    ],
)
def test_what_a_later_version_writes_survives_in_the_middle(
    tmp_path: Path, command: tuple[object, ...]
) -> None:
    records = short_answer()
    records[6:6] = [Record(0, "later", {"idx": 9, "a": [1]}), Record(0, "é/", None)]
    path = tmp_path / "a.taskcast.jsonl"
    write(path, records, head=Header({"taskcast": 1, "task": {**TASK, "b": 2}, "later": {"c": 3}}))
    out = tmp_path / "out.taskcast.jsonl"
    assert run(*arguments_of(command, path), "-o", out).exit_code == 0
    assert judged(out, stream=False).findings == []
    assert [record for record in records_of(out) if record.code in ("later", "é/")] == records[6:8]
    with Recording(out) as recording:
        assert recording.header.fields["later"] == {"c": 3}
        assert recording.header.fields["task"]["b"] == 2


def test_a_payload_is_written_as_it_was_spelled(tmp_path: Path) -> None:
    path = tmp_path / "a.taskcast.jsonl"
    odd = b'[0 , "later", {"big":1.00000000000000000001e2, "twice":1, "twice":2, "u":"\\u00e9"} ]\n'
    path.write_bytes(b'{"taskcast":1}\n' + odd)
    out = shaped("cap", path, 1)
    assert b'{"big":1.00000000000000000001e2, "twice":1, "twice":2, "u":"\\u00e9"}' in out


def test_fields_of_a_trailer_that_nobody_knows_survive(tmp_path: Path) -> None:
    path = write(tmp_path / "a.taskcast.jsonl", short_answer())
    path.write_bytes(path.read_bytes().replace(b'"ring":null', b'"ring":null,"later":[1]'))
    assert json.loads(shaped("speed", path, 2).splitlines()[-1])[2]["later"] == [1]


@pytest.mark.parametrize("name", ["out.taskcast.jsonl", "out.taskcast.jsonl.gz"])
def test_the_ending_decides_about_compression(tmp_path: Path, name: str) -> None:
    source = write(tmp_path / "a.taskcast.jsonl.gz", short_answer())
    out = tmp_path / name
    assert shaped("cap", source, 1000, "-o", out) == b""
    assert (out.read_bytes()[:2] == b"\x1f\x8b") is name.endswith(".gz")
    assert records_of(out) == short_answer()


def test_an_existing_file_is_replaced_only_when_asked(tmp_path: Path) -> None:
    source = write(tmp_path / "a.taskcast.jsonl", short_answer())
    out = tmp_path / "out.taskcast.jsonl"
    out.write_text("precious")
    result = run("cap", source, 1, "-o", out)
    assert (result.exit_code, out.read_text()) == (2, "precious")
    assert "--force" in result.output
    assert run("cap", source, 1, "-o", out, "--force").exit_code == 0
    assert len(records_of(out)) == len(short_answer())


@pytest.mark.parametrize("name", ["a.taskcast.jsonl", "a.taskcast.jsonl.gz"])
def test_a_file_may_be_written_over_itself(tmp_path: Path, name: str) -> None:
    path = made_up(tmp_path / name, events=3000)
    count = len(records_of(path))
    assert run("speed", path, 2, "-o", path, "--force").exit_code == 0
    assert len(records_of(path)) == count
    assert names_in(tmp_path) == [name]


def test_a_file_keeps_its_mode_when_it_is_replaced(tmp_path: Path) -> None:
    path = write(tmp_path / "a.taskcast.jsonl", short_answer())
    path.chmod(0o640)
    assert run("speed", path, 2, "-o", path, "--force").exit_code == 0
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    path = write(tmp_path / "a.taskcast.jsonl", short_answer())
    link = tmp_path / "link.taskcast.jsonl"
    link.symlink_to(path)
    assert run("speed", path, 2, "-o", link, "--force").exit_code == 0
    assert link.is_symlink()
    assert trailer_of(path)["status"] == "succeeded"


def test_a_failure_leaves_neither_a_new_file_nor_half_of_one(tmp_path: Path) -> None:
    path = write(tmp_path / "a.taskcast.jsonl", short_answer())
    lines = path.read_bytes().splitlines(keepends=True)
    lines[6] = b"broken\n"
    path.write_bytes(b"".join(lines))
    before = path.read_bytes()
    for out in (tmp_path / "new.taskcast.jsonl", path):
        result = run("cap", path, 1, "-o", out, "--force")
        assert result.exit_code == 2
        assert "line 7" in result.output
    assert names_in(tmp_path) == ["a.taskcast.jsonl"]
    assert path.read_bytes() == before


def test_two_that_write_the_same_new_file_do_not_overwrite_each_other(tmp_path: Path) -> None:
    out = tmp_path / "out.taskcast.jsonl"
    with pytest.raises(Exception, match="exists already"), open_output(str(out)) as write_out:
        write_out(b"mine")
        out.write_bytes(b"theirs")
    assert out.read_bytes() == b"theirs"
    assert names_in(tmp_path) == [out.name]


def test_a_device_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    path = write(tmp_path / "a.taskcast.jsonl", short_answer())
    assert run("cap", path, 1, "-o", "/dev/null").exit_code == 0
    assert not Path("/dev/null").is_file()


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (("info", "nowhere.jsonl"), "No such file"),
        (("splice", "-", "-"), "once only"),
        (("diff", "-", "-"), "once only"),
        (("cap", "-", "soon"), "write 2, 250ms"),
        (("cut", "-"), "say where"),
        (("cut", "-", "--from", 1, "--since", 1), "in one way"),
        (("mark", "-", "--add", "a"), "needs a place"),
        (("mark", "-", "--idx", 1), "go with --add"),
        (("redact", "-"), "say what"),
        (("redact", "-", "--pattern", "("), "no regular expression"),
        (("redact", "-", "--pattern", "a*"), "nothing at all"),
        (("redact", "-", "--value", "redacted"), "part of its placeholder"),
        (("redact", "-", "--value", "idx"), "word of the format"),
        (("events", "-", "--grep", "("), "no regular expression"),
        (("validate", "-", "-o", "x"), "goes with --fix"),
        (("synth",), "--seed"),
    ],
)
def test_wrong_usage_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[object, ...], advice: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*arguments, data=b'{"taskcast":1}\n')
    assert result.exit_code == 2
    assert advice in result.output


@pytest.mark.parametrize("command", [("info",), ("validate",), ("cap", 1), ("events",)])
def test_a_newer_version_is_refused_and_another_file_is_no_recording(
    command: tuple[object, ...],
) -> None:
    newer = run(*arguments_of(command, "-"), data=b'{"taskcast":2}\n')
    assert newer.exit_code == 2
    assert "use a newer pollux" in newer.output
    other = run(*arguments_of(command, "-"), data=b"hello\n")
    assert other.exit_code == 2
    assert "not a recording" in other.output
    packed = run(*arguments_of(command, "-"), data=gzip.compress(b'{"taskcast":1}\n'))
    assert packed.exit_code == 2
    assert "compressed" in packed.output


@pytest.mark.parametrize("name", ["a.taskcast.jsonl", "a.taskcast.jsonl.gz"])
def test_what_is_cut_off_is_read_with_a_warning(tmp_path: Path, name: str) -> None:
    path = made_up(tmp_path / name, events=500)
    os.truncate(path, path.stat().st_size * 2 // 3)
    result = run("cap", path, 1, "-o", tmp_path / "out.taskcast.jsonl")
    assert result.exit_code == 0
    assert "there is no trailer" in result.stderr
    trailer = trailer_of(tmp_path / "out.taskcast.jsonl")
    assert (trailer["complete"], trailer["reason"]) == (False, "cut-off")


def test_joined_gzip_files_and_a_damaged_one_are_read(tmp_path: Path) -> None:
    text = write(tmp_path / "a.taskcast.jsonl", short_answer()).read_bytes()
    path = tmp_path / "b.taskcast.jsonl.gz"
    path.write_bytes(gzip.compress(text[:700]) + gzip.compress(text[700:]))
    assert shaped("cap", path, 1000) == text
    damaged = bytearray(gzip.compress(text))
    damaged[-5] ^= 0xFF
    path.write_bytes(damaged)
    assert judged(path).findings[0].rule == "compression"


def test_comments_are_passed_over_and_what_follows_the_trailer_is_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "a.taskcast.jsonl", [s("running", 0)])
    path.write_bytes(path.read_bytes() + b"# a remark\n" + record_line(s("running", 5)))
    result = run("cap", path, 1)
    assert "behind the trailer" in result.stderr
    assert len(result.stdout.splitlines()) == 3


def test_info_reads_standard_input() -> None:
    data = b'{"taskcast":1}\n' + record_line(s("running", 0))
    assert json.loads(run("info", "-", "--json", data=data).stdout)["file"] == "<stdin>"
    assert told("info", FIXTURES[0])["file"] == str(FIXTURES[0])
