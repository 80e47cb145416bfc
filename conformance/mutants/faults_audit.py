"""Faults that only one moment, one piece or one spelling shows, of several groups."""

import contextlib
import json
import threading
import time
import unicodedata
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx2
from flask import Flask, Response, request

from pollux.conformance.mutants.beginnings import tasks_that_begin_late
from pollux.conformance.mutants.forms import DOWNLOAD
from pollux.conformance.mutants.mutant import Patch, mutant
from pollux.reference_server import answer, blocks, conversations, sending
from pollux.reference_server.agent import Agent
from pollux.reference_server.conversations import ConversationStore
from pollux.reference_server.files import FileArea, IncomingFile
from pollux.reference_server.http import ApiError, current_services, current_space, ok
from pollux.reference_server.model_client import ToolPiece
from pollux.reference_server.prompts import PromptStore
from pollux.reference_server.routes import messages as message_routes
from pollux.reference_server.routes import tasks as task_routes
from pollux.reference_server.spaces import UserSpace, UserSpaces
from pollux.reference_server.tasks import Slot, Status, Task, TaskRefused, TaskRegistry

_MOMENT = 0.005


# -- one task at a time, under races ------------------------------------------------------


@mutant("SEND-USERS-INDEPENDENT")
def one_task_is_started_at_a_time_for_all_users(patch: Patch) -> None:
    """While the send of one user is being looked at, those of all others are refused as busy."""
    looking = threading.Lock()

    @patch.wrap(TaskRegistry, "reserve")
    @contextlib.contextmanager
    def reserve(original: Any, self: TaskRegistry, user: str) -> Iterator[Slot]:
        if not looking.acquire(blocking=False):
            raise TaskRefused("another task is being started")
        try:
            with original(self, user) as slot:
                yield slot
            time.sleep(4 * _MOMENT)
        finally:
            looking.release()


@mutant("SEND-BUSY-CANCELLING")
def one_task_gives_its_place_away_during_the_cancel(patch: Patch) -> None:
    """While a cancel is being answered the user's place is free; then the task has it again."""

    @patch.wrap(Task, "cancel")
    def cancel(original: Any, self: Task) -> None:
        mine = current_services().tasks._of(self.user)
        if mine.active is not self or self.status.terminal:
            original(self)
            return
        mine.active = None
        time.sleep(8 * _MOMENT)
        if mine.active is None:
            mine.active = self
        original(self)

    @patch.wrap(Agent, "_end_cancelled")
    def end(original: Any, self: Agent) -> None:
        time.sleep(20 * _MOMENT)  # which is no fault
        original(self)


@mutant("SEND-RACE")
def one_task_place_is_handed_to_all_who_see_the_end(patch: Patch) -> None:
    """In the first moment after the end nobody looks whether somebody else has begun already."""

    class NoLock:
        def __enter__(self) -> None: ...

        def __exit__(self, *_: object) -> None: ...

    gates: dict[str, Any] = {}

    @patch.wrap(TaskRegistry, "_of")
    def tasks_of(original: Any, self: TaskRegistry, user: str) -> Any:
        mine = original(self, user)
        gate = gates.setdefault(user, mine.gate)
        last = mine.active
        just_now = (
            last is not None
            and last.status.terminal
            and time.time() - last.updated_at < 4 * _MOMENT
        )
        mine.gate = NoLock() if just_now else gate
        return mine

    @patch.wrap(Task, "__init__")
    def init(original: Any, self: Task, *args: Any) -> None:
        # Called between the look and the note; what takes a moment there makes no difference else.
        time.sleep(_MOMENT)
        original(self, *args)


@mutant("REFUSED-NO-METADATA")
def message_that_loses_a_race_stays_in_the_conversation(patch: Patch) -> None:
    """A send that finds the user free is noted at once; it may still be refused, and stays."""

    @patch.wrap(sending, "send")
    def send(original: Any, services: Any, space: UserSpace, asked: sending.SendRequest) -> Any:
        live = services.tasks._of(space.name).active
        looked_free = live is None or live.status.terminal
        time.sleep(2 * _MOMENT)
        try:
            return original(services, space, asked)
        except TaskRefused:
            if looked_free and asked.conversation_id is not None:
                lost = {"role": "user", "content": asked.message}
                space.conversations.append(asked.conversation_id, [lost])
            raise


