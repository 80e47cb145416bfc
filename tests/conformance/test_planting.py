"""What the checks put into the data folder of a server, and what they say where they cannot."""

from pathlib import Path

from pollux.conformance.outcome import Outcome
from pollux.conformance.recorder import Plan
from pollux.conformance.report.log import EventLog
from pollux.conformance.report.report import Report, build_report
from pollux.conformance.runner import run_checks
from pollux.conformance.target import Target
from pollux.schemas.requirements import load_requirements
from tests.conformance.workshop import TOKEN, Workshop, having

_NEEDS_THE_DISK = {
    "FILE-ESCAPE-LINK-READ",
    "FILE-ESCAPE-LINK-WRITE",
    "FILE-LIST-BROKEN-LINK",
    "FILE-ZIP-LINKS",
}


def judge(workshop: Workshop, data_dir: Path | None) -> Report:
    """Judge the reference server, telling the checks that its data is in this folder."""
    log = EventLog()
    with workshop.serve() as url:
        target = Target(base_url=url, token=TOKEN, data_dir=data_dir)
        plan = Plan(target, load_requirements(), only=tuple(_NEEDS_THE_DISK))
        run_checks(plan, log, modules=["test_files_outside"])
    return build_report(log.events)


def test_links_are_planted_and_taken_away(workshop: Workshop) -> None:
    report = judge(workshop, workshop.folder)
    assert having(report, Outcome.PASS) == _NEEDS_THE_DISK
    left = [path for path in workshop.folder.rglob("*") if path.is_symlink()]
    left += workshop.folder.rglob("outside-*")
    left += workshop.folder.rglob("secret.txt")
    assert left == []


def test_without_the_folder_nothing_is_verified(workshop: Workshop) -> None:
    report = judge(workshop, None)
    assert having(report, Outcome.NOT_VERIFIED) == _NEEDS_THE_DISK


def test_a_folder_that_the_server_does_not_use_verifies_nothing(
    workshop: Workshop, tmp_path: Path
) -> None:
    report = judge(workshop, tmp_path)
    assert having(report, Outcome.NOT_VERIFIED) == _NEEDS_THE_DISK
    assert any("keeps nothing" in row.detail for row in report.having(Outcome.NOT_VERIFIED))


def test_where_files_are_kept_in_another_way_there_is_nothing_to_link(
    workshop: Workshop, tmp_path: Path
) -> None:
    (tmp_path / "database").write_bytes(b"all files")
    report = judge(workshop, tmp_path)
    assert having(report, Outcome.NOT_APPLICABLE) == _NEEDS_THE_DISK
