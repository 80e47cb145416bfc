"""The conformance suite: judges any implementation of API v1 by its URL."""
