"""Reads requirements.yaml: every rule of the contract as a value with a stable id."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any

from pollux.schemas.events import EVENT_TYPES
from pollux.schemas.openapi import operations


class CatalogueError(Exception):
    """The requirements file is wrong; the message begins with the place in it."""


class Level(StrEnum):
    """How much a requirement counts (RFC 2119)."""

    #: It decides the verdict on a server.
    MUST = "MUST"
    #: A server that breaks it gets a warning.
    SHOULD = "SHOULD"
    #: It is only reported.
    MAY = "MAY"


class Need(StrEnum):
    """What a check must have at hand, or else its requirement is not verified."""

    SCRIPTED_MODEL = "scripted-model"
    TOOLS = "tools"
    TWO_USERS = "two-users"
    RESTART = "restart"
    LARGE_UPLOAD = "large-upload"
    DATA_DIR = "data-dir"

    @property
    def meaning(self) -> str:
        """What that is, as a sentence."""
        return _MEANINGS[self]


_MEANINGS: Mapping[Need, str] = {
    Need.SCRIPTED_MODEL: "The server's model is the suite's own, which answers as the check says.",
    Need.TOOLS: "The server offers its model at least one tool that does no harm.",
    Need.TWO_USERS: "There are tokens of two different users.",
    Need.RESTART: "The suite starts the server itself, and may kill and restart it.",
    Need.LARGE_UPLOAD: "The suite may send more than the server's largest allowed body.",
    Need.DATA_DIR: "The suite can reach the folder in which the server keeps its data.",
}


@dataclass(frozen=True)
class Requirement:
    """One rule that a server keeps or breaks on its own.

    Attributes:
        id: Its stable name, such as ``POLL-OFFSET-GAPLESS``.
        level: How much it counts.
        sentence: The rule, complete without context.
        source: Where in the contract it is from, such as ``api_v1 2.3.2``.
        group: The id of its :class:`Group`.
        operations: The operationIds it is about; empty where it is about none in particular.
        needs: What a check of it must have at hand.
        events: The event types it is about.
        note: What the rule leaves open and no server may be blamed for, or "".
        upstream: The ids of the known defects that break it.
    """

    id: str
    level: Level
    sentence: str
    source: str
    group: str
    operations: tuple[str, ...]
    needs: frozenset[Need]
    events: tuple[str, ...]
    note: str
    upstream: tuple[str, ...]


@dataclass(frozen=True)
class Group:
    """A part of the contract: requirements, and the tags of the operations that belong to it."""

    id: str
    title: str
    intro: str
    tags: tuple[str, ...]


@dataclass(frozen=True)
class ReferenceChoice:
    """What the reference server does where the contract leaves a choice; no requirement."""

    id: str
    source: str
    sentence: str


@dataclass(frozen=True)
class KnownDefect:
    """A defect that was read from the code of a server in use.

    Attributes:
        id: Its number, such as ``H-01``.
        sentence: What the server does.
        outside: Why no requirement forbids it, or "" where one does.
    """

    id: str
    sentence: str
    outside: str


class Catalogue(Mapping[str, Requirement]):
    """All requirements by id, in the order of the contract.

    Attributes:
        groups: The parts of the contract in their order.
        reference_choices: What only the reference server does.
        known_defects: Defects of a server in use, which requirements name by ``upstream``.
    """

    def __init__(
        self,
        requirements: tuple[Requirement, ...],
        groups: tuple[Group, ...],
        reference_choices: tuple[ReferenceChoice, ...],
        known_defects: tuple[KnownDefect, ...],
    ) -> None:
        self._requirements = {requirement.id: requirement for requirement in requirements}
        self.groups = groups
        self.reference_choices = reference_choices
        self.known_defects = known_defects

    def __getitem__(self, id: str) -> Requirement:
        """Return the requirement of this id."""
        return self._requirements[id]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the ids."""
        return iter(self._requirements)

    def __len__(self) -> int:
        """Return how many requirements there are."""
        return len(self._requirements)

    def in_group(self, group: str) -> tuple[Requirement, ...]:
        """Return the requirements of the group of this id."""
        return tuple(entry for entry in self.values() if entry.group == group)


@cache
def load_requirements() -> Catalogue:
    """Return the catalogue of the package; it is read once.

    Raises:
        CatalogueError: The file is wrong.
    """
    return parse_requirements(requirements_text())


def requirements_text() -> str:
    """Return requirements.yaml as it is in the package."""
    return (
        resources.files("pollux.schemas").joinpath("requirements.yaml").read_text(encoding="utf-8")
    )


def parse_requirements(text: str) -> Catalogue:
    """Read a catalogue from the text of such a file.

    Raises:
        CatalogueError: It is no YAML, an id is there twice, a field is unknown, missing or of
            the wrong type, or an operation, a group, an event type or a defect does not exist.
    """
    document = _Entry("requirements.yaml", _yaml(text), _FILE)
    if document.value("requirements_version") != 1:
        raise CatalogueError("requirements_version: this version reads only 1")
    groups = tuple(_group(entry) for entry in document.entries("groups", _GROUP))
    choices = tuple(_choice(entry) for entry in document.entries("reference_choices", _CHOICE))
    defects = tuple(_defect(entry) for entry in document.entries("known_defects", _DEFECT))
    known = _Known(
        groups=frozenset(group.id for group in groups),
        defects=frozenset(defect.id for defect in defects),
    )
    requirements = tuple(
        _requirement(entry, known) for entry in document.entries("requirements", _REQUIREMENT)
    )
    # Reports and rules of streams name requirements and choices alike.
    _refuse_duplicates([*(rule.id for rule in requirements), *(rule.id for rule in choices)])
    _refuse_duplicates([defect.id for defect in defects])
    _refuse_duplicates([group.id for group in groups])
    return Catalogue(requirements, groups, choices, defects)


