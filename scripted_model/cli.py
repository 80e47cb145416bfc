"""The command ``pollux model``."""

import ipaddress

import click

_CURL = r"""curl -N {base_url}/chat/completions -H 'Content-Type: application/json' -d '{{
  "model": "pollux-scripted", "stream": true, "messages": [{{"role": "user",
  "content": "pollux-script\nthink 2\nsay \"Hello \" \"world\""}}]}}'"""


@click.command()
@click.option(
    "--listen",
    metavar="HOST:PORT",
    default="127.0.0.1:8092",
    show_default=True,
    help="Address to listen on; port 0 takes a free one.",
)
def model(listen: str) -> None:
    """Run the scripted model alone, as an OpenAI-compatible server.

    What it answers is decided by a script in the last user message. It takes any key.
    """
    from pollux.scripted_model.server import ModelServer

    host, port = _address(listen)
    try:
        server = ModelServer(host=host, port=port)
    except OSError as error:
        reason = error.strerror or str(error)
        raise click.UsageError(f"cannot listen on {listen}: {reason}") from error
    if not _is_loopback(host):
        click.secho(
            f"Warning: whoever reaches {listen} can use this model, release its holds and read "
            "what it was asked.",
            fg="yellow",
            err=True,
        )

    def announce() -> None:
        click.echo(f"The scripted model answers at {server.base_url} (any key will do).")
        click.echo(f"  export OPENAI_BASE_URL={server.base_url} OPENAI_API_KEY=none")
        click.echo("Try it:")
        click.echo(_CURL.format(base_url=server.base_url))
        click.echo("Ctrl-C ends it.")

    server.serve_until_signal(announce)


def _address(listen: str) -> tuple[str, int]:
    host, colon, port = listen.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise click.BadParameter(f"{listen!r} is not HOST:PORT", param_hint="--listen")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
