"""The control API of a replay, below ``/__replay/``: see ``openapi.yaml`` in this folder."""