# Fields of an entry, and whether they must be there.
_FILE = {
    "requirements_version": True,
    "groups": True,
    "requirements": True,
    "reference_choices": True,
    "known_defects": True,
}
_GROUP = {"id": True, "title": True, "intro": True, "tags": False}
_CHOICE = {"id": True, "source": True, "sentence": True}
_DEFECT = {"id": True, "sentence": True, "outside": False}
_REQUIREMENT = {
    "id": True,
    "level": True,
    "group": True,
    "source": True,
    "sentence": True,
    "operations": False,
    "needs": False,
    "events": False,
    "note": False,
    "upstream": False,
}


@dataclass(frozen=True)
class _Known:
    """The names that a requirement may refer to within the file."""

    groups: frozenset[str]
    defects: frozenset[str]


class _Entry:
    """One mapping of the file, which knows its place in it."""

    def __init__(self, place: str, value: object, fields: Mapping[str, bool]) -> None:
        if not isinstance(value, dict):
            raise CatalogueError(f"{place}: is not a mapping")
        self.place = f"{place} ({value['id']})" if isinstance(value.get("id"), str) else place
        for name in value:
            if name not in fields:
                raise CatalogueError(f"{self.place}: unknown field {name!r}")
        for name, required in fields.items():
            if required and name not in value:
                raise CatalogueError(f"{self.place}: the field {name!r} is missing")
        self._fields = value

    def value(self, name: str) -> Any:
        return self._fields.get(name)

    def text(self, name: str) -> str:
        found = self._fields.get(name, "")
        if not isinstance(found, str) or (name in self._fields and not found):
            raise CatalogueError(f"{self.place}: {name!r} is not a non-empty text")
        return found

    def texts(self, name: str) -> tuple[str, ...]:
        found = self._fields.get(name, [])
        if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
            raise CatalogueError(f"{self.place}: {name!r} is not a list of texts")
        if len(set(found)) != len(found):
            raise CatalogueError(f"{self.place}: {name!r} says something twice")
        return tuple(found)

    def names(self, name: str, known: frozenset[str]) -> tuple[str, ...]:
        found = self.texts(name)
        for item in found:
            if item not in known:
                raise CatalogueError(f"{self.place}: {name!r} names {item!r}, which does not exist")
        return found

    def entries(self, name: str, fields: Mapping[str, bool]) -> list["_Entry"]:
        found = self._fields[name]
        if not isinstance(found, list):
            raise CatalogueError(f"{name}: is not a list")
        return [_Entry(f"{name}[{i}]", value, fields) for i, value in enumerate(found)]


def _requirement(entry: _Entry, known: _Known) -> Requirement:
    group = entry.text("group")
    if group not in known.groups:
        raise CatalogueError(f"{entry.place}: 'group' names {group!r}, which does not exist")
    level = entry.text("level")
    if level not in list(Level):
        raise CatalogueError(f"{entry.place}: 'level' is {level!r}, not one of {_list(Level)}")
    return Requirement(
        id=entry.text("id"),
        level=Level(level),
        sentence=entry.text("sentence"),
        source=entry.text("source"),
        group=group,
        operations=_operations(entry),
        needs=frozenset(map(Need, entry.names("needs", frozenset(Need)))),
        events=_events(entry),
        note=entry.text("note"),
        upstream=entry.names("upstream", known.defects),
    )


def _operations(entry: _Entry) -> tuple[str, ...]:
    match entry.value("operations"):
        case "all":
            return tuple(operation.operation_id for operation in operations())
        case "secured":
            return tuple(operation.operation_id for operation in operations() if operation.secured)
    known = frozenset(operation.operation_id for operation in operations())
    return entry.names("operations", known)


def _events(entry: _Entry) -> tuple[str, ...]:
    if entry.value("events") == "all":
        return EVENT_TYPES
    return entry.names("events", frozenset(EVENT_TYPES))


def _group(entry: _Entry) -> Group:
    return Group(
        id=entry.text("id"),
        title=entry.text("title"),
        intro=entry.text("intro"),
        tags=entry.names("tags", frozenset(operation.tag for operation in operations())),
    )


def _choice(entry: _Entry) -> ReferenceChoice:
    return ReferenceChoice(
        id=entry.text("id"), source=entry.text("source"), sentence=entry.text("sentence")
    )


def _defect(entry: _Entry) -> KnownDefect:
    return KnownDefect(
        id=entry.text("id"), sentence=entry.text("sentence"), outside=entry.text("outside")
    )


def _refuse_duplicates(ids: list[str]) -> None:
    seen: set[str] = set()
    for id in ids:
        if id in seen:
            raise CatalogueError(f"{id}: this id is there twice")
        seen.add(id)


def _list(values: type[StrEnum]) -> str:
    return ", ".join(values)


def _yaml(text: str) -> object:
    # yaml is imported here because most who import this module never read the file.
    import yaml

    # The C parser is ten times as fast, but not in every build of PyYAML.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return yaml.load(text, Loader=loader)
    except yaml.YAMLError as error:
        raise CatalogueError(f"requirements.yaml: {error}") from error
