"""Fuzzing: schemathesis generates requests out of openapi.yaml, the contract judges the answers."""
