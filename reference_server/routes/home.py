"""``GET /``: a page that shows the operations and tries one; ``GET /openapi.yaml``."""

from pathlib import Path

from flask import Blueprint, Response, render_template_string

from pollux.schemas.openapi import API_PREFIX, openapi_text, operations

blueprint = Blueprint("home", __name__)

_PAGES = Path(__file__).parent.parent / "pages"
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@blueprint.get("/")
def home() -> Response:
    """Show what this server is, its operations, and a form to watch a task."""
    text = (_PAGES / "home.html").read_text(encoding="utf-8")
    page = render_template_string(text, operations=operations(), prefix=API_PREFIX)
    response = Response(page, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = _POLICY
    return response


@blueprint.get("/home.js")
def script() -> Response:
    """Return the script of the page."""
    text = (_PAGES / "home.js").read_bytes()
    return Response(text, content_type="text/javascript; charset=utf-8")


@blueprint.get("/openapi.yaml")
def openapi() -> Response:
    """Return the OpenAPI document, for Swagger UI, Postman and code generators."""
    return Response(openapi_text(), content_type="application/yaml; charset=utf-8")
