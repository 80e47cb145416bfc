"""Sets up what a run needs around its target: the scripted model, the implementation itself."""

import os
import secrets
import shlex
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from pollux.conformance.errors import TargetError
from pollux.conformance.launch import ServerProcess, free_port
from pollux.conformance.target import Profile, Target, redactor_for
from pollux.polling.client import ApiClient
from pollux.polling.http import PREFIX, Limits, normal_base_url
from pollux.scripted_model.server import ModelServer

_PREFLIGHT_SECONDS = 10.0


@dataclass(frozen=True)
class Setting:
    """What the user says of the target.

    Attributes:
        url: Base URL; None: the one of the implementation that is started.
        token: Token of the first user.
        other_token: Token of the second user.
        profile: What the suite may assume of the model; None: ``scripted`` where the suite
            can be the model, else ``blackbox``.
        model_listen: Where the scripted model listens; None: a free port of this machine.
        model_control: URL of a scripted model that runs already and that the implementation
            uses; None: the suite starts one.
        start: Shell command that starts the implementation.
        ready: URL that answers when it is ready; None: ``/api/v1/health`` of the target.
        reference: Judge the reference server, started with random tokens.
        time_scale: Factor of every deadline.
        buffer_size: Events kept per task.
        ready_seconds: How long the implementation may take to be ready.
    """

    url: str | None = None
    token: str | None = field(default=None, repr=False)
    other_token: str | None = field(default=None, repr=False)
    profile: Profile | None = None
    model_listen: tuple[str, int] | None = None
    model_control: str | None = None
    start: str | None = None
    ready: str | None = None
    reference: bool = False
    time_scale: float = 1.0
    buffer_size: int = 1000
    ready_seconds: float = 30.0


@dataclass(frozen=True)
class Bench:
    """What is set up.

    Attributes:
        target: What is judged.
        process: The implementation, when the suite has started it.
    """

    target: Target
    process: ServerProcess | None


@contextmanager
def set_up(setting: Setting) -> Iterator[Bench]:
    """Set up all that SETTING asks for, and take it down at the end of the block.

    Raises:
        TargetError: when the setting is contradictory, or the target cannot be reached, does
            not start, or does not know its tokens.
    """
    if setting.reference:
        setting = _reference(setting)
    token = setting.token
    if not token:
        raise TargetError("no token: give --token, or set POLLUX_TOKEN")
    if setting.other_token == token:
        raise TargetError("both tokens are the same: --other-token must be one of another user")
    profile = setting.profile or (Profile.SCRIPTED if setting.start else Profile.BLACKBOX)
    with ExitStack() as stack:
        model = None
        if profile is Profile.SCRIPTED and setting.model_control is None:
            if not setting.start and setting.model_listen is None:
                raise TargetError(
                    "the scripted profile needs to know where the implementation finds its "
                    "model: let the suite start it (--start), or say where the model is to "
                    "listen (--model-listen HOST:PORT)"
                )
            model = stack.enter_context(running_model(setting.model_listen or ("127.0.0.1", 0)))
        # A key that is nowhere else: whoever shows it has it from the environment.
        model_key = f"pollux-model-key-{secrets.token_hex(12)}" if model else None
        base_url, process, data_dir = _implementation(stack, setting, token, model, model_key)
        target = Target(
            base_url=base_url,
            token=token,
            other_token=setting.other_token or None,
            profile=profile,
            model_control=model.url if model else setting.model_control,
            model_key=model_key if setting.start else None,
            time_scale=setting.time_scale,
            buffer_size=setting.buffer_size,
            command=setting.start,
            data_dir=data_dir,
        )
        _preflight(target)
        yield Bench(target, process)


def _reference(setting: Setting) -> Setting:
    if setting.url or setting.start or setting.token or setting.other_token:
        raise TargetError("--reference brings its own server and users: leave the rest out")
    tokens = [f"{name}-{secrets.token_urlsafe(24)}" for name in ("a", "b")]
    command = f"{shlex.quote(sys.executable)} -m pollux serve --port {{port}} --data {{data_dir}}"
    return Setting(
        token=tokens[0],
        other_token=tokens[1],
        profile=setting.profile or Profile.SCRIPTED,
        model_listen=setting.model_listen,
        start=command,
        reference=True,
        time_scale=setting.time_scale,
        buffer_size=setting.buffer_size,
        ready_seconds=setting.ready_seconds,
    )


