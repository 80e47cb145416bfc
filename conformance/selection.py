"""Which requirements a run judges: what ``--only`` names."""

import fnmatch
from collections.abc import Collection, Iterable, Mapping

from pollux.conformance.errors import TargetError
from pollux.schemas.requirements import Requirement

#: Names every requirement that has a check in this version of the suite.
CHECKED = "checked"


def selected(
    only: Iterable[str], catalogue: Mapping[str, Requirement], covered: Collection[str]
) -> frozenset[str]:
    """Return the ids of the requirements that ONLY names; all of them when it names none.

    Args:
        only: Ids, names of groups, patterns of ids such as ``POLL-*``, or ``checked``.
        catalogue: All requirements.
        covered: Ids of the requirements that have a check.

    Raises:
        TargetError: when one of them names nothing.
    """
    found: set[str] = set()
    groups = {requirement.group for requirement in catalogue.values()}
    words = list(only)
    for word in words:
        if word.lower() == CHECKED:
            names = set(covered)
        elif word.lower() in groups:
            names = {row.id for row in catalogue.values() if row.group == word.lower()}
        else:
            names = set(fnmatch.filter(catalogue, word.upper()))
        if not names:
            raise TargetError(
                f"--only {word}: neither a requirement, nor a pattern of some, nor one of the "
                f"groups {', '.join(sorted(groups))}"
            )
        found |= names
    return frozenset(found) if words else frozenset(catalogue)
