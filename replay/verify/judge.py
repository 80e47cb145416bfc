"""From what a client did to what can be said of it: pure, rule by rule."""

from pollux.replay.journal import Journal
from pollux.replay.verify.case import Case, untestable
from pollux.replay.verify.outcome import Facts, Level, Outcome, Result
from pollux.replay.verify.rules import RULES

_TOO_LONG = (
    "the session is too long to be judged: its first requests are not kept any more. Begin it "
    "anew (POST /__replay/reset) and judge less at a time"
)


def judge(journal: Journal, facts: Facts | None = None) -> list[Result]:
    """Judge the clients of a session by all rules, in the order of the rules.

    One wrong thing is charged to one rule: a client that ends because it met what it does not
    know has broken UNKNOWN-TOLERATED, and not UNTIL-TERMINAL as well.

    Args:
        journal: What they asked, what they were told, and what they say they have shown.
        facts: What is known beside it; None: the clients may still be at work.
    """
    if facts is None:
        facts = Facts()
    case = Case.of(journal, facts)
    results = []
    for rule in RULES:
        finding = rule.judge(case) if journal.whole else untestable(_TOO_LONG)
        outcome = finding.outcome
        if outcome is Outcome.FAIL and rule.level is Level.SHOULD:
            outcome = Outcome.WARN
        results.append(Result(rule.id, rule.level, outcome, finding.detail, finding.polls))
    return results
