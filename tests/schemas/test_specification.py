"""docs/specification.md is fresh, whole, and reads as it should."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pollux.schemas import reference_order, specification
from pollux.schemas.events import load_events
from pollux.schemas.openapi import API_PREFIX, load_openapi, operations
from pollux.schemas.requirements import load_requirements
from pollux.schemas.specification_tables import (
    Field,
    fields_table,
    json_block,
    schema_fields,
    table,
    type_text,
)

CHECKOUT = Path(__file__).parents[2]
TEXT = specification.specification()
CATALOGUE = load_requirements()


def section(heading: str) -> str:
    """Return what stands below a heading, up to the next one of the same rank or higher."""
    level = heading.split(" ")[0]
    found = re.search(
        rf"^{re.escape(heading)}\n(.*?)(?=^#{{1,{len(level)}}} |\Z)", TEXT, re.M | re.S
    )
    assert found is not None, heading
    return found[1]


class TestTheDocument:
    def test_is_fresh(self) -> None:
        committed = (CHECKOUT / specification.PATH).read_text(encoding="utf-8")
        assert committed == TEXT, "run python -m pollux.schemas.specification"

    def test_has_every_requirement_once_with_its_level_source_and_note(self) -> None:
        for id, requirement in CATALOGUE.items():
            head = f"**{id}** ({requirement.level}, {requirement.source})\\\n  "
            assert TEXT.count(head + requirement.sentence) == 1, id
            assert requirement.note in TEXT, id

    def test_has_every_requirement_in_its_group(self) -> None:
        for group in CATALOGUE.groups:
            shown = re.findall(
                r"\*\*([A-Z0-9-]+)\*\* \((?:MUST|SHOULD|MAY)", section(f"## {group.title}")
            )
            assert shown == [entry.id for entry in CATALOGUE.in_group(group.id)]

    def test_has_every_operation_in_its_group(self) -> None:
        for group in CATALOGUE.groups:
            shown = re.findall(
                rf"^`[A-Z]+ {API_PREFIX}\S+` \(`(\w+)`", section(f"## {group.title}"), re.M
            )
            assert shown == [
                entry.operation_id for entry in operations() if entry.tag in group.tags
            ]

    def test_tells_every_status_that_an_operation_answers(self) -> None:
        for operation in operations():
            text = section(f"#### {operation.summary}")
            told = {int(status) for status in re.findall(r"\b([2-5]\d\d)\b", text)}
            assert set(operation.statuses) <= told, operation.operation_id

    def test_tells_what_a_failure_of_an_operation_of_its_own_means(self) -> None:
        busy = load_openapi()["paths"]["/messages"]["post"]["responses"]["409"]["description"]
        assert f"* **409**: {busy}\n" in section("#### Send a message and start a task")

    def test_has_every_event_with_its_fields_and_example(self) -> None:
        for event in load_events().values():
            text = section(f"#### {event.name}")
            assert event.sentence.strip() in text
            assert json_block(event.example) in text
            for field in event.schema.get("properties", {}):
                assert f"| `{field}` |" in text

    def test_shows_the_grammar_that_is_read(self) -> None:
        documented = " ".join((reference_order.__doc__ or "").split())
        assert " ".join(specification.GRAMMAR.split()) in documented
        assert specification.GRAMMAR in TEXT

    def test_keeps_the_choices_of_the_reference_apart(self) -> None:
        text = section("## The reference server")
        for choice in CATALOGUE.reference_choices:
            assert f"**{choice.id}** ({choice.source})\\\n  {choice.sentence}" in text
        assert text.count("REFERENCE-") == TEXT.count("REFERENCE-")

    def test_tells_of_every_known_defect_what_forbids_it(self) -> None:
        rows = section("## Mistakes to learn from").splitlines()
        for defect in CATALOGUE.known_defects:
            (row,) = [row for row in rows if row.startswith(f"| {defect.id} |")]
            caught = [id for id, entry in CATALOGUE.items() if defect.id in entry.upstream]
            assert re.findall(r"\[([A-Z0-9-]+)\]\(#\1\)", row) == caught
            assert defect.outside in row

    def test_explains_every_need(self) -> None:
        text = section("## Checking a server")
        for need in {need for entry in CATALOGUE.values() for need in entry.needs}:
            assert f"`{need}`: {need.meaning}" in text

    def test_every_link_leads_somewhere_in_it(self) -> None:
        headings = re.findall(r"^#+ (.*)$", TEXT, re.M)
        anchors = {heading.lower().replace(" ", "-") for heading in headings}
        anchors |= set(re.findall(r'<a id="([^"]+)">', TEXT))
        links = set(re.findall(r"\]\(#([^)]+)\)", TEXT))
        assert links <= anchors

    def test_every_table_has_rows_as_wide_as_its_head(self) -> None:
        width = 0
        for line in TEXT.splitlines():
            cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
            assert width in (0, cells) or cells == 0, line
            width = cells


class TestTheCommand:
    def test_writes_the_document_and_then_finds_it_fresh(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "docs").mkdir()
        monkeypatch.chdir(tmp_path)
        assert specification.main([]) == 0
        assert (tmp_path / "docs/specification.md").read_text(encoding="utf-8") == TEXT
        assert specification.main(["--check"]) == 0

    def test_says_that_a_document_is_stale_or_absent(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "docs").mkdir()
        monkeypatch.chdir(tmp_path)
        assert specification.main(["--check"]) == 1
        (tmp_path / "docs/specification.md").write_text(TEXT + "more", encoding="utf-8")
        assert specification.main(["--check"]) == 1
        assert capsys.readouterr().err.count("is stale: run python -m") == 2
        assert (tmp_path / "docs/specification.md").read_text(encoding="utf-8") == TEXT + "more"

    def test_refuses_other_arguments(self) -> None:
        command = [sys.executable, "-m", "pollux.schemas.specification", "--chekc"]
        ran = subprocess.run(command, check=False, capture_output=True, text=True)
        assert (ran.returncode, ran.stdout) == (2, "")
        assert ran.stderr.startswith("usage: ")


class TestTables:
    def test_escape_what_would_split_a_cell(self) -> None:
        assert table(("a", "b"), [("x|y", "z")]) == "| a | b |\n| --- | --- |\n| x\\|y | z |"

    def test_leave_out_meanings_where_there_are_none(self) -> None:
        assert fields_table("F", [Field("a", "string", "")]).startswith("| F | Type |\n")
        assert "| `a` | string | A name. |" in fields_table("F", [Field("a", "string", "A name.")])

    @pytest.mark.parametrize(
        ("schema", "words"),
        [
            ({}, "any value"),
            ({"type": "string"}, "string"),
            ({"type": "string", "nullable": True}, "string or null"),
            ({"type": ["string", "null"]}, "string or null"),
            ({"type": "string", "enum": ["a", "b", None]}, "`a`, `b` or `null`"),
            ({"type": "string", "format": "binary"}, "file"),
            ({"type": "string", "maxLength": 20}, "string, at most 20 characters"),
            ({"type": "integer", "minimum": 1, "maximum": 50}, "integer, 1 to 50"),
            ({"type": "integer", "minimum": 0, "default": 0}, "integer, at least 0, default `0`"),
            ({"type": "string", "default": ""}, "string"),
            ({"type": "array", "items": {"type": "string"}}, "list of string"),
            ({"type": "array", "maxItems": 10}, "list, at most 10 of them"),
            ({"anyOf": [{"type": "string"}, {"type": "object"}]}, "string or object"),
        ],
    )
    def test_say_types_in_words(self, schema: dict[str, object], words: str) -> None:
        assert type_text(schema) == words

    def test_list_fields_of_fields(self) -> None:
        schema = {
            "properties": {
                "tasks": {
                    "type": "array",
                    "items": {"type": "object", "properties": {"index": {"type": "integer"}}},
                }
            },
            "required": ["tasks"],
        }
        assert list(schema_fields(schema)) == [
            Field("tasks", "list of object", ""),
            Field("tasks[].index", "integer, optional", ""),
        ]

    def test_show_short_json_on_one_line_and_long_json_on_many(self) -> None:
        assert json_block({"a": "é"}) == '```json\n{"a": "é"}\n```'
        assert json_block({"a": "x" * 100}).count("\n") == 4
