"""What can go wrong when recordings are shaped."""

from pollux.replay.errors import RecordingError


class CastError(RecordingError):
    """A recording cannot be shaped as was asked; the message says what to do."""
