"""What is asked of the answer to a generated request, and what is left to the server."""

import json
from collections.abc import Iterable
from typing import Any

import pytest

from pollux.conformance.fuzzing.expected import Expected, judge
from pollux.conformance.fuzzing.request import JSON_TYPE, Request, operation_of
from pollux.conformance.fuzzing.rules import expected_of
from pollux.conformance.fuzzing.texts import Number, number
from pollux.conformance.fuzzing.world import World
from pollux.polling.exchange import Exchange, FormPart
from pollux.schemas.openapi import operations
from pollux.schemas.requirements import load_requirements

CONVERSATION = "conv_20260123_234245_036"
TASK = "60322db3-f884-4a1e-a9b3-6eeb07fbab47"


def world() -> World:
    return World(
        "mark",
        conversations={CONVERSATION},
        deleted={"conv_20260101_000000_000"},
        tasks={TASK},
        prompts={"known": "text"},
        personalizations={"known": {}},
        files={"mark/known/known.txt": b"bytes"},
        folders={"mark/known"},
        models={"default"},
    )


def body(operation: str, value: Any) -> Request:
    return Request(operation).with_value(value)


def at(operation: str, place: str, **query: str) -> Request:
    names = {"pollTask": "task_id", "cancelTask": "task_id"}
    name = names.get(operation, "name" if "get" in operation and "C" not in operation else "")
    return Request(
        operation,
        places=((name or "conversation_id", place),),
        query=tuple(query.items()),
    )


def get(operation: str, **query: str) -> Request:
    return Request(operation, query=tuple(query.items()))


def upload(*parts: FormPart) -> Request:
    return Request("uploadFile", form=parts)


def answer(status: int) -> Exchange:
    return Exchange(
        operation=None, method="GET", url="", request_headers=(), request_body=b"", status=status,
        headers=(), body=b"{}", error=None, started_at=0.0, elapsed_ms=0.0, sent=0.0, received=0.0,
    )  # fmt: skip


def charged(request: Request, *statuses: int) -> set[str]:
    """Return what one of these statuses is charged to."""
    expected = expected_of(request, world())
    return {
        charge.breach.requirement
        for status in statuses
        for charge in judge(request, expected, answer(status))
    }


def good(*requests: Request) -> Iterable[Any]:
    return [
        pytest.param(request, id=f"{request.operation}-{n}") for n, request in enumerate(requests)
    ]


TEXT_FILE = FormPart("file", b"a text\n", "name.txt")


@pytest.mark.parametrize(
    ("request_", "requirement"),
    [
        (Request("createConversation"), "CONV-CREATE-BODY-OPTIONAL"),
        (body("createConversation", {"prompt_name": None}), "CONV-CREATE-BODY-OPTIONAL"),
        (body("createConversation", {"prompt_name": "known"}), "CONV-CREATE-NAMES"),
        (get("listConversations"), "CONV-LIST-SHAPE"),
        (get("listConversations", limit="100"), "CONV-LIST-LIMIT"),
        (get("listConversations", offset="0"), "CONV-LIST-OFFSET"),
        (at("getConversation", CONVERSATION), "CONV-GET-SHAPE"),
        (at("getConversation", CONVERSATION, full="1"), "CONV-GET-FULL"),
        (at("deleteConversation", CONVERSATION), "CONV-DELETE-SHAPE"),
        (body("sendMessage", {"message": "Hello"}), "SEND-SHAPE"),
        (body("sendMessage", {"message": "Hello", "model_key": None}), "SEND-MODEL-DEFAULT"),
        (body("sendMessage", {"message": "Hello", "run_mode": "FAST"}), "SEND-RUN-MODE"),
        (
            body("sendMessage", {"message": "Hello", "conversation_id": CONVERSATION}),
            "SEND-GIVEN-CONVERSATION",
        ),
        (at("cancelTask", TASK), "CANCEL-TERMINAL"),
        (upload(TEXT_FILE), "FILE-UPLOAD-SHAPE"),
        (get("listFiles"), "FILE-LIST-ROOT"),
        (get("listFiles", path="mark/known"), "FILE-LIST-SHAPE"),
        (get("downloadFile", path="mark/known/known.txt"), "FILE-DOWNLOAD-ATTACHMENT"),
        (body("savePrompt", {"name": "new", "content": "文"}), "PROMPT-NAME-VALID"),
        (body("savePrompt", {"name": "new"}), "PROMPT-CONTENT-DEFAULT"),
        (at("getPrompt", "known"), "PROMPT-GET-SHAPE"),
        (
            body("savePersonalization", {"name": "new", "content": {"tone": [5]}}),
            "PERSONALIZATION-CLEANED",
        ),
        (
            body("savePersonalization", {"name": "new", "content": {"colour": 5}}),
            "PERSONALIZATION-UNKNOWN-KEYS",
        ),
        (Request("listModels"), "MODEL-LIST-SHAPE"),
        (Request("health"), "HEALTH-SHAPE"),
    ],
)
def test_a_good_request_must_be_taken(request_: Request, requirement: str) -> None:
    assert charged(request_, operation_of(request_.operation).success) == set()
    assert charged(request_, 403, 422) == {requirement}
    assert charged(request_, 500, 503, 429) == set()


