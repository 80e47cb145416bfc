"""Faults of what all operations share (api_v1 1.1 to 1.4, 1.7, 1.10 to 1.13)."""

import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from flask import Flask, Response, request

from pollux.conformance.mutants.mutant import Patch, mutant
from pollux.reference_server import app, sending
from pollux.reference_server.conversations import ConversationNotFound
from pollux.reference_server.files import FileArea, IncomingFile
from pollux.reference_server.http import ApiError, current_space, error_response
from pollux.reference_server.names import NAME_PATTERN
from pollux.reference_server.paths import FileAreaError, clean_relative
from pollux.reference_server.routes import conversations, prompts
from pollux.reference_server.tasks import TaskRefused, TaskRegistry

_SMALL = 100_000
_PAGE = "<!doctype html><title>Error</title><h1>Something is wrong with this request</h1>"


def _page_where(patch: Patch, holds: Callable[[Response], bool]) -> None:
    """Answer in HTML where HOLDS says so of the answer."""

    @patch.response
    def change(response: Response) -> Response:
        if holds(response):
            response.set_data(_PAGE)
            response.content_type = "text/html; charset=utf-8"
        return response


def _changed_answer(patch: Patch, change: Callable[[Response, Any], Any]) -> None:
    """Put what CHANGE makes of a JSON answer in its place; None leaves it."""

    @patch.response
    def write(response: Response) -> Response:
        if response.is_json and not response.is_streamed:
            changed = change(response, json.loads(response.get_data()))
            if changed is not None:
                response.set_data(json.dumps(changed))
        return response


def _keep_bodies(patch: Patch) -> None:
    """See to it that the body of a request can be looked at when it was answered."""

    @patch.wrap(app, "_preflight_or_user")
    def look(original: Any) -> Any:
        # A large one is left alone: whether it is too large is not for this to say.
        if request.is_json and (request.content_length or 0) < _SMALL:
            request.get_data()
        return original()


def _body() -> Any:
    return request.get_json(silent=True) if request.is_json else None


# -- where operations are, and how answers look -------------------------------------------


@mutant("COMMON-PREFIX", "PERSONALIZATION-LIST-SHAPE")
def common_has_one_operation_elsewhere(patch: Patch) -> None:
    """The list of personalizations is not where it belongs."""

    @patch.app
    def change(flask: Flask) -> None:
        def moved() -> Response:
            return error_response(404, "the personalizations have moved to /personalization")

        flask.view_functions["personalizations.list_personalizations"] = moved


@mutant("ENVELOPE-SUCCESS")
def common_says_ok_in_other_words(patch: Patch) -> None:
    """The success of a cancel is ``{"ok": true}``."""
    _changed_answer(
        patch,
        lambda answer, _: (
            {"ok": True}
            if request.endpoint == "tasks.cancel_task" and answer.status_code == 200
            else None
        ),
    )


@mutant("ENVELOPE-FAILURE")
def common_says_what_is_wrong_in_another_field(patch: Patch) -> None:
    """The text of a body that is refused because it is a list is in ``message``."""
    _keep_bodies(patch)

    def change(answer: Response, body: Any) -> Any:
        if answer.status_code == 400 and isinstance(_body(), list):
            return {"success": False, "message": body["error"]}
        return None

    _changed_answer(patch, change)


@mutant("ENVELOPE-FAILURE")
def common_has_failures_without_a_text(patch: Patch) -> None:
    """The ``error`` of a prompt that is refused is an object instead of a text."""
    _keep_bodies(patch)

    def change(answer: Response, body: Any) -> Any:
        refused = answer.status_code == 400 and request.endpoint == "prompts.save_prompt"
        if refused and isinstance(_body(), dict):
            return {"success": False, "error": {"text": body["error"]}}
        return None

    _changed_answer(patch, change)


@mutant("ENVELOPE-STATUS-AGREES")
def common_fails_with_200(patch: Patch) -> None:
    """Cancelling a task that has ended answers 200 with ``success: false``."""

    @patch.app
    def change(flask: Flask) -> None:
        view = flask.view_functions["tasks.cancel_task"]

        def cancel(task_id: str) -> Any:
            registry = app.services_of(flask).tasks
            task = registry.find(current_space().name, task_id)
            ended = task is not None and task.status.terminal
            answer = view(task_id=task_id)
            return error_response(200, "the task has ended already") if ended else answer

        flask.view_functions["tasks.cancel_task"] = cancel


# -- what the framework refuses -----------------------------------------------------------


