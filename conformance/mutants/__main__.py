"""``python -m pollux.conformance.mutants NAME [OPTIONS of serve]``: a server with a fault."""

import sys
from typing import Any

from pollux.conformance.mutants.mutant import MutantError, Patch, load_mutants


def main(name: str, arguments: list[str]) -> None:
    """Serve the mutant NAME with the ARGUMENTS of ``pollux serve``.

    Raises:
        MutantError: when there is none of that name.
    """
    from pollux.reference_server import app as server
    from pollux.reference_server.cli import serve

    mutants = load_mutants()
    if name not in mutants:
        raise MutantError(f"there is no mutant {name!r}; there are {', '.join(mutants)}")
    patch = Patch()
    mutants[name].apply(patch)
    create_app = server.create_app

    def create_mutated(*args: Any, **kwargs: Any) -> Any:
        app = create_app(*args, **kwargs)
        for change in patch.apps:
            change(app)
        # Flask calls what was registered last first: this is the very last change of all.
        app.after_request_funcs.setdefault(None, [])[:0] = patch.responses
        return app

    patch.replace(server, "create_app", create_mutated)
    serve(arguments, prog_name="pollux serve")


if __name__ == "__main__":
    try:
        main(sys.argv[1] if len(sys.argv) > 1 else "", sys.argv[2:])
    except MutantError as error:
        sys.exit(f"error: {error}")
