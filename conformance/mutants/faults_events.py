"""Faults of events: envelope, payloads, blocks, tools, granularity (api_v1 2.4)."""

import os
import unicodedata
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import httpx2

from pollux.conformance.mutants.mutant import Patch, mutant
from pollux.conformance.mutants.polls import changed_polls
from pollux.reference_server import agent, answer, blocks, sending, tasks
from pollux.reference_server.model_client import Text, ToolPiece

_Change = Callable[[str, dict[str, Any]], dict[str, Any] | None]


def _changed_events(patch: Patch) -> Callable[[_Change], _Change]:
    """Decorate a function that changes an event before it is kept; None drops it."""

    def decorator(change: _Change) -> _Change:
        @patch.wrap(tasks.Task, "_append")
        def append(original: Any, self: tasks.Task, kind: str, data: Mapping[str, Any]) -> None:
            changed = change(kind, dict(data))
            if changed is not None:
                original(self, kind, changed)

        return change

    return decorator


@mutant("EVENT-ENVELOPE")
def events_have_their_time_as_text(patch: Patch) -> None:
    """The ``ts`` of an event is a text."""

    @changed_polls(patch)
    def change(data: dict[str, Any], _task: tasks.Task, _offset: int) -> None:
        for event in data["events"]:
            event["ts"] = str(event["ts"])


@mutant("EVENT-PAYLOAD")
def events_leave_out_the_name_of_a_tool(patch: Patch) -> None:
    """A ``tool_preparing`` has no ``name``."""

    @_changed_events(patch)
    def change(kind: str, data: dict[str, Any]) -> dict[str, Any]:
        if kind == "tool_preparing":
            del data["name"]
        return data


@mutant("EVENT-MESSAGE-START")
def events_start_a_message_twice(patch: Patch) -> None:
    """Every model call is announced by an ``ai_message_start``, not only the first."""

    @patch.wrap(agent.Agent, "_receive")
    async def receive(original: Any, self: agent.Agent, *args: Any) -> None:
        if args[1] > 1:
            self._task.emit("ai_message_start")
        await original(self, *args)


@mutant("EVENT-CHUNK-PLACE")
def events_open_no_text_block(patch: Patch) -> None:
    """There is no ``text_start``."""

    @_changed_events(patch)
    def change(kind: str, data: dict[str, Any]) -> dict[str, Any] | None:
        return None if kind == "text_start" else data


@mutant("EVENT-FULL-CONTENT")
def events_trim_the_full_content(patch: Patch) -> None:
    """The ``full_content`` at the end of a block is trimmed."""

    @_changed_events(patch)
    def change(kind: str, data: dict[str, Any]) -> dict[str, Any]:
        if kind in ("text_end", "thinking_end"):
            data["full_content"] = data["full_content"].strip()
        return data


@mutant("EVENT-TOOL-ANSWERED")
def events_do_not_tell_of_a_tool_that_fails(patch: Patch) -> None:
    """A tool that fails has no ``update_action``."""

    @_changed_events(patch)
    def change(kind: str, data: dict[str, Any]) -> dict[str, Any] | None:
        return None if kind == "update_action" and not data["result"]["success"] else data


@mutant("EVENT-TOOL-CALL-ID")
def events_rename_the_tool_calls(patch: Patch) -> None:
    """Tool calls are told under ids of the server's own."""

    @patch.wrap(answer.Answer, "_unique")
    def unique(original: Any, self: answer.Answer, _call_id: str) -> Any:
        return original(self, "")


@mutant("EVENT-TOOL-START-PREPARED")
def events_do_not_prepare_the_second_tool(patch: Patch) -> None:
    """Only the first tool call of an answer has a ``tool_preparing``."""

    @patch.wrap(answer.Answer, "_add_tool_piece")
    def add_tool_piece(original: Any, self: answer.Answer, piece: ToolPiece) -> None:
        emit = self.emit
        if piece.index > 0:
            self.emit = lambda kind, data: None if kind == "tool_preparing" else emit(kind, data)
        original(self, piece)
        self.emit = emit


