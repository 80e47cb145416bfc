"""The Flask application of the reference server, and a way to run it inside a process."""

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from flask import Flask, Response, current_app, g, request
from werkzeug.exceptions import HTTPException

from pollux.reference_server.config import MEBIBYTE, ServerConfig
from pollux.reference_server.http import (
    EXTENSION,
    ApiError,
    bearer_token,
    current_services,
    error_response,
    http_exception_response,
    unauthorized,
)
from pollux.reference_server.models import ModelCatalogue, scripted_spec
from pollux.reference_server.refusals import register_refusals
from pollux.reference_server.routes import (
    conversations,
    files,
    home,
    messages,
    models,
    personalizations,
    prompts,
    tasks,
)
from pollux.reference_server.services import Services
from pollux.reference_server.spaces import UserSpaces
from pollux.reference_server.storage import make_folders, process_lock
from pollux.reference_server.tasks import ServerBusy, TaskRefused, TaskRegistry
from pollux.reference_server.users import USERS_FILE, UserStore
from pollux.schemas.openapi import API_PREFIX
from pollux.scripted_model import ScriptedModel
from pollux.serving import WsgiServer, serve_until_signal

#: Held by the one server that works on a data folder.
_LOCK_FILE = "server.lock"

_log = logging.getLogger(__name__)
_access = logging.getLogger("pollux.access")
_OPEN_ENDPOINTS = frozenset({"models.list_models", "models.health"})
_BLUEPRINTS = (
    conversations.blueprint,
    messages.blueprint,
    tasks.blueprint,
    files.blueprint,
    prompts.blueprint,
    personalizations.blueprint,
    models.blueprint,
)


def create_app(config: ServerConfig, catalogue: ModelCatalogue | None = None) -> Flask:
    """Return the application with all 18 operations.

    Args:
        config: Where things are kept, and the limits.
        catalogue: The models; by default the built-in scripted one alone.
    """
    app = Flask("pollux.reference_server", static_folder=None)
    app.extensions[EXTENSION] = Services(
        config=config,
        users=UserStore(config.data_dir / USERS_FILE),
        spaces=UserSpaces(config.data_dir, max_upload_bytes=config.max_upload_bytes),
        tasks=TaskRegistry(config),
        models=catalogue or ModelCatalogue([scripted_spec()], ScriptedModel()),
    )
    # A path either is an operation or is unknown: no redirects to a tidier spelling.
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = True
    # Above the limit of a file, so that a file of exactly that size fits with its form around it.
    app.config["MAX_CONTENT_LENGTH"] = config.max_upload_bytes + MEBIBYTE
    for blueprint in _BLUEPRINTS:
        app.register_blueprint(blueprint, url_prefix=API_PREFIX)
    app.register_blueprint(home.blueprint)
    app.before_request(_preflight_or_user)
    app.after_request(_common_headers)
    app.register_error_handler(ApiError, _api_error)
    app.register_error_handler(TaskRefused, lambda e: error_response(409, str(e)))
    app.register_error_handler(
        ServerBusy, lambda e: error_response(503, str(e), {"Retry-After": "1"})
    )
    register_refusals(app)
    app.register_error_handler(413, _too_large)
    app.register_error_handler(HTTPException, http_exception_response)
    app.register_error_handler(Exception, _unexpected)
    return app


def services_of(app: Flask) -> Services:
    """Return the stores and the task registry of APP."""
    services = app.extensions[EXTENSION]
    assert isinstance(services, Services)
    return services


