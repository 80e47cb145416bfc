"""Serves the reference server with ways of its own, and judges it by the whole suite."""

import socketserver
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any
from wsgiref import simple_server

from flask import Flask

from pollux.conformance import suite
from pollux.conformance.effort import Budget, Effort
from pollux.conformance.outcome import Outcome
from pollux.conformance.recorder import Plan
from pollux.conformance.report.log import EventLog
from pollux.conformance.report.report import Report, build_report
from pollux.conformance.runner import run_checks
from pollux.conformance.target import Profile, Target
from pollux.reference_server.app import create_app, services_of
from pollux.reference_server.config import RetryPolicy, ServerConfig
from pollux.reference_server.models import ModelCatalogue, ModelSpec, scripted_spec
from pollux.schemas.requirements import load_requirements
from pollux.scripted_model.server import ModelServer
from pollux.serving import WsgiServer
from tests.conformance.workshop import BUFFER_SIZE, OTHER_TOKEN, TOKEN, Twist, Twisted

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

# These need a process to be killed, or files and answers larger than a test should make.
_LEFT_OUT = {"test_restart", "test_restart_writes", "test_files_large"}
#: They make up what they do, and take longer than the others.
GENERATED = ("test_fuzzing", "test_ring_properties", "test_state_machine")
#: All other modules of checks.
MODULES = tuple(
    sorted(
        {path.stem for path in Path(suite.__path__[0]).glob("test_*.py")} - {*_LEFT_OUT, *GENERATED}
    )
)
# What is generated is tried a few times only.
_BUDGET = Budget(fuzz_cases=2, examples=3, sequences=2, steps=15)
#: The one check that takes a hundred model calls.
TOO_LONG = "SEND-MAX-ITERATIONS-DEFAULT"

#: What the left out modules alone could verify.
UNSEEN = frozenset(
    {
        "COMMON-UNAVAILABLE",
        "ENVELOPE-BODY-TOO-LARGE",
        "FILE-UPLOAD-TOO-LARGE",
        "FILE-UPLOAD-TOO-LARGE-NO-TRACE",
        *(name for name in load_requirements() if name.startswith("RESTART-")),
    }
)


class _Threads(socketserver.ThreadingMixIn, simple_server.WSGIServer):
    daemon_threads = True
    request_queue_size = 128


class _Quiet(simple_server.WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None: ...


@contextmanager
def served_by_http_1_0(app: "WSGIApplication") -> Iterator[str]:
    """Serve APP by HTTP/1.0, one connection for each request, and yield the URL."""
    with simple_server.make_server(
        "127.0.0.1", 0, app, server_class=_Threads, handler_class=_Quiet
    ) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def served_by_waitress(app: "WSGIApplication", most: int = 1 << 30) -> Iterator[str]:
    """Serve APP by HTTP/1.1 with connections that are kept, and yield the URL.

    A body of more than MOST bytes is refused before it is read, and the connection closed.
    """
    # As many threads as the widest race has sends, or the sends would wait in line.
    with WsgiServer(app, threads=72, max_body_bytes=most) as server:
        yield server.base_url


@dataclass(frozen=True)
class Server:
    """A correct server with ways of its own.

    Attributes:
        twist: Makes what its requests and answers go through; it is given the application.
        models: Its models, the default first; the scripted one answers for all.
        attempts: How often it makes a model call that fails.
        serve: How it speaks HTTP.
        pieces: Send bodies in chunks of so many bytes; None: as a whole.
    """

    twist: Callable[[Flask], Twist]
    models: Sequence[ModelSpec] = field(default_factory=lambda: [scripted_spec()])
    attempts: int = 2
    serve: Callable[["WSGIApplication"], Any] = served_by_waitress
    pieces: int | None = None


@contextmanager
def standing(server: Server, folder: Path) -> Iterator[Target]:
    """Start SERVER with two users and a scripted model; yield what a run is told of it."""
    with ExitStack() as stack:
        model = stack.enter_context(ModelServer())
        config = ServerConfig(
            data_dir=folder,
            buffer_size=BUFFER_SIZE,
            retry=RetryPolicy(max_attempts=server.attempts, first_delay=0.02, max_delay=20.0),
        )
        app = create_app(config, ModelCatalogue(list(server.models), model.model))
        services = services_of(app)
        stack.callback(services.tasks.close, 5.0)
        services.users.add("first", token=TOKEN)
        services.users.add("second", token=OTHER_TOKEN)
        url = stack.enter_context(server.serve(Twisted(app, server.twist(app), server.pieces)))
        yield Target(
            base_url=url,
            token=TOKEN,
            other_token=OTHER_TOKEN,
            profile=Profile.SCRIPTED,
            model_control=model.url,
            buffer_size=BUFFER_SIZE,
            data_dir=folder,
        )


def judge(
    target: Target,
    modules: Sequence[str] = MODULES,
    only: Sequence[str] = (),
    *,
    quick: bool = False,
) -> Report:
    """Run the suite against TARGET.

    Args:
        target: What is judged.
        modules: The modules of checks.
        only: Which requirements; none means all but the one whose check takes too long.
        quick: Leave the slow checks out.
    """
    budget = Budget.of(Effort.QUICK) if quick else _BUDGET
    catalogue = load_requirements()
    wanted = tuple(only) or tuple(name for name in catalogue if name != TOO_LONG)
    log = EventLog()
    run_checks(Plan(target, catalogue, only=wanted, seed=1, budget=budget), log, modules=modules)
    return build_report(log.events)


def blackbox(target: Target) -> Target:
    """Return TARGET as it is to a suite that knows nothing of its model and its disk."""
    return replace(target, profile=Profile.BLACKBOX, model_control=None, data_dir=None)


def told(report: Report, *outcomes: Outcome) -> Mapping[str, object]:
    """Return what the REPORT says of the requirements with one of these OUTCOMES."""
    return {row.id: (row.detail, row.evidence[:1]) for row in report.having(*outcomes)}