# -- the ends of tasks --------------------------------------------------------------------


def _status_first(patch: Patch, wanted: Status) -> None:
    """Have tasks that end in this way tell one poll their status without their last events."""
    told: dict[str, threading.Event] = {}

    @patch.wrap(Task, "finish")
    def finish(original: Any, self: Task, status: Status, events: Any, error: Any = None) -> Any:
        if status is wanted and (status is Status.CANCELED or not self.cancel_requested):
            polled = told[self.task_id] = threading.Event()
            self._status, self._error = status, error
            polled.wait(4 * _MOMENT)
        return original(self, status, events, error)

    @patch.wrap(Task, "poll")
    def poll(original: Any, self: Task, offset: int) -> Any:
        polled = told.pop(self.task_id, None)
        shown = original(self, offset)
        if polled is not None:
            polled.set()
        return shown


@mutant("POLL-TERMINAL-COMPLETE", upstream=("H-02",))
def polling_tells_the_stop_before_its_event(patch: Patch) -> None:
    """The status of a cancelled task is terminal a moment before ``task_stopped`` is there."""
    _status_first(patch, Status.CANCELED)


@mutant("POLL-TERMINAL-COMPLETE", upstream=("H-02",))
def polling_tells_the_failure_before_its_event(patch: Patch) -> None:
    """The status of a failed task is terminal a moment before its ``error`` event is there."""
    _status_first(patch, Status.FAILED)


@mutant("POLL-TERMINAL-COMPLETE")
def polling_counts_tokens_after_a_failure(patch: Patch) -> None:
    """A tenth of a second after a task has failed a last ``token_update`` comes."""

    @patch.wrap(Task, "finish")
    def finish(original: Any, self: Task, status: Status, events: Any, error: Any = None) -> Any:
        ended = original(self, status, events, error)
        if ended and status is Status.FAILED:
            threading.Timer(0.1, self._append, ("usage_note", {})).start()
        return ended


@mutant("TASK-SUCCEEDS")
def polling_a_task_fails_with_its_tool(patch: Patch) -> None:
    """A tool that cannot do what it was asked ends the task as ``failed``."""

    @patch.wrap(Agent, "_use_tool")
    async def use_tool(original: Any, self: Agent, call: Any, number: str) -> None:
        await original(self, call, number)
        result = self._results[call.call_id]
        if "no-such" in str(call.arguments) and not result["success"]:
            raise RuntimeError("the tool has failed")


# -- pieces and times ---------------------------------------------------------------------


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


# -- whose and which ----------------------------------------------------------------------


@mutant("ISOLATION-SAME-ANSWER")
def isolation_conversations_are_made_with_anybodys_prompt(patch: Patch) -> None:
    """A conversation can be made with the name of a prompt that only another user has."""

    @patch.wrap(PromptStore, "exists")
    def exists(original: Any, self: PromptStore, name: str) -> bool:
        services = current_services()
        stores = [services.spaces.of(user).prompts for user in services.users.names()]
        return any(original(store, name) for store in (self, *stores))


@mutant("ISOLATION-SAME-ANSWER")
def isolation_images_of_others_can_be_sent(patch: Patch) -> None:
    """An image counts as there when any user has it."""

    @patch.wrap(sending, "_check_images")
    def check(original: Any, _space: UserSpace, images: list[str]) -> None:
        services = current_services()
        for user in services.users.names():
            with contextlib.suppress(ApiError):
                original(services.spaces.of(user), images)
                return
        raise ApiError(400, "there is no such image")


@mutant("CONV-ID-MALFORMED")
def conversation_ids_may_have_digits_of_any_script(patch: Patch) -> None:
    r"""An id is looked at with ``\d``, and its digits are read as the numbers that they are."""

    @patch.app
    def change(app: Flask) -> None:
        @app.before_request
        def normalise() -> None:
            name = (request.view_args or {}).get("conversation_id")
            if name is not None and request.view_args is not None:
                request.view_args["conversation_id"] = unicodedata.normalize("NFKC", name)


