"""The exceptions of the suite."""


class ConformanceError(Exception):
    """Base of all errors of this package."""


class TargetError(ConformanceError):
    """The target was described wrongly, or cannot be reached.

    The message tells what to change. The command ends with exit code 2.
    """


class LaunchError(TargetError):
    """The implementation could not be started, or died before it was ready."""


class CheckDefinitionError(ConformanceError):
    """A check is declared wrongly: an unknown requirement, or one it has not declared."""


class LogError(ConformanceError):
    """A file is not the event log of a run."""


class CannotVerifyError(ConformanceError):
    """Ends a check whose scenario cannot go on: what it still had to see is NOT_VERIFIED.

    Args:
        reason: What was missing or what failed.
        culprit: Id of the requirement that failed before, if there is one.
    """

    def __init__(self, reason: str, culprit: str | None = None) -> None:
        super().__init__(f"{reason} ({culprit})" if culprit else reason)
        self.reason = reason
        self.culprit = culprit


class TargetGoneError(CannotVerifyError):
    """The target no longer answers at all."""
