"""Keeps secrets out of recordings: they are replaced before the first write."""

import re
from collections.abc import Iterator
from typing import Any, Final

from pollux.polling.redaction import Redactor

TOKEN_PLACEHOLDER: Final = "<token>"
AUTHORIZATION_PLACEHOLDER: Final = "<authorization>"

_SECRET_MEMBERS = frozenset({"authorization", "proxy-authorization"})
# "Authorization: Bearer abcdef", "'authorization': 'Basic abcdef'"; prose is left alone.
_AUTHORIZATION = re.compile(
    r"""(\bauthorization["']?\s*[:=]\s*["']?)(?:bearer|basic|digest)\s+[^\s"',;\\]{6,}""",
    re.IGNORECASE,
)


class Secrets:
    """Replaces what must not stand in a recording, within every JSON string.

    Args:
        token: The recorder's own token, or None.
        values: Further secrets, numbered in this order.
    """

    def __init__(self, token: str | None = None, values: tuple[str, ...] = ()) -> None:
        known = {token: TOKEN_PLACEHOLDER} if token else {}
        for place, value in enumerate(dict.fromkeys(values), start=1):
            known.setdefault(value, f"<redacted-{place}>")
        self._redactor = Redactor(known)

    def matches(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Yield begin, end and placeholder of what is replaced in TEXT; some may overlap."""
        yield from self._redactor.matches(text)
        for match in _AUTHORIZATION.finditer(text):
            yield match.end(1), match.end(), AUTHORIZATION_PLACEHOLDER

    def text(self, text: str) -> str:
        """Return TEXT without secrets."""
        text = self._redactor.text(text)
        return _AUTHORIZATION.sub(rf"\1{AUTHORIZATION_PLACEHOLDER}", text)

    def name(self, name: str) -> str:
        """Return the NAME of a member without secrets."""
        return self.text(name)

    def value(self, value: Any) -> Any:
        """Return the JSON value VALUE without secrets, in members' names too."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if isinstance(value, dict):
            return {self.name(name): self._member(name, item) for name, item in value.items()}
        return value

    def _member(self, name: str, item: Any) -> Any:
        if name.lower() in _SECRET_MEMBERS and isinstance(item, str):
            return AUTHORIZATION_PLACEHOLDER
        return self.value(item)
