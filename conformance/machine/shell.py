"""Writes a sequence of requests as lines for a shell, which work on every server and again."""

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import replace

from pollux.conformance.machine.play import Line
from pollux.polling.exchange import Exchange
from pollux.polling.redaction import Redactor

_NEW_NAME = "N=pollux-$(od -An -N6 -tx1 /dev/urandom | tr -d ' \\n')"
_MOST_LOOKS = 300  # for the end of a task: a line that is pasted never waits for ever
_TOKENS = ("$TOKEN", "$OTHER_TOKEN")


def script(
    lines: Iterable[Line], names: Mapping[str, str], base_url: str, model_url: str | None
) -> str:
    """Return the lines that repeat a sequence.

    What a server makes, such as ids, is taken from its answers; what must be new has a new name
    each time.

    Args:
        lines: What to do.
        names: What stands for a shell variable: ids, and the beginning of all names.
        base_url: Of the server.
        model_url: Of the scripted model.
    """
    secrets = {base_url: "$URL", **{token: token for token in _TOKENS}, **names}
    redactor = Redactor(secrets)
    rows = [row for line in lines for row in _rows(line, redactor)]
    text = "\n".join(rows)
    head = [f"URL={shlex.quote(base_url)}"]
    if "$MODEL" in text:
        head.append(f"MODEL={shlex.quote(model_url or '')}  # the scripted model behind the server")
    if "$N" in text:
        head.append(_NEW_NAME)
    return "\n".join([*head, text])


def _rows(line: Line, redactor: Redactor) -> list[str]:
    exchange = line.exchange
    if exchange is None:
        hold = redactor.text(line.release or "")
        return ["# the model goes on", f'curl -sS -X POST "$MODEL/control/holds/{hold}/release"']
    curl = _curl(exchange, redactor)
    quiet = curl.replace("curl -sS -i ", "curl -sS ", 1)
    said = f"# {exchange.operation}: {exchange.summary}"
    if line.until:
        seen = f"{quiet} | grep -Eq {shlex.quote(line.until)}"
        return [said, f"for _ in $(seq {_MOST_LOOKS}); do {seen} && break; sleep 0.1; done"]
    if not line.takes:
        return [said, curl]
    takes = [f'{name}=$(printf %s "$A" | jq -r .{field})' for name, field in line.takes.items()]
    return [said, f"A=$({quiet})", *takes]


def _curl(exchange: Exchange, redactor: Redactor) -> str:
    """Return the curl line of an exchange, with variables for what differs each time."""
    parts = tuple(
        replace(part, content=redactor.text(part.content.decode()).encode())
        if part.filename is None
        else part
        for part in exchange.form
    )
    body = exchange.request_body if exchange.form else _redacted(exchange.request_body, redactor)
    return replace(
        exchange,
        url=redactor.text(exchange.url),
        request_body=body,
        form=parts,
        redactor=redactor,
    ).as_curl()


def _redacted(body: bytes, redactor: Redactor) -> bytes:
    return redactor.text(body.decode("utf-8", "backslashreplace")).encode()