@mutant("EVENT-TOOL-ARGUMENTS")
def events_show_the_arguments_as_text(patch: Patch) -> None:
    """Every argument of a ``tool_start`` is shown as a text."""

    @_changed_events(patch)
    def change(kind: str, data: dict[str, Any]) -> dict[str, Any]:
        if kind == "tool_start":
            data["arguments"] = {name: f" {value}" for name, value in data["arguments"].items()}
        return data


@mutant("EVENT-TEXT-INDEX")
def events_count_chunks_through_all_answers(patch: Patch) -> None:
    """The ``index`` of text chunks goes on from one model call to the next."""
    counts: dict[int, int] = {}

    @patch.wrap(tasks.Task, "_append")
    def append(original: Any, self: tasks.Task, kind: str, data: Mapping[str, Any]) -> None:
        if kind == "text_chunk":
            counts[id(self)] = counts.get(id(self), 0) + 1
            data = {**data, "index": counts[id(self)]}
        elif kind == "ai_message_start":
            counts[id(self)] = 0
        original(self, kind, data)


@mutant("EVENT-TEXT-ELAPSED")
def events_tell_a_time_before_the_first_chunk(patch: Patch) -> None:
    """The ``elapsed`` of a first chunk is not 0."""

    @_changed_events(patch)
    def change(kind: str, data: dict[str, Any]) -> dict[str, Any]:
        if kind == "text_chunk":
            data["elapsed"] += 0.5
        return data


@mutant("EVENT-GRANULARITY-TEXT")
def events_normalise_the_text(patch: Patch) -> None:
    """Text chunks are brought into Unicode's composed form."""

    @patch.wrap(blocks.Blocks, "add_text")
    def add_text(original: Any, self: blocks.Blocks, piece: str) -> None:
        original(self, unicodedata.normalize("NFKC", piece))


@mutant("EVENT-GRANULARITY-TEXT")
def events_split_long_chunks(patch: Patch) -> None:
    """A text chunk of more than three characters becomes two events."""

    @patch.wrap(answer.Answer, "add")
    def add(original: Any, self: answer.Answer, delta: Any) -> None:
        if isinstance(delta, Text) and len(delta.text) > 3:
            original(self, Text(delta.text[:3]))
            delta = Text(delta.text[3:])
        original(self, delta)


@mutant("EVENT-GRANULARITY-THINKING")
def events_merge_two_pieces_of_reasoning(patch: Patch) -> None:
    """Every second piece of reasoning is told together with the one before it."""
    waiting: dict[int, str] = {}

    @patch.wrap(blocks.Blocks, "add_thinking")
    def add_thinking(original: Any, self: blocks.Blocks, piece: str) -> None:
        if id(self) in waiting:
            original(self, waiting.pop(id(self)) + piece)
        else:
            waiting[id(self)] = piece

    def flush(original: Any, self: blocks.Blocks, *args: Any) -> Any:
        held = waiting.pop(id(self), None)
        if held is not None:
            self._enter("thinking")
            self._keep(held)
            self._emit("thinking_chunk", {"content": held})
        return original(self, *args)

    patch.wrap(blocks.Blocks, "close")(flush)
    patch.wrap(blocks.Blocks, "add_text")(flush)


@mutant("EVENT-EMPTY-CHUNK")
def events_tell_of_empty_chunks(patch: Patch) -> None:
    """A text block begins with an empty ``text_chunk``."""

    @patch.wrap(blocks.Blocks, "add_text")
    def add_text(original: Any, self: blocks.Blocks, piece: str) -> None:
        if not self.text:
            original(self, "")
        original(self, piece)


