"""Secrets never reach evidence, logs or records, however they are spelled."""

import base64
import json
from urllib.parse import quote

import pytest

from pollux.polling.redaction import INVENTED, REDACTED, Redactor

SECRET = 'tok/en+"ü=3cr3t'


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        f"Bearer {SECRET}.",
        quote(SECRET, safe=""),
        json.dumps({"token": SECRET}),
        base64.b64encode(SECRET.encode()).decode(),
    ],
)
def test_a_secret_is_found_in_every_spelling(text: str) -> None:
    redacted = Redactor({SECRET: "$TOKEN"}).text(text)
    assert "$TOKEN" in redacted
    assert "3cr3t" not in redacted


def test_of_two_secrets_the_longer_one_is_found_first() -> None:
    redactor = Redactor({"secret-one": "$A", "secret-one-more": "$B"})
    assert redactor.text("secret-one-more secret-one") == "$B $A"


def test_a_short_secret_is_only_a_word() -> None:
    assert Redactor({"a": "$TOKEN"}).text("a banana, ?token=a") == "$TOKEN banana, ?token=$TOKEN"


def test_nothing_is_secret_by_default() -> None:
    assert Redactor({"": "$TOKEN"}).text("an open word") == "an open word"


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("Authorization", "Bearer known-secret", "Bearer $TOKEN"),
        ("authorization", "Bearer known-secretx", "Bearer $TOKENx"),
        ("Authorization", "Bearer somebody-elses", f"Bearer {REDACTED}"),
        ("Authorization", f"Bearer {INVENTED}1", f"Bearer {INVENTED}1"),
        ("Authorization", "Bearer", "Bearer"),
        ("Authorization", "", ""),
        ("Cookie", "session=known-secret; other=unknown", f"session=$TOKEN; {REDACTED}"),
        ("Set-Cookie", "session=abc; HttpOnly", f"session={REDACTED}; HttpOnly"),
        ("X-Api-Key", "whatever", REDACTED),
        ("Location", "/x?token=known-secret", "/x?token=$TOKEN"),
        ("Content-Type", "text/plain", "text/plain"),
    ],
)
def test_headers_show_no_credentials(name: str, value: str, shown: str) -> None:
    redactor = Redactor({"known-secret": "$TOKEN"})
    assert redactor.headers([(name, value)]) == ((name, shown),)