@mutant("CONV-ID-MALFORMED", "CONV-GET-SHAPE", upstream=("H-29",))
def conversation_index_is_read_as_one(patch: Patch) -> None:
    """The index that lies beside the conversations is read as one of them."""

    @patch.app
    def change(app: Flask) -> None:
        view = app.view_functions["conversations.get_conversation"]

        def get(conversation_id: str) -> Any:
            if conversation_id != "index":
                return view(conversation_id=conversation_id)
            rows, _ = current_space().conversations.list(100, 0)
            index = {str(row["id"]): row for row in rows}
            return ok({"data": {**index, "messages": None}})

        app.view_functions["conversations.get_conversation"] = get


@mutant("CONV-LIST-COMPLETE", upstream=("H-38",))
def conversation_list_looks_where_nothing_is_written(patch: Patch) -> None:
    """Conversations that a message has made are stored where the list does not look."""
    made: set[str] = set()

    @patch.wrap(sending, "_save_user_message")
    def save(original: Any, space: Any, asked: Any, *args: Any, **more: Any) -> Any:
        conversation_id, title = original(space, asked, *args, **more)
        if asked.conversation_id is None:
            made.add(conversation_id)
        return conversation_id, title

    @patch.wrap(ConversationStore, "list")
    def rows(original: Any, self: ConversationStore, limit: int, offset: int) -> Any:
        every = [row for row in original(self, 10**9, 0)[0] if row["id"] not in made]
        return tuple(every[offset : offset + limit]), len(every)


@mutant("ENVELOPE-CONTENT-TYPE")
def message_of_plain_text_is_sent(patch: Patch) -> None:
    """A body of plain text is taken for the message itself."""

    @patch.wrap(message_routes, "read_json_object")
    def read(original: Any, **limits: Any) -> Any:
        if request.mimetype == "text/plain" and request.get_data():
            return {"message": request.get_data(as_text=True)}
        return original(**limits)


# -- files --------------------------------------------------------------------------------


@mutant("FILE-ESCAPE-DOWNLOAD")
def files_takes_an_absolute_path_for_one_of_the_machine(patch: Patch) -> None:
    """A download of ``/etc/passwd`` is that of the machine: ``os.path.join`` makes it so."""

    @patch.app
    def change(app: Flask) -> None:
        view = app.view_functions[DOWNLOAD]

        def download() -> Any:
            path = request.args.get("path", "")
            if path.startswith("/") and ".." not in path and "\0" not in path:
                with contextlib.suppress(OSError):
                    headers = {"Content-Disposition": "attachment; filename=file"}
                    return Response(Path(path).read_bytes(), headers=headers)
            return view()

        app.view_functions[DOWNLOAD] = download


@mutant("FILE-UPLOAD-ATOMIC")
def files_mixes_two_uploads_to_one_name(patch: Patch) -> None:
    """Two uploads to one name write into the same temporary file."""
    lock = threading.Lock()
    writing: dict[tuple[object, ...], tuple[bytes, threading.Event]] = {}

    @patch.wrap(FileArea, "_put")
    def put(original: Any, self: FileArea, incoming: IncomingFile, parts: Sequence[str]) -> Any:
        incoming._file.flush()
        data, came = incoming._temporary.read_bytes(), threading.Event()
        with lock:
            first, other = writing.setdefault((self, *parts), (data, came))
        if other is came:
            if self._root.joinpath(*parts).exists():
                came.wait(0.2)  # which is no fault
            with lock:
                del writing[self, *parts]
        else:
            half = min(len(first), len(data)) // 2
            incoming._temporary.write_bytes(first[:half] + data[half:])
            other.set()
            time.sleep(_MOMENT)
        return original(self, incoming, parts)


# -- known defects of real servers, to the letter -----------------------------------------


