"""A client of API v1: sends one message, and follows its task to the end.

    POLLUX_TOKEN=... python python_httpx.py http://localhost:8091 "Hello"

It prints one line of JSON for each event that it has shown, ``{"idx": 7, "type": "text_chunk"}``,
and one for each gap, ``{"gap": [12, 40]}``: the events 12 to 39 are lost. The text goes to standard
error. It needs nothing but httpx, and can be copied as it is.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

TERMINAL = {"succeeded", "failed", "canceled", "stopped"}
FIRST_WAIT = 0.5
LONGEST_WAIT = 10.0
MOST_FAILURES = 8


class Stopped(Exception):
    """There is nothing more to be had; the message says why."""


class Failed(Exception):
    """This try brought nothing, and the next one may.

    Args:
        why: What happened.
        wait: Seconds that the server wants to be left alone, or None.
    """

    def __init__(self, why: str, wait: float | None = None) -> None:
        super().__init__(why)
        self.wait = wait


class Client:
    """Sends a message and follows its task.

    Args:
        base_url: Of the server, without ``/api/v1``.
        token: The bearer token.
        interval: Seconds between two polls.
    """

    def __init__(self, base_url: str, token: str, interval: float = 0.25) -> None:
        self.interval = interval
        self.http = httpx.Client(
            base_url=f"{base_url.rstrip('/')}/api/v1",
            headers={"Authorization": f"Bearer {token}"},
            timeout=httpx.Timeout(10.0),
            trust_env=False,
        )
        self.expected = 0  # the idx of the next event to be shown

    def run(self, message: str) -> str:
        """Send MESSAGE, show what comes, and return the status in which its task has ended."""
        task_id = self.send(message)
        offset = 0
        while True:
            data = self.poll(task_id, offset)
            self.take(data, offset)
            if self.has_ended(data):
                return str(data["status"])
            offset = self.next_offset(data, offset)
            time.sleep(self.interval)

    def send(self, message: str) -> str:
        """Send MESSAGE and return the id of its task; wait while another task is live (409)."""
        for wait in self.waits():
            try:
                answer = self.ask("POST", "/messages", json={"message": message})
            except Failed as error:
                self.wait_after(error, wait)
                continue
            if answer.status_code == 202:
                return str(answer.json()["task_id"])
            if answer.status_code != 409:
                raise Stopped(f"the message was refused: {answer.text}")
            self.say("another task is running; waiting for it")
            self.wait_while_busy(wait)
        raise Stopped("the message could not be sent")

    def poll(self, task_id: str, offset: int) -> dict[str, Any]:
        """Return the data of the task from OFFSET on, trying again while that may help."""
        for wait in self.waits():
            try:
                answer = self.ask("GET", f"/tasks/{task_id}", params={"from": offset})
                return self.read(answer)
            except Failed as error:
                self.wait_after(error, wait)
        raise Stopped("the server does not recover")

    def ask(self, method: str, path: str, **what: Any) -> httpx.Response:
        """Make one request.

        Raises:
            Failed: no answer, or one that says that a later try may succeed.
            Stopped: the token is refused, or there is no such task.
        """
        try:
            answer = self.http.request(method, path, **what)
        except httpx.TransportError as error:
            raise Failed(f"no answer: {error}") from None
        if answer.status_code == 401:
            self.token_refused()
        if answer.status_code == 404:
            self.gone()
        if answer.status_code == 429 or answer.status_code >= 500:
            raise Failed(f"status {answer.status_code}", retry_after(answer.headers))
        return answer

    def read(self, answer: httpx.Response) -> dict[str, Any]:
        """Return the data of a poll; what is not as promised is as good as no answer."""
        try:
            data = answer.json()["data"]
            data["next_offset"] + 0
            return {**data, "events": list(data["events"])}
        except (ValueError, KeyError, TypeError):
            raise Failed("an answer that cannot be read") from None

    def take(self, data: Mapping[str, Any], offset: int) -> None:
        """Show the events of an answer: what was lost before them, and each of them once."""
        events = data["events"]
        if events and events[0]["idx"] > offset:
            self.lost(offset, events[0]["idx"])
        for event in events:
            if event["idx"] >= self.expected:
                self.expected = event["idx"] + 1
                self.show(event)

    def show(self, event: Mapping[str, Any]) -> None:
        """Show one event; what it does not know it leaves alone."""
        if event["type"] == "text_chunk":
            sys.stderr.write(event["data"]["content"])
        self.emit({"idx": event["idx"], "type": event["type"]})

    def lost(self, first: int, behind: int) -> None:
        """Tell the user that the events FIRST to BEHIND - 1 are lost: the server kept the last."""
        self.say(f"{behind - first} events were lost: see the conversation for the whole text")
        self.emit({"gap": [first, behind]})

    def has_ended(self, data: Mapping[str, Any]) -> bool:
        """Tell whether this is the last answer; only the status says so."""
        return data["status"] in TERMINAL

    def next_offset(self, data: Mapping[str, Any], offset: int) -> int:
        """Return from where the next poll asks."""
        return int(data["next_offset"])

    def token_refused(self) -> None:
        """End: a token that was refused once will be refused again."""
        raise Stopped("the token was refused")

    def gone(self) -> None:
        """End: a server that has been restarted does not know its tasks any more."""
        raise Stopped("the server does not know the task any more: read the conversation")

    def waits(self) -> Iterator[float]:
        """Yield how long to wait after each failure, in seconds."""
        for number in range(MOST_FAILURES):
            yield min(FIRST_WAIT * 2**number, LONGEST_WAIT)

    def wait_after(self, error: Failed, wait: float) -> None:
        """Leave the server alone after a failure, for as long as it wants at least."""
        self.say(str(error))
        time.sleep(max(wait, error.wait or 0.0))

    def wait_while_busy(self, wait: float) -> None:
        """Leave the server alone while another task is live."""
        time.sleep(max(wait, 1.0))

    def emit(self, line: Mapping[str, Any]) -> None:
        """Print one line of JSON, for whoever watches."""
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()

    def say(self, text: str) -> None:
        """Tell the user something that is not part of the answer."""
        sys.stderr.write(f"[{text}]\n")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of ``Retry-After``, or None."""
    try:
        return float(headers["retry-after"])
    except (KeyError, ValueError):
        return None


def main(make: type[Client] = Client) -> int:
    """Read the command line and run a client; return the exit code."""
    parser = argparse.ArgumentParser(description="Send a message and follow its task.")
    parser.add_argument("base_url")
    parser.add_argument("message", nargs="?", default="Hello")
    parser.add_argument("--interval", type=float, default=0.25, help="seconds between polls")
    options = parser.parse_args()
    client = make(options.base_url, os.environ.get("POLLUX_TOKEN", "any"), options.interval)
    try:
        status = client.run(options.message)
    except Stopped as reason:
        client.say(str(reason))
        return 1
    client.say(status)
    return 0 if status == "succeeded" else 1


if __name__ == "__main__":
    sys.exit(main())
