"""What can be wrong with a recording, and where."""

from dataclasses import dataclass, field

_MOST_LISTED = 1000


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        line: Number of the line, the header being 1.
        rule: What it breaks: a word of the format (``schema``, ``gap``, ``trailer``, ...), or
            the id of a requirement of API v1.
        message: What is wrong.
        about: ``file`` when the recording is wrong, ``stream`` when the recorded server was.
        fixable: Whether ``--fix`` mends it.
    """

    line: int
    rule: str
    message: str
    about: str = "file"
    fixable: bool = False


@dataclass
class Verdict:
    """What was found.

    Attributes:
        findings: The first thousand.
        count: How many there are in all.
        unfixable: How many of them cannot be mended.
        notes: What is no fault, but should be known.
        lines: Lines read.
        fixed: Whether a mended recording was written.
    """

    findings: list[Finding] = field(default_factory=list)
    count: int = 0
    unfixable: int = 0
    notes: list[str] = field(default_factory=list)
    lines: int = 0
    fixed: bool = False

    @property
    def exit_code(self) -> int:
        """0 when nothing is wrong, or all of it was mended, else 1."""
        return 1 if (self.unfixable if self.fixed else self.count) else 0

    def add(self, finding: Finding) -> None:
        """Note a finding."""
        self.count += 1
        self.unfixable += not finding.fixable
        if len(self.findings) < _MOST_LISTED:
            self.findings.append(finding)
