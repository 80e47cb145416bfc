"""The command ``pollux check``."""

import secrets
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import click
from rich.console import Console

from pollux.conformance.bench import Setting, set_up
from pollux.conformance.effort import Budget, Effort
from pollux.conformance.errors import TargetError
from pollux.conformance.recorder import Plan
from pollux.conformance.report.log import EventLog
from pollux.conformance.report.outputs import Outputs, deliver, give_up, output_options
from pollux.conformance.report.progress import LiveProgress
from pollux.conformance.report.report import Report, build_report
from pollux.conformance.runner import run_checks
from pollux.conformance.selection import selected
from pollux.conformance.sharing import shares
from pollux.conformance.target import Profile, address
from pollux.conformance.target_file import TargetFile, find_target_file
from pollux.interrupts import Interrupts
from pollux.schemas.requirements import load_requirements

_NOTHING_VERIFIED = 3


class _Address(click.ParamType[tuple[str, int]]):
    name = "HOST:PORT"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        try:
            return value if isinstance(value, tuple) else address(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command()
@click.argument("url", required=False)
@click.option(
    "--target",
    "target_file",
    metavar="FILE",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="What is judged and how, in a TOML file; options win over it. [default: pollux.toml, "
    "if there is one]",
)
@click.option(
    "--token",
    "tokens",
    multiple=True,
    envvar="POLLUX_TOKEN",
    metavar="T",
    help="Token of a user; with -n one for each worker. [env: POLLUX_TOKEN]",
)
@click.option(
    "--other-token",
    "other_tokens",
    multiple=True,
    envvar="POLLUX_OTHER_TOKEN",
    metavar="T2",
    help="Token of another user; with -n one for each worker. [env: POLLUX_OTHER_TOKEN]",
)
@click.option("--reference", is_flag=True, help="Start the reference server and judge it.")
@click.option(
    "--profile",
    type=click.Choice([profile.value for profile in Profile]),
    help="scripted: the suite is the model (default with --start or --reference); "
    "blackbox: nothing is known of the model (default otherwise).",
)
@click.option(
    "--model-listen",
    type=_Address(),
    help="Where the scripted model listens; the implementation must use it as its model.",
)
@click.option(
    "--start",
    metavar="CMD",
    help="Start the implementation by this shell command, with OPENAI_BASE_URL and "
    "OPENAI_API_KEY of the scripted model in its environment, and {port}, {model_url} and "
    "{data_dir} replaced.",
)
@click.option(
    "--ready",
    metavar="URL",
    help="Answers when it is ready. [default: /api/v1/health of the target]",
)
@click.option(
    "--only",
    multiple=True,
    metavar="WHAT",
    help="Judge only these requirements: an id, a pattern such as 'POLL-*', a group, or "
    "'checked' for all that have a check. May be repeated.",
)
@click.option(
    "--time-scale",
    type=click.FloatRange(0.1, 100),
    help="Factor of every deadline. [default: 1]",
)
@click.option(
    "--quick",
    "effort",
    flag_value=Effort.QUICK.value,
    help="Within seconds: leave the slow checks out.",
)
@click.option(
    "--thorough",
    "effort",
    flag_value=Effort.THOROUGH.value,
    help="As long as it takes: many more generated cases, every race repeated.",
)
@click.option(
    "--fuzz-cases",
    type=click.IntRange(0),
    metavar="N",
    help="Generated requests for each operation and kind. "
    f"[default: {Budget.of(Effort.NORMAL).fuzz_cases}; "
    f"--thorough: {Budget.of(Effort.THOROUGH).fuzz_cases}]",
)
@click.option(
    "-n",
    "workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    metavar="WORKERS",
    help="Share the checks out among workers, which have a server or users each.",
)
@click.option("--seed", type=int, help="Repeat the random choices of an earlier run.")
@output_options
@click.option(
    "--log",
    "log_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the events of the run, from which 'pollux report render' makes the report again.",
)
def check(
    url: str | None,
    target_file: Path | None,
    tokens: tuple[str, ...],
    other_tokens: tuple[str, ...],
    reference: bool,
    profile: str | None,
    model_listen: tuple[str, int] | None,
    start: str | None,
    ready: str | None,
    only: tuple[str, ...],
    time_scale: float | None,
    effort: str | None,
    fuzz_cases: int | None,
    workers: int,
    seed: int | None,
    log_file: Path | None,
    outputs: Outputs,
) -> None:
    """Judge the server at URL by the contract of API v1.

    Exit codes: 0 all required holds; 1 something is violated; 2 usage, or the server cannot
    be reached; 3 something required could not be verified.
    """
    if log_file is not None and not log_file.absolute().parent.is_dir():
        give_up(f"{log_file} cannot be written: there is no such folder")
    console = Console(stderr=True)
    try:
        file = None if reference else find_target_file(target_file)
        if file is not None and target_file is None:
            console.print(f"target: {file.path}", style="dim", markup=False, highlight=False)
        asked = _Asked(
            # The reference server has users of its own, whatever the environment says.
            tokens=() if reference and _from_environment("tokens") else tokens,
            other_tokens=() if reference and _from_environment("other_tokens") else other_tokens,
            workers=workers,
            only=only,
            budget=Budget.of(Effort(effort or Effort.NORMAL), fuzz_cases),
            seed=secrets.randbelow(2**31) if seed is None else seed,
        )
        setting = Setting(
            url=url,
            profile=Profile(profile) if profile else None,
            model_listen=model_listen,
            start=start,
            ready=ready,
            reference=reference,
            time_scale=time_scale or 1.0,
        )
        if file is not None:
            asked, setting = _filled(asked, setting, file, time_scale)
            if file.baseline is not None:
                outputs = outputs.with_baseline(file.baseline)
        report = _run(asked, setting, log_file, console)
    except TargetError as error:
        give_up(str(error))
    except OSError as error:
        give_up(f"cannot write: {error}")
    except KeyboardInterrupt:
        click.echo("interrupted before anything was measured", err=True)
        sys.exit(_NOTHING_VERIFIED)
    sys.exit(deliver(report, outputs))


@dataclass(frozen=True)
class _Asked:
    """What is asked of a run, whatever it judges."""

    tokens: tuple[str, ...] = field(repr=False)
    other_tokens: tuple[str, ...] = field(repr=False)
    workers: int
    only: tuple[str, ...]
    budget: Budget
    seed: int


def _filled(
    asked: _Asked, setting: Setting, file: TargetFile, time_scale: float | None
) -> tuple[_Asked, Setting]:
    """Fill in what the command line leaves open from the target file."""
    asked = replace(
        asked,
        tokens=asked.tokens or file.tokens,
        other_tokens=asked.other_tokens or file.other_tokens,
    )
    # Who gives a URL means a server that runs, whatever the file would start.
    start = setting.start or (None if setting.url else file.start)
    setting = replace(
        setting,
        url=setting.url or (None if setting.start else file.url),
        profile=setting.profile or file.profile,
        model_listen=setting.model_listen or file.model_listen,
        start=start,
        ready=setting.ready or file.ready,
        time_scale=time_scale or file.time_scale or 1.0,
        buffer_size=file.buffer_size or setting.buffer_size,
        ready_seconds=file.ready_seconds or setting.ready_seconds,
    )
    return asked, setting


def _run(asked: _Asked, setting: Setting, log_file: Path | None, console: Console) -> Report:
    catalogue = load_requirements()
    # A word that names nothing is said before anything is started.
    selected(asked.only, catalogue, catalogue)
    setting = replace(
        setting,
        token=asked.tokens[0] if asked.tokens else None,
        other_token=asked.other_tokens[0] if asked.other_tokens else None,
    )
    with Interrupts().caught(), ExitStack() as stack:
        if setting.start or setting.reference:
            console.print("starting the implementation", style="dim")
        settings: tuple[Setting, ...] = ()
        process = None
        if asked.workers > 1:
            target, settings = stack.enter_context(
                shares(setting, asked.workers, asked.tokens, asked.other_tokens)
            )
        else:
            bench = stack.enter_context(set_up(setting))
            target, process = bench.target, bench.process
        progress = stack.enter_context(LiveProgress(console))
        log = EventLog(log_file, [progress])
        stack.callback(log.close)
        plan = Plan(
            target,
            catalogue,
            only=asked.only,
            seed=asked.seed,
            budget=asked.budget,
            process=process,
            every_requirement=True,
        )
        run_checks(plan, log, settings=settings)
        return build_report(log.events)


def _from_environment(parameter: str) -> bool:
    source = click.get_current_context().get_parameter_source(parameter)
    return source is click.core.ParameterSource.ENVIRONMENT
