"""Pollux: proves that agent servers and their clients do what API v1 promises."""

from importlib.metadata import version

__version__ = version("pollux")

__all__ = ["__version__"]
