"""Faults of what a send may be, and of what it answers (api_v1 2.2)."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from flask import Response, request

from pollux.conformance.mutants.mutant import Patch, mutant
from pollux.reference_server import sending
from pollux.reference_server.conversations import ID_PATTERN
from pollux.reference_server.http import ApiError, ok
from pollux.reference_server.routes import messages as routes
from pollux.reference_server.sending import SendRequest
from pollux.reference_server.services import Services
from pollux.reference_server.spaces import UserSpace
from pollux.reference_server.storage import atomic_write, encode_json
from pollux.reference_server.tasks import Task

Body = Mapping[str, Any]
Send = Callable[[Services, UserSpace, SendRequest], Task]


def _answers(patch: Patch) -> Callable[[Callable[[dict[str, Any]], None]], None]:
    """Decorate a function that changes the JSON of the answer to an accepted send in place."""

    def decorator(change: Callable[[dict[str, Any]], None]) -> None:
        @patch.response
        def changed(response: Response) -> Response:
            if request.endpoint == "messages.send_message" and response.status_code == 202:
                payload = response.get_json()
                change(payload)
                response.set_data(ok(payload).get_data())
            return response

    return decorator


# -- the answer -------------------------------------------------------------------------


@mutant("SEND-SHAPE", "SEND-CREATED-AT")
def message_answer_has_no_created_at(patch: Patch) -> None:
    """The answer to a send does not tell when the task was created."""

    @_answers(patch)
    def change(payload: dict[str, Any]) -> None:
        del payload["created_at"]


@mutant("SEND-CREATED-AT")
def message_answer_tells_milliseconds(patch: Patch) -> None:
    """The `created_at` of a send is in milliseconds, that of polls in seconds."""

    @_answers(patch)
    def change(payload: dict[str, Any]) -> None:
        payload["created_at"] *= 1000


@mutant("SEND-STATUS-LIVE")
def message_answer_tells_a_status_of_its_own(patch: Patch) -> None:
    """The status of an accepted send is `queued`, which no task ever is."""

    @_answers(patch)
    def change(payload: dict[str, Any]) -> None:
        payload["status"] = "queued"


@mutant("SEND-TASK-ID-UUID", "POLL-SHAPE")
def message_task_ids_are_short(patch: Patch) -> None:
    """A task has 12 hexadecimal digits as its id."""

    @patch.wrap(Task, "__init__")
    def init(original: Any, self: Task, *args: Any) -> None:
        original(self, *args)
        self.task_id = self.task_id[-12:]


# -- message and images -----------------------------------------------------------------


@mutant("SEND-MESSAGE-REQUIRED")
def message_null_is_the_word_none(patch: Patch) -> None:
    """A null message is turned into a text: `str(None)`."""

    @patch.wrap(sending, "parse_send")
    def parse(original: Any, body: Body) -> Any:
        null = "message" in body and body["message"] is None
        return original({**body, "message": "None"} if null else body)


@mutant("SEND-MESSAGE-BLANK")
def message_of_blanks_is_a_message(patch: Patch) -> None:
    """A message made of blanks is sent to the model."""

    @patch.wrap(sending, "parse_send")
    def parse(original: Any, body: Body) -> Any:
        text = body.get("message")
        if isinstance(text, str) and text and not text.strip():
            return dataclasses.replace(original({**body, "message": "x"}), message=text)
        return original(body)


@mutant("SEND-MESSAGE-TRIMMED")
def message_is_stored_as_it_was_sent(patch: Patch) -> None:
    """The blanks around a message are looked at, but not cut off."""

    @patch.wrap(sending, "parse_send")
    def parse(original: Any, body: Body) -> Any:
        return dataclasses.replace(original(body), message=body.get("message") or "")


@mutant("SEND-IMAGES-ONLY")
def message_is_needed_beside_images(patch: Patch) -> None:
    """A send of images alone is refused."""

    @patch.wrap(sending, "parse_send")
    def parse(original: Any, body: Body) -> Any:
        found: SendRequest = original(body)
        if not found.message:
            raise ApiError(400, "a message is needed")
        return found


# -- conversation -----------------------------------------------------------------------


def _sends(
    patch: Patch,
) -> Callable[[Callable[[Send, Services, UserSpace, SendRequest], Any]], None]:
    """Decorate a function that stands before every well-formed send."""

    def decorator(fault: Callable[[Send, Services, UserSpace, SendRequest], Any]) -> None:
        @patch.wrap(sending, "send")
        def send(original: Any, services: Services, space: UserSpace, asked: SendRequest) -> Any:
            return fault(original, services, space, asked)

    return decorator


@mutant("SEND-NEW-CONVERSATION")
def message_goes_to_a_conversation_that_is_still_empty(patch: Patch) -> None:
    """A send without a conversation takes the newest one, if nothing was said there."""

    @_sends(patch)
    def send(original: Send, services: Services, space: UserSpace, asked: SendRequest) -> Any:
        rows, _ = space.conversations.list(1, 0)
        if asked.conversation_id is None and rows and not rows[0]["messages_count"]:
            asked = dataclasses.replace(asked, conversation_id=rows[0]["id"])
        return original(services, space, asked)


@mutant("SEND-CONVERSATION-EMPTY")
def message_to_nowhere_goes_to_the_newest_conversation(patch: Patch) -> None:
    """A send with an empty conversation id is added to the newest conversation."""

    @_sends(patch)
    def send(original: Send, services: Services, space: UserSpace, asked: SendRequest) -> Any:
        rows, _ = space.conversations.list(1, 0)
        if asked.conversation_id == "" and rows:
            asked = dataclasses.replace(asked, conversation_id=rows[0]["id"])
        return original(services, space, asked)


@mutant("SEND-GIVEN-CONVERSATION")
def message_replaces_those_before(patch: Patch) -> None:
    """A send to a conversation forgets what was said there."""

    @patch.wrap(sending, "_save_user_message")
    def save(original: Any, space: UserSpace, asked: SendRequest, *rest: Any, **more: Any) -> Any:
        store, name = space.conversations, asked.conversation_id
        if name is not None:
            document = {**store.load(name), "messages": []}
            atomic_write(store._path(name), encode_json(document), scratch=store._scratch)
        return original(space, asked, *rest, **more)


@mutant("SEND-CONVERSATION-UNKNOWN")
def message_to_a_malformed_id_goes_to_a_new_conversation(patch: Patch) -> None:
    """A conversation id that is none is taken for an absent one."""

    @_sends(patch)
    def send(original: Send, services: Services, space: UserSpace, asked: SendRequest) -> Any:
        if not ID_PATTERN.fullmatch(asked.conversation_id or ""):
            asked = dataclasses.replace(asked, conversation_id=None)
        return original(services, space, asked)


# -- model and mode ---------------------------------------------------------------------


@mutant("SEND-MODEL-DEFAULT")
def message_with_a_null_model_is_refused(patch: Patch) -> None:
    """A null `model_key` is the key of no model."""

    @patch.wrap(sending, "parse_send")
    def parse(original: Any, body: Body) -> Any:
        if "model_key" in body and body["model_key"] is None:
            raise ApiError(400, "there is no model null")
        return original(body)


@mutant("SEND-MODEL-UNKNOWN", "COMMON-NO-SERVER-ERROR")
def message_with_an_unknown_model_is_a_server_error(patch: Patch) -> None:
    """A `model_key` that there is not ends in an exception."""

    @patch.wrap(sending, "_model")
    def model(original: Any, services: Services, asked: str | None, personal: Any) -> Any:
        if asked is not None:
            services.models[asked]
        return original(services, asked, personal)


@mutant("SEND-FIELD-UNKNOWN", "COMMON-NO-SERVER-ERROR")
def message_with_an_unknown_field_is_a_server_error(patch: Patch) -> None:
    """The fields of a send are handed to a function that does not know all of them."""

    @patch.wrap(routes, "read_json_object")
    def read(original: Any, *, allowed: Any) -> Any:
        body = request.get_json(silent=True)
        if isinstance(body, dict) and not set(body) <= set(allowed):
            raise TypeError("unexpected keyword argument")
        return original(allowed=allowed)


@mutant("SEND-RUN-MODE")
def message_mode_must_be_in_small_letters(patch: Patch) -> None:
    """A `run_mode` with a capital letter is refused."""

    @patch.wrap(sending, "_run_mode")
    def mode(original: Any, body: Body) -> Any:
        text = body.get("run_mode")
        if isinstance(text, str) and text != text.lower():
            raise ApiError(400, "there is no such run_mode")
        return original(body)


@mutant("SEND-RUN-MODE-INVALID")
def message_mode_that_there_is_not_is_ignored(patch: Patch) -> None:
    """A text that is no `run_mode` is taken for an absent one."""

    @patch.wrap(sending, "_run_mode")
    def mode(original: Any, body: Body) -> Any:
        try:
            return original(body)
        except ApiError:
            if not isinstance(body.get("run_mode"), str):
                raise
            return None


@mutant("SEND-RUN-MODE-WINS")
def message_thinking_mode_wins(patch: Patch) -> None:
    """In a send with both, `thinking_mode` wins over `run_mode`."""

    @patch.wrap(sending, "_run_mode")
    def mode(original: Any, body: Body) -> Any:
        found = original(body)
        thinking = {"thinking_mode": body.get("thinking_mode")}
        return found if thinking["thinking_mode"] is None else original(thinking)


@mutant("SEND-THINKING-MODE")
def message_thinking_mode_is_ignored(patch: Patch) -> None:
    """A send with `thinking_mode` and without `run_mode` runs in the default mode."""

    @patch.wrap(sending, "_run_mode")
    def mode(original: Any, body: Body) -> Any:
        found = original(body)
        return None if body.get("run_mode") is None else found


# -- names ------------------------------------------------------------------------------


@mutant("SEND-PROMPT-UNKNOWN")
def message_with_an_unknown_prompt_runs_without(patch: Patch) -> None:
    """A prompt that does not exist is taken for none."""

    @patch.wrap(sending, "_prompt")
    def prompt(original: Any, *arguments: Any) -> Any:
        try:
            return original(*arguments)
        except ApiError:
            return None


@mutant("SEND-PERSONALIZATION-UNKNOWN")
def message_with_an_unknown_personalization_is_a_bad_request(patch: Patch) -> None:
    """A personalization that does not exist is answered with 400."""

    @patch.wrap(sending, "_personalization")
    def personalization(original: Any, *arguments: Any) -> Any:
        try:
            return original(*arguments)
        except ApiError as error:
            raise ApiError(400, error.message) from None


@mutant("SEND-NAME-INVALID", upstream=("H-16",))
def message_names_are_looked_for_unchecked(patch: Patch) -> None:
    """A name that breaks the rule is looked for like any other, and not found."""

    @patch.wrap(sending, "_name")
    def name(original: Any, body: Body, field: str) -> Any:
        try:
            return original(body, field)
        except ApiError:
            if not isinstance(body.get(field), str):
                raise
            return "a-name-that-nobody-has"


@mutant("SEND-PROMPT-PRECEDENCE")
def message_prompt_of_the_conversation_wins(patch: Patch) -> None:
    """The prompt of the conversation wins over that of the send."""
    _conversation_wins(patch, "_prompt", "prompt_name", "custom_prompt_name")


@mutant("SEND-PERSONALIZATION-PRECEDENCE")
def message_personalization_of_the_conversation_wins(patch: Patch) -> None:
    """The personalization of the conversation wins over that of the send."""
    _conversation_wins(patch, "_personalization", "personalization_name", "personalization_name")


def _conversation_wins(patch: Patch, look_up: str, field: str, stored: str) -> None:
    @patch.wrap(sending, look_up)
    def find(original: Any, *arguments: Any) -> Any:
        *before, asked, metadata = arguments
        if metadata.get(stored):
            asked = dataclasses.replace(asked, **{field: None})
        return original(*before, asked, metadata)


# -- refusals ---------------------------------------------------------------------------


@mutant("REFUSED-NO-CONVERSATION", upstream=("H-03",))
def message_makes_its_conversation_first(patch: Patch) -> None:
    """A new conversation is made before it is clear that the send can be taken."""

    @_sends(patch)
    def send(original: Send, services: Services, space: UserSpace, asked: SendRequest) -> Any:
        if asked.conversation_id is None:
            asked = dataclasses.replace(asked, conversation_id=space.conversations.create())
        return original(services, space, asked)


@mutant("REFUSED-NO-METADATA", upstream=("H-03",))
def message_writes_its_settings_first(patch: Patch) -> None:
    """The settings of a send are written before it is clear that it can be taken."""

    @_sends(patch)
    def send(original: Send, services: Services, space: UserSpace, asked: SendRequest) -> Any:
        name = asked.conversation_id
        if name is not None and space.conversations.exists(name):
            settings = {"custom_prompt_name": asked.prompt_name, "run_mode": asked.run_mode}
            space.conversations.append(name, [], metadata=settings)
        return original(services, space, asked)


@mutant("ENVELOPE-CONTENT-TYPE")
def message_of_plain_text_is_sent(patch: Patch) -> None:
    """A body of plain text is taken for the message itself."""

    @patch.wrap(routes, "read_json_object")
    def read(original: Any, **limits: Any) -> Any:
        if request.mimetype == "text/plain" and request.get_data():
            return {"message": request.get_data(as_text=True)}
        return original(**limits)