@mutant("ENVELOPE-UNKNOWN-ROUTE", "ENVELOPE-FAILURE", upstream=("H-15",))
def common_has_a_page_for_unknown_routes(patch: Patch) -> None:
    """An unknown route is answered with a page in HTML."""
    _page_where(patch, lambda answer: answer.status_code == 404 and request.url_rule is None)


@mutant("ENVELOPE-WRONG-METHOD", "ENVELOPE-FAILURE", upstream=("H-15",))
def common_has_a_page_for_wrong_methods(patch: Patch) -> None:
    """A wrong method is answered with a page in HTML."""
    _page_where(patch, lambda answer: answer.status_code == 405)


@mutant("ENVELOPE-WRONG-METHOD")
def common_does_not_know_a_wrong_method(patch: Patch) -> None:
    """A path with a wrong method counts as unknown: 404."""

    @patch.response
    def change(response: Response) -> Response:
        if response.status_code == 405:
            response.status_code = 404
        return response


@mutant("ENVELOPE-CONTENT-TYPE", "ENVELOPE-FAILURE", upstream=("H-15",))
def common_has_a_page_for_wrong_content_types(patch: Patch) -> None:
    """A body of another content type is answered with a page in HTML."""
    _page_where(patch, lambda answer: answer.status_code == 415)


@mutant("ENVELOPE-CONTENT-TYPE")
def common_cannot_process_other_content_types(patch: Patch) -> None:
    """A body of another content type is answered with 422."""

    @patch.response
    def change(response: Response) -> Response:
        if response.status_code == 415:
            response.status_code = 422
        return response


@mutant("ENVELOPE-MALFORMED-JSON", "ENVELOPE-FAILURE", upstream=("H-15",))
def common_has_a_page_for_malformed_json(patch: Patch) -> None:
    """A body that is no JSON is answered with a page in HTML."""
    _page_where(
        patch,
        lambda answer: (
            answer.status_code == 400
            and request.method == "POST"
            and request.is_json
            and request.get_json(silent=True) is None
        ),
    )


@mutant("ENVELOPE-MALFORMED-JSON")
def common_takes_malformed_json_for_nothing(patch: Patch) -> None:
    """A conversation is created even when the body is no JSON."""

    @patch.wrap(conversations, "read_json_object")
    def read(original: Any, **limits: Any) -> Any:
        data = request.get_data()
        if request.is_json and data and request.get_json(silent=True) is None:
            return {}
        return original(**limits)


@mutant("ENVELOPE-BODY-TOO-LARGE")
def common_calls_a_large_body_a_bad_one(patch: Patch) -> None:
    """A JSON body that is too large is answered with 400."""

    @patch.response
    def change(response: Response) -> Response:
        if response.status_code == 413 and request.is_json:
            response.status_code = 400
        return response


# -- what is refused, and what is not -----------------------------------------------------


def _failing(patch: Patch, holds: Callable[[], bool]) -> None:
    """Let a refusal of a bad request become an internal error where HOLDS says so."""
    _keep_bodies(patch)

    @patch.response
    def change(response: Response) -> Response:
        if response.status_code == 400 and holds():
            response.status_code = 500
        return response


@mutant("COMMON-NO-SERVER-ERROR", "CONV-LIST-NOT-A-NUMBER", upstream=("H-13",))
def common_fails_at_a_limit_that_is_no_number(patch: Patch) -> None:
    """``limit=x`` ends in 500."""
    _failing(patch, lambda: not request.args.get("limit", "1").strip("-").isdigit())


@mutant("COMMON-NO-SERVER-ERROR", "COMMON-BODY-NOT-OBJECT", upstream=("H-14",))
def common_fails_at_a_body_that_is_a_list(patch: Patch) -> None:
    """A JSON body that is a list with something in it ends in 500."""
    _failing(patch, lambda: isinstance(_body(), list) and bool(_body()))


@mutant("COMMON-NO-SERVER-ERROR", "COMMON-FIELD-TYPE", upstream=("H-14",))
def common_fails_at_a_message_that_is_a_number(patch: Patch) -> None:
    """A ``message`` that is a number ends in 500."""

    def is_number() -> bool:
        body = _body()
        return isinstance(body, dict) and isinstance(body.get("message"), int)

    _failing(patch, is_number)


@mutant("COMMON-BODY-NOT-OBJECT")
def common_takes_a_list_for_an_empty_object(patch: Patch) -> None:
    """A conversation is created whatever JSON the body is."""

    @patch.wrap(conversations, "read_json_object")
    def read(original: Any, **limits: Any) -> Any:
        body = _body()
        return original(**limits) if body is None or isinstance(body, dict) else {}


