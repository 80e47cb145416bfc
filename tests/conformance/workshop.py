"""A reference server in this process whose requests and answers can be twisted on their way."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pollux.conformance.outcome import Outcome
from pollux.conformance.recorder import Plan
from pollux.conformance.report.log import EventLog
from pollux.conformance.report.report import Report, build_report
from pollux.conformance.runner import run_checks
from pollux.conformance.target import Profile, Target
from pollux.reference_server.app import create_app, services_of
from pollux.reference_server.config import RetryPolicy, ServerConfig
from pollux.reference_server.models import ModelCatalogue, scripted_spec
from pollux.schemas.requirements import load_requirements
from pollux.scripted_model.server import ModelServer
from pollux.serving import WsgiServer

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

TOKEN = "token-of-the-first-user"
OTHER_TOKEN = "token-of-the-second-user"
API = "/api/v1"
#: A small buffer runs over sooner; the checks ask the target how large it is.
BUFFER_SIZE = 200
#: The modules of checks that are looked at here.
MODULES = (
    "test_auth",
    "test_cancel",
    "test_envelope",
    "test_events",
    "test_one_task",
    "test_polling",
    "test_ring",
)


@dataclass
class Request:
    """A request that a twist may look at and change before the server sees it."""

    environ: "WSGIEnvironment"
    body: bytes = b""

    @classmethod
    def read(cls, environ: "WSGIEnvironment") -> "Request":
        length = int(environ.get("CONTENT_LENGTH") or 0)
        return cls(environ, environ["wsgi.input"].read(length))

    @property
    def method(self) -> str:
        return str(self.environ["REQUEST_METHOD"])

    @property
    def path(self) -> str:
        return str(self.environ["PATH_INFO"]).removeprefix(API)

    @property
    def query(self) -> str:
        return str(self.environ.get("QUERY_STRING", ""))

    @query.setter
    def query(self, text: str) -> None:
        self.environ["QUERY_STRING"] = text

    def header(self, name: str) -> str | None:
        value = self.environ.get("HTTP_" + name.upper().replace("-", "_"))
        return None if value is None else str(value)

    def set_header(self, name: str, value: str | None) -> None:
        key = "HTTP_" + name.upper().replace("-", "_")
        if value is None:
            self.environ.pop(key, None)
        else:
            self.environ[key] = value

    def authorize(self, token: str = TOKEN) -> None:
        self.set_header("Authorization", f"Bearer {token}")

    @property
    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def is_poll(self) -> bool:
        return self.method == "GET" and self.path.startswith("/tasks/")

    @property
    def is_send(self) -> bool:
        return self.method == "POST" and self.path == "/messages"

    @property
    def is_cancel(self) -> bool:
        return self.method == "POST" and self.path.endswith("/cancel")


@dataclass
class Answer:
    """An answer that a twist may change before the client sees it."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def ok(self) -> bool:
        return self.status < 300

    @property
    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @json.setter
    def json(self, value: Any) -> None:
        self.body = json.dumps(value).encode()

    def drop(self, name: str) -> None:
        self.headers = [line for line in self.headers if line[0].lower() != name.lower()]


def failure(status: int, text: str = "twisted") -> Answer:
    """Return a failure as the contract wants it."""
    body = json.dumps({"success": False, "error": text}).encode()
    headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
    headers += [("X-Content-Type-Options", "nosniff"), ("WWW-Authenticate", "Bearer")]
    return Answer(status, headers, body)


def html(status: int) -> Answer:
    """Return the page of a framework."""
    return Answer(status, [("Content-Type", "text/html")], b"<h1>Something went wrong</h1>")


Inner = Callable[[Request], Answer]
#: Answers a request, usually by asking the server and changing what it says.
Twist = Callable[[Request, Inner], Answer]


def straight(request: Request, inner: Inner) -> Answer:
    """Change nothing."""
    return inner(request)


