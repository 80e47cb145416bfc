"""How success and failure look, and what is refused before any operation (api_v1 1.1 to 1.11)."""

import json
from typing import Any

from pollux.conformance.calls import JSON_OPERATIONS, Call, good_calls
from pollux.conformance.check import verifies
from pollux.conformance.judge import Judge
from pollux.conformance.stage import Stage, User
from pollux.polling.exchange import Exchange

_JSON = {"Content-Type": "application/json"}


@verifies(
    "COMMON-PREFIX",
    "COMMON-NO-SERVER-ERROR",
    "ENVELOPE-SUCCESS",
    "ENVELOPE-STATUS-AGREES",
    "HEADER-NO-STORE",
    "HEADER-NOSNIFF",
)
def test_every_operation_answers_under_the_prefix(stage: Stage, judge: Judge) -> None:
    """Each of the 18 operations works, and its success has the one envelope."""
    calls, _ = good_calls(stage)
    for call in [
        *calls.values(),
        Call("listModels", "GET", "/models"),
        Call("health", "GET", "/health"),
    ]:
        exchange = call.send(stage.user.api)
        _note(stage.user, exchange)
        judge.that(
            "COMMON-PREFIX",
            exchange.ok or exchange.status == 409,
            f"{call.method} /api/v1{call.path}",
            expected=f"a success, such as {call.success}, of {call.operation}",
            got=exchange.summary,
            by=exchange,
        )


@verifies("ENVELOPE-UNKNOWN-ROUTE", "ENVELOPE-FAILURE", "ENVELOPE-STATUS-AGREES")
def test_an_unknown_route_is_404_in_json(stage: Stage, judge: Judge) -> None:
    """Also what only the framework sees is answered in JSON."""
    user = stage.user
    conversation = user.conversation()
    unknown = stage.name("no-such-route")
    paths = [f"/{unknown}", f"/{unknown}/deeper", f"/conversations/{conversation}/{unknown}/x"]
    for path in paths:
        for method in ("GET", "POST"):
            exchange = user.api.request(method, path)
            judge.that(
                "ENVELOPE-UNKNOWN-ROUTE",
                exchange.status == 404 and _is_failure(exchange),
                f"{method} {path}, which no operation has",
                expected='404 {"success": false, "error": ...}',
                got=_in_short(exchange),
                by=exchange,
            )


@verifies("ENVELOPE-WRONG-METHOD", "ENVELOPE-FAILURE")
def test_a_wrong_method_is_405_in_json(stage: Stage, judge: Judge) -> None:
    """A path knows its methods. PATCH is one that hardly any server adds."""
    user = stage.user
    task = user.start()
    conversation = f"/conversations/{task.conversation_id}"
    wrong = [
        ("PATCH", path)
        for path in (
            "/conversations",
            conversation,
            "/messages",
            f"/tasks/{task.id}",
            f"/tasks/{task.id}/cancel",
            "/files/upload",
            "/files",
            "/files/download",
            "/prompts",
            "/personalizations",
            "/models",
            "/health",
        )
    ]
    wrong += [("GET", f"/tasks/{task.id}/cancel"), ("PUT", "/messages"), ("DELETE", "/health")]
    for method, path in wrong:
        exchange = user.api.request(method, path)
        judge.that(
            "ENVELOPE-WRONG-METHOD",
            exchange.status == 405 and _is_failure(exchange),
            f"{method} {path}",
            expected='405 {"success": false, "error": ...}',
            got=_in_short(exchange),
            by=exchange,
        )


@verifies("ENVELOPE-CONTENT-TYPE", "ENVELOPE-FAILURE")
def test_a_wrong_content_type_is_415_or_400_in_json(stage: Stage, judge: Judge) -> None:
    """What is no JSON is refused; JSON that is called something else may be read all the same."""
    calls, _ = good_calls(stage)
    for operation in (*JSON_OPERATIONS, "uploadFile"):
        call = calls[operation]
        bodies = [
            ("application/xml", b"<message>hello</message>"),
            ("text/plain", b'{"file": "text"}' if call.form else b"hello"),
        ]
        if call.form:
            bodies += [("application/json", b'{"file": "text"}')]
        else:
            good = json.dumps(call.body).encode()
            bodies += [(kind, good) for kind in ("text/plain", "application/xml")]
        for kind, content in bodies:
            exchange = call.send(
                stage.user.api, form=(), content=content, headers={"Content-Type": kind}
            )
            _note(stage.user, exchange)
            if exchange.status == 202:
                stage.user.tasks[-1].clear()
            # One operation needs no body; a server that reads JSON by any name has read some.
            is_json = content.startswith(b"{") and not call.form
            read = operation == "createConversation" or is_json
            judge.that(
                "ENVELOPE-CONTENT-TYPE",
                (exchange.status in (400, 415) and _is_failure(exchange))
                or (read and exchange.status == call.success),
                f"{operation} with a body of {kind}",
                expected="415 or 400 and the failure object",
                got=_in_short(exchange),
                by=exchange,
            )
        _control(judge, stage.user, call)