@mutant("COMMON-FIELD-TYPE")
def common_takes_a_number_for_a_text(patch: Patch) -> None:
    """A ``message`` that is a number is sent as a text."""

    @patch.wrap(sending, "parse_send")
    def parse(original: Any, body: dict[str, Any]) -> Any:
        if isinstance(body.get("message"), int):
            body = {**body, "message": str(body["message"])}
        return original(body)


@mutant("COMMON-FIELD-TYPE")
def common_takes_one_image_for_a_list(patch: Patch) -> None:
    """``images`` that are a text are left out without a word."""

    @patch.wrap(sending, "parse_send")
    def parse(original: Any, body: dict[str, Any]) -> Any:
        return original({**body, "images": []} if isinstance(body.get("images"), str) else body)


@mutant("COMMON-UNAVAILABLE")
def common_refuses_tokens_until_it_is_ready(patch: Patch) -> None:
    """While the server starts its users are not read yet, and so every token is unknown."""
    began = time.monotonic()

    @patch.wrap(app, "_preflight_or_user")
    def look(original: Any) -> Any:
        if time.monotonic() - began > 2.0:
            return original()
        if request.endpoint in ("models.health", "models.list_models"):
            return error_response(503, "not ready yet")
        headers = {"WWW-Authenticate": "Bearer"}
        return error_response(401, "the token is not known to this server", headers)


# -- what refused requests leave behind ---------------------------------------------------


@mutant("REFUSED-NO-CONVERSATION", upstream=("H-03",))
def common_creates_the_conversation_first(patch: Patch) -> None:
    """A send makes its conversation before it looks whether it can be accepted."""

    @patch.wrap(sending, "send")
    def send(original: Any, services: Any, space: Any, message: sending.SendRequest) -> Any:
        if message.conversation_id is None:
            message = replace(message, conversation_id=space.conversations.create())
        return original(services, space, message)


@mutant("REFUSED-NO-METADATA", upstream=("H-03",))
def common_writes_metadata_first(patch: Patch) -> None:
    """A send notes its mode in the conversation before it looks whether it can be accepted."""

    @patch.wrap(sending, "send")
    def send(original: Any, services: Any, space: Any, message: sending.SendRequest) -> Any:
        if message.conversation_id is not None and message.run_mode is not None:
            with contextlib.suppress(ConversationNotFound):
                mode = {"run_mode": message.run_mode}
                space.conversations.append(message.conversation_id, [], metadata=mode)
        return original(services, space, message)


@mutant("REFUSED-NO-TASK")
def common_keeps_the_place_of_a_refused_send(patch: Patch) -> None:
    """A send that is refused for its images keeps the user's place until the next send."""
    taken: set[str] = set()

    @patch.wrap(sending, "_check_images")
    def check(original: Any, space: Any, images: list[str]) -> None:
        try:
            original(space, images)
        except ApiError:
            taken.add(space.name)
            raise

    @patch.wrap(TaskRegistry, "reserve")
    def reserve(original: Any, self: TaskRegistry, user: str) -> Any:
        if user in taken:
            taken.discard(user)
            raise TaskRefused("a task of this user is still running")
        return original(self, user)


@mutant("REFUSED-NO-FILE")
def common_makes_the_folder_of_a_refused_upload(patch: Patch) -> None:
    """An upload makes its folder before it looks at the name of the file."""

    @patch.wrap(FileArea, "store")
    def store(
        original: Any, self: FileArea, incoming: IncomingFile, *, folder: str, filename: str
    ) -> Any:
        try:
            return original(self, incoming, folder=folder, filename=filename)
        except FileAreaError:
            if not filename.strip(" ."):
                self._root.joinpath(*clean_relative(folder)).mkdir(parents=True, exist_ok=True)
            raise


@mutant("REFUSED-NO-NAMED-TEXT")
def common_saves_before_it_looks_at_the_content(patch: Patch) -> None:
    """A prompt whose content is refused has been emptied by then."""

    @patch.wrap(prompts, "read_json_object")
    def read(original: Any, **limits: Any) -> Any:
        body = original(**limits)
        name, content = body.get("name"), body.get("content", "")
        if isinstance(name, str) and NAME_PATTERN.fullmatch(name) and not isinstance(content, str):
            current_space().prompts.save(name, "")
        return body
