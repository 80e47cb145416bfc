"""Replaces secrets in a recording: in its header, its events, its markers, anywhere."""

import re
from collections.abc import Iterator

from pollux.replay.cast.chunks import Chunks
from pollux.replay.cast.entries import Entry
from pollux.replay.cast.errors import CastError
from pollux.replay.cast.sink import Sink
from pollux.replay.cast.source import Source
from pollux.replay.format import TERMINAL_STATUSES, Code, Header
from pollux.replay.redaction import Secrets
from pollux.schemas.events import EVENT_TYPES

# What a pattern matches may be so long when it is spread over chunks; a credential behind
# "Authorization" is one that is always looked for.
_LONGEST_MATCH = 1024
_LONGEST_CREDENTIAL = 256
# Without these words a recording is none.
_WORDS = frozenset(
    {
        "taskcast",
        "task",
        "task_id",
        "conversation_id",
        "created_at",
        "recorded_at",
        "request",
        "message",
        "idx",
        "type",
        "data",
        "ts",
        "status",
        "error",
        "from",
        "to",
        "next",
        "count",
        "ms",
        "window_start",
        "reason",
        "label",
        "kind",
        "detail",
        "pending",
        "running",
        "cancel_requested",
        "content",
        "full_content",
        "index",
        "elapsed",
        "id",
        "preparing_id",
        "name",
        "intent",
        "arguments",
        "result",
        "success",
    }
)
_KEPT = {
    Code.EVENT: ("type", frozenset(EVENT_TYPES)),
    Code.STATUS: ("status", TERMINAL_STATUSES | {"pending", "running", "cancel_requested"}),
}


class Redaction(Secrets):
    """What is replaced, and by what: the same text always by the same placeholder.

    Args:
        values: Texts, numbered in this order.
        patterns: Regular expressions; what they match is numbered as it comes, behind them.

    Attributes:
        reach: How many characters a secret may have when it is spread over chunks.

    Raises:
        CastError: for a value or a pattern that cannot be replaced.
    """

    def __init__(self, values: tuple[str, ...] = (), patterns: tuple[str, ...] = ()) -> None:
        values = tuple(dict.fromkeys(values))
        super().__init__(values=values)
        for value in values:
            if value in _WORDS or value in EVENT_TYPES or value in TERMINAL_STATUSES:
                raise CastError(f"{value!r} is a word of the format and cannot be replaced")
            if value in f"<redacted-{len(values)}>":
                raise CastError(f"{value!r} cannot be replaced: it is part of its placeholder")
        self._patterns = [_compiled(pattern) for pattern in patterns]
        self._found: dict[str, str] = {}
        self._count = len(values)
        found = _LONGEST_MATCH if patterns else _LONGEST_CREDENTIAL
        self.reach = max([found, *map(len, values)])

    def matches(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Yield what is replaced in TEXT, in order; what overlaps is one."""
        found = list(super().matches(text))
        for pattern in self._patterns:
            for match in pattern.finditer(text):
                if match.group():
                    found.append((match.start(), match.end(), ""))
        found.sort(key=lambda item: item[0])
        while found:
            begin, end, placeholder = found.pop(0)
            while found and found[0][0] < end:
                end = max(end, found.pop(0)[1])
            yield begin, end, placeholder or self._numbered(text[begin:end])

    def text(self, text: str) -> str:
        """Return TEXT without secrets."""
        pieces, end = [], 0
        for begin, behind, placeholder in self.matches(text):
            pieces += [text[end:begin], placeholder]
            end = behind
        return "".join([*pieces, text[end:]])

    def name(self, name: str) -> str:
        """Return the NAME of a member without the values; patterns are for texts."""
        return super().text(name)

    def entry(self, entry: Entry) -> Entry:
        """Return ENTRY without secrets; types of events and statuses stay."""
        payload = self.value(entry.payload)
        if entry.code in _KEPT and isinstance(payload, dict):
            name, words = _KEPT[Code(entry.code)]
            if entry.payload.get(name) in words:
                payload[name] = entry.payload[name]
        return entry if payload == entry.payload else entry.with_payload(payload)

    def _numbered(self, text: str) -> str:
        if text not in self._found:
            self._count += 1
            self._found[text] = f"<redacted-{self._count}>"
        return self._found[text]


def redact(source: Source, sink: Sink, redaction: Redaction) -> None:
    """Write SOURCE without secrets."""
    sink.begin(Header(redaction.value(dict(source.header.fields))))
    for entry in Chunks(redaction, redaction.reach).rewritten(source.entries()):
        sink.add(entry)
    sink.finish()


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise CastError(f"{pattern!r} is no regular expression: {error}") from None
    if compiled.fullmatch(""):
        raise CastError(f"{pattern!r} matches nothing at all: write one that needs a character")
    return compiled
