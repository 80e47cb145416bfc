"""What the model says when an answer is not what it must be."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Blame:
    """One thing that is wrong.

    Attributes:
        rule: Id of the requirement that is broken.
        expected: What the contract asks for.
        got: What came instead.
    """

    rule: str
    expected: str
    got: str


def excerpt(value: object) -> str:
    """Return VALUE as it stands in a report."""
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}... ({len(text)} characters)"
