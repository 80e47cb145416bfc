"""Makes the logs and reports of runs that never took place."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from pollux.conformance.outcome import Evidence, Judgement, Outcome
from pollux.conformance.report.console import print_report
from pollux.conformance.report.log import EventLog
from pollux.conformance.report.report import Report, build_report
from tests.polling.exchanges import exchange

#: Id, level and outcome of a requirement.
Row = tuple[str, str, Outcome]

EVERY: tuple[Row, ...] = tuple(
    (outcome.value.replace("_", "-"), "MUST", outcome) for outcome in Outcome
)

#: What a server may send to break whatever shows it.
HOSTILE = (
    '<script>document.title = "taken over"</script>"\'&]]></pre></style>'
    "[red]\x1b[2J\x00\x07\ud800\u202e\r\n\ufffe{{ 7000 * 7001 }}"
)


def made_log(
    *rows: Row,
    checked: Sequence[str] | None = None,
    selected: Sequence[str] | None = None,
    finish: bool | None = True,
    evidence: Mapping[str, Sequence[Evidence]] | None = None,
    path: Path | None = None,
    **start: Any,
) -> EventLog:
    """Return the log of a run with these requirements.

    Args:
        rows: The requirements and what came of each.
        checked: Those that have a check; by default all.
        selected: Those that were asked for; by default all.
        finish: Whether the run came to its end; None: its log stops before.
        evidence: What proves the outcome, by requirement.
        path: File of the log.
        start: Fields of the first event that are other than usual.
    """
    log = EventLog(path)
    names = [name for name, _, _ in rows]
    first = {
        "pollux_version": "0",
        "target": {
            "base_url": "http://h:1",
            "users": 2,
            "command": None,
            "time_scale": 1.0,
            "buffer_size": 1000,
        },
        "profile": "scripted",
        "seed": 7,
        "only": list(selected or ()),
        "effort": "normal",
        "requirements": [
            {"id": name, "level": level, "sentence": f"{name}.", "source": "1.1", "group": "g"}
            for name, level, _ in rows
        ],
    }
    log.emit("start", pollux_log=1, **{**first, **start})
    having = names if checked is None else checked
    checks = [
        {"check": f"test_{name}", "requirements": [name], "left_out": None} for name in having
    ]
    log.emit("checks", selected=list(selected or names), checks=checks)
    usual = (Evidence("t.py::test", "m", "e", "g", (exchange({}).as_dict(),)),)
    for name, _, outcome in rows:
        if name in having:
            proof = () if outcome is Outcome.PASS else tuple((evidence or {}).get(name, usual))
            row = Judgement(name, outcome, "why", None, proof)
            fields = {"check": f"test_{name}", "left_out": None, "duration_ms": 1.5}
            log.emit("check", **fields, judgements=[row.as_dict()])
    if finish is not None:
        log.emit("finish", complete=finish)
    return log


def made_report(*rows: Row, **settings: Any) -> Report:
    """Return the report of such a run."""
    return build_report(made_log(*rows, **settings).events)


def hostile_report() -> Report:
    """Return a report with texts of a hostile server in every place where there may be one."""
    sent = exchange(
        HOSTILE.encode("utf-8", "surrogatepass"),
        status=0,
        error=HOSTILE,
        url=f"http://h:1/api/v1/models?q={HOSTILE}",
        headers=(("X-" + HOSTILE, HOSTILE),),
        request_body=HOSTILE.encode("utf-8", "surrogatepass"),
    ).as_dict()
    proof = Evidence("t.py::test", HOSTILE, HOSTILE, HOSTILE, (sent, sent))
    evidence = {name: (proof, proof) for name, _, _ in EVERY}
    log = made_log(*EVERY, evidence=evidence, only=[HOSTILE])
    rows = [Judgement("PASS", Outcome.NOT_VERIFIED, HOSTILE, None, ())]
    log.emit("check", check="t", left_out=None, duration_ms=1, judgements=[rows[0].as_dict()])
    log.emit("trouble", message=HOSTILE)
    return build_report(log.events)


def printed(report: Report, *, width: int = 200, terminal: bool = False) -> str:
    """Return what the console shows of REPORT."""
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=terminal, no_color=True)
    print_report(report, console)
    return out.getvalue()
