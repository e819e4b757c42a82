"""What identifies us to other servers: user names, passwords, tokens and headers.

HTTP carries less than an environment variable does. What it cannot carry is refused before the
first request. No message shows a secret.
"""

import json
import re
from base64 import b64encode
from urllib.parse import unquote_to_bytes, urlsplit

from backend.errors import BadSetting
from backend.types import Headers

AUTHORIZATION = "Authorization"

TOKEN = re.compile(r"[\x21-\x7e]+")
NAME = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
VALUE = re.compile(r"[\x21-\x7e\xa0-\xff]([\t\x20-\x7e\xa0-\xff]*[\x21-\x7e\xa0-\xff])?")
"""Of a header; HTTP's own alphabet is Latin-1."""
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

SCHEME = re.compile(r"([a-z]+:)?//", re.IGNORECASE)

PORTS = range(1, 65536)


def is_personal(token: str) -> bool:
    """Whether it is a personal access token, a JSON web token of three parts."""
    return token.count(".") == 2


def names_authorization(headers: Headers) -> bool:
    """Whether the header Authorization is taken, by a proxy before Label Studio."""
    return any(name.lower() == AUTHORIZATION.lower() for name, _ in headers)


def check_token(token: str, headers: Headers) -> None:
    """Raises BadSetting when this access token cannot be sent beside these headers."""
    if not TOKEN.fullmatch(token):
        raise BadSetting(
            "The access token contains a space, a line break or a letter outside of ASCII, so it "
            "cannot be sent. Copy LABEL_STUDIO_API_KEY again from Account & Settings"
        )
    if is_personal(token) and names_authorization(headers):
        raise BadSetting(
            "A personal access token and the password of a proxy before Label Studio both need the "
            "header Authorization, and Label Studio reads only legacy tokens from another one. Set "
            "LABEL_STUDIO_API_KEY to a legacy token, or let the proxy know the backend by another "
            "header (LABEL_STUDIO_HEADERS) or by its address"
        )


def check_password(user: str, password: str) -> None:
    """Raises BadSetting when Label Studio cannot send these two to us."""
    for name, value in (("BASIC_AUTH_USER", user), ("BASIC_AUTH_PASS", password)):
        if not _is_latin(value) or CONTROL.search(value):
            raise BadSetting(
                f"{name} contains a character that Label Studio cannot send: it sends Latin-1, the "
                "letters of Western Europe. Choose one of ASCII letters, digits and signs"
            )
    if ":" in user:
        raise BadSetting(
            "BASIC_AUTH_USER contains a colon, which ends the user name where it is sent. Choose a "
            "user name without one"
        )


def headers_from(text: str) -> Headers:
    """The headers in a JSON object; none for "". Raises BadSetting."""
    try:
        given = json.loads(text) if text else {}
    except ValueError:
        given = None
    if not isinstance(given, dict) or not all(map(_is_header, given.items())):
        raise BadSetting(
            "LABEL_STUDIO_HEADERS must be a JSON object with the names and the values of headers, "
            'such as {"CF-Access-Client-Id": "...", "CF-Access-Client-Secret": "..."}. Values are '
            "texts of one line in Latin-1"
        )
    return tuple(given.items())


def apart(url: str, headers: Headers = ()) -> tuple[str, Headers]:
    """Label Studio's address without the user name and the password in it, which are those of a
    proxy, and the headers with them. Raises BadSetting."""
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
        is_address = is_address and parts.port in (None, *PORTS)
    except ValueError:
        is_address = False
    if not is_address or "@" in parts.path + parts.query + parts.fragment:
        raise BadSetting(
            f"LABEL_STUDIO_URL={shown(url)} is not an address such as http://localhost:8080. In a "
            "user name and a password before the host, write signs in percent form: @ is %40, "
            "/ is %2F, # is %23, ? is %3F"
        )
    known, _, host = parts.netloc.rpartition("@")
    clean = parts._replace(netloc=host).geturl()
    if not known:
        return clean, headers
    if names_authorization(headers):
        raise BadSetting(
            "LABEL_STUDIO_URL has a user name and a password, and LABEL_STUDIO_HEADERS names "
            "Authorization as well, the header that brings them. Leave out one of the two"
        )
    user, _, password = known.partition(":")
    pair = unquote_to_bytes(user) + b":" + unquote_to_bytes(password)
    return clean, (*headers, (AUTHORIZATION, f"Basic {b64encode(pair).decode()}"))


def shown(url: str) -> str:
    """An address as people may see it: without a password, also where the scheme or its slashes
    are missing, and without a query."""
    before, _, host = url.rpartition("@")
    scheme = SCHEME.match(before)
    start = scheme[0] if scheme else ""
    return f"{start}{host}".partition("?")[0].partition("#")[0]


def _is_header(item: tuple[str, object]) -> bool:
    name, value = item
    is_whole = isinstance(value, str) and VALUE.fullmatch(value) is not None
    return is_whole and NAME.fullmatch(name) is not None


def _is_latin(text: str) -> bool:
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True
