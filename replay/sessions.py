"""All sessions of a replay server, and the layer that finds the one of each request."""

import re
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from pollux.replay.http import failure
from pollux.replay.playlist import Playlist
from pollux.replay.session import BadSession, Session, Setup
from pollux.schemas.openapi import API_PREFIX

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

#: Where the session of a request stands in its WSGI environment.
SESSION_KEY = "pollux.session"
RECORDING_HEADER = "X-Pollux-Recording"
FAULTS_HEADER = "X-Pollux-Faults"
_MOST_SESSIONS = 256
#: What the journals of all sessions keep together; about 1 KB each.
_MOST_ENTRIES = 100_000
#: After how many requests that is looked at.
_LOOK_EVERY = 500
_PREFIX = re.compile(r"/s/([^/]*)(/.*)?", re.DOTALL)
_ID = re.compile(r"[\w.~-]{1,100}")
_BAD_ID = "a session is named by 1 to 100 letters, digits or '.', '_', '~', '-': /s/<id>/api/v1"


class Sessions:
    """The sessions by their ids; the one without an id is always there. Safe for threads.

    A session whose id is the name of a recording, or that name, ``~`` and anything else,
    always plays that recording.

    Args:
        playlist: What is played.
        setup: How sessions begin.
        most: How many are kept; of more, those that were not asked for longest are forgotten.
        most_entries: How many requests and acknowledgements their journals keep together; of
            more, the longest journal loses its oldest.

    Attributes:
        closing: Set when the server stops: nobody may wait any longer.
    """

    def __init__(
        self,
        playlist: Playlist,
        setup: Setup,
        most: int = _MOST_SESSIONS,
        most_entries: int = _MOST_ENTRIES,
    ) -> None:
        self.closing = threading.Event()
        self._playlist = playlist
        self._setup = setup
        self._most = most
        self._most_entries = most_entries
        self._asked = 0
        self._lock = threading.Lock()
        self._sessions = {"": self._make("")}

    def get(self, session_id: str) -> Session:
        """Return a session, which begins now if there was none of this id."""
        with self._lock:
            session = self._sessions.pop(session_id, None) or self._make(session_id)
            self._sessions[session_id] = session  # the last one is the one used last
            while len(self._sessions) > self._most:
                oldest = next(known for known in self._sessions if known)
                self._sessions.pop(oldest).retire()
            self._asked += 1
            if self._asked % _LOOK_EVERY == 0:
                self._make_room()
            return session

    def reset(self, session_id: str) -> Session:
        """Let a session begin anew, as if nobody had ever asked for it; return it."""
        with self._lock:
            old = self._sessions.pop(session_id, None)
            self._sessions[session_id] = self._make(session_id)
            if old is not None:
                old.retire()
            return self._sessions[session_id]

    def all(self) -> list[Session]:
        """Return all sessions, the one used last first."""
        with self._lock:
            return list(reversed(self._sessions.values()))

    def _make_room(self) -> None:
        journals = [session.journal for session in self._sessions.values()]
        while sum(map(len, journals)) > self._most_entries:
            max(journals, key=len).drop(_LOOK_EVERY)

    def _make(self, session_id: str) -> Session:
        only = self._playlist.find(session_id) or self._playlist.find(session_id.split("~")[0])
        return Session(session_id, self._playlist, self._setup, only=only)


class SessionRouter:
    """The outermost layer: strips ``/s/<id>`` and tells the layers below which session it is.

    They find it in the environment under :data:`SESSION_KEY`. The first request of a session
    to the API may say in headers how the session is to be; a wrong header is answered with 400.

    Args:
        app: The layer below.
        sessions: The sessions.
    """

    def __init__(self, app: "WSGIApplication", sessions: Sessions) -> None:
        self._app = app
        self._sessions = sessions

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer a request."""
        session_id = ""
        match = _PREFIX.fullmatch(environ.get("PATH_INFO", ""))
        if match:
            session_id = match[1].encode("latin-1").decode(errors="replace")
            if not _ID.fullmatch(session_id):
                return _refused(404, _BAD_ID)(environ, start_response)
            environ["SCRIPT_NAME"] = f"{environ.get('SCRIPT_NAME', '')}/s/{match[1]}"
            environ["PATH_INFO"] = match[2] or "/"
        session = self._sessions.get(session_id)
        environ[SESSION_KEY] = session
        if _opens(environ):
            try:
                session.begin(
                    recording=_header(environ, RECORDING_HEADER),
                    faults=_header(environ, FAULTS_HEADER),
                )
            except BadSession as error:
                return _refused(400, str(error))(environ, start_response)
        return self._app(environ, start_response)


def _opens(environ: "WSGIEnvironment") -> bool:
    """Tell whether this request belongs to a client: neither control nor preflight."""
    path, method = str(environ.get("PATH_INFO", "")), environ["REQUEST_METHOD"]
    return path.startswith(API_PREFIX) and method != "OPTIONS"


def _header(environ: "WSGIEnvironment", name: str) -> str | None:
    text: str | None = environ.get(f"HTTP_{name.upper().replace('-', '_')}")
    return None if text is None else text.strip().encode("latin-1").decode(errors="replace")


def _refused(status: int, message: str) -> Callable[..., Iterable[bytes]]:
    answer = failure(status, message)
    answer.headers["Access-Control-Allow-Origin"] = "*"
    answer.headers["Cache-Control"] = "no-store"
    return answer