@contextmanager
def running_model(address: tuple[str, int]) -> Iterator[ModelServer]:
    """Run the scripted model at this ADDRESS.

    Raises:
        TargetError: when it cannot listen there.
    """
    host, port = address
    try:
        server = ModelServer(host=host, port=port)
    except OSError as error:
        raise TargetError(f"the scripted model cannot listen on {host}:{port}: {error}") from error
    with server:
        yield server


def _implementation(
    stack: ExitStack,
    setting: Setting,
    token: str,
    model: ModelServer | None,
    model_key: str | None,
) -> tuple[str, ServerProcess | None, Path | None]:
    if setting.start is None:
        if not setting.url:
            raise TargetError("no target: give its URL, or a command that starts it (--start)")
        return _base_url(setting.url), None, None
    if setting.url is None and "{port}" not in setting.start:
        raise TargetError("--start without {port} needs the URL of the target, too")
    base_url = _base_url(setting.url or f"http://127.0.0.1:{free_port()}")
    data_dir = stack.enter_context(_scratch())
    process = ServerProcess(
        _filled(setting.start, base_url, data_dir, model),
        environment=_environment(setting, token, model, model_key),
        ready_url=setting.ready or f"{base_url}{PREFIX}/health",
        redactor=redactor_for(token, setting.other_token),
        ready_seconds=setting.ready_seconds * setting.time_scale,
    )
    told = data_dir if "{data_dir}" in setting.start else None
    return base_url, stack.enter_context(process), told


def _filled(command: str, base_url: str, data_dir: Path, model: ModelServer | None) -> str:
    parts = urlsplit(base_url)
    values = {
        "{port}": str(parts.port or (443 if parts.scheme == "https" else 80)),
        "{data_dir}": shlex.quote(str(data_dir)),
        "{model_url}": model.base_url if model else os.environ.get("OPENAI_BASE_URL", ""),
    }
    for placeholder, value in values.items():
        command = command.replace(placeholder, value)
    return command


def _environment(
    setting: Setting, token: str, model: ModelServer | None, model_key: str | None
) -> Mapping[str, str | None]:
    variables: dict[str, str | None] = {
        "POLLUX_TOKEN": token,
        "POLLUX_OTHER_TOKEN": setting.other_token,
    }
    if model is not None:
        variables |= {"OPENAI_BASE_URL": model.base_url, "OPENAI_API_KEY": model_key}
    if setting.reference:
        # On a command line every user of the machine could read the tokens.
        variables["POLLUX_USERS"] = f"pollux-a={token} pollux-b={setting.other_token}"
        if model is None:
            # The reference server must not call the model that this shell happens to use.
            variables["OPENAI_BASE_URL"] = None
    return variables


@contextmanager
def _scratch() -> Iterator[Path]:
    # A server killed hard may have left files it is still writing: that is no reason to fail.
    with tempfile.TemporaryDirectory(prefix="pollux-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def _preflight(target: Target) -> None:
    """Tell a wrong address or token from a wrong implementation."""
    limits = Limits(timeout=_PREFLIGHT_SECONDS * target.time_scale, patience=2.0)
    users = {"--token": target.token, "--other-token": target.other_token}
    for option, token in users.items():
        if token is None:
            continue
        with ApiClient(target.base_url, token, redactor=target.redactor(), limits=limits) as client:
            answer = client.list_conversations(limit=1)
        if not answer.answered:
            raise TargetError(f"{target.base_url} does not answer: {answer.error}")
        if answer.status == 401:
            raise TargetError(
                f"the token of {option} is refused ({answer.summary}): is it the right one?\n"
                f"$ {answer.as_curl()}"
            )


def _base_url(url: str) -> str:
    try:
        return normal_base_url(url)
    except ValueError as error:
        raise TargetError(str(error)) from error
