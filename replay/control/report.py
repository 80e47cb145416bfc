"""The verdict on the clients of a session, as JSON data."""

from typing import Any

from pollux.replay.session import Session
from pollux.replay.verify.judge import judge
from pollux.replay.verify.outcome import End, Facts, Level, Outcome, Result
from pollux.replay.verify.report import Verdict


def report(session: Session, *, ended: bool) -> dict[str, Any]:
    """Judge the clients of a session by what they have done so far.

    Args:
        session: The session.
        ended: Whether the clients are done.
    """
    play = session.current()
    track = None if play is None else session.playlist.find(play.name)
    facts = Facts(
        end=End.SILENT if ended else End.RUNNING,
        types={} if track is None else track.timeline.event_types(),
        effects=session.faults.effects,
    )
    results = judge(session.journal, facts)
    return {
        "verdict": verdict(results).value,
        "rules": [result.as_dict() for result in results],
    }


def verdict(results: list[Result]) -> Verdict:
    """Return the word for RESULTS; never a good one from nothing."""
    outcomes = {result.outcome for result in results}
    if Outcome.FAIL in outcomes:
        return Verdict.VIOLATED
    unproved = any(
        result.outcome is Outcome.UNTESTABLE and result.level is Level.MUST for result in results
    )
    if unproved or Outcome.PASS not in outcomes:
        return Verdict.INCOMPLETE
    return Verdict.CONFORMANT
