"""The reference server holds everything that the checks look at."""

from pollux.conformance.outcome import Outcome, Verdict
from tests.conformance.workshop import Workshop, having, straight


def test_the_reference_server_holds_everything_that_is_checked(workshop: Workshop) -> None:
    report = workshop.judge(straight, "checked")
    assert having(report, Outcome.FAIL, Outcome.WARN, Outcome.HARNESS_ERROR) == set()
    assert report.verdict is Verdict.CONFORMANT
    verified, of = report.verified("MUST", "SHOULD", "MAY")
    assert verified == of == len(report.requirements) > 90
