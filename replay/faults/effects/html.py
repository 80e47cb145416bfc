"""The effect ``html``."""

from dataclasses import dataclass, field
from http import HTTPStatus

from werkzeug.datastructures import Headers

from pollux.replay.faults.effect import Answer, Refusal, Strike
from pollux.replay.faults.registry import register
from pollux.replay.faults.values import count, parameter

_PAGE = (
    "<html>\r\n<head><title>{0}</title></head>\r\n<body>\r\n<center><h1>{0}</h1></center>\r\n"
    "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)


@register
@dataclass(frozen=True)
class Html(Refusal):
    """Answers with the HTML page of a proxy, as an error or with 200.

    Hurts clients that parse every answer as JSON, or trust a status of 200. As with a real proxy
    the page has no CORS headers when it comes with an error: a browser shows its client no
    status then.
    """

    lawful = False
    example = "poll 3..4 -> html 502"

    code: int = field(
        default=502, metadata=parameter(count(200, 599), "the HTTP status", bare=True)
    )

    def answer(self, strike: Strike) -> Answer:
        """Return the page."""
        reason = next((known.phrase for known in HTTPStatus if known == self.code), "Error")
        headers = Headers({"Content-Type": "text/html; charset=utf-8"})
        if self.code == 200:
            headers["Access-Control-Allow-Origin"] = "*"
        return Answer(self.code, headers, _PAGE.format(f"{self.code} {reason}").encode())
