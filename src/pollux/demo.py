"""The command ``pollux demo``."""
