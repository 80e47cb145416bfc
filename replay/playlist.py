"""The recordings that a replay plays, and which of them a message chooses."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from pollux.replay.frames import TimeBase
from pollux.replay.overview import Overview
from pollux.replay.recording import Recording
from pollux.replay.timeline import Timeline

#: How the next recording is chosen: one after the other, or by the text of the message.
CHOICES = ("order", "message")


class Track:
    """One recording, ready to be played; any number of tasks may play it at once.

    Args:
        recording: The recording.
        name: What it is called.
        base: Which of its clocks tells when something happens.
        cap_ms: A longer pause is shortened to so many milliseconds; None: none is.
    """

    def __init__(self, recording: Recording, name: str, base: TimeBase, cap_ms: int | None) -> None:
        self.name = name
        self.timeline = Timeline(recording, base=base, cap_ms=cap_ms)
        self.overview = Overview(recording, base, cap_ms)
        self._recording = recording

    @cached_property
    def ring(self) -> int:
        """How many events the recorded server kept."""
        return self._recording.ring

    @property
    def message(self) -> str:
        """The message that started the recorded task; empty when nobody knows."""
        message = self._recording.header.request.get("message")
        return message if isinstance(message, str) else ""


@dataclass(frozen=True)
class Playlist:
    """Recordings in their order.

    Attributes:
        tracks: At least one.
    """

    tracks: Sequence[Track]

    @classmethod
    def of(
        cls, recordings: Iterable[Recording], base: TimeBase, cap_ms: int | None = None
    ) -> "Playlist":
        """Return the playlist of RECORDINGS; of several with one name the second is NAME-2.

        Args:
            recordings: In their order, at least one.
            base: Which of their clocks tells when something happens.
            cap_ms: Longer pauses are shortened to so many milliseconds; None: none are.
        """
        tracks: dict[str, Track] = {}
        for recording in recordings:
            name, number = recording.name, 1
            while name in tracks:
                number += 1
                name = f"{recording.name}-{number}"
            tracks[name] = Track(recording, name, base, cap_ms)
        return cls(tuple(tracks.values()))

    def find(self, name: str) -> Track | None:
        """Return the recording of this name, or None."""
        return next((track for track in self.tracks if track.name == name), None)

    def by_message(self, message: str) -> Track | None:
        """Return the recording that MESSAGE asks for, or None.

        Case and the amount of white space do not matter. It is the first recording, in this
        order, (1) whose recorded message equals MESSAGE, (2) whose name equals it, (3) whose
        recorded message is contained in it, (4) whose name is contained in it. In (3) and (4)
        the longest wins, and the first of several that are equally long.
        """
        wanted = _plain(message)
        if not wanted:
            return None
        keys = ([_plain(track.message) for track in self.tracks], [_plain(n) for n in self.names()])
        for texts in keys:
            if wanted in texts:
                return self.tracks[texts.index(wanted)]
        for texts in keys:
            contained = [text for text in texts if text and text in wanted]
            if contained:
                return self.tracks[texts.index(max(contained, key=len))]
        return None

    def names(self) -> list[str]:
        """Return the names of the recordings, in their order."""
        return [track.name for track in self.tracks]


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()
