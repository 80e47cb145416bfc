"""The tools of the agent: one typed function each, its JSON Schema read off its signature."""

import asyncio
import inspect
import json
import types
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from pollux.reference_server.files import FileArea
from pollux.reference_server.paths import FileAreaError
from pollux.reference_server.todo import TodoList

_JSON_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean"}
_LONGEST_TEXT = 256 * 1024
_LONGEST_WAIT = 60.0


class ToolError(Exception):
    """A tool could not do what it was asked; the model and the user are told why."""


@dataclass
class ToolContext:
    """What the tools of one task work on."""

    files: FileArea
    todo: TodoList = field(default_factory=TodoList)


@dataclass(frozen=True)
class Tool:
    """One tool.

    Attributes:
        name: What the model calls it by.
        category: What ``disabled_tool_categories`` of a personalization names.
        changes_files: Whether a ``file_tree_update`` follows.
        changes_todo: Whether a ``todo_updated`` follows.
        run: The function behind it.
    """

    name: str
    category: str
    description: str
    parameters: Mapping[str, Any]
    changes_files: bool
    changes_todo: bool
    run: Callable[..., Awaitable[Mapping[str, Any]]]

    def declaration(self, *, with_intent: bool) -> dict[str, Any]:
        """Return it in the shape of OpenAI's ``tools``.

        Args:
            with_intent: Let the model say in a few words what the call is for.
        """
        parameters = dict(self.parameters)
        if with_intent:
            intent = {"type": "string", "description": "What this call is for, in a few words."}
            parameters["properties"] = {**parameters["properties"], "intent": intent}
        return {
            "type": "function",
            "function": {
                "name": self.name,
                "description": self.description,
                "parameters": parameters,
            },
        }


TOOLS: dict[str, Tool] = {}

_ToolFunction = Callable[..., Awaitable[Mapping[str, Any]]]


def _tool(
    category: str, *, changes_files: bool = False, changes_todo: bool = False
) -> Callable[[_ToolFunction], _ToolFunction]:
    def register(function: _ToolFunction) -> _ToolFunction:
        name = function.__name__
        TOOLS[name] = Tool(
            name=name,
            category=category,
            description=inspect.getdoc(function) or name,
            parameters=_schema(function),
            changes_files=changes_files,
            changes_todo=changes_todo,
            run=function,
        )
        return function

    return register


def offered(disabled_categories: Sequence[str]) -> list[Tool]:
    """Return the tools whose category is not disabled."""
    return [tool for tool in TOOLS.values() if tool.category not in disabled_categories]


async def run_tool(
    tool: Tool | None, name: str, arguments: Mapping[str, Any] | None, context: ToolContext
) -> dict[str, Any]:
    """Run one tool call and return its result, an object with ``success``.

    Args:
        tool: The tool, None when there is none of that name.
        name: The name that the model used.
        arguments: The arguments, None when they were no JSON object.
        context: What it works on.
    """
    try:
        if tool is None:
            raise ToolError(f"there is no tool {name!r}")
        if arguments is None:
            raise ToolError("the arguments are not a valid JSON object")
        values = {key: value for key, value in arguments.items() if key != "intent"}
        _check_arguments(tool.parameters, values)
        return {"success": True, **await tool.run(context, **values)}
    except (ToolError, FileAreaError) as error:
        return {"success": False, "error": str(error)}


def parse_arguments(text: str) -> dict[str, Any] | None:
    """Return the arguments of a call as an object; None when they are none. Empty text is {}."""
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _schema(function: _ToolFunction) -> dict[str, Any]:
    hints = get_type_hints(function, include_extras=True)
    parameters = list(inspect.signature(function).parameters.values())[1:]
    return {
        "type": "object",
        "properties": {p.name: _type_schema(hints[p.name]) for p in parameters},
        "required": [p.name for p in parameters if p.default is inspect.Parameter.empty],
        "additionalProperties": False,
    }


