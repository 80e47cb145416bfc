"""The catalogue of requirements is well formed, whole, and refuses what is wrong in it."""

import copy
import json
import re
import subprocess
import sys
from importlib import resources
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from pollux.schemas.events import EVENT_TYPES
from pollux.schemas.openapi import operations
from pollux.schemas.requirements import (
    CatalogueError,
    Level,
    Need,
    Requirement,
    load_requirements,
    parse_requirements,
    requirements_text,
)

CATALOGUE = load_requirements()
DOCUMENT: dict[str, Any] = yaml.safe_load(requirements_text())
SECTIONS = (
    ["introduction"]
    + [f"1.{n}" for n in range(1, 14)]
    + ["2", "2.1", "2.2", "2.3", "2.4", "2.5", "2.6", "2.7"]
    + [f"2.3.{n}" for n in range(1, 13)]
    + ["2.3 cancel", "2.3 end", "2.3 memory"]
)


@pytest.fixture
def document() -> dict[str, Any]:
    return copy.deepcopy(DOCUMENT)


def schema() -> dict[str, Any]:
    text = resources.files("pollux.schemas").joinpath("requirements.schema.json").read_text("utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def entry(document: dict[str, Any], id: str) -> dict[str, Any]:
    found: dict[str, Any] = next(item for item in document["requirements"] if item["id"] == id)
    return found


def parse(document: dict[str, Any]) -> None:
    parse_requirements(json.dumps(document))


def cited(source: str) -> list[str]:
    return source.removeprefix("api_v1 ").split(", ")


def sentences() -> list[str]:
    return [
        *(requirement.sentence for requirement in CATALOGUE.values()),
        *(requirement.note for requirement in CATALOGUE.values() if requirement.note),
        *(choice.sentence for choice in CATALOGUE.reference_choices),
        *(defect.sentence for defect in CATALOGUE.known_defects),
        *(defect.outside for defect in CATALOGUE.known_defects if defect.outside),
        *(group.intro for group in CATALOGUE.groups),
    ]


class TestTheFile:
    def test_keeps_its_schema(self, document: dict[str, Any]) -> None:
        Draft202012Validator.check_schema(schema())
        Draft202012Validator(schema()).validate(document)

    def test_no_entry_says_a_field_twice(self) -> None:
        # PyYAML takes the last of two equal keys without a word.
        nodes = [yaml.compose(requirements_text(), Loader=yaml.SafeLoader)]
        while nodes:
            node = nodes.pop()
            if isinstance(node, yaml.MappingNode):
                keys = [key.value for key, _ in node.value]
                assert len(set(keys)) == len(keys), node.start_mark
                nodes.extend(value for _, value in node.value)
            elif isinstance(node, yaml.SequenceNode):
                nodes.extend(node.value)

    def test_every_text_is_clean_prose(self) -> None:
        for sentence in sentences():
            assert sentence.endswith("."), sentence
            assert "\n" not in sentence, sentence
            assert "  " not in sentence, sentence
            assert sentence.count("`") % 2 == 0, sentence

    def test_no_sentence_is_there_twice(self) -> None:
        said = [requirement.sentence for requirement in CATALOGUE.values()]
        assert sorted(set(said)) == sorted(said)

    def test_the_schema_knows_the_needs_and_levels_of_the_loader(self) -> None:
        properties = schema()["$defs"]["requirement"]["properties"]
        assert properties["needs"]["items"]["enum"] == list(Need)
        assert properties["level"]["enum"] == list(Level)

    def test_the_schema_refuses_a_sentence_without_a_period(self, document: dict[str, Any]) -> None:
        entry(document, "POLL-SHAPE")["sentence"] = "A poll answers"
        assert not Draft202012Validator(schema()).is_valid(document)


class TestWholeness:
    def test_every_section_of_the_contract_is_cited(self) -> None:
        sources = {part for entry in CATALOGUE.values() for part in cited(entry.source)}
        assert sorted(set(SECTIONS) - sources) == []
        assert sorted(sources - set(SECTIONS)) == []

    def test_every_operation_has_requirements_of_its_own(self) -> None:
        # What is said of several operations says little of a single one.
        own = {entry.operations for entry in CATALOGUE.values() if len(entry.operations) == 1}
        assert {(operation.operation_id,) for operation in operations()} == own

    def test_every_tag_of_openapi_belongs_to_one_group(self) -> None:
        tags = [tag for group in CATALOGUE.groups for tag in group.tags]
        assert sorted(tags) == sorted({operation.tag for operation in operations()})

    def test_every_group_has_requirements_in_one_run(self) -> None:
        order = [group.id for group in CATALOGUE.groups for _ in CATALOGUE.in_group(group.id)]
        assert [entry.group for entry in CATALOGUE.values()] == order
        assert set(order) == {group.id for group in CATALOGUE.groups}

    def test_every_known_defect_is_forbidden_or_says_why_not(self) -> None:
        forbidden = {defect for entry in CATALOGUE.values() for defect in entry.upstream}
        for defect in CATALOGUE.known_defects:
            assert (defect.id in forbidden) != bool(defect.outside), defect
        assert [defect.id for defect in CATALOGUE.known_defects] == [
            f"H-{number:02}" for number in range(1, 44)
        ]

    def test_every_need_is_used_and_explained(self) -> None:
        assert {need for entry in CATALOGUE.values() for need in entry.needs} == set(Need)
        assert all(need.meaning.endswith(".") for need in Need)

    def test_only_a_must_decides_about_a_known_defect(self) -> None:
        assert {entry.level for entry in CATALOGUE.values() if entry.upstream} == {Level.MUST}

    def test_what_needs_another_user_says_so(self) -> None:
        for requirement in CATALOGUE.values():
            if re.search(r"\banother user\b|\btwo users\b", requirement.sentence):
                assert Need.TWO_USERS in requirement.needs, requirement.id


class TestTheLoader:
    def test_gives_requirements_by_id_in_the_order_of_the_file(
        self, document: dict[str, Any]
    ) -> None:
        assert list(CATALOGUE) == [item["id"] for item in document["requirements"]]
        assert len(CATALOGUE) == len(document["requirements"])
        assert CATALOGUE["POLL-OFFSET-GAPLESS"].source == "api_v1 2.3.2"

    def test_reads_the_file_once(self) -> None:
        assert load_requirements() is CATALOGUE

    def test_fills_in_what_an_entry_leaves_out(self, document: dict[str, Any]) -> None:
        document["requirements"] = [
            {
                "id": "POLL-A",
                "level": "SHOULD",
                "group": "polling",
                "source": "api_v1 2.3",
                "sentence": "It is so.",
            }
        ]
        assert parse_requirements(json.dumps(document))["POLL-A"] == Requirement(
            id="POLL-A",
            level=Level.SHOULD,
            sentence="It is so.",
            source="api_v1 2.3",
            group="polling",
            operations=(),
            needs=frozenset(),
            events=(),
            note="",
            upstream=(),
        )

    def test_spells_out_groups_of_operations_and_events(self) -> None:
        everything = tuple(operation.operation_id for operation in operations())
        assert CATALOGUE["COMMON-PREFIX"].operations == everything
        assert set(everything) - set(CATALOGUE["AUTH-REQUIRED"].operations) == {
            "listModels",
            "health",
        }
        assert CATALOGUE["EVENT-PAYLOAD"].events == EVENT_TYPES

    def test_importing_it_reads_no_file_and_loads_no_parser(self) -> None:
        program = (
            "import sys, pollux.schemas.requirements; "
            "sys.exit('yaml' in sys.modules or 'jsonschema' in sys.modules)"
        )
        assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0

    @pytest.mark.parametrize(
        ("field", "value", "message"),
        [
            ("id", "POLL-TASK-FOUND", "POLL-TASK-FOUND: this id is there twice"),
            ("id", "REFERENCE-ORDER", "REFERENCE-ORDER: this id is there twice"),
            ("id", "", "'id' is not a non-empty text"),
            ("level", "CAN", "(POLL-SHAPE): 'level' is 'CAN', not one of MUST, SHOULD, MAY"),
            ("sentence", 5, "(POLL-SHAPE): 'sentence' is not a non-empty text"),
            ("sentence", "", "(POLL-SHAPE): 'sentence' is not a non-empty text"),
            ("group", "poling", "(POLL-SHAPE): 'group' names 'poling', which does not exist"),
            ("operations", ["poll"], "(POLL-SHAPE): 'operations' names 'poll', which does not"),
            ("operations", "pollTask", "(POLL-SHAPE): 'operations' is not a list of texts"),
            ("operations", ["pollTask", "pollTask"], "'operations' says something twice"),
            ("needs", ["luck"], "(POLL-SHAPE): 'needs' names 'luck', which does not exist"),
            ("events", ["text"], "(POLL-SHAPE): 'events' names 'text', which does not exist"),
            ("upstream", ["H-99"], "(POLL-SHAPE): 'upstream' names 'H-99', which does not"),
            ("upsteam", ["H-01"], "(POLL-SHAPE): unknown field 'upsteam'"),
        ],
    )
    def test_refuses_a_wrong_field_and_names_the_place(
        self, document: dict[str, Any], field: str, value: object, message: str
    ) -> None:
        entry(document, "POLL-SHAPE")[field] = value
        with pytest.raises(CatalogueError) as raised:
            parse(document)
        assert message in str(raised.value)

    def test_refuses_a_missing_field(self, document: dict[str, Any]) -> None:
        place = [item["id"] for item in document["requirements"]].index("POLL-SHAPE")
        del entry(document, "POLL-SHAPE")["source"]
        with pytest.raises(CatalogueError) as raised:
            parse(document)
        assert str(raised.value) == (
            f"requirements[{place}] (POLL-SHAPE): the field 'source' is missing"
        )

    def test_refuses_a_group_that_is_there_twice(self, document: dict[str, Any]) -> None:
        document["groups"].append(document["groups"][0])
        with pytest.raises(CatalogueError, match="common: this id is there twice"):
            parse(document)

    def test_refuses_a_tag_that_no_operation_has(self, document: dict[str, Any]) -> None:
        document["groups"][0]["tags"] = ["Nonsense"]
        with pytest.raises(CatalogueError, match=r"\(common\): 'tags' names 'Nonsense'"):
            parse(document)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("a: [", "requirements.yaml: "),
            ("- 1", "requirements.yaml: is not a mapping"),
            ("requirements_version: 1", "the field 'groups' is missing"),
        ],
    )
    def test_refuses_what_is_no_such_file(self, text: str, message: str) -> None:
        with pytest.raises(CatalogueError, match=re.escape(message)):
            parse_requirements(text)

    def test_refuses_another_version(self, document: dict[str, Any]) -> None:
        document["requirements_version"] = 2
        with pytest.raises(CatalogueError, match="requirements_version: this version reads only 1"):
            parse(document)

    @pytest.mark.parametrize("name", ["groups", "requirements", "known_defects"])
    def test_refuses_lists_that_are_none(self, document: dict[str, Any], name: str) -> None:
        document[name] = {}
        with pytest.raises(CatalogueError, match=f"{name}: is not a list"):
            parse(document)
        document[name] = [5]
        with pytest.raises(CatalogueError, match=rf"{name}\[0\]: is not a mapping"):
            parse(document)
