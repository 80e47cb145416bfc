"""Faults of the headers that all answers share, and of CORS (api_v1 1.7, 1.13)."""

from flask import Response, request

from pollux.conformance.mutants.mutant import Patch, mutant


def _without_header(patch: Patch, name: str) -> None:
    @patch.response
    def drop(response: Response) -> Response:
        response.headers.pop(name, None)
        return response


@mutant("HEADER-NO-STORE")
def common_may_be_stored_by_caches(patch: Patch) -> None:
    """JSON answers have no ``Cache-Control``."""
    _without_header(patch, "Cache-Control")


@mutant("HEADER-NOSNIFF")
def common_may_be_sniffed(patch: Patch) -> None:
    """Answers have no ``X-Content-Type-Options``."""
    _without_header(patch, "X-Content-Type-Options")


@mutant("CORS-PREFLIGHT", "CORS-HEADERS")
def common_wants_a_token_for_a_preflight(patch: Patch) -> None:
    """A preflight, which cannot have a token, is answered with 401."""

    @patch.response
    def change(response: Response) -> Response:
        if _preflight():
            response.status_code = 401
            response.headers["WWW-Authenticate"] = "Bearer"
            response.headers.pop("Access-Control-Allow-Headers", None)
        return response


def _preflight() -> bool:
    return request.method == "OPTIONS"


@mutant("CORS-PREFLIGHT")
def common_lets_web_clients_delete_nothing(patch: Patch) -> None:
    """A preflight does not allow ``DELETE``."""

    @patch.response
    def change(response: Response) -> Response:
        if _preflight():
            response.headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
        return response


@mutant("CORS-HEADERS")
def common_lets_web_clients_send_no_token(patch: Patch) -> None:
    """A preflight allows every header by ``*``, which ``Authorization`` is not a part of."""

    @patch.response
    def change(response: Response) -> Response:
        if _preflight():
            response.headers["Access-Control-Allow-Headers"] = "*"
        return response


@mutant("CORS-ANY-ORIGIN")
def common_hides_its_failures_from_web_clients(patch: Patch) -> None:
    """A failure has no ``Access-Control-Allow-Origin``: a web page cannot read what is wrong."""

    @patch.response
    def change(response: Response) -> Response:
        if response.status_code >= 400:
            response.headers.pop("Access-Control-Allow-Origin", None)
        return response


@mutant("CORS-NO-CREDENTIALS")
def common_allows_credentials(patch: Patch) -> None:
    """Every origin is echoed and may send cookies."""

    @patch.response
    def change(response: Response) -> Response:
        response.headers["Access-Control-Allow-Origin"] = request.headers.get("Origin", "*")
        response.headers["Access-Control-Allow-Credentials"] = "true"
        return response
