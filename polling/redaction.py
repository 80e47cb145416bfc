"""Keeps secrets out of everything that is shown or stored: the one list of them."""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote

REDACTED = "<redacted>"

#: A credential that begins so was made up for a check: it opens nothing and may be shown.
INVENTED = "pollux-invented-"

# Their values are credentials whoever sends them, known or not.
_SECRET_HEADERS = frozenset(
    {"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key"}
)
# Shorter secrets are only replaced where they stand as a word: "a" as a token must not
# turn every "a" of an answer into a placeholder.
_SAFE_ANYWHERE = 8


class Redactor:
    """Replaces secrets by placeholders that work as shell variables.

    Args:
        secrets: Secret → placeholder, such as ``{"s3cret...": "$TOKEN"}``. Empty secrets
            are ignored. A secret is found as it is, percent-encoded, escaped for JSON, and
            in Base64.
    """

    def __init__(self, secrets: Mapping[str, str] | None = None) -> None:
        forms: dict[str, str] = {}
        for secret, placeholder in (secrets or {}).items():
            for form in _forms(secret):
                forms.setdefault(form, placeholder)
        self._placeholders = forms
        # The longest first: one secret may be the beginning of another.
        ordered = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(_word, ordered))) if ordered else None

    @property
    def placeholders(self) -> frozenset[str]:
        """The placeholders that may stand in redacted text."""
        return frozenset(self._placeholders.values())

    def matches(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Yield where known secrets stand in TEXT: begin, end, and the placeholder of each."""
        if self._pattern is not None:
            for match in self._pattern.finditer(text):
                yield match.start(), match.end(), self._placeholders[match.group()]

    def text(self, text: str) -> str:
        """Return TEXT with every known secret replaced."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda match: self._placeholders[match.group()], text)

    def headers(self, headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
        """Return HEADERS with known secrets replaced, and unknown credentials, too."""
        return tuple((name, self._header(name, value)) for name, value in headers)

    def _header(self, name: str, value: str) -> str:
        known = self.text(value)
        if name.lower() not in _SECRET_HEADERS:
            return known
        if name.lower() == "set-cookie":
            # Which cookie was set is what a reader needs; its value is not.
            cookie, _, rest = value.partition("=")
            attributes = rest.partition(";")[2]
            return f"{self.text(cookie)}={REDACTED}" + (f";{attributes}" if attributes else "")
        return " ".join(self._credential(part) for part in known.split(" "))

    def _credential(self, part: str) -> str:
        shown = (
            not part
            or part.lower() in ("bearer", "basic", "digest", "token")
            or any(placeholder in part for placeholder in self.placeholders)
            or part.startswith(INVENTED)
        )
        if shown:
            return part
        return REDACTED


def _forms(secret: str) -> set[str]:
    if not secret:
        return set()
    encoded = base64.b64encode(secret.encode()).decode()
    return {secret, quote(secret, safe=""), json.dumps(secret)[1:-1], encoded, encoded.rstrip("=")}


def _word(form: str) -> str:
    escaped = re.escape(form)
    return escaped if len(form) >= _SAFE_ANYWHERE else rf"(?<!\w){escaped}(?!\w)"
