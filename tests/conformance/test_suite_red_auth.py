"""Servers that let the wrong ones in, or keep the right ones out: each turns its rules red."""

import pytest

from tests.conformance.red import Fault, check_turns_red, fault, name_of
from tests.conformance.workshop import TOKEN, Answer, Inner, Request, Workshop, failure

_REFUSALS = (
    "AUTH-REQUIRED",
    "AUTH-EMPTY-TOKEN",
    "AUTH-OTHER-SCHEME",
    "AUTH-UNKNOWN-TOKEN",
)


def auth_switched_off(request: Request, inner: Inner) -> Answer:
    request.authorize()
    return inner(request)


def open_on_one_operation(request: Request, inner: Inner) -> Answer:
    if request.path.startswith("/prompts/"):
        request.authorize()
    return inner(request)


def any_scheme(request: Request, inner: Inner) -> Answer:
    header = request.header("Authorization") or ""
    if header.split(" ")[-1] == TOKEN:
        request.authorize()
    return inner(request)


def password_of_basic(request: Request, inner: Inner) -> Answer:
    if (request.header("Authorization") or "").startswith("Basic ") and " " in (
        request.header("Authorization") or ""
    ):
        request.authorize()
    return inner(request)


def beginning_of_a_token(request: Request, inner: Inner) -> Answer:
    scheme, _, token = (request.header("Authorization") or "").partition(" ")
    if scheme == "Bearer" and token and TOKEN.startswith(token):
        request.authorize()
    return inner(request)


def token_in_query(request: Request, inner: Inner) -> Answer:
    if f"access_token={TOKEN}" in request.query:
        request.authorize()
    return inner(request)


def token_in_cookie(request: Request, inner: Inner) -> Answer:
    if f"session={TOKEN}" in (request.header("Cookie") or ""):
        request.authorize()
    return inner(request)


def token_in_body(request: Request, inner: Inner) -> Answer:
    if TOKEN.encode() in request.body:
        request.authorize()
    return inner(request)


def scheme_in_one_spelling(request: Request, inner: Inner) -> Answer:
    header = request.header("Authorization")
    if header and not header.startswith("Bearer "):
        request.set_header("Authorization", None)
    return inner(request)


def no_blanks(request: Request, inner: Inner) -> Answer:
    if "  " in (request.header("Authorization") or ""):
        request.set_header("Authorization", None)
    return inner(request)


def models_need_a_token(request: Request, inner: Inner) -> Answer:
    if request.path == "/models" and not request.header("Authorization"):
        return failure(401)
    return inner(request)


def body_before_token(request: Request, inner: Inner) -> Answer:
    if request.is_send and not isinstance(request.json, dict):
        return failure(400)
    return inner(request)


def session_cookie(request: Request, inner: Inner) -> Answer:
    answer = inner(request)
    answer.headers.append(("Set-Cookie", "session=abc; HttpOnly; Path=/"))
    return answer


def one_operation_knows_no_token(request: Request, inner: Inner) -> Answer:
    answer = inner(request)
    if request.method == "GET" and request.path == "/files/download":
        return failure(401)
    return answer


def bare_headers(request: Request, inner: Inner) -> Answer:
    answer = inner(request)
    for name in ("WWW-Authenticate", "Cache-Control", "X-Content-Type-Options"):
        answer.drop(name)
    return answer


FAULTS = [
    fault("authentication is switched off", auth_switched_off, *_REFUSALS),
    fault(
        "an absent token before other faults does not matter",
        auth_switched_off,
        "AUTH-BEFORE-OTHER-FAULTS",
    ),
    fault("one operation is open", open_on_one_operation, *_REFUSALS),
    fault("any scheme will do", any_scheme, "AUTH-OTHER-SCHEME", only=_REFUSALS),
    fault("basic is taken", password_of_basic, "AUTH-OTHER-SCHEME", only=_REFUSALS),
    fault(
        "the beginning of a token will do",
        beginning_of_a_token,
        "AUTH-UNKNOWN-TOKEN",
        only=_REFUSALS,
    ),
    fault("a token in the query counts", token_in_query, "AUTH-NOT-IN-QUERY"),
    fault("a token in a cookie counts", token_in_cookie, "AUTH-NOT-IN-COOKIE"),
    fault("a token in the body counts", token_in_body, "AUTH-NOT-IN-BODY"),
    fault("the scheme is known in one spelling", scheme_in_one_spelling, "AUTH-SCHEME-CASE"),
    fault("blanks are not ignored", no_blanks, "AUTH-BLANKS-IGNORED"),
    fault("models need a token", models_need_a_token, "AUTH-PUBLIC-OPERATIONS"),
    fault("the body is read before the token", body_before_token, "AUTH-BEFORE-OTHER-FAULTS"),
    fault("a session cookie is set", session_cookie, "AUTH-NO-COOKIE"),
    fault("one operation knows no token", one_operation_knows_no_token, "AUTH-TOKEN-ACCEPTED"),
    fault(
        "headers are left out",
        bare_headers,
        "HEADER-WWW-AUTHENTICATE",
        "HEADER-NO-STORE",
        "HEADER-NOSNIFF",
    ),
]


@pytest.mark.parametrize("broken", FAULTS, ids=name_of)
def test_a_fault_turns_red_what_it_breaks(workshop: Workshop, broken: Fault) -> None:
    check_turns_red(workshop, broken)
