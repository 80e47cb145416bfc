"""The exceptions of recording and replay."""

from pathlib import Path


class ReplayError(Exception):
    """Base of all errors of this package; the message says what to do next."""


class RecordingError(ReplayError):
    """A recording that cannot be read or written."""


class NotARecording(RecordingError):
    """The file does not begin with the header of a recording.

    Args:
        path: The file.
        problem: What was found instead.
    """

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path} is not a recording: {problem}")


class NewerFormat(RecordingError):
    """The recording has a later major version than this program reads.

    Args:
        path: The file.
        version: The version that its header names.
        known: The latest version that can be read.
    """

    def __init__(self, path: Path, version: int, known: int) -> None:
        super().__init__(
            f"{path} has version {version} of the recording format, and this program reads "
            f"up to version {known}: use a newer pollux"
        )


class DamagedRecording(RecordingError):
    """A line in the middle of a recording cannot be read.

    Args:
        path: The file.
        line: Number of the line, the header being 1.
        problem: What is wrong with it.
    """

    def __init__(self, path: Path, line: int, problem: str) -> None:
        super().__init__(f"{path}, line {line}: {problem}")
        self.line = line


class RecordingExists(RecordingError):
    """The file to be written is there already.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} exists already: choose another name, or overwrite it (--force)")


class RecordingCutOff(RecordingError):
    """A recording could not be written to its end; what is there can be played.

    Args:
        path: The file.
        problem: What the system said.
    """

    def __init__(self, path: Path, problem: OSError) -> None:
        super().__init__(
            f"{path} cannot be written on ({problem.strerror or problem}); "
            "what was recorded so far is in it, without a trailer"
        )


class RecorderError(ReplayError):
    """Nothing could be recorded: the server was not reached, or refused at once."""
