"""Broken twins of the Python client: each breaks one rule of ``pollux verify``, and no other.

    python twins.py OFFSET-NO-SKIP http://localhost:8091

They prove that the rules see what they say they see; each is a mistake that real clients make.
"""

import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
from python_httpx import Client, Failed, Stopped, main

KNOWN = ("ai_message_start", "text_start", "text_chunk", "text_end", "task_complete")


class OffByOne(Client):
    """Asks for the last event once more, and throws it away."""

    def next_offset(self, data: Mapping[str, Any], offset: int) -> int:
        """Return the idx of the last event, not the one behind it."""
        return max(int(data["next_offset"]) - 1, 0)


class GoesBack(Client):
    """Forgets the latest offset now and then."""

    polls = 0

    def next_offset(self, data: Mapping[str, Any], offset: int) -> int:
        """Return the former offset every third time."""
        self.polls += 1
        return offset if self.polls % 3 == 0 else int(data["next_offset"])


class Skips(Client):
    """Takes ``next_offset`` for the idx of the last event."""

    def next_offset(self, data: Mapping[str, Any], offset: int) -> int:
        """Return the idx behind the one that comes next."""
        return int(data["next_offset"]) + 1 if data["events"] else offset


class GivesUp(Client):
    """Ends at the first failure."""

    def wait_after(self, error: Failed, wait: float) -> None:
        """End."""
        raise Stopped(str(error))


class TrustsItsServer(Client):
    """Ends at an answer that cannot be read."""

    def read(self, answer: httpx.Response) -> dict[str, Any]:
        """Return the data of a poll, which nobody has looked at."""
        try:
            return super().read(answer)
        except Failed as error:
            raise Stopped(str(error)) from None


class StopsAtAnEvent(Client):
    """Takes an event for the end of the task."""

    def has_ended(self, data: Mapping[str, Any]) -> bool:
        """Tell whether the answer holds the last event of the agent."""
        return any(event["type"] == "task_complete" for event in data["events"])


class NeverStops(Client):
    """Polls on when the task has ended."""

    def has_ended(self, data: Mapping[str, Any]) -> bool:
        """Go on."""
        return False


class PollsWhatIsGone(Client):
    """Takes 404 for a passing trouble."""

    def gone(self) -> None:
        """Go on."""
        time.sleep(self.interval)
        raise Failed("not found")

    def wait_after(self, error: Failed, wait: float) -> None:
        """Try again soon, and for ever."""
        if str(error) != "not found":
            super().wait_after(error, wait)

    def waits(self) -> Iterator[float]:
        """Yield waits without an end."""
        while True:
            yield self.interval


class HammersWithItsToken(Client):
    """Takes 401 for a passing trouble."""

    def token_refused(self) -> None:
        """Go on."""
        raise Failed("refused", 0.0)

    def wait_after(self, error: Failed, wait: float) -> None:
        """Try again at once."""
        time.sleep(self.interval)


class HammersWhileBusy(Client):
    """Sends its message over and over while another task is live."""

    def wait_while_busy(self, wait: float) -> None:
        """Try again at once."""
        time.sleep(0.05)


class KnowsAllTypes(Client):
    """Breaks off at an event that was invented after it."""

    def show(self, event: Mapping[str, Any]) -> None:
        """Show an event that is known."""
        if event["type"] not in KNOWN:
            raise Stopped(f"unknown event {event['type']}")
        super().show(event)


class HidesGaps(Client):
    """Does not look whether events are missing."""

    def lost(self, first: int, behind: int) -> None:
        """Say nothing."""


class LosesEvents(Client):
    """Does not show an event now and then."""

    ended = False

    def take(self, data: Mapping[str, Any], offset: int) -> None:
        """Note whether this is the last answer, and show it."""
        self.ended = self.has_ended(data)
        super().take(data, offset)

    def show(self, event: Mapping[str, Any]) -> None:
        """Show most events."""
        if self.ended or event["idx"] % 5 != 3:
            super().show(event)


