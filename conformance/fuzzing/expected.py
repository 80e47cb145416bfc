"""What the contract asks of the answer to one request, and whether an answer is that."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from pollux.conformance.fuzzing.hunt import Charge
from pollux.conformance.fuzzing.request import Request, operation_of
from pollux.polling.breach import Breach
from pollux.polling.exchange import Exchange
from pollux.polling.http import LEFT_OUT

_TOO_MANY_REQUESTS = 429


@dataclass(frozen=True)
class Fault:
    """Something in a request for which it must be refused.

    Attributes:
        requirement: What says so.
        what: What it is, in words.
        allowed: The statuses that the answer may have.
    """

    requirement: str
    what: str
    allowed: tuple[int, ...]


@dataclass
class Expected:
    """What the answer to a request must be.

    A 5xx is left to the rules of every answer, which know no request that may end in one.

    Attributes:
        faults: What the request must be refused for.
        free: Whether something else in it leaves the server a choice: to take it or not.
        wanted: What is broken when a request without a fault is refused; the first one counts.
        also: Statuses other than the success that are right, too.
    """

    faults: list[Fault] = field(default_factory=list)
    free: bool = False
    wanted: list[str] = field(default_factory=list)
    also: set[int] = field(default_factory=set)

    def fault(self, requirement: str, what: str, *allowed: int) -> None:
        """Note something that the request must be refused for."""
        self.faults.append(Fault(requirement, what, allowed))


def judge(request: Request, expected: Expected, exchange: Exchange) -> Iterator[Charge]:
    """Yield what the status of an answer breaks."""
    status = exchange.status
    if status >= 500 or status == _TOO_MANY_REQUESTS:
        return
    if status == 401 and request.authorization is LEFT_OUT:
        yield charge("AUTH-TOKEN-ACCEPTED", "refused", named(request), "not 401", exchange)
    elif expected.faults:
        yield from _judge_faults(request, expected, exchange)
    elif not expected.free and expected.wanted:
        success = operation_of(request.operation).success
        if status != success and status not in expected.also:
            kind = "status" if exchange.ok else "refused"
            wanted = _any_of(success, *sorted(expected.also))
            yield charge(expected.wanted[0], kind, named(request), wanted, exchange)


def _judge_faults(request: Request, expected: Expected, exchange: Exchange) -> Iterator[Charge]:
    if any(exchange.status in fault.allowed for fault in expected.faults):
        return
    if exchange.status in expected.also and not exchange.ok:
        return
    # Which of several faults a server looks at first is free, and so is what else it may see.
    if not exchange.ok and (expected.free or len(expected.faults) > 1):
        return
    for fault in expected.faults:
        what = f"{named(request)} with {fault.what}"
        kind = "accepted" if exchange.ok else "status"
        yield charge(fault.requirement, kind, what, _any_of(*fault.allowed), exchange)


def charge(
    requirement: str,
    kind: str,
    message: str,
    expected: str,
    *by: Exchange,
    got: str | None = None,
) -> Charge:
    """Return a charge against REQUIREMENT; what came is told by the last exchange, or by GOT."""
    told = by[-1].summary if got is None else got
    return Charge(kind, Breach(requirement, message, expected, told, by))


def named(request: Request) -> str:
    """Return what REQUEST is, in words that are the same for all of its operation."""
    method = f"{request.method} to the path of " if request.method else ""
    return f"a generated request, {method}{request.operation}"


def _any_of(*statuses: int) -> str:
    return " or ".join(map(str, statuses))