@pytest.mark.parametrize(
    ("request_", "requirement", "allowed"),
    [
        (body("savePrompt", [1]), "COMMON-BODY-NOT-OBJECT", {400}),
        (body("createConversation", {"prompt_name": 5}), "COMMON-FIELD-TYPE", {400}),
        (body("createConversation", {"prompt_name": "a b"}), "CONV-CREATE-NAME-INVALID", {400}),
        (get("listConversations", limit="many"), "CONV-LIST-NOT-A-NUMBER", {400}),
        (at("getConversation", "no-such"), "CONV-ID-MALFORMED", {404}),
        (at("getConversation", "nö such"), "CONV-ID-MALFORMED", {400, 404}),
        (at("getConversation", "conv_19990101_000000_000"), "CONV-GET-UNKNOWN", {404}),
        (at("deleteConversation", "conv_20260101_000000_000"), "CONV-DELETE-GONE", {404}),
        (body("sendMessage", {}), "SEND-MESSAGE-REQUIRED", {400, 409}),
        (body("sendMessage", {"message": " \n"}), "SEND-MESSAGE-BLANK", {400, 409}),
        (body("sendMessage", {"message": 5}), "COMMON-FIELD-TYPE", {400, 409}),
        (body("sendMessage", {"message": "x", "run_mode": "no"}), "SEND-RUN-MODE-INVALID",
         {400, 409}),
        (body("sendMessage", {"message": "x", "max_iterations": 0}), "SEND-MAX-ITERATIONS-INVALID",
         {400, 409}),
        (body("sendMessage", {"message": "x", "prompt_name": "no"}), "SEND-PROMPT-UNKNOWN",
         {404, 409}),
        (body("sendMessage", {"message": "x", "conversation_id": "no"}),
         "SEND-CONVERSATION-UNKNOWN", {400, 404, 409}),
        (at("pollTask", "00000000-0000-4000-8000-000000000000"), "POLL-UNKNOWN-TASK", {404}),
        (upload(FormPart("dir", b"x")), "FILE-UPLOAD-WITHOUT-FILE", {400, 413, 415}),
        (get("downloadFile"), "FILE-DOWNLOAD-PATH-MISSING", {400}),
        (get("downloadFile", path="mark/a\0b"), "FILE-ESCAPE-NUL", {400, 404}),
        (get("listFiles", path="mark/known/nothing"), "FILE-LIST-ABSENT", {404}),
        (body("savePrompt", {"content": "x"}), "PROMPT-NAME-MISSING", {400}),
        (body("savePrompt", {"name": "a.b"}), "PROMPT-NAME-INVALID", {400}),
        (body("savePersonalization", {"name": "a"}), "PERSONALIZATION-CONTENT-REQUIRED", {400}),
        (at("getPrompt", "nobody"), "PROMPT-UNKNOWN", {404}),
        (at("getPersonalization", "no body"), "PERSONALIZATION-NAME-INVALID-PATH", {400, 404}),
        (Request("savePrompt", content=b'{"name": ', content_type=JSON_TYPE),
         "ENVELOPE-MALFORMED-JSON", {400}),
        (Request("savePrompt", content=b"words", content_type="text/plain"),
         "ENVELOPE-CONTENT-TYPE", {400, 415}),
        (Request("health", method="PATCH"), "ENVELOPE-WRONG-METHOD", {405}),
        (Request("listFiles", authorization=None), "AUTH-REQUIRED", {401}),
        (Request("listFiles", authorization="Bearer x"), "AUTH-UNKNOWN-TOKEN", {401}),
        (Request("downloadFile", authorization=None), "AUTH-BEFORE-OTHER-FAULTS", {401}),
    ],
)  # fmt: skip
def test_a_fault_must_be_refused_as_the_contract_says(
    request_: Request, requirement: str, allowed: set[int]
) -> None:
    assert charged(request_, *allowed) == set()
    assert charged(request_, operation_of(request_.operation).success) == {requirement}
    others = {400, 403, 404, 405, 409, 413, 415, 422} - allowed - {401}
    if requirement != "FILE-UPLOAD-WITHOUT-FILE":
        assert {charge for status in others for charge in charged(request_, status)} == {
            requirement
        }
    assert charged(request_, 500, 503, 429) == set()


