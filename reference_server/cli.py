"""The commands ``pollux serve`` and ``pollux user``."""

import ipaddress
import json
import logging
import os
import shlex
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from pollux.reference_server.storage import LockTaken
from pollux.reference_server.users import USERS_FILE, UserError, UserStore

DEFAULT_DATA = Path("pollux-data")
DEMO_USER = "demo"

_DATA = click.option(
    "--data",
    "data_dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_DATA,
    show_default=True,
    help="Folder of users, conversations and files; made when it is absent.",
)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8091,
    show_default=True,
    help="0 takes a free one.",
)
@_DATA
@click.option(
    "--user",
    "users",
    metavar="NAME=TOKEN",
    multiple=True,
    help="A user with a token of your choice; may be repeated. POLLUX_USERS in the environment "
    "holds several with blanks between them, and shows them to nobody.",
)
@click.option(
    "--model-url",
    envvar="OPENAI_BASE_URL",
    metavar="URL",
    help="An OpenAI-compatible endpoint, ending in /v1; the key is read from OPENAI_API_KEY. "
    "Without it the built-in scripted model answers.",
)
@click.option(
    "--model-name",
    envvar="OPENAI_MODEL",
    default="default",
    show_default=True,
    metavar="NAME",
    help="The name that the endpoint knows its model by.",
)
@click.option(
    "--models",
    "models_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A YAML file with several models.",
)
@click.option(
    "--max-upload-mib",
    type=click.IntRange(1, 4096),
    default=50,
    show_default=True,
    help="Largest file that is taken.",
)
@click.option(
    "--threads",
    type=click.IntRange(2, 256),
    default=16,
    show_default=True,
    help="Requests answered at the same time.",
)
@click.option("--quiet", is_flag=True, help="No line for each request.")
def serve(
    host: str,
    port: int,
    data_dir: Path,
    users: tuple[str, ...],
    model_url: str | None,
    model_name: str,
    models_file: Path | None,
    max_upload_mib: int,
    threads: int,
    quiet: bool,
) -> None:
    """Run the reference server until Ctrl-C.

    Without any user it makes one called "demo" and prints its token.
    """
    # Flask and openai take most of a second to import: `pollux user` does not wait for them.
    from pollux.reference_server.app import ReferenceServer
    from pollux.reference_server.config import MEBIBYTE, ServerConfig
    from pollux.reference_server.models import (
        ModelCatalogue,
        ModelsFileError,
        read_models_file,
        scripted_spec,
        url_spec,
    )
    from pollux.scripted_model import ScriptedModel

    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("pollux.access").setLevel(logging.WARNING if quiet else logging.INFO)
    try:
        if models_file is not None:
            specs = read_models_file(models_file, model_url)
        elif model_url:
            specs = [url_spec(model_url, model_name)]
        else:
            specs = [scripted_spec()]
        catalogue = ModelCatalogue(specs, ScriptedModel())
        store = UserStore(data_dir / USERS_FILE)
        for entry in [*os.environ.get("POLLUX_USERS", "").split(), *users]:
            name, separator, token = entry.partition("=")
            if not separator:
                raise click.UsageError("--user takes NAME=TOKEN")
            store.add(name, token=token, note="given at start", replace=True)
        demo_token = None if store.names() else store.add(DEMO_USER, note="made at first start")
        server = ReferenceServer(
            ServerConfig(data_dir=data_dir, max_upload_bytes=max_upload_mib * MEBIBYTE),
            catalogue,
            host=host,
            port=port,
            threads=threads,
        )
    except (ModelsFileError, UserError) as error:
        raise click.UsageError(str(error)) from None
    except LockTaken:
        raise click.UsageError(
            f"another server works on {data_dir}: stop it, or choose another --data"
        ) from None
    except OSError as error:
        raise click.UsageError(
            f"cannot serve on {host}:{port} from {data_dir}: {error.strerror or error}. "
            "Another --port or --data may help."
        ) from None

    def ready() -> None:
        _greet(server.base_url, store, demo_token, catalogue.default.name)
        if not _is_loopback(host):
            click.echo(
                f"Warning: {host} can be reached from other machines, and what is sent there "
                "can be read on the way. Put a proxy with TLS before it.",
                err=True,
            )

    server.serve_until_signal(on_ready=ready)


def _greet(base_url: str, store: UserStore, demo_token: str | None, model: str) -> None:
    lines = [f"Pollux reference server on {base_url} (model: {model}). Ctrl-C stops it."]
    if demo_token is None:
        lines.append(f"Users: {', '.join(store.names())}. `pollux user add NAME` makes another.")
    else:
        body = shlex.quote(json.dumps({"message": "Hello!"}))
        lines += [
            f"User {DEMO_USER!r} was made. Its token, shown this once: {demo_token}",
            f"Page to try it: {base_url}/#token={demo_token}",
            "Or from a shell:",
            f"  curl -sS -H 'Authorization: Bearer {demo_token}' "
            f"-H 'Content-Type: application/json' -d {body} {base_url}/api/v1/messages",
        ]
    click.echo("\n".join(lines))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@click.group()
def user() -> None:
    """Add, list or remove users. A running server sees the change at once."""


@user.command()
@click.argument("name")
@click.option("--token", help="A token of your choice; by default a random one.")
@click.option("--note", default="", help="What the user is for.")
@_DATA
def add(name: str, token: str | None, note: str, data_dir: Path) -> None:
    """Add the user NAME and print the token: this once, only its hash is kept."""
    try:
        click.echo(UserStore(data_dir / USERS_FILE).add(name, token=token, note=note))
    except UserError as error:
        raise click.UsageError(str(error)) from None


@user.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_DATA
def list_users(as_json: bool, data_dir: Path) -> None:
    """List the users; nobody can list their tokens."""
    try:
        entries = UserStore(data_dir / USERS_FILE).entries()
    except UserError as error:
        raise click.UsageError(str(error)) from None
    if as_json:
        rows = [{"name": e.name, "created_at": e.created_at, "note": e.note} for e in entries]
        click.echo(json.dumps({"users": rows}, ensure_ascii=False, indent=2))
        return
    table = Table("Name", "Made", "Note", box=None, pad_edge=False)
    for entry in entries:
        table.add_row(entry.name, entry.created_at, entry.note)
    Console().print(table if entries else "No users yet: `pollux user add NAME` makes one.")


@user.command()
@click.argument("name")
@_DATA
def remove(name: str, data_dir: Path) -> None:
    """Remove the user NAME: the token is void at once, the user's folder stays."""
    try:
        UserStore(data_dir / USERS_FILE).remove(name)
    except UserError as error:
        raise click.UsageError(str(error)) from None
    click.echo(f"removed {name}; the files stay in {data_dir / 'api' / 'users' / name}")
