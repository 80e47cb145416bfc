"""The command ``pollux cast``: its commands by name, each imported when it is called."""

import importlib

import click

_SHOW = "pollux.replay.cast.commands_show"
_SHAPE = "pollux.replay.cast.commands_shape"
# name -> (module, one line for --help), in the order of use.
_COMMANDS = {
    "info": (_SHOW, "Say what a recording holds."),
    "validate": (_SHOW, "Find what is wrong with a recording, and mend it (--fix)."),
    "events": (_SHOW, "Print events, or the text that they make."),
    "diff": (_SHOW, "Find the first difference of two recordings."),
    "cut": (_SHAPE, "Take a part out of a recording."),
    "splice": (_SHAPE, "Join recordings into one task."),
    "cap": (_SHAPE, "Shorten the time in which nothing happens."),
    "speed": (_SHAPE, "Make a recording faster or slower."),
    "mark": (_SHAPE, "Add, list or remove markers."),
    "redact": (_SHAPE, "Replace secrets."),
    "synth": (_SHAPE, "Make up a recording from a seed."),
}


class _CastGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command = getattr(importlib.import_module(_COMMANDS[cmd_name][0]), cmd_name)
        if not isinstance(command, click.Command):
            raise TypeError(f"{cmd_name} is not a command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, row[1]) for name, row in _COMMANDS.items()])


@click.group(cls=_CastGroup)
def cast() -> None:
    """Look into recordings and shape them.

    A FILE may be - for standard input, and the output (-o) is standard output unless it is
    named; a name that ends in .gz is compressed. A file is written whole or not at all, and
    never replaced without --force; with it, a file may be written over itself.

    Exit codes: 0 fine; 1 something is wrong with the recording, or two of them differ; 2 usage,
    or a file cannot be read or written.
    """
