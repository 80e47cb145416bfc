"""A model of the whole API, held against a server by sequences of calls made by chance."""
