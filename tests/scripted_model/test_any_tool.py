"""``call any``: which tool is chosen, and that its arguments fit its schema."""

import json
import select
import socket
import threading
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pollux.scripted_model.chat_request import BadRequest
from pollux.scripted_model.schema_values import CannotMake, make_arguments
from pollux.scripted_model.tool_choice import any_call, call_of, words_of
from tests.scripted_model.waiting import eventually

PATH = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
NO_ARGUMENTS: dict[str, Any] = {"type": "object", "properties": {}}


def tool(name: str, parameters: object = None) -> dict[str, Any]:
    return {"name": name} if parameters is None else {"name": name, "parameters": parameters}


@pytest.mark.parametrize(
    ("tools", "chosen"),
    [
        ([tool("write_file", PATH), tool("list_files")], "list_files"),
        ([tool("read_file", PATH), tool("list_files", NO_ARGUMENTS)], "list_files"),
        ([tool("read_file", PATH), tool("list_files", PATH)], "read_file"),
        ([tool("delete_file"), tool("read_file", PATH)], "read_file"),
        ([tool("frobnicate", PATH), tool("twiddle")], "twiddle"),
        ([tool("runSearchAndDelete"), tool("getWeather")], "getWeather"),
        ([tool("list-and-remove"), tool("HTTPStatus")], "HTTPStatus"),
        ([tool("search_web", {"not": {}}), tool("view_file", PATH)], "view_file"),
        ([tool("twiddle"), tool("read_file", PATH)], "read_file"),
    ],
)
def test_the_safest_tool_is_chosen(tools: list[dict[str, Any]], chosen: str) -> None:
    name, arguments = any_call(tools)
    assert name == chosen
    assert isinstance(json.loads(arguments), dict)


@pytest.mark.parametrize(
    "tools",
    [
        [tool("delete_file")],
        [tool("execute_command", PATH), tool("write_file", PATH)],
        [tool("frobnicate", PATH)],
        [tool("read_file", {"required": "x"})],
        [tool("ask_user"), tool("wait_for_approval")],
        [tool("read_file", {"type": "object", "required": ["x"], "properties": {"x": False}})],
    ],
)
def test_no_tool_is_better_than_a_dangerous_one(tools: list[dict[str, Any]]) -> None:
    with pytest.raises(BadRequest, match="none of the tools offered") as caught:
        any_call(tools)
    assert tools[0]["name"] in str(caught.value)
    assert caught.value.code == "no_safe_tool"


def test_words_of_names() -> None:
    assert words_of("readFileV2") == {"read", "file", "v"}
    assert words_of("mcp__fs.list-dirHTTP") == {"mcp", "fs", "list", "dir", "http"}


def test_arguments_that_cannot_be_made_are_named() -> None:
    with pytest.raises(BadRequest, match="'call f auto'"):
        call_of([tool("f", {"$ref": "http://127.0.0.1:1/schema.json"})], "f")


def _try_to_make(schema: dict[str, Any]) -> None:
    with pytest.raises(CannotMake, match="cannot be used"):
        make_arguments(schema)


def test_a_schema_never_makes_the_model_fetch_anything() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/schema.json"
        making = threading.Thread(target=_try_to_make, args=[{"not": {"$ref": url}}], daemon=True)
        making.start()
        eventually(lambda: not making.is_alive() or select.select([server], [], [], 0)[0])
        with pytest.raises(BlockingIOError):
            server.accept()


