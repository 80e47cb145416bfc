"""The envelope, tokens, bodies, CORS: what holds for every route (api_v1 1)."""

import json
import socket

import httpx
import pytest

from pollux.schemas.openapi import operations
from tests.reference_server.conftest import Api

BODIES = ["/conversations", "/messages", "/prompts", "/personalizations"]


def refused(response: httpx.Response, *statuses: int) -> None:
    assert response.status_code in statuses, response.text
    answer = response.json()
    assert answer["success"] is False
    assert isinstance(answer["error"], str)
    assert answer["error"]


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Basic abc", "Token {}", "{}", "Bearer {}x", "Bearer x{}"],
)
def test_without_a_known_bearer_token_every_operation_answers_401(
    api: Api, header: str | None
) -> None:
    headers = {} if header is None else {"Authorization": header.format(api.token)}
    for operation in operations():
        path = operation.path.replace("{", "").replace("}", "")
        url = f"{api.server.base_url}/api/v1{path}"
        response = httpx.request(operation.method, url, headers=headers)
        if operation.secured:
            refused(response, 401)
            assert response.headers["WWW-Authenticate"].startswith("Bearer")
        else:
            assert response.status_code == 200


@pytest.mark.parametrize("header", ["bearer {}", "BEARER {}", "Bearer   {}"])
def test_the_scheme_word_is_taken_in_any_case_with_blanks_around(api: Api, header: str) -> None:
    response = api.http.get("/prompts", headers={"Authorization": header.format(api.token)})
    assert response.status_code == 200


def test_the_token_counts_nowhere_else(api: Api) -> None:
    url = f"{api.server.base_url}/api/v1/messages"
    body = {"message": "x", "token": api.token, "Authorization": f"Bearer {api.token}"}
    params = {"token": api.token, "access_token": api.token}
    headers = {"X-Api-Key": api.token, "Cookie": f"token={api.token}"}
    refused(httpx.post(url, json=body, params=params, headers=headers), 401)


def test_errors_of_the_framework_are_in_the_envelope(api: Api) -> None:
    refused(api.http.get("/nowhere"), 404)
    refused(httpx.get(f"{api.server.base_url}/nowhere/at/all"), 404)
    refused(api.http.get("/conversations/"), 404)
    refused(api.http.get("//conversations"), 404)
    response = api.http.put("/conversations", json={})
    refused(response, 405)
    assert "POST" in response.headers["Allow"]


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize(
    "body",
    [
        b"{", b"[]", b'["x"]', b'"x"', b"5", b"null", b"true", b"\xff\xfe", b'{"message": NaN}',
        b'{"message": "x", "max_iterations": 1e999}', b'{"message": "\\ud800"}', b"[" * 200_000,
        b'{"name": ' + b"9" * 5000 + b"}", b'{"message": "x"} {}',
    ],
)  # fmt: skip
def test_a_body_that_is_no_json_object_is_refused(api: Api, path: str, body: bytes) -> None:
    response = api.http.post(path, content=body, headers={"Content-Type": "application/json"})
    refused(response, 400)


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_another_content_type_is_refused(api: Api, path: str, content_type: str) -> None:
    response = api.http.post(
        path, content=b'{"message": "x"}', headers={"Content-Type": content_type}
    )
    refused(response, 415)


def test_a_body_that_is_too_large_is_refused(api: Api) -> None:
    refused(api.http.post("/messages", json={"message": "x" * (5 << 20)}), 413)


def test_json_answers_are_not_stored_and_not_guessed_and_set_no_cookie(api: Api) -> None:
    task = api.send("say 1")["task_id"]
    for response in (api.http.get("/models"), api.http.get(f"/tasks/{task}"), api.http.get("/no")):
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in response.headers
        assert "Set-Cookie" not in response.headers


def test_a_preflight_is_answered_without_a_token(api: Api) -> None:
    response = httpx.options(
        f"{api.server.base_url}/api/v1/messages",
        headers={"Origin": "https://app.example", "Access-Control-Request-Method": "POST"},
    )
    assert response.status_code == 204
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "POST" in response.headers["Access-Control-Allow-Methods"]
    allowed = response.headers["Access-Control-Allow-Headers"].lower()
    assert "authorization" in allowed
    assert "content-type" in allowed
    both = httpx.options(f"{api.server.base_url}/api/v1/prompts")
    assert {"GET", "POST"} <= set(both.headers["Allow"].split(", "))


def test_malformed_http_is_refused_in_the_envelope(api: Api) -> None:
    with socket.create_connection(("127.0.0.1", api.server.wsgi.port), timeout=10) as connection:
        connection.sendall(b"GET /api/v1/health HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n")
        answer = b""
        while data := connection.recv(65536):
            answer += data
    assert answer.split()[1] == b"400"
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["success"] is False


def test_the_log_of_requests_holds_no_token(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        api.http.get("/prompts", params={"token": api.token})
        httpx.get(f"{api.server.base_url}/api/v1/prompts", headers={"Authorization": "Bearer zzz"})
    access = [r.getMessage() for r in caplog.records if r.name == "pollux.access"]
    assert any("GET /api/v1/prompts 200" in line for line in access)
    assert not any(api.token in line or "zzz" in line for line in access)


def test_the_page_shows_every_operation_and_carries_no_secret(api: Api) -> None:
    page = httpx.get(f"{api.server.base_url}/")
    assert page.headers["Content-Type"].startswith("text/html")
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    for operation in operations():
        assert operation.path in page.text
    document = httpx.get(f"{api.server.base_url}/openapi.yaml")
    assert (
        document.text.lstrip("# \n").startswith("The 18 operations") or "openapi:" in document.text
    )
    assert httpx.get(f"{api.server.base_url}/home.js").status_code == 200


def test_a_user_added_or_removed_while_the_server_runs_is_known_at_once(api: Api) -> None:
    token = api.server.services.users.add("late")
    headers = {"Authorization": f"Bearer {token}"}
    assert api.http.get("/prompts", headers=headers).status_code == 200
    api.server.services.users.remove("late")
    refused(api.http.get("/prompts", headers=headers), 401)
