"""Text that a server sent, made safe to show: it can neither move a cursor nor break a format."""


def visible(text: str, keep: str = "") -> str:
    """Return TEXT with every character that is not printed as its escape, such as ``\\x1b``.

    That leaves nothing that XML cannot hold, that UTF-8 cannot encode, or that turns the
    direction of writing.

    Args:
        text: Anything.
        keep: Characters that stay, such as a line end.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in keep else char.encode("unicode_escape").decode()
        for char in text
    )


def cut(text: str, longest: int) -> str:
    """Return the beginning of TEXT on one line, LONGEST characters of it at most."""
    shown = visible(text[:longest])
    left_out = len(text) - longest
    return shown if left_out <= 0 else f"{shown}... ({left_out} more)"


def cut_middle(text: str, longest: int) -> str:
    """Return TEXT on one line, without its middle when it is longer than LONGEST characters."""
    left_out = len(text) - longest
    if left_out <= 0:
        return visible(text)
    head = longest * 2 // 3
    return visible(f"{text[:head]}...({left_out} more)...{text[head + left_out :]}")


def without_host(url: str) -> str:
    """Return URL from its path on; the curl line has the whole of it."""
    _, slashes, rest = url.partition("://")
    return "/" + rest.partition("/")[2] if slashes else url
