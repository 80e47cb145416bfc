"""The reference server with one small fault each: the suite proves itself on them.

A mutant is a function that puts one fault into the modules of the reference server, in a process
of its own (``python -m pollux.conformance.mutants NAME``). It names the requirements that must
turn red; ``pollux mutants`` runs the suite against each and prints the kill matrix.
"""

from pollux.conformance.mutants.mutant import (
    Mutant,
    MutantError,
    Patch,
    load_mutants,
    mutant,
)

__all__ = ["Mutant", "MutantError", "Patch", "load_mutants", "mutant"]