class LosesTheLastBatch(Client):
    """Looks at the status before it looks at the events."""

    def take(self, data: Mapping[str, Any], offset: int) -> None:
        """Show the events of an answer, unless the task has ended."""
        if not self.has_ended(data):
            super().take(data, offset)


class ShowsTwice(Client):
    """Shows the first event of each answer twice."""

    def take(self, data: Mapping[str, Any], offset: int) -> None:
        """Show the events, and one of them again."""
        super().take(data, offset)
        if data["events"]:
            self.show(data["events"][0])


class ShowsBackwards(Client):
    """Puts the latest event of each answer first."""

    def take(self, data: Mapping[str, Any], offset: int) -> None:
        """Show the events in the wrong order."""
        if data["events"] and data["events"][0]["idx"] > offset:
            self.lost(offset, data["events"][0]["idx"])
        for event in reversed(data["events"]):
            self.show(event)


class PollsByTimer(Client):
    """Sends a poll at each tick, answered or not."""

    def run(self, message: str) -> str:
        """Poll by a timer, and show what comes."""
        task_id = self.send(message)
        lock, ended = threading.Lock(), threading.Event()
        offset, status = 0, ""

        def tick(asked: int) -> None:
            nonlocal offset, status
            data = self.poll(task_id, asked)
            with lock:
                if asked == offset:
                    self.take(data, asked)
                    offset = self.next_offset(data, asked)
                if self.has_ended(data):
                    status = str(data["status"])
                    ended.set()

        ticks: list[threading.Thread] = []
        while not ended.wait(self.interval):
            ticks.append(threading.Thread(target=tick, args=(offset,)))
            ticks[-1].start()
        for thread in ticks:
            thread.join()
        return status


class PollsAllTheTime(Client):
    """Asks again as soon as it is answered."""

    def __init__(self, base_url: str, token: str, interval: float = 0.25) -> None:
        super().__init__(base_url, token, interval=0.01)


class DoesNotBackOff(Client):
    """Tries again at its usual pace while the server fails."""

    def wait_after(self, error: Failed, wait: float) -> None:
        """Wait as always, or as the server wants."""
        time.sleep(max(self.interval, error.wait or 0.0))


class DoesNotListen(Client):
    """Does not read ``Retry-After``."""

    def wait_after(self, error: Failed, wait: float) -> None:
        """Wait as long as it sees fit."""
        time.sleep(wait)


#: The twin that breaks each rule.
TWINS: dict[str, type[Client]] = {
    "OFFSET-AS-TOLD": OffByOne,
    "OFFSET-NO-REWIND": GoesBack,
    "OFFSET-NO-SKIP": Skips,
    "RETRY-SAME-OFFSET": GivesUp,
    "UNTIL-TERMINAL": StopsAtAnEvent,
    "TERMINAL-STOPS": NeverStops,
    "GONE-STOPS": PollsWhatIsGone,
    "TOKEN-NOT-HAMMERED": HammersWithItsToken,
    "BUSY-NOT-HAMMERED": HammersWhileBusy,
    "UNKNOWN-TOLERATED": KnowsAllTypes,
    "GAP-NOTICED": HidesGaps,
    "SHOWN-ALL": LosesEvents,
    "SHOWN-LAST-BATCH": LosesTheLastBatch,
    "SHOWN-ONCE": ShowsTwice,
    "SHOWN-IN-ORDER": ShowsBackwards,
    "RETRY-UNREADABLE": TrustsItsServer,
    "SINGLE-FLIGHT": PollsByTimer,
    "SANE-INTERVAL": PollsAllTheTime,
    "BACK-OFF": DoesNotBackOff,
    "RETRY-AFTER": DoesNotListen,
}


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in TWINS:
        sys.exit(f"say which rule is to be broken: {', '.join(TWINS)}")
    sys.exit(main(TWINS[sys.argv.pop(1)]))
