"""The control endpoints of the scripted model: holds and records, for other processes."""

import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from pollux.scripted_model.model import ScriptedModel
from pollux.scripted_model.script import NAME_PATTERN
from pollux.scripted_model.shapes import error_object

MAX_WAIT = 10.0
"""Longest time, in seconds, that one request waits for a hold; ask again after it."""
_MOST_WAITS = 8

Query = Mapping[str, str]
Reply = tuple[int, dict[str, Any]]


class _Refused(ValueError):
    """A control request that cannot be carried out."""


class ControlApp:
    """Answers the requests below ``/control/``.

    ====== ============================================ =========================================
    GET    /control/state                               what is open, held, kept
    POST   /control/reset                               open all holds waited at, forget the rest
    GET    /control/holds                               how many answers wait at which hold
    GET    /control/holds/NAME                          how many wait at this one
    GET    /control/holds/NAME/wait?timeout=S&count=N   the same, once N (1) wait, or after S (10)
    POST   /control/holds/NAME/release                  open it
    POST   /control/release-all                         open all that are waited at
    GET    /control/requests?script_id=ID&after=N       what the model was asked
    DELETE /control/requests                            forget it
    ====== ============================================ =========================================
    """

    def __init__(self, model: ScriptedModel) -> None:
        self._model = model
        self._waits = threading.Semaphore(_MOST_WAITS)
        self._routes: dict[tuple[str, ...], dict[str, Callable[[str, Query], dict[str, Any]]]] = {
            ("state",): {"GET": self._state},
            ("reset",): {"POST": self._reset},
            ("release-all",): {"POST": self._release_all},
            ("requests",): {"GET": self._list_requests, "DELETE": self._clear_requests},
            ("holds",): {"GET": self._list_holds},
            ("holds", ""): {"GET": self._hold},
            ("holds", "", "wait"): {"GET": self._wait},
            ("holds", "", "release"): {"POST": self._release},
        }

    def answer(self, method: str, path: str, query: Query) -> Reply:
        """Answer a request with a status and a JSON object."""
        parts = path.removeprefix("/control/").split("/")
        name = ""
        if parts[0] == "holds" and len(parts) > 1:
            name, parts[1] = parts[1], ""
            if not NAME_PATTERN.fullmatch(name):
                return _error(400, "the name of a hold is letters, digits and _ . : -")
        methods = self._routes.get(tuple(parts))
        if methods is None:
            return _error(404, f"there is no {path[:200]!r} here")
        if method not in methods:
            return _error(405, f"this URL takes {', '.join(methods)} only")
        try:
            return HTTPStatus.OK, methods[method](name, query)
        except _Refused as error:
            return _error(400, str(error))

    def _state(self, _name: str, _query: Query) -> dict[str, Any]:
        return {
            "open_answers": self._model.open_answers,
            "holds": self._model.holds.names(),
            "requests": self._model.requests.count,
            "requests_kept": len(self._model.requests),
        }

    def _reset(self, _name: str, _query: Query) -> dict[str, Any]:
        self._model.reset()
        return {}

    def _release_all(self, _name: str, _query: Query) -> dict[str, Any]:
        self._model.holds.release_all()
        return {}

    def _list_requests(self, _name: str, query: Query) -> dict[str, Any]:
        after = int(_number(query, "after", 0))
        found = self._model.requests.list(query.get("script_id"), after)
        return {"requests": [request.as_json() for request in found]}

    def _clear_requests(self, _name: str, _query: Query) -> dict[str, Any]:
        self._model.requests.clear()
        return {}

    def _list_holds(self, _name: str, _query: Query) -> dict[str, Any]:
        return {"holds": self._model.holds.names()}

    def _hold(self, name: str, _query: Query) -> dict[str, Any]:
        holds = self._model.holds
        return {"name": name, "waiting": holds.waiting(name), "released": holds.is_released(name)}

    def _wait(self, name: str, query: Query) -> dict[str, Any]:
        timeout = min(MAX_WAIT, _number(query, "timeout", MAX_WAIT))
        count = int(_number(query, "count", 1))
        # Waits take threads, too: when there are too many, the caller has to ask again instead.
        is_free = self._waits.acquire(blocking=False)
        try:
            held = self._model.holds.wait_until_held(name, timeout if is_free else 0, count)
        finally:
            if is_free:
                self._waits.release()
        return {**self._hold(name, query), "held": held}

    def _release(self, name: str, query: Query) -> dict[str, Any]:
        self._model.holds.release(name)
        return self._hold(name, query)


def _number(query: Query, name: str, default: float) -> float:
    try:
        number = float(query.get(name, default))
    except ValueError as error:
        raise _Refused(f"{name!r} must be a number") from error
    if not 0 <= number < 1e9:
        raise _Refused(f"{name!r} must not be below 0")
    return number


def _error(status: int, message: str) -> Reply:
    return status, error_object(message, status)
