"""Pollux: proves that agent servers and their clients do what API v1 promises."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str

__all__ = ["__version__"]


def __getattr__(name: str) -> Any:
    # Every part and the pytest plugin import this package; the look-up of the version takes
    # longer than the rest of it, and few ask.
    if name == "__version__":
        from importlib.metadata import version

        return version("pollux")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
