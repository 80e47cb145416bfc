"""Reads events.yaml: the core event types, and what is wrong with an event or its payload."""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

#: The core types in the order of the catalogue (api_v1 2.4); a server may send others.
EVENT_TYPES = (
    "ai_message_start",
    "thinking_start",
    "thinking_chunk",
    "thinking_end",
    "text_start",
    "text_chunk",
    "text_end",
    "tool_preparing",
    "tool_intent",
    "tool_start",
    "update_action",
    "system_message",
    "token_update",
    "todo_updated",
    "file_tree_update",
    "conversation_changed",
    "error",
    "task_complete",
    "task_stopped",
)
#: What tells of the model's answers and of tools.
WORK_TYPES = frozenset(EVENT_TYPES[1:11])
#: What may stand between any two events; an ``error`` that is tried again may do so, too.
ANYWHERE_TYPES = frozenset(
    {
        "token_update",
        "system_message",
        "todo_updated",
        "file_tree_update",
        "conversation_changed",
    }
)
#: What ends a task and nothing else; an ``error`` may end one, too, see :func:`ends_task`.
END_TYPES = frozenset({"task_complete", "task_stopped"})

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True)
class EventType:
    """One core type of the catalogue.

    Attributes:
        name: The ``type`` of its events.
        sentence: What it tells.
        rule: The id of the requirement that its payload is judged by.
        schema: JSON Schema 2020-12 of its payload; to be read only.
        example: A payload that validates; to be read only.
    """

    name: str
    sentence: str
    rule: str
    schema: Mapping[str, Any]
    example: Mapping[str, Any]


@cache
def load_events() -> Mapping[str, EventType]:
    """Return the catalogue: the core types by name, in its order."""
    # Imported here because most who import this module never read the catalogue.
    from importlib import resources

    import yaml

    text = resources.files("pollux.schemas").joinpath("events.yaml").read_text(encoding="utf-8")
    # The C parser is ten times as fast, but not in every build of PyYAML.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    events = yaml.load(text, Loader=loader)["events"]
    return MappingProxyType(
        {
            name: EventType(
                name=name,
                sentence=entry["sentence"],
                rule=entry["rule"],
                schema={"$schema": _DIALECT, **entry["schema"]},
                example=entry["example"],
            )
            for name, entry in events.items()
        }
    )


def envelope_problems(event: object) -> list[str]:
    """Return what is wrong with an event around its payload (api_v1 2.3.1); nothing if it fits.

    An ``idx`` of ``1.0`` is not an integer here: a typed client could not read it as one.
    """
    if not isinstance(event, dict):
        return [f"the event is not an object but {_shown(event)}"]
    return list(_envelope_problems(event))


def payload_problems(event: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the payload of an event (api_v1 2.4).

    Nothing if it fits, and nothing for a type outside of the catalogue. The requirement that
    a problem breaks is the ``rule`` of the type in :func:`load_events`.

    Args:
        event: An event; where it lacks a type or data, that is :func:`envelope_problems`'.
    """
    kind = event.get("type")
    if not isinstance(kind, str) or "data" not in event:
        return []
    check = _checks().get(kind)
    if check is None or check(event["data"]):
        return []
    return [
        f"{kind}: {error.json_path.replace('$', 'data', 1)}: {_shortened(error.message)}"
        for error in _validators()[kind].iter_errors(event["data"])
    ]


def ends_task(event: Mapping[str, Any]) -> bool:
    """Tell whether this event may end a task: also an ``error`` that is not tried again."""
    kind = event["type"]
    return kind in END_TYPES or (kind == "error" and event["data"].get("retry") is not True)


def _envelope_problems(event: Mapping[str, Any]) -> Iterator[str]:
    missing = [key for key in ("idx", "type", "data", "ts") if key not in event]
    if missing:
        yield f"the event lacks {', '.join(missing)}"
    idx, kind = event.get("idx", 0), event.get("type", "-")
    data, ts = event.get("data", {}), event.get("ts", 0)
    if not isinstance(idx, int) or isinstance(idx, bool) or idx < 0:
        yield f"idx is {_shown(idx)}, not an integer from 0"
    if not isinstance(kind, str) or not kind:
        yield f"type is {_shown(kind)}, not a non-empty string"
    if not isinstance(data, dict):
        yield f"data is {_shown(data)}, not an object"
    if not isinstance(ts, int | float) or isinstance(ts, bool) or not 0 <= ts < math.inf:
        yield f"ts is {_shown(ts)}, not a number of epoch seconds"


def _shown(value: object) -> str:
    return _shortened(json.dumps(value, ensure_ascii=False, default=repr))


def _shortened(text: str, limit: int = 200) -> str:
    # A message must not carry a whole file that an event happened to hold.
    return text if len(text) <= limit else f"{text[:limit]}... ({len(text)} characters)"


# Every event of every poll is checked, so what fits is told by a few plain comparisons; only
# what does not fit is given to jsonschema, which finds the words.
_Check = Callable[[Any], bool]


@cache
def _checks() -> Mapping[str, _Check]:
    return {name: _compiled(event.schema) for name, event in load_events().items()}


@cache
def _validators() -> Mapping[str, "Validator"]:
    from jsonschema import Draft202012Validator

    return {name: Draft202012Validator(event.schema) for name, event in load_events().items()}


def _compiled(schema: Mapping[str, Any]) -> _Check:
    """Return a function that tells whether a value fits a schema of the keywords used here."""
    return _all_of([_KEYWORDS[word](value) for word, value in schema.items() if word != "$schema"])


def _all_of(parts: Sequence[_Check]) -> _Check:
    if len(parts) == 1:
        return parts[0]

    return lambda value: all(part(value) for part in parts)


def _type(names: str | Sequence[str]) -> _Check:
    if isinstance(names, str):
        return _TYPES[names]
    kinds = [_TYPES[name] for name in names]
    return lambda value: any(is_kind(value) for is_kind in kinds)


def _required(names: Sequence[str]) -> _Check:
    wanted = frozenset(names)
    return lambda value: not isinstance(value, dict) or wanted <= value.keys()


def _properties(schemas: Mapping[str, Mapping[str, Any]]) -> _Check:
    checks = [(name, _compiled(schema)) for name, schema in schemas.items()]

    def check(value: Any) -> bool:
        if isinstance(value, dict):
            for name, fits in checks:
                if name in value and not fits(value[name]):
                    return False
        return True

    return check


def _items(schema: Mapping[str, Any]) -> _Check:
    fits = _compiled(schema)
    return lambda value: not isinstance(value, list) or all(map(fits, value))


def _minimum(least: float) -> _Check:
    return lambda value: not (_is_number(value) and value < least)


def _min_length(least: int) -> _Check:
    return lambda value: not isinstance(value, str) or len(value) >= least


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_integer(value: Any) -> bool:
    # To JSON Schema 1.0 is an integer.
    return (isinstance(value, int) and not isinstance(value, bool)) or (
        isinstance(value, float) and value.is_integer()
    )


_TYPES: Mapping[str, _Check] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": _is_integer,
    "number": _is_number,
    "null": lambda value: value is None,
}
_KEYWORDS: Mapping[str, Callable[[Any], _Check]] = {
    "type": _type,
    "required": _required,
    "properties": _properties,
    "items": _items,
    "minimum": _minimum,
    "minLength": _min_length,
}
