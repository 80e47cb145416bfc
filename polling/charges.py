"""Charges breaches to requirements, each kind of breach once."""

from pollux.polling.breach import Breach, Sink
from pollux.polling.exchange import Exchange


class Charges:
    """Passes on to a sink what the rules of one task find; of one kind only the first."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._told: set[tuple[str, str]] = set()

    def held(self, rule: str) -> None:
        """Note that RULE had something to look at, and it was right."""
        self._sink.held(rule)

    def breach(self, rule: str, message: str, expected: str, got: str, *by: Exchange) -> None:
        """Charge a breach to RULE, unless the same kind (MESSAGE) was charged before."""
        if (rule, message) not in self._told:
            self._told.add((rule, message))
            self._sink.breached(Breach(rule, message, expected, got, by))

    def that(
        self, rule: str, holds: bool, message: str, expected: str, got: str, *by: Exchange
    ) -> bool:
        """Note that RULE held, or charge a breach to it; return HOLDS."""
        if holds:
            self.held(rule)
        else:
            self.breach(rule, message, expected, got, *by)
        return holds
