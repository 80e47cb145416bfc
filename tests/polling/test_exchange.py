"""An exchange can be shown, and sent again by its curl line."""

import shutil
import subprocess

import pytest

from pollux.polling.errors import NotJsonError
from pollux.polling.exchange import Exchange, FormPart
from pollux.polling.redaction import Redactor
from tests.polling.exchanges import exchange

REDACTOR = Redactor({"s3cret-token": "$TOKEN", "s3cret-toke": "${TOKEN%?}"})


def _words(shown: Exchange) -> list[str]:
    """Return what curl would be given, by a shell in which it is a function."""
    script = 'curl() { for word in "$@"; do printf "%s\\0" "$word"; done; }; ' + shown.as_curl()
    shell = shutil.which("sh") or "/bin/sh"
    done = subprocess.run(
        [shell, "-c", script],
        env={"TOKEN": "s3cret-token", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=True,
    )
    return done.stdout.decode().split("\0")[:-1]


def test_the_curl_line_has_no_secret_and_gets_it_from_the_shell() -> None:
    shown = exchange(
        {"success": True},
        method="POST",
        url="http://server/api/v1/messages?x=a%20b",
        request_headers=REDACTOR.headers(
            [
                ("Host", "server"),
                ("Authorization", "Bearer s3cret-token"),
                ("Content-Type", "application/json"),
            ]
        ),
        request_body=b'{"message": "it\'s $5 & \xe4\xbd\xa0 `ls`"}',
        redactor=REDACTOR,
    )
    assert "s3cret" not in shown.as_curl()
    assert 'Bearer $TOKEN"' in shown.as_curl()
    assert _words(shown) == [
        "-sS",
        "-i",
        "-X",
        "POST",
        "-H",
        "Authorization: Bearer s3cret-token",
        "-H",
        "Content-Type: application/json",
        "--data-binary",
        '{"message": "it\'s $5 & 你 `ls`"}',
        "--path-as-is",
        "-g",
        "http://server/api/v1/messages?x=a%20b",
    ]


@pytest.mark.parametrize(
    "header",
    ["Bearer s3cret-tokenx", "Bearer s3cret-toke", "Basic s3cret-token", 'odd "s3cret-token"'],
)
def test_a_token_that_was_tampered_with_is_said_by_the_shell_too(header: str) -> None:
    shown = exchange(request_headers=(("X-Tried", REDACTOR.text(header)),), redactor=REDACTOR)
    assert "s3cret" not in shown.as_curl()
    assert f"X-Tried: {header}" in _words(shown)


def test_an_upload_can_be_sent_again() -> None:
    shown = exchange(
        method="POST",
        form=(
            FormPart("file", b"hello", "it's ü.txt"),
            FormPart("dir", b"a b/@c"),
        ),
    )
    assert shown.as_curl().startswith("printf %s hello | curl ")
    words = _words(shown)
    assert words[words.index("-F") + 1] == 'file=@-;filename="it\'s ü.txt"'
    assert words[words.index("--form-string") + 1] == "dir=a b/@c"


def test_an_upload_of_many_bytes_is_sent_again_with_as_many() -> None:
    shown = exchange(method="POST", form=(FormPart("file", b"\xff" * 5000, "x.bin"),))
    assert shown.as_curl().startswith("head -c 5000 /dev/urandom | curl ")


def test_an_empty_header_is_sent_as_an_empty_one() -> None:
    assert "Authorization;" in _words(exchange(request_headers=(("Authorization", ""),)))


def test_a_very_long_body_is_cut() -> None:
    shown = exchange(method="POST", request_body=b"x" * 100_000)
    assert len(shown.as_curl()) < 20_000
    assert "more characters" in shown.as_curl()


def test_data_without_secrets() -> None:
    shown = exchange(
        {"success": True, "echo": "s3cret-token"},
        headers=(("Content-Type", "application/json"), ("Set-Cookie", "session=1; Path=/")),
        redactor=REDACTOR,
    )
    data = shown.as_dict(body_limit=30)
    assert "s3cret" not in str(data)
    assert data["response"]["status"] == 200
    assert data["response"]["headers"][1] == ["Set-Cookie", "session=<redacted>; Path=/"]
    assert data["at"] == "2023-11-14T22:13:20.000+00:00"
    assert shown.json["echo"] == "s3cret-token"  # what is judged is what came


@pytest.mark.parametrize(
    "body", [b"<html>", b"", b"NaN", b'{"a": Infinity}', b"\xff", b"[" * 10**6]
)
def test_what_is_no_json(body: bytes) -> None:
    with pytest.raises(NotJsonError):
        _ = exchange(body).json
    assert exchange(body).payload == {}


@pytest.mark.parametrize("body", [[], "text", 5, None])
def test_what_is_no_object_has_no_fields(body: object) -> None:
    assert exchange(body).payload == {}


def test_an_answer_in_a_few_words() -> None:
    assert exchange({"success": True}).summary == "200 OK"
    assert exchange({"error": "no such"}, status=404).summary == "404 Not Found 'no such'"
    assert exchange({}, status=799).summary == "799"
    assert exchange(status=0, error="timed out").summary == "no answer (timed out)"


def test_headers_are_found_in_any_case_and_joined() -> None:
    shown = exchange(headers=(("Vary", "a"), ("VARY", "b")))
    assert shown.header("vary") == "a, b"
    assert shown.header("absent") is None
