"""What an answer that is no success becomes: one line that says what it was, and advice."""

import html
import re
from typing import Any
from urllib.parse import urlsplit

import requests

from backend.errors import StudioError
from backend.sending import shown
from backend.studio.client import about_proxy
from backend.types import Json
from backend.words import shortened

LONGEST, LONGEST_PAGE = 500, 200
"""Characters that are shown of what Label Studio says, and of another answer: proxies answer with
whole pages."""

TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)

LOGIN = (
    "If that is the login of a proxy before Label Studio, write its user name and password into "
    "LABEL_STUDIO_URL (http://user:password@host), or what it wants to see into "
    "LABEL_STUDIO_HEADERS"
)
SILENT = (
    "Something before Label Studio got no answer from it: check that Label Studio runs, and that "
    "the proxy waits long enough (nginx: proxy_read_timeout)"
)
ADVICE = {
    401: "The access token is not accepted: set LABEL_STUDIO_API_KEY to a personal access "
    "token (Account & Settings), or allow legacy tokens in the organisation's settings and "
    "open the project's Settings > Model: Label Studio then sends its own",
    403: "If this is about a local address, start Label Studio with ML_BLOCK_LOCAL_IP=false and "
    "SSRF_PROTECTION_ENABLED=false; otherwise use the token of an administrator",
    404: "It does not exist, or the token's user may not see it",
    407: "The proxy wants a user name and a password: HTTP_PROXY=http://user:password@proxy:3128",
    413: "The request is larger than a proxy before Label Studio lets through: raise its limit "
    "(nginx: client_max_body_size)",
    500: "Label Studio's log says why",
    502: SILENT,
    503: SILENT,
    504: SILENT,
}
"""Status -> what to do about it."""


def decoded(response: requests.Response) -> Json:
    """The JSON object in the response; a list is wrapped as `items`. Raises StudioError."""
    try:
        value = response.json()
    except ValueError as error:
        raise StudioError(
            f"{_asked(response)}: the answer is not JSON but {said(response)!r}{_place(response)}. "
            f"Check that Label Studio is at this address. {LOGIN}{about_proxy(response.url)}",
            response.status_code,
        ) from error
    return value if isinstance(value, dict) else {"items": value}


def raise_for(response: requests.Response, what: str) -> None:
    """Raises StudioError with advice when `what` was refused, by Label Studio or before it."""
    status = response.status_code
    if status < 400:
        return
    if is_json(response):
        who, advice, proxy = "Label Studio", ADVICE.get(status, ""), ""
    else:
        who, proxy = "Label Studio, or a proxy before it,", about_proxy(response.url)
        advice = LOGIN if status in (401, 403) else ADVICE.get(status, "")
    sentences = ". ".join(filter(None, (said(response).rstrip("."), advice)))
    raise StudioError(f"{what}: {who} answered {status}: {sentences}{proxy}", status)


def said(response: requests.Response) -> str:
    """What an answer says, in one line: of JSON the details, of a page its title."""
    try:
        text, most = _details(response.json()), LONGEST
    except ValueError:
        text, most = _title(response.text), LONGEST_PAGE
    line = " ".join(text.split()) or response.reason or str(response.status_code)
    return shortened(line, most)


def _details(value: Any) -> str:
    if not isinstance(value, dict):
        return str(value)
    wrong = value.get("validation_errors")
    if isinstance(wrong, dict):
        found = [f"{name}: {_listed(about)}" for name, about in wrong.items()]
    else:
        found = [_listed(wrong)] if wrong else []
    return "; ".join(filter(None, [str(value.get("detail") or ""), *found])) or str(value)


def _listed(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _title(text: str) -> str:
    """The title of a page, "" for one without; any other text as it is."""
    found = TITLE.search(text)
    if found is not None:
        return html.unescape(found[1])
    return "" if text.lstrip().startswith("<") else text


def is_json(response: requests.Response) -> bool:
    """Whether Label Studio itself answered, as far as one can tell, and not a proxy before it."""
    try:
        response.json()
    except ValueError:
        return False
    return True


def _asked(response: requests.Response) -> str:
    """The request in words, without what stands behind the question mark."""
    first = response.history[0].request if response.history else response.request
    return f"{first.method} {first.path_url.partition('?')[0]}"


def _place(response: requests.Response) -> str:
    """Where an answer came from, if a redirect led to another host."""
    if not response.history:
        return ""
    asked, came = urlsplit(response.history[0].url).netloc, urlsplit(response.url).netloc
    return "" if asked == came else f", from {shown(response.url)}"
