"""Holds and records of a scripted model, in this process or over HTTP, behind one protocol."""

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol, Self

import httpx

from pollux.scripted_model.control_app import MAX_WAIT
from pollux.scripted_model.request_log import RecordedRequest

Query = Mapping[str, str | int | float]

_AGAIN = 0.02
"""Seconds before a wait is asked for anew that was answered at once."""


class HoldsControl(Protocol):
    """The holds of a model, as ``pollux.scripted_model.holds.Holds`` describes them."""

    def names(self) -> Mapping[str, int]:
        """Return how many answers wait at each hold at which any does."""
        ...

    def waiting(self, name: str) -> int:
        """Return how many answers wait at the hold NAME."""
        ...

    def wait_until_held(self, name: str, timeout: float, count: int = 1) -> bool:
        """Wait at most TIMEOUT seconds until COUNT answers wait there; tell whether they do."""
        ...

    def release(self, name: str) -> None:
        """Open the hold NAME for good."""

    def release_all(self) -> None:
        """Open every hold at which an answer waits now."""


class RequestsControl(Protocol):
    """What a model was asked, as ``pollux.scripted_model.request_log.RequestLog`` keeps it."""

    def list(self, script_id: str | None = None, after: int = 0) -> Sequence[RecordedRequest]:
        """Return the requests kept, oldest first, filtered by script or number."""
        ...

    def clear(self) -> None:
        """Forget all requests."""


class ModelControl(Protocol):
    """A scripted model as a check sees it: ``ScriptedModel`` or ``HttpModelControl``."""

    @property
    def holds(self) -> HoldsControl:
        """The holds."""
        ...

    @property
    def requests(self) -> RequestsControl:
        """What the model was asked."""
        ...

    @property
    def open_answers(self) -> int:
        """How many answers are being sent, or waiting, right now."""
        ...

    def reset(self) -> None:
        """Open all holds that are waited at, and forget releases, tries and requests."""


class ControlError(RuntimeError):
    """The model could not be reached, or refused what it was asked to do."""


class HttpModelControl:
    """Controls a scripted model over HTTP.

    Args:
        base_url: Of the model, with or without ``/v1`` at the end.
        timeout: Seconds that a request may take (waiting for a hold has its own).
    """

    def __init__(self, base_url: str, *, timeout: float = 10.0) -> None:
        root = base_url.rstrip("/").removesuffix("/v1")
        self._client = httpx.Client(base_url=f"{root}/control/", timeout=timeout, trust_env=False)
        self._timeout = timeout
        self.holds = HttpHolds(self)
        self.requests = HttpRequests(self)

    def __enter__(self) -> Self:
        """Return this control."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    @property
    def open_answers(self) -> int:
        """How many answers are being sent, or waiting, right now."""
        return int(self.call("GET", "state")["open_answers"])

    def reset(self) -> None:
        """Open all holds that are waited at, and forget releases, tries and requests."""
        self.call("POST", "reset")

    def call(
        self, method: str, path: str, query: Query | None = None, *, wait: float = 0.0
    ) -> dict[str, Any]:
        """Send a control request that may take WAIT seconds longer, and return its answer.

        Raises:
            ControlError: when the model cannot be reached, or refuses.
        """
        try:
            response = self._client.request(
                method, path, params=query, timeout=self._timeout + wait
            )
            value = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise ControlError(f"the scripted model cannot be controlled: {error}") from error
        if not isinstance(value, dict) or response.status_code != httpx.codes.OK:
            raise ControlError(f"the scripted model refused {method} {path}: {response.text[:500]}")
        return value


class HttpHolds:
    """The holds of a model, over HTTP."""

    def __init__(self, control: HttpModelControl) -> None:
        self._control = control

    def names(self) -> Mapping[str, int]:
        """Return how many answers wait at each hold at which any does."""
        holds: dict[str, int] = self._control.call("GET", "holds")["holds"]
        return holds

    def waiting(self, name: str) -> int:
        """Return how many answers wait at the hold NAME."""
        return int(self._control.call("GET", f"holds/{name}")["waiting"])

    def wait_until_held(self, name: str, timeout: float, count: int = 1) -> bool:
        """Wait at most TIMEOUT seconds until COUNT answers wait there; tell whether they do."""
        deadline = time.monotonic() + timeout
        while True:
            left = max(0.0, deadline - time.monotonic())
            asked = time.monotonic()
            answer = self._control.call(
                "GET",
                f"holds/{name}/wait",
                {"timeout": round(min(left, MAX_WAIT), 3), "count": count},
                wait=min(left, MAX_WAIT),
            )
            if answer["held"] or time.monotonic() >= deadline:
                return bool(answer["held"])
            if time.monotonic() - asked < _AGAIN:
                time.sleep(_AGAIN)

    def release(self, name: str) -> None:
        """Open the hold NAME for good."""
        self._control.call("POST", f"holds/{name}/release")

    def release_all(self) -> None:
        """Open every hold at which an answer waits now."""
        self._control.call("POST", "release-all")


class HttpRequests:
    """What a model was asked, over HTTP."""

    def __init__(self, control: HttpModelControl) -> None:
        self._control = control

    def list(self, script_id: str | None = None, after: int = 0) -> Sequence[RecordedRequest]:
        """Return the requests kept, oldest first, filtered by script or number."""
        query: dict[str, str | int] = {"after": after}
        if script_id is not None:
            query["script_id"] = script_id
        found = self._control.call("GET", "requests", query)["requests"]
        return [RecordedRequest.from_json(each) for each in found]

    def clear(self) -> None:
        """Forget all requests."""
        self._control.call("DELETE", "requests")
