"""The rules that every single answer of every operation keeps, whatever was asked.

Each breach is charged to its requirement. What an answer says about a task in the course of
time is the matter of :mod:`pollux.polling.invariants`.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from pollux.polling.breach import Breach, Sink
from pollux.polling.errors import NotJsonError
from pollux.polling.exchange import Exchange
from pollux.schemas.openapi import response_schema

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError
    from jsonschema_rs import Draft202012Validator as FastValidator

# The requirement that the shape of an operation's success is charged to; where one field has
# a requirement of its own, it stands here by its path.
_SHAPES = {
    "createConversation": "CONV-CREATE-SHAPE",
    "createConversation/conversation_id": "CONV-ID-PATTERN",
    "listConversations": "CONV-LIST-SHAPE",
    "listConversations/data/id": "CONV-ID-PATTERN",
    "getConversation": "CONV-GET-SHAPE",
    "getConversation/data/id": "CONV-ID-PATTERN",
    "getConversation/data/messages": "CONV-MESSAGE-SHAPE",
    "deleteConversation": "CONV-DELETE-SHAPE",
    "sendMessage": "SEND-SHAPE",
    "sendMessage/task_id": "SEND-TASK-ID-UUID",
    "sendMessage/conversation_id": "CONV-ID-PATTERN",
    "sendMessage/status": "SEND-STATUS-LIVE",
    "sendMessage/created_at": "SEND-CREATED-AT",
    "pollTask": "POLL-SHAPE",
    "pollTask/data/status": "TASK-STATUS-KNOWN",
    "pollTask/data/window_start": "RING-WINDOW-START-TRUE",
    "cancelTask": "ENVELOPE-SUCCESS",
    "uploadFile": "FILE-UPLOAD-SHAPE",
    "listFiles": "FILE-LIST-SHAPE",
    "listPrompts": "PROMPT-LIST-SHAPE",
    "savePrompt": "PROMPT-SAVE-SHAPE",
    "getPrompt": "PROMPT-GET-SHAPE",
    "listPersonalizations": "PERSONALIZATION-LIST-SHAPE",
    "savePersonalization": "PERSONALIZATION-SAVE-SHAPE",
    "getPersonalization": "PERSONALIZATION-GET-SHAPE",
    "listModels": "MODEL-LIST-SHAPE",
    "health": "HEALTH-SHAPE",
}
_DOWNLOAD = "downloadFile"
_POLL = "pollTask"

# Cookies that load balancers set for themselves; they let nobody in.
_PROXY_COOKIES = (
    "__cf",
    "_cfuvid",
    "cf_",
    "AWSALB",
    "GCLB",
    "SERVERID",
    "INGRESSCOOKIE",
    "ARRAffinity",
)


def rules() -> frozenset[str]:
    """Return the ids of all requirements that :func:`judge_answer` may charge."""
    return frozenset(_SHAPES.values()) | {
        "COMMON-NO-SERVER-ERROR",
        "AUTH-NO-COOKIE",
        "ENVELOPE-SUCCESS",
        "ENVELOPE-FAILURE",
        "ENVELOPE-STATUS-AGREES",
        "HEADER-WWW-AUTHENTICATE",
        "HEADER-NO-STORE",
        "HEADER-NOSNIFF",
        "POLL-NEXT-OFFSET-NOT-NEGATIVE",
    }


def judge_answer(exchange: Exchange, sink: Sink) -> None:
    """Tell SINK which of the rules EXCHANGE keeps and which it breaks (api_v1 1.2 to 1.8, 2)."""
    if not exchange.answered:
        return
    judge = _AnswerJudge(exchange, sink)
    judge.common()
    if exchange.method in ("HEAD", "OPTIONS"):
        return
    if exchange.status >= 400:
        judge.failure()
    elif exchange.ok and exchange.operation and exchange.operation != _DOWNLOAD:
        judge.success()
        judge.shape()


class _AnswerJudge:
    def __init__(self, exchange: Exchange, sink: Sink) -> None:
        self._exchange = exchange
        self._sink = sink

    def common(self) -> None:
        exchange = self._exchange
        self._that(
            "COMMON-NO-SERVER-ERROR",
            exchange.status < 500 or exchange.status == 503,
            "the status of an answer",
            "no 5xx but 503",
            exchange.summary,
        )
        cookies = [value for name, value in exchange.headers if name.lower() == "set-cookie"]
        names = [value.partition("=")[0].strip() for value in cookies]
        own = [name for name in names if not name.startswith(_PROXY_COOKIES)]
        self._that(
            "AUTH-NO-COOKIE",
            not own,
            "the cookies that an answer sets",
            "no session cookie",
            f"Set-Cookie: {', '.join(own)}",
        )
        if exchange.status == 401:
            scheme = exchange.header("www-authenticate") or ""
            self._that(
                "HEADER-WWW-AUTHENTICATE",
                "bearer" in scheme.lower(),
                "the headers of an answer 401",
                "WWW-Authenticate: Bearer",
                f"WWW-Authenticate: {scheme}" if scheme else "no WWW-Authenticate",
            )
        if "json" in (exchange.header("content-type") or "").lower():
            self._json_headers()

    def _json_headers(self) -> None:
        cache_control = self._exchange.header("cache-control") or ""
        self._that(
            "HEADER-NO-STORE",
            "no-store" in cache_control.lower(),
            "the headers of a JSON answer",
            "Cache-Control: no-store",
            f"Cache-Control: {cache_control}" if cache_control else "no Cache-Control",
        )
        options = self._exchange.header("x-content-type-options") or ""
        self._that(
            "HEADER-NOSNIFF",
            "nosniff" in options.lower(),
            "the headers of a JSON answer",
            "X-Content-Type-Options: nosniff",
            f"X-Content-Type-Options: {options}" if options else "no X-Content-Type-Options",
        )

    def failure(self) -> None:
        body = self._object("ENVELOPE-FAILURE", "the body of a failure")
        if body is None:
            return
        if body.get("success") is not True:
            self._sink.held("ENVELOPE-STATUS-AGREES")
        else:
            self._breach(
                "ENVELOPE-STATUS-AGREES",
                "status and `success` of a failure",
                "success: false with a status of 4xx or 5xx",
                f"success: true with {self._exchange.status}",
            )
        text = body.get("error")
        self._that(
            "ENVELOPE-FAILURE",
            "success" in body and isinstance(text, str) and bool(text.strip()),
            "the body of a failure",
            '{"success": false, "error": "<a non-empty text>"}',
            f"success: {_shown(body, 'success')}, error: {_shown(body, 'error')}",
        )

    def success(self) -> None:
        body = self._object("ENVELOPE-SUCCESS", "the body of a success")
        if body is None:
            return
        if body.get("success") is False:
            self._breach(
                "ENVELOPE-STATUS-AGREES",
                "status and `success` of a success",
                "success: true with a status of 2xx",
                f"success: false with {self._exchange.status}",
            )
            return
        self._sink.held("ENVELOPE-STATUS-AGREES")
        self._that(
            "ENVELOPE-SUCCESS",
            body.get("success") is True,
            "the body of a success",
            "an object with success: true",
            f"success: {_shown(body, 'success')}",
        )

    def shape(self) -> None:
        exchange = self._exchange
        operation = exchange.operation
        if operation is None or not exchange.payload:
            return
        if response_schema(operation, exchange.status) is None:
            return
        payload = _without_events(exchange.payload) if operation == _POLL else exchange.payload
        told = set()
        for error in _errors(operation, exchange.status, payload):
            if list(error.absolute_path) == ["success"] or _lacks_success(error):
                continue  # that is the envelope's matter
            rule = _rule(operation, error)
            if rule not in told:
                told.add(rule)
                place = error.json_path.replace("$", "the body", 1)
                self._breach(
                    rule,
                    f"the shape of {operation}'s answer",
                    f"{place} as in openapi.yaml",
                    error.message[:300],
                )
        for place, rule in _SHAPES.items():
            name, *way = place.split("/")
            if name == operation and rule not in told and _has(payload, way):
                self._sink.held(rule)

    def _object(self, rule: str, what: str) -> Mapping[str, Any] | None:
        try:
            body = self._exchange.json
        except NotJsonError as error:
            kind = self._exchange.header("content-type") or "no content type"
            self._breach(rule, what, "a JSON object", f"{kind}; {error}")
            return None
        if not isinstance(body, dict):
            self._breach(rule, what, "a JSON object", f"a JSON {type(body).__name__}")
            return None
        return body

    def _that(self, rule: str, holds: bool, message: str, expected: str, got: str) -> None:
        if holds:
            self._sink.held(rule)
        else:
            self._breach(rule, message, expected, got)

    def _breach(self, rule: str, message: str, expected: str, got: str) -> None:
        self._sink.breached(Breach(rule, message, expected, got, (self._exchange,)))


def _errors(operation: str, status: int, payload: Any) -> "Iterable[ValidationError]":
    """Return what is wrong with the shape of PAYLOAD; nearly always nothing, which is fast."""
    fast, validator = _validators(operation, status)
    return () if fast.is_valid(payload) else validator.iter_errors(payload)


@cache
def _validators(operation: str, status: int) -> "tuple[FastValidator, Draft202012Validator]":
    import jsonschema_rs
    from jsonschema import Draft202012Validator

    schema = response_schema(operation, status) or {}
    return jsonschema_rs.Draft202012Validator(schema), Draft202012Validator(schema)


def _without_events(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """Leave the events to the invariants of the task, which read each of them once."""
    data = payload.get("data")
    if isinstance(data, dict) and isinstance(data.get("events"), list):
        return {**payload, "data": {**data, "events": []}}
    return payload


def _rule(operation: str, error: "ValidationError") -> str:
    """Return the requirement that a validation ERROR is charged to: the most special one."""
    names = [part for part in error.absolute_path if isinstance(part, str)]
    if operation == _POLL and names == ["data", "next_offset"] and error.validator == "minimum":
        return "POLL-NEXT-OFFSET-NOT-NEGATIVE"
    while names:
        rule = _SHAPES.get("/".join([operation, *names]))
        if rule is not None:
            return rule
        names.pop()
    return _SHAPES[operation]


def _has(value: Any, way: list[str]) -> bool:
    """Tell whether there is anything at the end of this WAY through objects and lists."""
    if isinstance(value, list):
        return any(_has(entry, way) for entry in value)
    if not way:
        return True
    return isinstance(value, dict) and way[0] in value and _has(value[way[0]], way[1:])


def _lacks_success(error: "ValidationError") -> bool:
    return error.validator == "required" and error.message.startswith("'success'")


def _shown(body: Mapping[str, Any], name: str) -> str:
    return repr(body[name])[:200] if name in body else "(absent)"
