"""The report as one HTML page that needs nothing from elsewhere: no network, no script to read it.

All that a server sent is escaped by the templates, and the page forbids itself by a content
security policy to load anything or to run any script but its own.
"""

import base64
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from pollux.conformance.outcome import Evidence, Outcome
from pollux.conformance.report.report import Report
from pollux.conformance.report.result import RequirementResult
from pollux.conformance.report.text import visible, without_host

if TYPE_CHECKING:
    from jinja2 import Environment

#: What a requirement is counted as whose breach the baseline knows.
KNOWN = "KNOWN"
#: In the order of the page: the worst first.
KINDS = (
    Outcome.FAIL.value,
    Outcome.HARNESS_ERROR.value,
    Outcome.NOT_VERIFIED.value,
    Outcome.WARN.value,
    KNOWN,
    Outcome.PASS.value,
    Outcome.NOT_APPLICABLE.value,
)
_PACKAGE = "pollux.conformance.report"
_MOST_EVIDENCE = 5
_MOST_EXCHANGES = 20
# Characters of exchanges on one page; a browser has to open it.
_ROOM = 10_000_000


# What has an article of its own for each requirement: id, title and a sentence.
_CHAPTERS = {
    Outcome.FAIL.value: (
        "fail",
        "Violated",
        "Each with the rule, what was seen, and a line that shows it again.",
    ),
    Outcome.HARNESS_ERROR.value: (
        "harness-error",
        "The suite itself failed",
        "This says nothing of the implementation; please report it.",
    ),
    Outcome.WARN.value: (
        "warn",
        "Warnings",
        "A SHOULD or MAY that does not hold; the verdict does not depend on it.",
    ),
    KNOWN: ("known", "Known", "The baseline says why these are left as they are."),
}


@dataclass(frozen=True)
class Chapter:
    """Requirements that are shown with all that was seen.

    Attributes:
        id: Anchor on the page.
        title: Heading.
        intro: A sentence below it.
        rows: The requirements.
    """

    id: str
    title: str
    intro: str
    rows: list[RequirementResult]


@dataclass(frozen=True)
class Share:
    """How many requirements of a group are of one kind, and where they stand in its bar.

    Attributes:
        kind: One of ``KINDS``.
        count: How many.
        x: Where they begin, in percent of the bar.
        width: How wide they are, in percent.
    """

    kind: str
    count: int
    x: float
    width: float


@dataclass(frozen=True)
class Moment:
    """An exchange and its place in the timeline of its evidence.

    Attributes:
        exchange: As it stands in the report.
        after_ms: Milliseconds since the first exchange began.
        x: Where it begins, in percent of the timeline.
        width: How long it took, in percent.
    """

    exchange: Mapping[str, Any]
    after_ms: float
    x: float
    width: float


def render_page(report: Report) -> str:
    """Return REPORT as HTML text."""
    found = {kind: [row for row in report.requirements if kind_of(row) == kind] for kind in KINDS}
    kinds = {kind: rows for kind, rows in found.items() if rows}
    chapters = [Chapter(*words, kinds[kind]) for kind, words in _CHAPTERS.items() if kind in kinds]
    return render(
        "report.html",
        report=report,
        kinds=kinds,
        groups={
            group: [row for row in report.requirements if row.group == group]
            for group in report.groups
        },
        chapters=chapters,
        told={row.id for chapter in chapters for row in chapter.rows},
        reasons=_reasons(report),
        seconds=_seconds(report),
        moments=_Timelines(_ROOM).moments,
    )


def render(template: str, **context: Any) -> str:
    """Return the page that TEMPLATE makes of CONTEXT; everything in it is escaped."""
    return _environment().get_template(template).render(**context)


def kind_of(row: RequirementResult) -> str:
    """Return as what ROW is counted: its outcome, or ``KNOWN``."""
    return KNOWN if row.known else row.outcome.value


