"""Who may control a replay: programs and pages of this machine, unless it was opened to all."""

import ipaddress
from urllib.parse import urlsplit

_LOOPBACK_NAME = "localhost"


class Guard:
    """Decides by addresses; nothing here needs a token.

    Args:
        host: The address that the server listens on.
        anywhere: Whether other machines may control it, too.
    """

    def __init__(self, host: str, *, anywhere: bool = False) -> None:
        self._host = host.casefold()
        self._anywhere = anywhere

    def complaint(self, remote: str, host: str, origin: str | None) -> str | None:
        """Return why a request is refused, or None when it is welcome.

        A page on the web can make a browser ask this machine. By its ``Origin`` it is known as
        foreign, and when it hides behind a name that leads to this machine (DNS rebinding), by
        that name in ``Host``.

        Args:
            remote: Address of the other side.
            host: The ``Host`` of the request.
            origin: Its ``Origin``, or None.
        """
        if not self._anywhere and not _is_loopback(remote):
            return (
                "this replay is controlled from its own machine only: start it with "
                "--control-anywhere to let others in"
            )
        name = _name(f"//{host}")
        if name is None or not self._is_mine(name):
            return (
                f"the control API is not known as {host!r}: use localhost, an IP address, or "
                "the address that the replay listens on"
            )
        if origin is not None and not self.may_read(host, origin):
            return f"pages of {origin!r} may not control this replay: serve them from localhost"
        return None

    def may_read(self, host: str, origin: str) -> bool:
        """Tell whether pages of ORIGIN are at home here: of this server, or of this machine."""
        name = _name(origin)
        if name is None:
            return False
        return _is_loopback(name) or urlsplit(origin).netloc.casefold() == host.casefold()

    def _is_mine(self, name: str) -> bool:
        return _is_loopback(name) or _address(name) is not None or name == self._host


def _name(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _is_loopback(name: str) -> bool:
    address = _address(name)
    if address is not None:
        return address.is_loopback
    return name == _LOOPBACK_NAME or name.endswith(f".{_LOOPBACK_NAME}")
