"""Refused saves leave no trace; web clients are let in from everywhere (api_v1 1.11 to 1.13)."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pollux.conformance.calls import Call, good_calls
from pollux.conformance.check import verifies
from pollux.conformance.judge import Judge
from pollux.conformance.named import PERSONALIZATIONS, PROMPTS, Kind, items_of
from pollux.conformance.stage import Stage
from pollux.polling.exchange import Exchange
from pollux.polling.redaction import INVENTED

_JSON = {"Content-Type": "application/json"}


@verifies("REFUSED-NO-NAMED-TEXT", slow=True)
def test_a_refused_save_changes_nothing(stage: Stage, judge: Judge) -> None:
    """Saves with one fault each, to a name that is there and to one that is not."""
    for kind in (PROMPTS, PERSONALIZATIONS):
        there, new = stage.name(), stage.name()
        kind.saved(stage, there, kind.content("the old one"))
        before = _state(stage, kind, there, new)
        for what, exchange in _doubtful_saves(stage, kind, (there, new)):
            after = _state(stage, kind, there, new)
            # Whether it had to be refused is judged elsewhere.
            if 400 <= exchange.status < 500:
                judge.that(
                    "REFUSED-NO-NAMED-TEXT",
                    after == before,
                    f"the {kind.what}s of the user after a save {what}, which was refused",
                    expected="those of before, as they were",
                    got=_change(before, after),
                    by=exchange,
                )
            before = after


def _doubtful_saves(
    stage: Stage, kind: Kind, names: tuple[str, str]
) -> Iterator[tuple[str, Exchange]]:
    """Send saves one by one that some or all servers refuse."""
    api, good = stage.user.api, kind.content("the new one")
    for name in names:
        body = {"name": name, "content": good}
        text = json.dumps(body).encode()
        where = "over an existing one" if name == names[0] else "of a new one"
        requests: dict[str, dict[str, Any]] = {
            "with content of the wrong type": {"body": {"name": name, "content": 5}},
            "with content that is a list": {"body": {"name": name, "content": [good]}},
            "with a field that nobody knows": {"body": {**body, "colour": "blue"}},
            "with something after its JSON": {"content": text + b" and more", "headers": _JSON},
            "in a list": {"body": [body]},
            "as plain text": {"content": text, "headers": {"Content-Type": "text/plain"}},
            "without a token": {"body": body, "authorization": None},
            "with an unknown token": {"body": body, "authorization": f"Bearer {INVENTED}1"},
        }
        for what, request in requests.items():
            operation = f"save{kind.what.title()}"
            yield f"{where} {what}", api.request("POST", kind.path, operation=operation, **request)
    for bad in (f"{names[0]}.", f"{names[1]} ", f"../{names[1]}", f"x/{names[0]}"):
        yield f"under the name {bad!r}", kind.save(api, bad, good)


def _state(stage: Stage, kind: Kind, there: str, new: str) -> dict[str, Any]:
    """Return what the list tells of names with THERE or NEW in them, and the content of THERE."""
    listed, _ = kind.listed(stage)
    items = {str(item.get("name")): item for item in items_of(listed)}
    state: dict[str, Any] = {name: items[name] for name in items if there in name or new in name}
    state[f"content of {there}"] = kind.read(stage, there).payload.get("content")
    return state


def _change(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return ", ".join(f"{name}: {before.get(name)} -> {after.get(name)}" for name in changed)[:500]


_ORIGINS = ("https://pollux-check.example", "http://localhost:5173")
_SAFE_METHODS = ("GET", "HEAD", "POST")  # allowed to a web page whatever a preflight says


@verifies("CORS-PREFLIGHT", "CORS-HEADERS", "CORS-NO-CREDENTIALS")
def test_a_preflight_lets_a_web_client_call_every_operation(stage: Stage, judge: Judge) -> None:
    """A browser asks without a token whether it may send one."""
    for operation, (method, path) in _operations(stage).items():
        asked = {
            "Origin": stage.random.choice(_ORIGINS),
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "authorization, content-type",
        }
        exchange = stage.anonymous.request("OPTIONS", path, operation=operation, headers=asked)
        methods = _words(exchange, "access-control-allow-methods")
        judge.that(
            "CORS-PREFLIGHT",
            exchange.ok
            and _allows(exchange, asked["Origin"])
            and (method in _SAFE_METHODS or bool({method.lower(), "*"} & methods)),
            f"a preflight for {method} {path}",
            expected=f"2xx that allows the origin {asked['Origin']} and {method}",
            got=f"{exchange.summary}, {_cors(exchange)}",
            by=exchange,
        )
        headers = _words(exchange, "access-control-allow-headers")
        judge.that(
            "CORS-HEADERS",
            # A browser does not take "*" for Authorization.
            "authorization" in headers and bool({"content-type", "*"} & headers),
            f"the headers that a preflight for {method} {path} allows",
            expected="Authorization, Content-Type",
            got=_cors(exchange),
            by=exchange,
        )
        _no_credentials(judge, exchange)


@verifies("CORS-ANY-ORIGIN", "CORS-NO-CREDENTIALS")
def test_answers_may_be_read_from_every_origin(stage: Stage, judge: Judge) -> None:
    """Successes and failures alike: a web client has to be able to read why it was refused."""
    calls, _ = good_calls(stage)
    read = [call for call in calls.values() if call.method == "GET"]
    read += [Call("listModels", "GET", "/models"), Call("health", "GET", "/health")]
    unknown = stage.name("no-such")
    for origin in _ORIGINS:
        lines = {"Origin": origin}
        answers = [call.send(stage.user.api, headers=lines) for call in read]
        answers += [
            stage.anonymous.request("GET", "/prompts", operation="listPrompts", headers=lines),
            stage.user.api.request("GET", f"/prompts/{unknown}", headers=lines),
            stage.user.api.request("GET", f"/{unknown}", headers=lines),
            stage.user.api.request(
                "POST", "/messages", operation="sendMessage", body={}, headers=lines
            ),
        ]
        for exchange in answers:
            judge.that(
                "CORS-ANY-ORIGIN",
                _allows(exchange, origin),
                f"an answer {exchange.status} to a request from {origin}",
                expected=f"Access-Control-Allow-Origin: * or {origin}",
                got=_cors(exchange),
                by=exchange,
            )
            _no_credentials(judge, exchange)


def _operations(stage: Stage) -> dict[str, tuple[str, str]]:
    """Return method and path of each operation; a preflight asks of objects that need not be."""
    name = stage.name()
    return {
        "createConversation": ("POST", "/conversations"),
        "listConversations": ("GET", "/conversations"),
        "getConversation": ("GET", "/conversations/conv_20260123_234245_036"),
        "deleteConversation": ("DELETE", "/conversations/conv_20260123_234245_036"),
        "sendMessage": ("POST", "/messages"),
        "pollTask": ("GET", f"/tasks/{name}"),
        "cancelTask": ("POST", f"/tasks/{name}/cancel"),
        "uploadFile": ("POST", "/files/upload"),
        "listFiles": ("GET", "/files"),
        "downloadFile": ("GET", "/files/download"),
        "listPrompts": ("GET", "/prompts"),
        "savePrompt": ("POST", "/prompts"),
        "getPrompt": ("GET", f"/prompts/{name}"),
        "listPersonalizations": ("GET", "/personalizations"),
        "savePersonalization": ("POST", "/personalizations"),
        "getPersonalization": ("GET", f"/personalizations/{name}"),
        "listModels": ("GET", "/models"),
        "health": ("GET", "/health"),
    }


def _no_credentials(judge: Judge, exchange: Exchange) -> None:
    judge.that(
        "CORS-NO-CREDENTIALS",
        "true" not in _words(exchange, "access-control-allow-credentials"),
        "an answer to a foreign origin",
        expected="no Access-Control-Allow-Credentials: true",
        got=_cors(exchange),
        by=exchange,
    )


def _allows(exchange: Exchange, origin: str) -> bool:
    return exchange.header("access-control-allow-origin") in ("*", origin)


def _words(exchange: Exchange, header: str) -> set[str]:
    return {word.strip().lower() for word in (exchange.header(header) or "").split(",")}


def _cors(exchange: Exchange) -> str:
    prefix = "access-control-"
    lines = [
        f"{name}: {value}" for name, value in exchange.headers if name.lower().startswith(prefix)
    ]
    return "; ".join(lines) or "no Access-Control header"
