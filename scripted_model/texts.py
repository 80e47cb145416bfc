"""The texts the scripted model says: automatic chunks, and what it answers without a script."""

FRIENDLY_THINKING: tuple[str, ...] = (
    "The user ",
    "sent no script, ",
    "so a few ",
    "friendly words ",
    "will do.",
)
"""What is thought, chunk by chunk, when there is no script and thinking was asked for."""

FRIENDLY_CHUNKS: tuple[str, ...] = (
    "Hello! ",
    "I am the ",
    "scripted model: ",
    "without a script ",
    "I always say ",
    "these same words, ",
    "in small chunks, ",
    "naïvely ",
    "– with a ",
    "touch of ",
    "Unicode ",
    "\N{WAVING HAND SIGN}\N{EMOJI MODIFIER FITZPATRICK TYPE-4}.",
)
"""What is answered, chunk by chunk, when the last user message holds no script."""

CLOSING_CHUNKS: tuple[str, ...] = ("The script ", "is over.")
"""What is answered to a model call past the last turn of the script."""


def auto_chunks(count: int, *, start: int = 1, prefix: str = "w") -> list[str]:
    """Return the texts of ``say COUNT``: ``"w1 "``, ``"w2 "``, ... none empty, no two alike.

    Args:
        count: Number of chunks.
        start: Number of the first one. Numbers go on through all ``say COUNT`` statements of a
            turn, so the second of two ``say 3`` starts at 4.
        prefix: ``"w"`` for ``say``, ``"t"`` for ``think`` (counted apart).
    """
    return [f"{prefix}{number} " for number in range(start, start + count)]