SCHEMAS: list[tuple[Any, Any]] = [
    ({}, {}),
    (NO_ARGUMENTS, {}),
    (PATH, {"path": "."}),
    ({"required": ["query"]}, {"query": "pollux"}),
    ({"properties": {"a": {"const": 7}}, "required": ["a"]}, {"a": 7}),
    ({"properties": {"a": {"default": [1]}}, "required": ["a"]}, {"a": [1]}),
    ({"properties": {"a": {"enum": ["x", "y"]}}, "required": ["a"]}, {"a": "x"}),
    ({"properties": {"a": {"examples": [5], "type": "integer"}}, "required": ["a"]}, {"a": 5}),
    ({"properties": {"a": {"type": ["null", "boolean"]}}, "required": ["a"]}, {"a": False}),
    ({"properties": {"a": {"type": "null"}}, "required": ["a"]}, {"a": None}),
    (
        {"properties": {"a": {"type": "integer", "minimum": 3, "maximum": 9}}, "required": ["a"]},
        {"a": 3},
    ),
    (
        {"properties": {"a": {"type": "integer", "exclusiveMinimum": 0.5}}, "required": ["a"]},
        {"a": 1},
    ),
    (
        {
            "properties": {"a": {"type": "integer", "maximum": -4, "multipleOf": 5}},
            "required": ["a"],
        },
        {"a": -5},
    ),
    ({"properties": {"a": {"type": "number", "exclusiveMaximum": 0}}, "required": ["a"]}, None),
    (
        {
            "properties": {"a": {"type": "number", "exclusiveMinimum": 1, "exclusiveMaximum": 1.5}},
            "required": ["a"],
        },
        {"a": 1.25},
    ),
    ({"properties": {"a": {"type": "string", "minLength": 9}}, "required": ["a"]}, None),
    ({"properties": {"a": {"type": "string", "maxLength": 2}}, "required": ["a"]}, {"a": "po"}),
    (
        {"properties": {"a": {"type": "string", "format": "date"}}, "required": ["a"]},
        {"a": "2026-01-01"},
    ),
    ({"properties": {"a": {"type": "string", "pattern": "^[a-z]{3}$"}}, "required": ["a"]}, None),
    (
        {"properties": {"a": {"type": "string", "pattern": "^#[0-9a-f]{6}$"}}, "required": ["a"]},
        None,
    ),
    ({"properties": {"a": {"type": "array", "items": PATH}}, "required": ["a"]}, {"a": []}),
    (
        {"properties": {"a": {"type": "array", "minItems": 2, "items": PATH}}, "required": ["a"]},
        {"a": [{"path": "."}, {"path": "."}]},
    ),
    (
        {
            "properties": {
                "a": {"type": "array", "minItems": 3, "uniqueItems": True, "items": {"enum": "abc"}}
            },
            "required": ["a"],
        },
        CannotMake,
    ),
    (
        {
            "properties": {
                "a": {
                    "type": "array",
                    "minItems": 3,
                    "uniqueItems": True,
                    "items": {"type": "integer"},
                }
            },
            "required": ["a"],
        },
        None,
    ),
    (
        {"properties": {"a": {"prefixItems": [{"type": "integer"}, PATH]}}, "required": ["a"]},
        {"a": [1, {"path": "."}]},
    ),
    (
        {
            "$defs": {"p": PATH, "q": {"$ref": "#/$defs/p"}},
            "properties": {"a": {"$ref": "#/$defs/q"}},
            "required": ["a"],
        },
        {"a": {"path": "."}},
    ),
    (
        {"properties": {"a": {"anyOf": [{"type": "integer"}, PATH]}}, "required": ["a"]},
        {"a": 1},
    ),
    (
        {"allOf": [PATH, {"properties": {"b": {"type": "boolean"}}, "required": ["b"]}]},
        {"path": ".", "b": False},
    ),
    ({"type": "array"}, CannotMake),
    ({"type": "object", "properties": 5}, CannotMake),
    ({"required": ["a"], "properties": {"a": {"pattern": "("}}}, CannotMake),
    ({"required": ["a"], "properties": {"a": {"pattern": "^xyzzy+$"}}}, CannotMake),
    ({"required": ["a"], "properties": {"a": {"$ref": "#"}}}, CannotMake),
    ({"required": ["a"], "properties": {"a": {"$ref": "#/nowhere"}}}, CannotMake),
    (
        {"required": ["a"], "properties": {"a": {"type": "integer", "minimum": 2, "maximum": 1}}},
        CannotMake,
    ),
    ({"minProperties": 2}, CannotMake),
]


@pytest.mark.parametrize(("schema", "expected"), SCHEMAS)
def test_arguments_fit_the_schema(schema: dict[str, Any], expected: object) -> None:
    if expected is CannotMake:
        with pytest.raises(CannotMake):
            make_arguments(schema)
        return
    made = json.loads(make_arguments(schema))
    jsonschema.validate(made, schema)
    if expected is not None:
        assert made == expected


KEYWORDS = [
    *("type", "properties", "required", "items", "enum", "const", "minimum", "maximum", "anyOf"),
    *("allOf", "$ref", "pattern", "format", "minLength", "minItems", "default", "a", "b"),
]
schemas: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["object", "string", "a"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYWORDS),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["type", "properties", "required", "anyOf"]), schemas))
def test_whatever_the_schema_is_nothing_but_cannot_make_is_raised(schema: dict[str, Any]) -> None:
    try:
        made = json.loads(make_arguments(schema))
    except CannotMake:
        return
    jsonschema.validate(made, schema)