def _type_schema(hint: Any) -> dict[str, Any]:
    origin = get_origin(hint)
    if origin is Annotated:
        kind, description = get_args(hint)
        return {**_type_schema(kind), "description": description}
    if origin is Literal:
        return {"type": "string", "enum": list(get_args(hint))}
    if origin is list:
        return {"type": "array", "items": _type_schema(get_args(hint)[0])}
    if origin is types.UnionType:
        raise TypeError(f"a tool parameter of type {hint} has no schema")
    return {"type": _JSON_TYPES[hint]}


def _check_arguments(schema: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    for name in schema["required"]:
        if name not in values:
            raise ToolError(f"the argument {name!r} is missing")
    for name, value in values.items():
        if name not in schema["properties"]:
            raise ToolError(f"there is no argument {name!r}")
        if not _fits(schema["properties"][name], value):
            raise ToolError(f"the argument {name!r} has the wrong type")


def _fits(schema: Mapping[str, Any], value: Any) -> bool:
    match schema["type"]:
        case "string":
            return isinstance(value, str) and value in schema.get("enum", [value])
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "array":
            return isinstance(value, list) and all(_fits(schema["items"], v) for v in value)
    return False


@_tool("read_focus")
async def list_files(
    context: ToolContext,
    path: Annotated[str, "Folder below the user's files; empty for the top."] = "",
) -> Mapping[str, Any]:
    """List the files and folders of one folder."""
    items = context.files.list(path)
    shown = [{"name": i.name, "path": i.path, "is_dir": i.is_dir, "size": i.size} for i in items]
    return {"items": shown}


@_tool("read_focus")
async def read_file(
    context: ToolContext, path: Annotated[str, "File below the user's files."]
) -> Mapping[str, Any]:
    """Read a text file."""
    file = context.files.read_text(path, _LONGEST_TEXT)
    return {"content": file.text, "size": file.size, "truncated": file.truncated}


@_tool("file_edit", changes_files=True)
async def write_file(
    context: ToolContext,
    path: Annotated[str, "File below the user's files; its folders are made."],
    content: Annotated[str, "The whole new content."],
) -> Mapping[str, Any]:
    """Create or replace a text file."""
    return {"size": context.files.write_text(path, content).size}


@_tool("file_edit", changes_files=True)
async def edit_file(
    context: ToolContext,
    path: Annotated[str, "File below the user's files."],
    old_text: Annotated[str, "Text that stands in the file exactly once."],
    new_text: Annotated[str, "What to put in its place."],
) -> Mapping[str, Any]:
    """Replace one passage of a text file."""
    return {"size": context.files.edit(path, old_text, new_text).size}


@_tool("file_edit", changes_files=True)
async def delete_file(
    context: ToolContext, path: Annotated[str, "File or folder below the user's files."]
) -> Mapping[str, Any]:
    """Delete a file, or a folder with all that is in it."""
    return {"deleted": context.files.delete(path).path}


@_tool("todo", changes_todo=True)
async def todo_create(
    context: ToolContext,
    overview: Annotated[str, "What all the tasks are for."],
    tasks: Annotated[list[str], "The titles of the tasks, in order."],
) -> Mapping[str, Any]:
    """Start a todo list; it replaces the one there is."""
    if not tasks:
        raise ToolError("a todo list needs at least one task")
    context.todo.create(overview, tasks)
    return {"todo_list": context.todo.snapshot()}


@_tool("todo", changes_todo=True)
async def todo_update(
    context: ToolContext,
    index: Annotated[int, "Number of the task, from 1."],
    status: Annotated[Literal["pending", "done"], "Its new status."],
) -> Mapping[str, Any]:
    """Mark one task of the todo list."""
    if not context.todo.mark(index, status):
        raise ToolError(f"the todo list has no task {index}")
    return {"todo_list": context.todo.snapshot()}


@_tool("waiting")
async def wait(
    context: ToolContext, seconds: Annotated[float, "How long, 0 to 60."]
) -> Mapping[str, Any]:
    """Wait for some time, for instance until somebody has uploaded a file."""
    if not 0 <= seconds <= _LONGEST_WAIT:
        raise ToolError(f"seconds must lie between 0 and {_LONGEST_WAIT:g}")
    await asyncio.sleep(seconds)
    return {"waited": seconds}
