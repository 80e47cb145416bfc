"""The effect ``status``."""

from dataclasses import dataclass, field

from pollux.replay.faults.effect import Answer, Refusal, Strike, envelope
from pollux.replay.faults.registry import register
from pollux.replay.faults.values import TEXT, Kind, count, parameter, show_text


def _read_header(word: str) -> str:
    name, colon, value = word.partition(":")
    printable = word.isascii() and word.isprintable()
    if not (colon and printable and name.replace("-", "").isalnum()):
        raise ValueError(f'{word!r} is no header: write it as "Name: value"')
    return f"{name}: {value.strip()}"


HEADER = Kind('a header such as "X-Reason: tired"', _read_header, show_text)


@register
@dataclass(frozen=True)
class Status(Refusal):
    """Answers with any HTTP status; the operation does not take place.

    Hurts clients that take an error for the end, that retry without a pause, or that throw away
    what they had.
    """

    example = "poll 3..5 -> status 503 retry-after=2"

    code: int = field(
        default=503, metadata=parameter(count(200, 599), "the HTTP status", bare=True)
    )
    retry_after: int | None = field(
        default=None, metadata=parameter(count(), "seconds in the Retry-After header")
    )
    body: str | None = field(
        default=None, metadata=parameter(TEXT, "the body, in place of API v1's envelope")
    )
    header: tuple[str, ...] = field(
        default=(), metadata=parameter(HEADER, "a header more; may be repeated")
    )

    @property
    def breaks(self) -> bool:
        """Whether API v1 knows no such answer."""
        return self.body is not None or self.code < 400

    def answer(self, strike: Strike) -> Answer:
        """Return the answer."""
        answer = envelope(self.code, f"a fault of the replay: status {self.code}")
        if self.body is not None:
            answer.body = self.body.encode()
        if self.retry_after is not None:
            answer.headers["Retry-After"] = str(self.retry_after)
        for line in self.header:
            name, _, value = line.partition(":")
            answer.headers[name] = value.strip()
        return answer