class ReferenceServer:
    """The reference server inside this process, on a free port. A context manager.

    Args:
        config: Where things are kept, and the limits.
        catalogue: The models; by default the built-in scripted one alone.
        host: Address to listen on.
        port: TCP port; 0 takes a free one.
        threads: Requests answered at the same time.

    Attributes:
        app: The Flask application.
        services: Its stores and its tasks.

    Raises:
        LockTaken: another server works on the same folder.
        OSError: the address cannot be listened on, or the folder not be used.
    """

    def __init__(
        self,
        config: ServerConfig,
        catalogue: ModelCatalogue | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        threads: int = 16,
    ) -> None:
        self._held = ExitStack()
        make_folders(config.data_dir)
        # A killed predecessor may need a moment to be gone.
        self._held.enter_context(process_lock(config.data_dir / _LOCK_FILE, patience=3.0))
        with self._held:
            self._set_up(config, catalogue, host, port, threads)
            self._held = self._held.pop_all()

    def _set_up(
        self,
        config: ServerConfig,
        catalogue: ModelCatalogue | None,
        host: str,
        port: int,
        threads: int,
    ) -> None:
        self.app = create_app(config, catalogue)
        self.services = services_of(self.app)
        # What is too large for the application is still read, up to a bound, so that the
        # client gets to hear the 413 instead of a broken connection.
        most = 4 * (config.max_upload_bytes + MEBIBYTE)
        self.wsgi = WsgiServer(self.app, host=host, port=port, threads=threads, max_body_bytes=most)

    @property
    def base_url(self) -> str:
        """``http://host:port``, without the prefix of the API."""
        return self.wsgi.base_url

    def serve_until_signal(self, *, on_ready: Callable[[], object]) -> None:
        """Serve in the foreground until Ctrl-C or SIGTERM; ON_READY is called once it answers."""
        with self._held:
            serve_until_signal(self.wsgi, on_ready=on_ready, on_stop=self.services.tasks.close)

    def stop(self, timeout: float = 5.0) -> None:
        """Cancel the live tasks, save their state, finish the running requests."""
        with self._held:
            self.services.tasks.close(timeout)
            self.wsgi.stop(timeout)

    def __enter__(self) -> Self:
        """Start serving."""
        self.wsgi.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop serving."""
        self.stop()


def _preflight_or_user() -> Response | None:
    """Answer a preflight (api_v1 1.13); otherwise find the user of the token (api_v1 1.5)."""
    g.started = time.monotonic()
    rule = request.url_rule
    if rule is None or not rule.rule.startswith(API_PREFIX):
        return None
    if request.method == "OPTIONS":
        adapter = current_app.create_url_adapter(request)
        assert adapter is not None
        response = Response(status=204, headers={"Allow": ", ".join(adapter.allowed_methods())})
        del response.headers["Content-Type"]
        return response
    if request.endpoint in _OPEN_ENDPOINTS:
        return None
    services = current_services()
    name = services.users.authenticate(bearer_token())
    if name is None:
        unauthorized("the token is not known to this server")
    g.space = services.spaces.of(name)
    return None


def _common_headers(response: Response) -> Response:
    headers = response.headers
    headers.setdefault("Cache-Control", "no-store")
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Access-Control-Allow-Origin"] = "*"
    if request.method == "OPTIONS":
        headers["Access-Control-Allow-Methods"] = "GET, POST, DELETE, OPTIONS"
        headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type"
        headers["Access-Control-Max-Age"] = "600"
    if _access.isEnabledFor(logging.INFO):
        # The path without its query: nothing in the line can hold a token (api_v1 1.5).
        took = (time.monotonic() - g.started) * 1000
        path = ascii(request.path)[1:-1]
        line = f"{request.remote_addr} {request.method} {path} {response.status_code} {took:.1f}ms"
        _access.info(line)
    return response


def _api_error(error: ApiError) -> Response:
    return error_response(error.status, error.message, error.headers)


def _too_large(_: Exception) -> Response:
    config = current_services().config
    return error_response(
        413,
        f"the request is too large: a file may have {config.max_upload_bytes} bytes, "
        f"a JSON body {config.max_json_bytes}",
    )


def _unexpected(error: Exception) -> Response:
    _log.error("%s %s failed", request.method, ascii(request.path), exc_info=error)
    return error_response(500, "an internal error; the log of the server has the details")