FREE = [
    body("createConversation", {"colour": "blue"}),
    body("createConversation", {"prompt_name": "nobody"}),
    body("createConversation", {"prompt_name": ""}),
    body("createConversation", None),
    Request("createConversation", content=b"words", content_type="text/plain"),
    get("listConversations", limit=""),
    get("listConversations", limit="1e2"),
    get("listConversations", limit="+5"),
    get("listConversations", limit="٣"),
    get("listConversations", offset=str(10**30)),
    get("listConversations", page="2"),
    Request("listConversations", query=(("limit", "5"), ("limit", "6"))),
    at("getConversation", CONVERSATION, full="yes"),
    at("getConversation", "a/b"),
    at("getConversation", ".."),
    body("sendMessage", {"message": "Hello", "colour": "blue"}),
    body("sendMessage", {"message": "Hello", "model_key": "no-such"}),
    body("sendMessage", {"message": "Hello", "images": ["no-such.png"]}),
    body("sendMessage", {"message": "Hello", "conversation_id": ""}),
    body("sendMessage", {"message": "Hello", "run_mode": ""}),
    body("sendMessage", {"message": "Hello", "max_iterations": 3.0}),
    body("sendMessage", {"message": "Hello", "max_iterations": 10**12}),
    body("sendMessage", {"message": "\x00\x01"}),
    body("sendMessage", {"message": "\u2028"}),
    upload(FormPart("file", b"\x89PNG", "picture.png")),
    upload(FormPart("file", b"text", "odd name?.txt")),
    upload(TEXT_FILE, FormPart("colour", b"blue")),
    upload(FormPart("file", b"a file without a name")),
    get("listFiles", path="mark/known/odd name "),
    get("downloadFile", path="reports"),
    body("savePrompt", {"name": "new", "content": None}),
    body("savePrompt", {"name": "new", "content": "\x00"}),
    body("savePrompt", {"name": "new", "content": "x" * 1_000_000}),
    body("savePersonalization", {"name": "new", "content": {"tone": "\x07"}}),
    body("savePersonalization", {"name": "new", "content": {"tone": 1.5e308}}),
]


@pytest.mark.parametrize("request_", FREE, ids=lambda request: request.operation)
def test_what_the_contract_leaves_open_fails_nobody(request_: Request) -> None:
    success = operation_of(request_.operation).success
    assert charged(request_, success, 400, 404, 409, 413, 415, 422) == set()


def test_a_number_out_of_range_is_taken_or_refused_with_400() -> None:
    for parameters in ({"limit": "0"}, {"limit": "-3"}, {"limit": "101"}, {"offset": "-1"}):
        request = get("listConversations", **parameters)
        assert charged(request, 200, 400) == set()
        assert charged(request, 422) == {"CONV-LIST-OUT-OF-RANGE"}


def test_of_several_faults_any_may_be_seen_first() -> None:
    request = body("sendMessage", {"message": 5, "prompt_name": "nobody"})
    assert charged(request, 400, 404, 409, 422) == set()
    assert charged(request, 202) == {"COMMON-FIELD-TYPE", "SEND-PROMPT-UNKNOWN"}


def test_a_valid_token_that_is_refused_is_a_breach_of_its_own() -> None:
    assert charged(get("listFiles"), 401) == {"AUTH-TOKEN-ACCEPTED"}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("0", Number.GOOD),
        ("100", Number.GOOD),
        ("-1", Number.NEGATIVE),
        ("-0", Number.GOOD),
        ("007", Number.UNCLEAR),
        (str(2**31), Number.LARGE),
        (str(2**80), Number.UNCLEAR),
        ("", Number.UNCLEAR),
        (" ", Number.UNCLEAR),
        ("1.5", Number.UNCLEAR),
        ("nan", Number.UNCLEAR),
        ("many", Number.NONE),
        ("null", Number.NONE),
        ('{"a": "b"}', Number.NONE),
        ("\ue000", Number.NONE),
    ],
)
def test_what_counts_as_a_number(text: str, kind: Number) -> None:
    assert number(text) is kind


def test_every_operation_has_rules_and_they_charge_known_requirements() -> None:
    catalogue = load_requirements()
    for operation in operations():
        request = Request(operation.operation_id)
        if "{" in operation.path:
            request = at(operation.operation_id, "no-such")
        elif operation.method == "POST":
            request = request.with_value({})
        expected = expected_of(request, world())
        assert isinstance(expected, Expected)
        named = [*expected.wanted, *(fault.requirement for fault in expected.faults)]
        assert named and set(named) <= catalogue.keys()


def test_json_is_sent_as_it_was_generated() -> None:
    request = body("savePrompt", {"name": "x", "content": "é\u2028"})
    assert request.content is not None
    assert json.loads(request.content) == {"name": "x", "content": "é\u2028"}
