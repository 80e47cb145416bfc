"""Evidence as text: what was expected, what came, the exchanges that prove it, and a curl line.

A terminal and a JUnit file show the same lines, cut to different sizes.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rich.text import Text

from pollux.conformance.outcome import Evidence
from pollux.conformance.report.result import RequirementResult
from pollux.conformance.report.text import cut, cut_middle, visible, without_host

# Columns at which an answer and a curl line begin, and the bodies.
_INNER = 8
_BODY = 10
# Characters of what is said of further evidence.
_BRIEF = 60


@dataclass(frozen=True)
class Line:
    """One line of text.

    Attributes:
        text: What it says, with its styles.
        indent: Blanks before it.
        whole: Whether it is to be copied as one line, however long it is.
    """

    text: Text
    indent: int = 5
    whole: bool = False

    def __str__(self) -> str:
        """Return the line without styles."""
        return " " * self.indent + self.text.plain


@dataclass(frozen=True)
class Limits:
    """How much is shown; the JSON report always has everything.

    Attributes:
        full: Pieces of evidence shown with their exchanges.
        brief: Further ones shown in a few words.
        exchanges: Exchanges of each.
        text: Characters of what was looked at, expected and got.
        body: Characters of a body.
        url: Characters of a URL.
        curl: Characters of the curl lines of one piece of evidence; longer ones are only
            mentioned, but for the last.
        longest_curl: Characters of that last one.
        script: Lines of a script that shows it; of a longer one there is only a mention.
    """

    full: int = 1
    brief: int = 2
    exchanges: int = 3
    text: int = 160
    body: int = 110
    url: int = 100
    curl: int = 600
    longest_curl: int = 1500
    script: int = 60


def evidence_lines(row: RequirementResult, limits: Limits) -> Iterator[Line]:
    """Return what proves the outcome of ROW."""
    if not row.evidence and row.detail:
        yield Line(Text(visible(row.detail)))
    for item in row.evidence[: limits.full]:
        yield from _evidence(item, limits)
    brief = row.evidence[limits.full : limits.full + limits.brief]
    for item in brief:
        got = f": got {cut(item.got, _BRIEF)}" if item.got else ""
        yield Line(Text(f"also: {cut(item.message, _BRIEF)}{got}", "dim"))
    left_out = len(row.evidence) - limits.full - len(brief)
    if left_out > 0:
        yield Line(Text(f"({left_out} more of this in the report)", "dim"))


def _evidence(item: Evidence, limits: Limits) -> Iterator[Line]:
    yield Line(Text(cut(item.message, limits.text)))
    if item.expected:
        yield Line(Text.assemble(("expected  ", "green"), cut(item.expected, limits.text)))
    if item.got:
        yield Line(Text.assemble(("got       ", "red"), cut(item.got, limits.text)))
    if item.script:
        yield from _script(item.script.splitlines(), limits)
        yield Line(Text(f"seen by {visible(item.check)}", "dim"))
        return
    shown = telling(item.exchanges, limits.exchanges)
    curls = _curls([exchange for exchange, _ in shown], limits)
    for (exchange, alike), curl in zip(shown, curls, strict=True):
        yield from _exchange(exchange, alike, curl, limits)
    if None in curls:
        yield Line(Text("(curl lines that are too long for here are in the report)", "dim"))
    left_out = len(item.exchanges) - sum(1 + alike for _, alike in shown)
    if left_out > 0:
        yield Line(Text(f"({left_out} more exchanges in the report)", "dim"))
    yield Line(Text(f"seen by {visible(item.check)}", "dim"))


def _script(lines: list[str], limits: Limits) -> Iterator[Line]:
    """Return the lines that show it; each says itself what was answered."""
    if len(lines) > limits.script:
        yield Line(Text(f"(a script of {len(lines)} lines that shows it is in the report)", "dim"))
        return
    yield Line(Text("these lines, in a shell, show it:"))
    for line in lines:
        style = "dim" if line.startswith("#") else "cyan"
        yield Line(Text(visible(line), style), 0, whole=True)


def telling(
    exchanges: Iterable[Mapping[str, Any]], most: int
) -> list[tuple[Mapping[str, Any], int]]:
    """Return the exchanges that matter, in order, each with how many more are like it.

    Those with the same method, URL and status are alike: of thirty refused sends one is
    enough. When MOST of them are not enough, the first shows how it began and the last ones
    how it ended.
    """
    kinds: dict[tuple[str, str, int], list[Mapping[str, Any]]] = {}
    for exchange in exchanges:
        request = exchange["request"]
        kind = (request["method"], request["url"], exchange["response"]["status"])
        kinds.setdefault(kind, []).append(exchange)
    found = [(alike[0], len(alike) - 1) for alike in kinds.values()]
    return found if len(found) <= most else [found[0], *found[len(found) - most + 1 :]]


def _curls(exchanges: list[Mapping[str, Any]], limits: Limits) -> list[str | None]:
    """Return the curl lines that there is room for; None for the others."""
    room = limits.curl
    curls: list[str | None] = []
    for number, exchange in enumerate(reversed(exchanges)):
        curl = exchange["curl"]
        if len(curl) <= (room if number else max(room, limits.longest_curl)):
            curls.append(visible(curl))
            room -= len(curl)
        else:
            curls.append(None)
    return curls[::-1]


def _exchange(
    exchange: Mapping[str, Any], alike: int, curl: str | None, limits: Limits
) -> Iterator[Line]:
    request, response = exchange["request"], exchange["response"]
    line = Text.assemble((f"{exchange['at'][11:23]}  ", "dim"))
    url = cut_middle(without_host(request["url"]), limits.url)
    line.append(f"{visible(request['method'])} {url}")
    if alike:
        line.append(f"  (and {alike} more like it)", "dim")
    yield Line(line)
    if request["body"]:
        yield Line(Text(cut(request["body"], limits.body)), _BODY)
    status = str(response["status"]) if response["status"] else f"no answer: {response['error']}"
    line = Text.assemble((f"< {cut(status, limits.text)}", "bold"))
    yield Line(line.append(f"  after {exchange['elapsed_ms']:g} ms", "dim"), _INNER)
    if response["body"]:
        yield Line(Text(cut(response["body"], limits.body)), _BODY)
    if curl is not None:
        yield Line(Text(f"$ {curl}", "cyan"), _INNER, whole=True)
