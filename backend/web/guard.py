"""What every request must satisfy before its route sees it: password, host, site, form, size."""

import hmac
import logging
import secrets
import time
from base64 import b64decode
from collections.abc import Sequence
from urllib.parse import urlsplit

from flask import Flask, Response, abort, g, jsonify, request
from werkzeug.sansio.utils import host_is_trusted

from backend.queue.webhook import SECRET_HEADER
from backend.settings import Settings
from backend.web.current import current_service

access_log = logging.getLogger("backend.access")

KILOBYTE = 1024
MAX_BODY = 32 * 1024 * KILOBYTE
"""Bytes. `/predict` receives all selected tasks in one request."""
BODY_LIMITS = {"/predict": MAX_BODY, "/setup": MAX_BODY // 4, "/webhook": 1024 * KILOBYTE}
"""Path -> the most bytes that are read. /setup brings the labelling interface."""
ITEMS_BODY = MAX_BODY // 4
"""The same for /pool/7/items: a dataset that is larger is better added as files."""
SMALL_BODY = 64 * KILOBYTE
"""The most bytes of all other requests."""

JSON_ROUTES = frozenset({"/setup", "/predict", "/webhook", "/versions", "/train"})

LOCAL_NAMES = ("localhost", ".localhost", ".local", ".internal", ".svc")
"""Names that no public name server knows, and so nobody can point at us. A leading dot means any
name below."""

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def install(app: Flask) -> None:
    """Check every request, and send the headers that protect browsers with every answer."""
    app.before_request(_check)
    app.after_request(_protect)
    app.after_request(_log)
    app.context_processor(lambda: {"nonce": nonce()})


def secret_project() -> int | None:
    """The project whose webhook's secret this request brings, if any."""
    if "secret_project" not in g:
        g.secret_project = current_service().project_of(request.headers.get(SECRET_HEADER))
    project: int | None = g.secret_project
    return project


def nonce() -> str:
    """What marks the scripts and styles of this answer, so that a browser runs no others."""
    if "nonce" not in g:
        g.nonce = secrets.token_urlsafe(16)
    value: str = g.nonce
    return value


def named_hosts(settings: Settings) -> list[str]:
    """The names in ALLOWED_HOSTS; a leading dot means any name below."""
    names = (name.strip().lower() for name in settings.allowed_hosts.split(","))
    return [name.replace("*.", ".").removesuffix(".") for name in names if name]


def allowed_hosts(settings: Settings) -> list[str]:
    """The names under which we answer, as above; [] for any name.

    With a password, any: a page that makes its own name lead to us has no password to send.
    """
    named = named_hosts(settings)
    if named:
        return [] if "*" in named else [*named, "localhost"]
    return [] if settings.basic_auth_user else [*LOCAL_NAMES, _name_of(settings.label_studio_url)]


def is_allowed(host: str, allowed: Sequence[str]) -> bool:
    """Whether a request may name this host, with or without its port, as ours. Addresses, and names
    without a dot, are always allowed: nobody can register those."""
    name = _name_of(f"//{host}")
    is_local = ":" in name or "." not in name or name.replace(".", "").isdigit()
    return not allowed or (bool(name) and (is_local or host_is_trusted(name, list(allowed))))


def _name_of(address: str) -> str:
    """The host's name in an address, without a dot at its end; "" for none."""
    try:
        return (urlsplit(address).hostname or "").removesuffix(".")
    except ValueError:  # http://[
        return ""


def _host() -> str | None:
    """The Host header as it was sent: flask shows none where it does not like the name. Browsers
    always send it."""
    sent: str | None = request.environ.get("HTTP_HOST")
    return sent


def _check() -> Response | None:
    g.began = time.monotonic()
    request.max_content_length = _most_bytes(request.path)
    refusal = _check_password()
    if refusal is not None:
        return refusal
    _check_host()
    if request.method == "POST":
        _check_site()
        _check_form()
    return None


def _most_bytes(path: str) -> int:
    return ITEMS_BODY if _brings_items(path) else BODY_LIMITS.get(path, SMALL_BODY)


def _brings_items(path: str) -> bool:
    return path.startswith("/pool/") and path.endswith("/items")


def _check_password() -> Response | None:
    """Basic authentication on every route. Our own webhooks bring their
    secret instead: whoever may read a project's webhooks would read the password there."""
    settings = current_service().settings
    if not settings.basic_auth_user:
        return None
    if request.path == "/webhook" and secret_project() is not None:
        return None
    if _is_right(request.headers.get("Authorization", ""), _credentials(settings)):
        return None
    answer = jsonify(error="Wrong user name or password (BASIC_AUTH_USER, BASIC_AUTH_PASS)")
    answer.status_code = 401
    answer.headers["WWW-Authenticate"] = 'Basic realm="Active learning backend"'
    return answer


def _credentials(settings: Settings) -> list[bytes]:
    """All that counts as the user name and the password, as they are sent.

    Browsers and curl send UTF-8, Label Studio sends Latin-1, and has cut off the outer spaces.
    """
    user, password = settings.basic_auth_user, settings.basic_auth_pass
    pairs = (f"{user}:{password}", f"{user}:{password.strip()}")
    return [pair.encode(encoding) for pair in pairs for encoding in ("utf-8", "latin-1")]


def _is_right(header: str, credentials: Sequence[bytes]) -> bool:
    """Whether the header brings one of the credentials. Each comparison takes constant time, and
    all are made, so that the time says nothing about them."""
    scheme, _, packed = header.partition(" ")
    try:
        sent = b64decode(packed.strip(), validate=True)
    except ValueError:
        return False
    found = [hmac.compare_digest(sent, one) for one in credentials]
    return scheme.lower() == "basic" and any(found)


def _check_host() -> None:
    """Against pages that make their own name lead to us, and then count as ours in the browser."""
    host = _host()
    if host is not None and not is_allowed(host, allowed_hosts(current_service().settings)):
        name = _name_of(f"//{host}")
        abort(403, f"Set ALLOWED_HOSTS={name} on the backend if it is to be reached by that name")


def _check_site() -> None:
    """Against pages of other sites: a browser sends our password whichever page asks it to."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site == "same-origin" or (origin is not None and _is_ours(origin)):
        return  # the browser says so itself, even if a proxy has changed our host name
    if origin is not None or site in ("cross-site", "same-site"):
        abort(403, "This action is only allowed from the status page itself")


def _is_ours(origin: str) -> bool:
    """Whether a page from there is ours: from the host that was asked, or from one in the settings,
    whose name a proxy may have changed."""
    named = named_hosts(current_service().settings)
    is_named = bool(named) and "*" not in named and host_is_trusted(_name_of(origin), named)
    try:
        return is_named or urlsplit(origin).netloc == (_host() or "")
    except ValueError:  # http://[
        return False


def _check_form() -> None:
    """JSON must say that it is JSON, because other sites cannot send that without asking first."""
    wants_json = request.path in JSON_ROUTES or _brings_items(request.path)
    if wants_json and not request.is_json:
        abort(415, "Send JSON, with the header Content-Type: application/json")


def _protect(answer: Response) -> Response:
    marked = f"'nonce-{nonce()}'"
    answer.headers["Content-Security-Policy"] = (
        f"default-src 'none'; script-src {marked}; style-src {marked}; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    for name, value in HEADERS.items():
        answer.headers[name] = value
    return answer


def _log(answer: Response) -> Response:
    protocol = request.environ.get("SERVER_PROTOCOL", "")
    line = f"{request.method} {request.path} {protocol}"
    spent = 1000 * (time.monotonic() - g.began)
    access_log.debug('"%s" %d %.0f ms', line, answer.status_code, spent)
    return answer
