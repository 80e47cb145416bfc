"""The effect ``wrong-content-type``."""

from dataclasses import dataclass, field

from pollux.replay.faults.effect import Answer, Form, Strike
from pollux.replay.faults.registry import register
from pollux.replay.faults.values import Kind, parameter, show_text


def _read_type(word: str) -> str:
    main, slash, sub = word.partition("/")
    if not (main and slash and sub and word.isascii() and word.isprintable()):
        raise ValueError(f"{word!r} is no content type: write it as text/plain")
    return word


CONTENT_TYPE = Kind("a content type such as text/plain", _read_type, show_text)


@register
@dataclass(frozen=True)
class WrongContentType(Form):
    """Says of the body, which is the right JSON, that it is something else.

    Hurts clients that refuse what is right because of its label, and those that need the label.
    """

    example = "poll 3 -> wrong-content-type text/html"

    type: str = field(
        default="text/html", metadata=parameter(CONTENT_TYPE, "what it says", bare=True)
    )

    def reform(self, answer: Answer, strike: Strike) -> None:
        """Change the label."""
        answer.headers["Content-Type"] = self.type
