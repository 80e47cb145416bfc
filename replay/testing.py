"""A replay for tests of a client: what the pytest fixture ``replay_server`` starts."""

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pollux.replay.control.waiting import Wish, wait
from pollux.replay.faults import parse_rules
from pollux.replay.journal import Ack, Journal
from pollux.replay.recording import Recording
from pollux.replay.server import ReplayServer
from pollux.replay.timeline import Timeline
from pollux.replay.verify.judge import judge
from pollux.replay.verify.outcome import End, Facts, Outcome, Result
from pollux.replay.verify.outputs import request_line
from pollux.replay.verify.rules import BY_ID

_TEST_SECONDS = 10.0


class ReplayUnderTest:
    """A replay on a free port of this machine, with a judgement on its clients.

    Args:
        recordings: Files, or names of the recordings that come with Pollux (``"tools"``). Each
            accepted message plays the next one.
        faults: Fault rules, one a line or each an item; see docs/faults.md.
        options: Further arguments of :class:`pollux.replay.server.ReplayServer`: ``clock``,
            ``speed``, ``per_poll``, ``ring``, ``token``, ...

    Raises:
        FaultSyntaxError: when a fault rule is not understood.
        RecordingError: when a recording cannot be played.
        OSError: when a file cannot be opened.
    """

    def __init__(
        self, *recordings: Path | str, faults: str | Iterable[str] = (), **options: Any
    ) -> None:
        lines = faults.splitlines() if isinstance(faults, str) else list(faults)
        self._paths = [_found(recording) for recording in recordings]
        self.server = ReplayServer(*self._paths, faults=parse_rules("\n".join(lines)), **options)

    def __enter__(self) -> Self:
        """Start serving."""
        self.server.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop serving."""
        self.server.stop()

    @property
    def base_url(self) -> str:
        """What the client takes for the address of its server."""
        return self.server.base_url

    @property
    def control_url(self) -> str:
        """Where the control API is."""
        return self.server.control_url

    @property
    def journal(self) -> Journal:
        """What clients asked and were told."""
        return self.server.session.journal

    def step(self, events: int = 1) -> None:
        """Let EVENTS more events of the live task happen; with the manual clock.

        Raises:
            LookupError: when no task is live.
        """
        self.server.step(events)

    def advance(self, seconds: float) -> None:
        """Let SECONDS of the live task pass; with the manual clock.

        Raises:
            LookupError: when no task is live.
        """
        self.server.advance(seconds * 1000)

    def ack(self, *idxs: int) -> None:
        """Say that the client has shown these events."""
        for idx in idxs:
            self.journal.ack(Ack(self.journal.since_ms(), idx, "test"))

    def ack_gap(self, first: int, behind: int) -> None:
        """Say that the client has noticed that the events FIRST to BEHIND - 1 are lost to it."""
        self.journal.ack(Ack(self.journal.since_ms(), behind, "test", (first, behind)))

    def wait_for(
        self,
        *,
        polls: int | None = None,
        idx: int | None = None,
        acked: int | None = None,
        end: bool = False,
        silence: float | None = None,
        timeout: float = _TEST_SECONDS,
    ) -> None:
        """Wait until the clients have done something; all that is given must hold.

        Args:
            polls: The latest task was polled at least so often.
            idx: A client was told this event of it, or a later one.
            acked: A client says that it has shown this event, or a later one.
            end: A client was told its end.
            silence: Nobody has asked for anything for so many seconds.
            timeout: Seconds to wait at most.

        Raises:
            TimeoutError: when it did not come to that.
            ValueError: when nothing is given to wait for.
        """
        wish = Wish(
            polls=polls,
            idx=idx,
            acked=acked,
            end=end,
            silence_ms=None if silence is None else silence * 1000,
        )
        if wish == Wish():
            raise ValueError("say what to wait for: polls, idx, acked, end or silence")
        if not wait(self.server.sessions, "", wish, timeout):
            seen = "\n".join(request_line(entry) for entry in self.journal.entries[-10:])
            raise TimeoutError(
                f"not within {timeout:g} s: {wish}; the last requests were\n{seen or 'none'}"
            )

    @property
    def report(self) -> list[Result]:
        """What is said of the client by each rule, as if nothing more came from it."""
        return self._judged(End.SILENT)

    def assert_client_ok(self, *, allow: Iterable[str] = ()) -> None:
        """Fail unless the client has broken no MUST, and something could be said of it.

        Args:
            allow: Ids of rules that it may break.

        Raises:
            AssertionError: with each broken rule and the requests that prove it.
            ValueError: when a rule of ALLOW does not exist.
        """
        allowed = set(allow)
        if unknown := allowed - set(BY_ID):
            raise ValueError(f"there is no rule {', '.join(sorted(unknown))}: see docs/verify.md")
        report = self.report
        if not any(result.outcome is Outcome.PASS for result in report):
            raise AssertionError("nothing can be said of the client: it did not poll")
        broken = [
            result
            for result in report
            if result.outcome is Outcome.FAIL and result.rule not in allowed
        ]
        if broken:
            raise AssertionError("\n".join(self._told(result) for result in broken))

    def _judged(self, end: End) -> list[Result]:
        types: dict[int, str] = {}
        if len(self._paths) == 1:
            with Recording(self._paths[0]) as recording:  # the server may have closed its own
                types = Timeline(recording).event_types()
        effects = self.server.session.faults.effects
        return judge(self.journal, Facts(end=end, types=types, effects=effects))

    def _told(self, result: Result) -> str:
        wanted = set(result.polls)
        proof = [
            f"    {request_line(entry)}" for entry in self.journal.entries if entry.number in wanted
        ]
        sentence = BY_ID[result.rule].sentence
        return "\n".join([f"{result.rule}: {result.detail}", f"  {sentence}", *proof])


def _found(recording: Path | str) -> Path:
    """Return the file of a recording, which may be one of those that come with Pollux."""
    from pollux import fixtures

    if isinstance(recording, str) and recording in fixtures.names():
        return fixtures.recording_path(recording)
    return Path(recording)