def shares(rows: Sequence[RequirementResult]) -> list[Share]:
    """Return how ROWS are made up, for a bar."""
    found = Counter(map(kind_of, rows))
    parts: list[Share] = []
    x = 0.0
    for kind in KINDS:
        width = 100 * found[kind] / max(len(rows), 1)
        parts.append(Share(kind, found[kind], round(x, 2), round(width, 2)))
        x += width
    return parts


def moments(item: Evidence) -> list[Moment]:
    """Return the exchanges of ITEM with their places in time; of very many only some."""
    exchanges = _telling(item.exchanges)
    begun = [datetime.fromisoformat(exchange["at"]).timestamp() * 1000 for exchange in exchanges]
    took = [float(exchange["elapsed_ms"]) for exchange in exchanges]
    first = min(begun, default=0.0)
    last = max((start + ms for start, ms in zip(begun, took, strict=True)), default=first)
    span = max(last - first, 1.0)
    return [
        Moment(
            exchange,
            round(start - first, 1),
            round(98 * (start - first) / span, 2),
            round(max(2.0, 100 * ms / span), 2),
        )
        for exchange, start, ms in zip(exchanges, begun, took, strict=True)
    ]


class _Timelines:
    """Gives out timelines as long as there is ROOM on the page (in characters)."""

    def __init__(self, room: int) -> None:
        self._room = room

    def moments(self, item: Evidence) -> list[Moment]:
        found = moments(item) if self._room > 0 else []
        self._room -= sum(len(str(moment.exchange)) for moment in found)
        return found


def _telling(exchanges: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the first and the last of very many, and those that ended otherwise than most."""
    if len(exchanges) <= _MOST_EXCHANGES:
        return list(exchanges)
    statuses = [exchange["response"]["status"] for exchange in exchanges]
    [(usual, _)] = Counter(statuses).most_common(1)
    ends = _MOST_EXCHANGES // 4
    numbers = range(len(exchanges))
    chosen = {*numbers[:ends], *numbers[-ends:]}
    chosen |= set([number for number in numbers if statuses[number] != usual][: 2 * ends])
    return [exchanges[number] for number in sorted(chosen)]


def _reasons(report: Report) -> dict[str, list[RequirementResult]]:
    """Return what was not verified, by reason: the same one often holds for many."""
    reasons: dict[str, list[RequirementResult]] = {}
    for row in report.having(Outcome.NOT_VERIFIED):
        reasons.setdefault(row.detail or "no reason is known", []).append(row)
    return reasons


def _seconds(report: Report) -> float:
    begun, ended = map(datetime.fromisoformat, (report.started_at, report.finished_at))
    return max((ended - begun).total_seconds(), 0.0)


@cache
def _environment() -> "Environment":
    # jinja2 is imported here because few ask for a page.
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    def shown(value: Any) -> Any:
        plain = isinstance(value, str) and not isinstance(value, Markup)
        return visible(value, keep="\n\t") if plain else value

    environment = Environment(
        loader=PackageLoader(_PACKAGE, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Only what is in the package itself is put into a page as it is.
    style, script = Markup(_own("page.css")), Markup(_own("page.js"))
    environment.globals.update(
        style=style,
        script=script,
        policy=Markup("; ".join(_policy(style, script))),
        kind_of=kind_of,
        shares=shares,
        most_evidence=_MOST_EVIDENCE,
    )
    environment.filters["kind_of"] = kind_of
    environment.filters["words"] = lambda text: str(text).replace("_", " ").lower()
    environment.filters["without_host"] = without_host
    environment.filters["rule"] = lambda text: Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else part
        for number, part in enumerate(visible(str(text)).split("`"))
    )
    return environment


def _policy(style: str, script: str) -> Iterator[str]:
    yield "default-src 'none'"
    yield f"style-src '{_digest(style)}'"
    yield f"script-src '{_digest(script)}'"
    yield "img-src data:"
    yield "base-uri 'none'"
    yield "form-action 'none'"


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _own(name: str) -> str:
    return resources.files(_PACKAGE).joinpath("templates", name).read_text("utf-8")
