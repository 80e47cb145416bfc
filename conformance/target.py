"""What is judged: where the implementation answers, for whom, and what it was given with."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from pollux.polling.redaction import Redactor
from pollux.schemas.requirements import Need


class Profile(StrEnum):
    """What the suite may assume of the model behind the implementation."""

    BLACKBOX = "blackbox"  # nothing
    SCRIPTED = "scripted"  # the suite is the model


@dataclass(frozen=True)
class Target:
    """One implementation, as a run sees it.

    Attributes:
        base_url: ``http://host:port``, without ``/api/v1``.
        token: Token of the user that does most of the work.
        other_token: Token of a second user; None: there is none.
        profile: What is known of the model.
        model_control: URL of the scripted model's server, where holds are released; None in
            the blackbox profile.
        model_key: The key with which the implementation calls the scripted model, if the suite
            has given it one.
        time_scale: Factor of every deadline, for slow machines and slow implementations.
        buffer_size: Events kept per task (api_v1 2.3.6).
        command: What the implementation was started with, if the suite started it.
        data_dir: Where it was told to keep its data, if it was told.
    """

    base_url: str
    token: str = field(repr=False)
    other_token: str | None = field(default=None, repr=False)
    profile: Profile = Profile.BLACKBOX
    model_control: str | None = None
    model_key: str | None = field(default=None, repr=False)
    time_scale: float = 1.0
    buffer_size: int = 1000
    command: str | None = None
    data_dir: Path | None = None

    def redactor(self) -> Redactor:
        """Return the one list of secrets of this run."""
        return redactor_for(self.token, self.other_token)

    def lacking(self, need: Need) -> str | None:
        """Return why NEED cannot be met on this target, or None when it can."""
        match need:
            case Need.SCRIPTED_MODEL if self.model_control is None:
                return "the suite must be the model (--profile scripted)"
            case Need.TWO_USERS if self.other_token is None:
                return "a second user is needed (--other-token)"
            case Need.RESTART if self.command is None:
                return "the suite must be able to restart the implementation (--start)"
            case Need.DATA_DIR if self.data_dir is None:
                return "the suite must know where its data is (--start with {data_dir})"
        return None

    def public(self) -> dict[str, Any]:
        """Return what reports say of the target; no secrets."""
        return {
            "base_url": self.base_url,
            "users": 1 if self.other_token is None else 2,
            "command": self.redactor().text(self.command) if self.command else None,
            "time_scale": self.time_scale,
            "buffer_size": self.buffer_size,
        }


def redactor_for(token: str, other_token: str | None) -> Redactor:
    """Return a redactor that knows the tokens of both users."""
    # A token without its last character is tried, too; the shell can say that as well.
    return Redactor({token: "$TOKEN", token[:-1]: "${TOKEN%?}", other_token or "": "$OTHER_TOKEN"})


def address(text: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT``.

    Raises:
        ValueError: when TEXT is of another form.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"{text!r} is not of the form HOST:PORT")
    return host.strip("[]") or "127.0.0.1", int(port)
