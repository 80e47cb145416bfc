"""Tokens (api_v1 1.5 to 1.8): who is let in, and who is not."""

import base64
from collections.abc import Iterator
from typing import Any

from pollux.conformance.calls import JSON_OPERATIONS, Call, good_calls
from pollux.conformance.check import verifies
from pollux.conformance.haste import is_quick
from pollux.conformance.judge import Judge
from pollux.conformance.stage import Stage, User
from pollux.polling.exchange import Exchange, FormPart
from pollux.polling.redaction import INVENTED

_SOME = 3
_PARAMETERS = ("token", "access_token", "api_key", "apikey", "key", "auth", "authorization")


def _control(judge: Judge, call: Call, user: User) -> bool:
    """Send CALL with the right token: what it was refused for without counts only then.

    Whether it succeeds is not the matter here: an object may be gone because somebody without
    a token was let in before.
    """
    exchange = call.send(user.api)
    if call.operation == "sendMessage" and exchange.status == 202:
        user.task_of(exchange)
    elif call.operation == "createConversation" and exchange.ok:
        user.made(str(exchange.payload.get("conversation_id")))
    return judge.that(
        "AUTH-TOKEN-ACCEPTED",
        exchange.answered and exchange.status != 401,
        f"{call.operation} with the right token",
        expected="not 401",
        got=exchange.summary,
        by=exchange,
    )


def _operations(stage: Stage) -> list[Call]:
    """Return a good call of every operation; of some by chance in a quick run."""
    calls, _ = good_calls(stage)
    every = list(calls.values())
    if not is_quick(stage):
        return every
    some = stage.random.sample(sorted(calls), _SOME)
    # Uploads take the token in another body than the others.
    return [call for call in every if call.operation in (*some, "sendMessage", "uploadFile")]


def _refused(judge: Judge, requirement: str, call: Call, why: str, exchange: Exchange) -> None:
    judge.that(
        requirement,
        exchange.status == 401,
        f"{call.operation} {why}",
        expected="401",
        got=exchange.summary,
        by=exchange,
    )


@verifies(
    "AUTH-TOKEN-ACCEPTED",
    "AUTH-REQUIRED",
    "AUTH-EMPTY-TOKEN",
    "AUTH-OTHER-SCHEME",
    "AUTH-UNKNOWN-TOKEN",
    "AUTH-NO-COOKIE",
    "HEADER-WWW-AUTHENTICATE",
    "HEADER-NO-STORE",
    "HEADER-NOSNIFF",
)
def test_only_a_valid_bearer_token_opens_an_operation(stage: Stage, judge: Judge) -> None:
    """Every operation is refused without the right header, and works with it."""
    for call in _operations(stage):
        attempts = [
            (requirement, why, call.send(stage.anonymous, authorization=header))
            for requirement, why, header in _bad_headers(stage)
        ]
        if _control(judge, call, stage.user):
            for requirement, why, exchange in attempts:
                _refused(judge, requirement, call, why, exchange)


def _bad_headers(stage: Stage) -> Iterator[tuple[str, str, str | None]]:
    token = stage.user.token
    yield "AUTH-REQUIRED", "without an Authorization header", None
    yield "AUTH-EMPTY-TOKEN", "with an empty Authorization header", ""
    yield "AUTH-EMPTY-TOKEN", "with a scheme and no token", "Bearer"
    yield "AUTH-OTHER-SCHEME", "with the scheme Basic", f"Basic {token}"
    basic = base64.b64encode(f"user:{token}".encode()).decode()
    yield "AUTH-OTHER-SCHEME", "with the token as the password of Basic", f"Basic {basic}"
    yield "AUTH-OTHER-SCHEME", "with the scheme Token", f"Token {token}"
    yield "AUTH-OTHER-SCHEME", "with a token without a scheme", token
    yield "AUTH-OTHER-SCHEME", "without the blank after the scheme", f"Bearer{token}"
    yield "AUTH-UNKNOWN-TOKEN", "with a token of nobody", f"Bearer {stage.name(INVENTED)}"
    yield "AUTH-UNKNOWN-TOKEN", "with a token and one character more", f"Bearer {token}x"
    if len(token) > 1:
        yield (
            "AUTH-UNKNOWN-TOKEN",
            "with a token but for its last character",
            f"Bearer {token[:-1]}",
        )


@verifies("AUTH-TOKEN-ACCEPTED", "AUTH-NOT-IN-QUERY", "AUTH-NOT-IN-COOKIE", "AUTH-NOT-IN-BODY")
def test_a_token_counts_nowhere_but_in_the_header(stage: Stage, judge: Judge) -> None:
    """The token in the query, in cookies or in the body opens nothing."""
    token = stage.user.token
    everywhere = dict.fromkeys(_PARAMETERS, token)
    cookies = "; ".join(f"{name}={token}" for name in (*_PARAMETERS, "session", "Authorization"))
    for call in _operations(stage):
        in_query = call.send(stage.anonymous, query={**call.query, **everywhere})
        in_cookie = call.send(stage.anonymous, headers={"Cookie": cookies})
        in_body = _with_token_in_body(call, token, stage)
        if not _control(judge, call, stage.user):
            continue
        _refused(judge, "AUTH-NOT-IN-QUERY", call, "with the token in the query", in_query)
        _refused(judge, "AUTH-NOT-IN-COOKIE", call, "with the token in cookies", in_cookie)
        if in_body is not None:
            _refused(judge, "AUTH-NOT-IN-BODY", call, "with the token in the body", in_body)