@mutant("EVENT-LIVE")
def events_come_when_the_answer_is_complete(patch: Patch) -> None:
    """The chunks of an answer are held back until the model has said all of it."""

    @patch.wrap(answer.Answer, "__post_init__")
    def post_init(original: Any, self: answer.Answer) -> None:
        emit, held = self.emit, list[tuple[str, Any]]()
        self.emit = lambda kind, data: held.append((kind, data))
        original(self)
        close = self.close

        def close_and_tell() -> None:
            close()
            for kind, data in held:
                emit(kind, data)
            self.emit = emit

        self.close = close_and_tell  # type: ignore[method-assign]


@mutant("EVENT-TITLE-TRUE", "CONV-TITLE-ANNOUNCED")
def events_announce_a_title_that_is_not_kept(patch: Patch) -> None:
    """A ``conversation_changed`` tells a title longer than the one that is stored."""

    @patch.wrap(sending, "_save_user_message")
    def save(original: Any, *args: Any, **kwargs: Any) -> Any:
        conversation_id, title = original(*args, **kwargs)
        return conversation_id, title and f"{title}..."


@mutant("EVENT-NO-CREDENTIALS", upstream=("H-32",))
def events_show_the_account_of_the_model(patch: Patch) -> None:
    """An ``error`` event shows the base URL and the request of the model call."""

    @_changed_events(patch)
    def change(kind: str, data: dict[str, Any]) -> dict[str, Any]:
        if kind == "error":
            data["base_url"] = os.environ.get("OPENAI_BASE_URL")
            data["request_dump"] = {"api_key": os.environ.get("OPENAI_API_KEY")}
        return data


@mutant("EVENT-GRANULARITY-TEXT", "EVENT-GRANULARITY-THINKING")
def events_break_characters_at_the_end_of_a_packet(patch: Patch) -> None:
    """The model's bytes are decoded packet by packet: a character cut in two becomes U+FFFD."""

    @patch.wrap(httpx2.Response, "aiter_bytes")
    async def aiter_bytes(original: Any, *args: Any, **more: Any) -> AsyncIterator[bytes]:
        async for packet in original(*args, **more):
            yield packet.decode("utf-8", "replace").encode()


@mutant("EVENT-TOOL-ARGUMENTS")
def events_lose_blanks_between_pieces_of_arguments(patch: Patch) -> None:
    """Each piece of a tool call's arguments is trimmed before it is added to the others."""

    @patch.wrap(answer.Answer, "_add_tool_piece")
    def add(original: Any, self: answer.Answer, piece: ToolPiece) -> None:
        trimmed = piece.arguments.strip(" ")
        original(self, ToolPiece(piece.index, piece.call_id, piece.name, trimmed))


def _elapsed(patch: Patch, change: Callable[[blocks.Blocks, float], float]) -> None:
    @patch.wrap(blocks.Blocks, "add_text")
    def add_text(original: Any, self: blocks.Blocks, piece: str) -> None:
        emit = self._emit

        def emit_changed(kind: str, data: Mapping[str, Any]) -> None:
            if kind == "text_chunk":
                data = {**data, "elapsed": change(self, data["elapsed"])}
            emit(kind, data)

        self._emit = emit_changed
        original(self, piece)
        self._emit = emit


@mutant("EVENT-TEXT-ELAPSED")
def events_tell_milliseconds_between_chunks(patch: Patch) -> None:
    """The ``elapsed`` of a text chunk is in milliseconds."""
    _elapsed(patch, lambda _blocks, elapsed: elapsed * 1000)


@mutant("EVENT-TEXT-ELAPSED")
def events_tell_the_time_since_the_first_chunk(patch: Patch) -> None:
    """The ``elapsed`` of a text chunk is the time since the first one of its answer."""
    totals: dict[int, float] = {}

    def total(of: blocks.Blocks, elapsed: float) -> float:
        totals[id(of)] = totals.get(id(of), 0.0) + elapsed if elapsed else 0.0
        return totals[id(of)]

    _elapsed(patch, total)