@verifies("ENVELOPE-MALFORMED-JSON", "ENVELOPE-FAILURE", "COMMON-NO-SERVER-ERROR")
def test_malformed_json_is_400_in_json(stage: Stage, judge: Judge) -> None:
    """What is declared as JSON and is none is refused, by every operation that reads JSON."""
    calls, _ = good_calls(stage)
    for operation in JSON_OPERATIONS:
        call = calls[operation]
        good = json.dumps(call.body)
        bodies = {
            "cut off": good[:-1].encode() or b"{",
            "with single quotes": b"{'message': 'x', 'name': 'x'}",
            "with something after its end": good.encode() + b" and more",
            "of bytes that are no UTF-8": b'{"message": "\xff\xfe", "name": "\xff"}',
            "that is no JSON at all": b"message=hello",
        }
        attempts = {
            what: call.send(stage.user.api, content=body, headers=_JSON)
            for what, body in bodies.items()
        }
        _control(judge, stage.user, call)
        for what, exchange in attempts.items():
            _note(stage.user, exchange)
            judge.that(
                "ENVELOPE-MALFORMED-JSON",
                exchange.status == 400 and _is_failure(exchange),
                f"{operation} with a body {what}",
                expected='400 {"success": false, "error": ...}',
                got=_in_short(exchange),
                by=exchange,
            )


@verifies("COMMON-BODY-NOT-OBJECT", "COMMON-NO-SERVER-ERROR", "ENVELOPE-FAILURE")
def test_a_json_body_that_is_no_object_is_400(stage: Stage, judge: Judge) -> None:
    """Lists, texts, numbers and truth values are JSON, but not what any operation reads."""
    calls, _ = good_calls(stage)
    for operation in JSON_OPERATIONS:
        call = calls[operation]
        bodies: list[Any] = [[], [{"message": "x"}], "text", 5, 0.5, True]
        attempts = [(body, call.send(stage.user.api, body=body)) for body in bodies]
        _control(judge, stage.user, call)
        for body, exchange in attempts:
            _note(stage.user, exchange)
            judge.that(
                "COMMON-BODY-NOT-OBJECT",
                exchange.status == 400,
                f"{operation} with the body {json.dumps(body)}",
                expected="400",
                got=exchange.summary,
                by=exchange,
            )


@verifies("COMMON-FIELD-TYPE", "COMMON-NO-SERVER-ERROR", "ENVELOPE-FAILURE")
def test_a_field_of_the_wrong_type_is_400(stage: Stage, judge: Judge) -> None:
    """One field at a time is wrong, in a request that is otherwise good."""
    calls, _ = good_calls(stage)
    wrong: dict[str, dict[str, list[Any]]] = {
        "createConversation": {"prompt_name": [5, [], {}], "personalization_name": [5, True]},
        "sendMessage": {
            "message": [123, True, ["x"], {"text": "x"}],
            "images": ["x", 5, {"0": "x"}, [5]],
            "conversation_id": [5, ["x"]],
            "model_key": [5, ["x"]],
            "run_mode": [5, ["fast"]],
            "thinking_mode": ["true", 5, []],
            "max_iterations": ["5", [5], {}],
            "prompt_name": [5, ["x"]],
            "personalization_name": [5, ["x"]],
        },
        "savePrompt": {"name": [5, ["x"], {}], "content": [5, ["x"], {}]},
        "savePersonalization": {"name": [5, ["x"], {}]},
    }
    for operation, fields in wrong.items():
        call = calls[operation]
        attempts = [
            (field, value, call.with_fields(**{field: value}).send(stage.user.api))
            for field, values in fields.items()
            for value in values
        ]
        _control(judge, stage.user, call)
        for field, value, exchange in attempts:
            _note(stage.user, exchange)
            judge.that(
                "COMMON-FIELD-TYPE",
                exchange.status == 400,
                f"{operation} with {field} {json.dumps(value)}",
                expected="400",
                got=exchange.summary,
                by=exchange,
            )


def _control(judge: Judge, user: User, call: Call) -> None:
    """Send the good request: what the others were refused for is then what differs."""
    exchange = call.send(user.api)
    _note(user, exchange)
    judge.require(
        "ENVELOPE-SUCCESS",
        exchange.status in (call.success, 409),
        f"{call.operation} with a good request",
        expected=f"{call.success}",
        got=exchange.summary,
        by=exchange,
    )


def _note(user: User, exchange: Exchange) -> None:
    """Note what a request has made, wanted or not, so that it is taken away again."""
    made = exchange.payload.get("conversation_id")
    if exchange.operation == "sendMessage" and exchange.status == 202:
        user.task_of(exchange)
    elif exchange.ok and isinstance(made, str):
        user.made(made)


def _is_failure(exchange: Exchange) -> bool:
    text = exchange.payload.get("error")
    return exchange.payload.get("success") is False and isinstance(text, str) and bool(text)


def _in_short(exchange: Exchange) -> str:
    kind = exchange.header("content-type") or "no content type"
    return f"{exchange.summary} ({kind})"