@mutant(
    "POLL-NEXT-OFFSET-NOT-NEGATIVE",
    "POLL-NEXT-OFFSET-NOT-BACK",
    "POLL-NEXT-OFFSET-EMPTY",
    upstream=("H-10",),
)
def polling_echoes_a_negative_offset_before_the_first_event(patch: Patch) -> None:
    """A negative ``from`` shows everything; with no event yet it comes back as next_offset."""
    polled: dict[str, threading.Event] = {}

    @patch.wrap(Task, "begin")
    def begin(original: Any, self: Task) -> None:
        polled[self.task_id] = threading.Event()
        original(self)

    @patch.wrap(Task, "emit")
    def emit(original: Any, self: Task, kind: str, data: Any = None) -> None:
        if kind == "ai_message_start":
            polled[self.task_id].wait(0.1)  # a moment without events, which is no fault
        original(self, kind, data)

    @patch.wrap(task_routes, "query_number")
    def query_number(original: Any, name: str, default: int) -> int:
        text = request.args.get(name, "")
        return int(text) if text[:1] == "-" and text[1:].isdecimal() else original(name, default)

    @patch.wrap(Task, "poll")
    def poll(original: Any, self: Task, offset: int) -> bytes:
        payload: dict[str, Any] = json.loads(original(self, max(0, offset)))
        if offset < 0 and not payload["data"]["events"]:
            payload["data"]["next_offset"] = offset
        polled[self.task_id].set()
        return json.dumps(payload).encode()


@mutant("CANCEL-TERMINAL-NO-EFFECT", upstream=("H-05",))
def cancel_of_a_finished_task_stops_the_next_one(patch: Patch) -> None:
    """A second cancel of a task that has ended leaves a stop flag: the next task finds it."""
    flags: set[str] = set()
    cancelled: set[str] = set()

    @patch.wrap(Task, "cancel")
    def cancel(original: Any, self: Task) -> None:
        if self.status is Status.SUCCEEDED:
            if self.task_id in cancelled:
                flags.add(self.user)
            cancelled.add(self.task_id)
        original(self)

    @patch.wrap(Agent, "run")
    async def run(original: Any, self: Agent) -> None:
        if self._task.user in flags:
            flags.discard(self._task.user)
            Task.cancel(self._task)
        await original(self)


@mutant("CANCEL-ENDS-RIGHT-AFTER-SEND", upstream=("H-06",))
def cancel_right_after_the_send_waits_for_the_whole_run(patch: Patch) -> None:
    """A cancel before the run begins is overwritten: it goes on, and is stopped at its end."""
    begun = tasks_that_begin_late(patch)

    @patch.wrap(Task, "cancel")
    def cancel(original: Any, self: Task) -> None:
        if self.task_id in begun:
            original(self)
        else:
            self._cancel_requested = not self.status.terminal

    @patch.wrap(Agent, "_stop_if_cancelled")
    def stop(original: Any, self: Agent) -> None:
        if self._task.status is Status.CANCEL_REQUESTED:
            original(self)


@mutant("SEND-MAX-ITERATIONS-INVALID", upstream=("H-33",))
def run_of_a_negative_number_of_calls_succeeds(patch: Patch) -> None:
    """`max_iterations` -1 is accepted: the task makes no model call, and succeeds."""

    @patch.wrap(sending, "_max_iterations")
    def limit(original: Any, body: Any) -> Any:
        value = body.get("max_iterations")
        return 0 if isinstance(value, int) and value < 0 else original(body)


# -- restart ------------------------------------------------------------------------------


@mutant("RESTART-CONVERSATIONS-KEPT")
def restart_forgets_titles(patch: Patch) -> None:
    """The titles of conversations are in memory only: after a restart they are the first one."""

    @patch.wrap(UserSpaces, "_open")
    def open_space(original: Any, self: UserSpaces, user: str) -> Any:
        folder: Path = self._users_dir / user / "data" / "conversations"
        for path in folder.glob("conv_*.json"):
            document = json.loads(path.read_bytes())
            document["title"] = conversations.DEFAULT_TITLE
            path.write_text(json.dumps(document), encoding="utf-8")
        return original(self, user)
