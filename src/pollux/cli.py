"""The command ``pollux``: each part brings its own commands, loaded only when they are called."""

import importlib
from typing import Any

import click

# name -> (module, attribute, one line for --help). The line stands here so that
# `pollux --help` does not import the parts (openai alone takes half a second).
_COMMANDS = {
    "demo": ("pollux.demo", "demo", "Show all of it: serve, check, record, replay."),
    "serve": ("pollux.reference_server.cli", "serve", "Run the reference server."),
    "user": ("pollux.reference_server.cli", "user", "Add, list or remove users."),
    "check": ("pollux.conformance.cli", "check", "Judge a server by its URL."),
    "report": ("pollux.conformance.report.cli", "report", "Render, diff and compare reports."),
    "mutants": (
        "pollux.conformance.mutants.cli",
        "mutants",
        "Prove the suite on servers with one fault each.",
    ),
    "model": ("pollux.scripted_model.cli", "model", "Run the scripted model alone."),
    "record": ("pollux.replay.cli", "record", "Record the event stream of a task."),
    "replay": ("pollux.replay.cli", "replay", "Play recordings to clients."),
    "verify": ("pollux.replay.verify.cli", "verify", "Judge a client by a replay."),
    "cast": ("pollux.replay.cast.cli", "cast", "Look into recordings and shape them."),
}


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table, which is the order of use."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command, or None when there is none of that name."""
        if cmd_name not in _COMMANDS:
            return None
        module, attribute, _ = _COMMANDS[cmd_name]
        command = getattr(importlib.import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}.{attribute} is not a command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, row[2]) for name, row in _COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of ARGS; an unknown one is a usage error (exit code 2)."""
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pollux")
def main(**_: Any) -> None:
    """Prove that agent servers and their clients do what API v1 promises.

    Exit codes: 0 all required holds; 1 something is violated; 2 usage, or the
    target cannot be reached; 3 something required could not be verified.
    """
