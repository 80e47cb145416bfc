"""The reference server: the whole of API v1, right by every rule."""
