"""The exceptions of the polling client."""


class PollingError(Exception):
    """Base of all errors of this package."""


class TaskStalledError(PollingError):
    """A task did nothing for too long: neither an event nor a change of its status.

    Args:
        message: What was waited for, and for how long.
    """


class NoAnswerError(PollingError):
    """A poll was not answered, or not with a task: there is nothing to go on with.

    Args:
        message: What came instead.
    """


class NotJsonError(PollingError, ValueError):
    """The body of an answer is not JSON text (api_v1 1.2)."""