def _with_token_in_body(call: Call, token: str, stage: Stage) -> Exchange | None:
    if call.operation in JSON_OPERATIONS:
        return call.with_fields(**dict.fromkeys(_PARAMETERS, token)).send(stage.anonymous)
    if call.form:
        fields = [FormPart(name, token.encode()) for name in _PARAMETERS]
        return call.send(stage.anonymous, form=(*call.form, *fields))
    return None


@verifies("AUTH-SCHEME-CASE", "AUTH-BLANKS-IGNORED", "AUTH-TOKEN-ACCEPTED")
def test_the_scheme_in_any_case_and_blanks_around_the_token(stage: Stage, judge: Judge) -> None:
    """How the header is written is free."""
    user = stage.user
    spellings = {
        "AUTH-TOKEN-ACCEPTED": [f"Bearer {user.token}"],
        "AUTH-SCHEME-CASE": [f"{word} {user.token}" for word in ("bearer", "BEARER", "bEaReR")],
        "AUTH-BLANKS-IGNORED": [f"Bearer  {user.token}", f"Bearer    {user.token}"],
    }
    for requirement, headers in spellings.items():
        for header in headers:
            exchange = user.api.request(
                "GET", "/conversations", operation="listConversations", authorization=header
            )
            judge.that(
                requirement,
                exchange.status == 200,
                "the header " + header.replace(user.token, "<token>"),
                expected="200",
                got=exchange.summary,
                by=exchange,
            )


@verifies("AUTH-PUBLIC-OPERATIONS", "HEALTH-SHAPE", "MODEL-LIST-SHAPE")
def test_models_and_health_need_no_token(stage: Stage, judge: Judge) -> None:
    """Two operations answer to everybody."""
    for exchange in (stage.anonymous.list_models(), stage.anonymous.health()):
        judge.that(
            "AUTH-PUBLIC-OPERATIONS",
            exchange.status == 200,
            f"{exchange.operation} without a token",
            expected="200",
            got=exchange.summary,
            by=exchange,
        )


@verifies("AUTH-BEFORE-OTHER-FAULTS")
def test_a_missing_token_is_looked_at_first(stage: Stage, judge: Judge) -> None:
    """Whatever else is wrong with a request, without a token it is 401."""
    unknown = stage.name("no-such")
    plain = {"Content-Type": "text/plain"}
    broken = {"content": b'{"message": ', "headers": {"Content-Type": "application/json"}}
    faults: list[tuple[str, str, str, dict[str, Any]]] = [
        ("createConversation", "POST", "/conversations", broken),
        ("createConversation", "POST", "/conversations", {"body": ["no", "object"]}),
        ("listConversations", "GET", "/conversations", {"query": {"limit": "many"}}),
        ("getConversation", "GET", f"/conversations/{unknown}", {}),
        ("deleteConversation", "DELETE", f"/conversations/{unknown}", {}),
        ("sendMessage", "POST", "/messages", broken),
        ("sendMessage", "POST", "/messages", {"body": {}}),
        ("sendMessage", "POST", "/messages", {"content": b"hello", "headers": plain}),
        ("pollTask", "GET", f"/tasks/{unknown}", {"query": {"from": "-1"}}),
        ("cancelTask", "POST", f"/tasks/{unknown}/cancel", {}),
        ("uploadFile", "POST", "/files/upload", {"content": b"", "headers": plain}),
        ("listFiles", "GET", "/files", {"query": {"path": "../.."}}),
        ("downloadFile", "GET", "/files/download", {}),
        ("savePrompt", "POST", "/prompts", {"body": {"name": "no/name"}}),
        ("getPrompt", "GET", f"/prompts/{unknown}", {}),
        ("savePersonalization", "POST", "/personalizations", {"body": {"name": 5}}),
        ("getPersonalization", "GET", f"/personalizations/{unknown}", {}),
    ]
    for operation, method, path, changes in faults:
        exchange = stage.anonymous.request(method, path, operation=operation, **changes)
        control = stage.user.api.request(method, path, operation=operation, **changes)
        if control.ok:
            # This server sees no fault there, so nothing came before anything.
            stage.user.made(str(control.payload.get("conversation_id")))
            continue
        judge.that(
            "AUTH-BEFORE-OTHER-FAULTS",
            exchange.status == 401,
            f"{operation} with another fault, without a token",
            expected=f"401 (with the token it is {control.status})",
            got=exchange.summary,
            by=(exchange, control),
        )
