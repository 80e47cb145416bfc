"""Servers whose answers look wrong, or that take what they should refuse."""

import json

import pytest

from tests.conformance.red import Fault, check_turns_red, fault, name_of
from tests.conformance.workshop import API, Answer, Inner, Request, Twist, Workshop, failure, html


def page_instead_of(status: int) -> Twist:
    def twist(request: Request, inner: Inner) -> Answer:
        answer = inner(request)
        return html(status) if answer.status == status else answer

    return twist


def no_prefix_for_files(request: Request, inner: Inner) -> Answer:
    return failure(404) if request.path == "/files" else inner(request)


def success_is_missing(request: Request, inner: Inner) -> Answer:
    answer = inner(request)
    if answer.ok and request.path == "/conversations" and request.method == "GET":
        answer.json = {"data": answer.json["data"], "total": answer.json["total"]}
    return answer


def failure_says_success(request: Request, inner: Inner) -> Answer:
    answer = inner(request)
    if answer.status == 400:
        answer.json = {"success": True, "error": "none really"}
    return answer


def success_says_failure(request: Request, inner: Inner) -> Answer:
    answer = inner(request)
    if request.path == "/health":
        answer.json = {**answer.json, "success": False}
    return answer


def empty_error(request: Request, inner: Inner) -> Answer:
    answer = inner(request)
    if answer.status == 405:
        answer.json = {"success": False, "error": ""}
    return answer


def plain_text(request: Request, inner: Inner) -> Answer:
    """Take plain text for the message itself."""
    if request.is_send and request.environ.get("CONTENT_TYPE") == "text/plain":
        request.body = json.dumps({"message": request.body.decode()}).encode()
        request.environ["CONTENT_TYPE"] = "application/json"
    return inner(request)


def tolerant_json(request: Request, inner: Inner) -> Answer:
    """Take a body that cannot be read for an empty one, as one public server does."""
    if request.method == "POST" and request.path == "/conversations" and request.json is None:
        request.body = b""
        request.environ["CONTENT_TYPE"] = ""
    return inner(request)


def falsy_is_empty(request: Request, inner: Inner) -> Answer:
    if request.path == "/conversations" and request.json == []:
        request.body = b"{}"
    return inner(request)


def crashes_on_a_list(request: Request, inner: Inner) -> Answer:
    if request.is_send and isinstance(request.json, list):
        return failure(500)
    return inner(request)


def number_as_message(request: Request, inner: Inner) -> Answer:
    body = request.json
    if request.is_send and isinstance(body, dict) and body.get("message") == 123:
        request.body = json.dumps({**body, "message": "123"}).encode()
    return inner(request)


def method_is_not_found(request: Request, inner: Inner) -> Answer:
    answer = inner(request)
    return failure(404) if answer.status == 405 else answer


def unknown_route_is_welcome(request: Request, inner: Inner) -> Answer:
    answer = inner(request)
    if answer.status == 404 and "no-such-route" in request.environ["PATH_INFO"]:
        assert str(request.environ["PATH_INFO"]).startswith(API)
        return failure(400)
    return answer


FAULTS = [
    fault("one operation is not there", no_prefix_for_files, "COMMON-PREFIX"),
    fault(
        "an unknown route is a page",
        page_instead_of(404),
        "ENVELOPE-UNKNOWN-ROUTE",
        "ENVELOPE-FAILURE",
        only=("ENVELOPE-UNKNOWN-ROUTE",),
    ),
    fault("an unknown route is 400", unknown_route_is_welcome, "ENVELOPE-UNKNOWN-ROUTE"),
    fault(
        "a wrong method is a page",
        page_instead_of(405),
        "ENVELOPE-WRONG-METHOD",
        "ENVELOPE-FAILURE",
        only=("ENVELOPE-WRONG-METHOD",),
    ),
    fault("a wrong method is 404", method_is_not_found, "ENVELOPE-WRONG-METHOD"),
    fault(
        "a wrong content type is a page",
        page_instead_of(415),
        "ENVELOPE-CONTENT-TYPE",
        "ENVELOPE-FAILURE",
        only=("ENVELOPE-CONTENT-TYPE",),
    ),
    fault("plain text is a message", plain_text, "ENVELOPE-CONTENT-TYPE"),
    fault(
        "malformed JSON is a page",
        page_instead_of(400),
        "ENVELOPE-MALFORMED-JSON",
        "ENVELOPE-FAILURE",
        only=("ENVELOPE-MALFORMED-JSON",),
    ),
    fault("malformed JSON is taken for nothing", tolerant_json, "ENVELOPE-MALFORMED-JSON"),
    fault("an empty list is taken for nothing", falsy_is_empty, "COMMON-BODY-NOT-OBJECT"),
    fault(
        "a list crashes it",
        crashes_on_a_list,
        "COMMON-BODY-NOT-OBJECT",
        "COMMON-NO-SERVER-ERROR",
    ),
    fault("a number is a message", number_as_message, "COMMON-FIELD-TYPE"),
    fault("success is not said", success_is_missing, "ENVELOPE-SUCCESS"),
    fault(
        "a failure says success",
        failure_says_success,
        "ENVELOPE-STATUS-AGREES",
        "ENVELOPE-MALFORMED-JSON",
        only=("ENVELOPE-MALFORMED-JSON",),
    ),
    fault(
        "a success says failure",
        success_says_failure,
        "ENVELOPE-STATUS-AGREES",
        only=("COMMON-PREFIX",),
    ),
    fault(
        "the error is empty",
        empty_error,
        "ENVELOPE-FAILURE",
        "ENVELOPE-WRONG-METHOD",
        only=("ENVELOPE-WRONG-METHOD",),
    ),
]


@pytest.mark.parametrize("broken", FAULTS, ids=name_of)
def test_a_fault_turns_red_what_it_breaks(workshop: Workshop, broken: Fault) -> None:
    check_turns_red(workshop, broken)
