"""One request with its answer, safe to show: what evidence and records are made of."""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from http import HTTPStatus
from typing import Any

from pollux.polling.errors import NotJsonError
from pollux.polling.redaction import Redactor

# A curl line longer than this is no longer copied by anybody.
_LONGEST_CURL_BODY = 16 * 1024
# Text that needs no care between double quotes, NUL standing for a variable.
_PLAIN_AROUND = re.compile(r"(?:[\w .,:;/=+@-]|\0(?!\w))*")
_LEFT_TO_CURL = frozenset(
    {"host", "content-length", "accept", "accept-encoding", "connection", "user-agent"}
)


@dataclass(frozen=True)
class FormPart:
    """One part of a multipart body, as far as it is needed to send it again.

    Attributes:
        name: Name of the form field.
        content: The bytes.
        filename: The file name sent, or None for a plain field.
    """

    name: str
    content: bytes
    filename: str | None = None


@dataclass(frozen=True)
class Exchange:
    """A request and what came back.

    The request is redacted when it is kept; the answer's body is kept as it came, because
    checks compare bytes, and is redacted by :meth:`as_dict`.

    Attributes:
        operation: Operation id of ``openapi.yaml``, or None for a request outside it.
        method: HTTP method.
        url: The URL as sent, secrets replaced.
        request_headers: Header lines as sent, secrets replaced.
        request_body: The body as sent, secrets replaced.
        status: HTTP status; 0 when no (whole) answer came, see ``error``.
        headers: Header lines of the answer.
        body: The body of the answer.
        error: Why there is no answer, or None.
        started_at: Epoch seconds at which the request was begun.
        elapsed_ms: Milliseconds until the last byte of the answer.
        sent: Clock of ``time.monotonic`` when the request was begun.
        received: The same clock when the answer was there.
        form: The parts of a multipart body.
    """

    operation: str | None
    method: str
    url: str
    request_headers: tuple[tuple[str, str], ...]
    request_body: bytes
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    error: str | None
    started_at: float
    elapsed_ms: float
    sent: float
    received: float
    form: tuple[FormPart, ...] = ()
    redactor: Redactor = field(default_factory=Redactor, repr=False, compare=False)

    @property
    def answered(self) -> bool:
        """Whether a whole answer came."""
        return self.status != 0

    @property
    def ok(self) -> bool:
        """Whether the status is a success (2xx)."""
        return 200 <= self.status < 300

    def header(self, name: str) -> str | None:
        """Return the answer's header NAME (any case), several lines joined, or None."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        return ", ".join(values) if values else None

    @cached_property
    def json(self) -> Any:
        """The answer's body as JSON.

        Raises:
            NotJsonError: when it is none; NaN and infinities are none either.
        """
        try:
            return json.loads(self.body, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise NotJsonError(f"the body is not JSON: {error}") from error

    @cached_property
    def payload(self) -> Mapping[str, Any]:
        """The answer's JSON object; empty when the body is anything else."""
        try:
            value = self.json
        except NotJsonError:
            return {}
        return value if isinstance(value, dict) else {}

    @property
    def summary(self) -> str:
        """The answer in a few words: status, and the error text of a failure."""
        if not self.answered:
            return f"no answer ({self.error})"
        try:
            words = f"{self.status} {HTTPStatus(self.status).phrase}"
        except ValueError:
            words = str(self.status)
        text = self.payload.get("error")
        if not self.ok and isinstance(text, str):
            words += f" {self.redactor.text(text)[:200]!r}"
        return words

    def as_curl(self) -> str:
        """Return a shell line that sends the request again; secrets stand as ``$TOKEN``."""
        words = ["curl", "-sS", "-i"]
        if self.method != "GET":
            words += ["-X", shlex.quote(self.method)]
        for name, value in self.request_headers:
            if name.lower() in _LEFT_TO_CURL or (self.form and name.lower() == "content-type"):
                continue
            words += ["-H", self._quoted(f"{name}: {value}" if value else f"{name};")]
        prefix = ""
        for part in self.form:
            if part.filename is None:
                text = part.content.decode("utf-8", "replace")
                words += ["--form-string", self._quoted(f"{part.name}={text}")]
            else:
                prefix = _producer(part.content)
                words += ["-F", self._quoted(f'{part.name}=@-;filename="{part.filename}"')]
        if self.request_body and not self.form:
            text = self.request_body.decode("utf-8", "backslashreplace")
            if len(text) > _LONGEST_CURL_BODY:
                left_out = len(text) - _LONGEST_CURL_BODY
                text = f"{text[:_LONGEST_CURL_BODY]}...({left_out} more characters)"
            words += ["--data-binary", self._quoted(text)]
        words += ["--path-as-is", "-g", self._quoted(self.url)]
        return prefix + " ".join(words)

    def as_dict(self, *, body_limit: int = 4000) -> dict[str, Any]:
        """Return the exchange as JSON data without secrets, as it stands in reports.

        Args:
            body_limit: Characters of each body that are kept.
        """
        return {
            "operation": self.operation,
            "at": datetime.fromtimestamp(self.started_at, UTC).isoformat(timespec="milliseconds"),
            "elapsed_ms": round(self.elapsed_ms, 1),
            "request": {
                "method": self.method,
                "url": self.url,
                "headers": [list(line) for line in self.request_headers],
                "body": _shown(self.request_body, body_limit),
            },
            "response": {
                "status": self.status,
                "error": self.error,
                "headers": [list(line) for line in self.redactor.headers(self.headers)],
                "body": self.redactor.text(_shown(self.body, body_limit)),
            },
            "curl": self.as_curl(),
        }

    def _quoted(self, text: str) -> str:
        """Quote TEXT for the shell, but let the placeholders in it be variables."""
        names = self.redactor.placeholders
        if not names or not any(name in text for name in names):
            return shlex.quote(text)
        pattern = re.compile("|".join(re.escape(name) for name in sorted(names)))
        if _PLAIN_AROUND.fullmatch(pattern.sub("\0", text)):
            return f'"{text}"'
        quoted, end = [], 0
        for match in pattern.finditer(text):
            quoted += [text[end : match.start()], match.group()]
            end = match.end()
        quoted.append(text[end:])
        return "".join(
            f'"{piece}"' if piece in names else shlex.quote(piece) for piece in quoted if piece
        )


def _producer(content: bytes) -> str:
    """Return the beginning of a pipe that produces CONTENT, or as many bytes."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = ""
    if len(text) <= 200 and text.isprintable() and text.encode() == content:
        return f"printf %s {shlex.quote(text)} | "
    return f"head -c {len(content)} /dev/urandom | "


def _shown(body: bytes, limit: int) -> str:
    text = body.decode("utf-8", "backslashreplace")
    return text if len(text) <= limit else f"{text[:limit]}...({len(text) - limit} more characters)"


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
