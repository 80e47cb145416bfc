"""Makes exchanges without a network."""

import json
from collections.abc import Mapping
from typing import Any

from pollux.polling.breach import Breach
from pollux.polling.exchange import Exchange, FormPart
from pollux.polling.redaction import Redactor

JSON_HEADERS = (
    ("Content-Type", "application/json"),
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
)


def exchange(
    body: object = None,
    *,
    status: int = 200,
    operation: str | None = "health",
    method: str = "GET",
    url: str = "http://server/api/v1/health",
    headers: tuple[tuple[str, str], ...] = JSON_HEADERS,
    request_headers: tuple[tuple[str, str], ...] = (),
    request_body: bytes = b"",
    form: tuple[FormPart, ...] = (),
    error: str | None = None,
    sent: float = 0.0,
    received: float = 0.0,
    redactor: Redactor | None = None,
) -> Exchange:
    """Return an exchange; a BODY of bytes is taken as it is, anything else as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Exchange(
        operation=operation,
        method=method,
        url=url,
        request_headers=request_headers,
        request_body=request_body,
        status=status,
        headers=headers,
        body=raw,
        error=error,
        started_at=1_700_000_000.0,
        elapsed_ms=(received - sent) * 1000,
        sent=sent,
        received=received,
        form=form,
        redactor=redactor or Redactor(),
    )


class Notebook:
    """A sink that keeps what it is told."""

    def __init__(self) -> None:
        self.breaches: list[Breach] = []
        self.held_rules: set[str] = set()

    def held(self, requirement: str) -> None:
        self.held_rules.add(requirement)

    def breached(self, breach: Breach) -> None:
        self.breaches.append(breach)

    @property
    def broken(self) -> set[str]:
        return {breach.requirement for breach in self.breaches}


def poll_body(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of an answered poll."""
    return {"success": True, "data": dict(data)}