class Twisted:
    """A WSGI application whose requests and answers go through a twist.

    Args:
        app: The application.
        twist: What they go through.
        pieces: Send bodies in chunks of so many bytes; None: as a whole.
    """

    def __init__(self, app: "WSGIApplication", twist: Twist, pieces: int | None = None) -> None:
        self._app = app
        self._twist = twist
        self._pieces = pieces

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        answer = self._twist(Request.read(environ), self._inner)
        answer.drop("Content-Length")
        status = f"{answer.status} {HTTPStatus(answer.status).phrase}"
        body, size = answer.body, self._pieces
        if size is None:
            start_response(status, [*answer.headers, ("Content-Length", str(len(body)))])
            return [body]
        start_response(status, answer.headers)
        return (body[at : at + size] for at in range(0, len(body), size))

    def _inner(self, request: Request) -> Answer:
        said: list[Any] = []

        def start(status: str, headers: list[tuple[str, str]], *_: Any) -> Callable[[bytes], None]:
            said[:] = [int(status.split()[0]), list(headers)]
            return lambda _: None

        # Each time anew: a twist may let the server see one request more than once.
        environ = dict(request.environ) | {"wsgi.input": BytesIO(request.body)}
        if request.body or environ.get("CONTENT_LENGTH"):
            environ["CONTENT_LENGTH"] = str(len(request.body))
        parts = self._app(environ, start)
        try:
            body = b"".join(parts)
        finally:
            close = getattr(parts, "close", None)
            if close:
                close()
        return Answer(said[0], said[1], body)


@dataclass
class Workshop:
    """One reference server and its model, served straight or twisted."""

    folder: Path
    model: ModelServer = field(init=False)
    app: Any = field(init=False)

    def __enter__(self) -> Self:
        self.model = ModelServer().start()
        config = ServerConfig(
            data_dir=self.folder,
            buffer_size=BUFFER_SIZE,
            retry=RetryPolicy(max_attempts=2, first_delay=0.02, max_delay=2.0),
        )
        self.app = create_app(config, ModelCatalogue([scripted_spec()], self.model.model))
        users = services_of(self.app).users
        users.add("first", token=TOKEN)
        users.add("second", token=OTHER_TOKEN)
        return self

    def __exit__(self, *_: object) -> None:
        services_of(self.app).tasks.close(5.0)
        self.model.stop()

    @contextmanager
    def serve(self, twist: Twist = straight) -> Iterator[str]:
        """Serve the reference server through TWIST and yield its URL."""
        # As many threads as the widest race has sends, or the sends would wait in line.
        with WsgiServer(Twisted(self.app, twist), threads=48) as server:
            yield server.base_url

    def target(
        self,
        url: str,
        *,
        time_scale: float = 1.0,
        profile: Profile = Profile.SCRIPTED,
        other_token: str | None = OTHER_TOKEN,
    ) -> Target:
        """Return what a run is told of the server that is served at URL."""
        return Target(
            base_url=url,
            token=TOKEN,
            other_token=other_token,
            profile=profile,
            model_control=self.model.url if profile is Profile.SCRIPTED else None,
            time_scale=time_scale,
            buffer_size=BUFFER_SIZE,
        )

    def judge(
        self,
        twist: Twist,
        *only: str,
        time_scale: float = 1.0,
        profile: Profile = Profile.SCRIPTED,
        other_token: str | None = OTHER_TOKEN,
    ) -> Report:
        """Run the checks of the requirements ONLY against the twisted server."""
        with self.serve(twist) as url:
            target = self.target(
                url, time_scale=time_scale, profile=profile, other_token=other_token
            )
            log = EventLog()
            plan = Plan(target, load_requirements(), only=only, seed=1)
            run_checks(plan, log, modules=MODULES)
        return build_report(log.events)


def having(report: Report, *outcomes: Outcome) -> set[str]:
    """Return the ids of the requirements with one of these OUTCOMES."""
    return {row.id for row in report.having(*outcomes)}
