"""What sends our requests: with our own credentials, and with nothing that requests finds itself.

requests takes proxies and certificates from the environment, which people expect, and passwords
from ~/.netrc, which they do not: these would take the place of our token.
"""

from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase
from requests.utils import get_environ_proxies, select_proxy

from backend.sending import AUTHORIZATION, shown
from backend.types import Headers

OTHER_HEADER = "X-Api-Key"
"""Where Label Studio reads a legacy token that has no place in Authorization."""


class Sent(AuthBase):
    """Headers that are put into a request last, so that nothing replaces them."""

    def __init__(self, headers: Headers = ()) -> None:
        self._headers = headers

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.update(self._headers)
        return request


class Client(requests.Session):
    """Sends `headers` with each request, and what a request itself brings; to no other host."""

    def __init__(self, headers: Headers = ()) -> None:
        super().__init__()
        self.auth = Sent(headers)
        self._names = (AUTHORIZATION, OTHER_HEADER, *(name for name, _ in headers))

    def rebuild_auth(
        self, prepared_request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        """At a redirect: requests drops Authorization alone, and asks ~/.netrc again."""
        asked, target = response.request.url or "", prepared_request.url or ""
        if self.should_strip_auth(asked, target):  # type: ignore[no-untyped-call]
            for name in self._names:
                prepared_request.headers.pop(name, None)


def about_proxy(url: str) -> str:
    """A sentence on the proxy that the environment names for this address; "" for none."""
    proxy = select_proxy(url, get_environ_proxies(url))
    if not proxy:
        return ""
    parts = urlsplit(url)
    return (
        f". The environment ({parts.scheme.upper()}_PROXY) sends this through the proxy "
        f"{shown(proxy)}; if {parts.hostname} is to be reached without it, add {parts.hostname} to "
        "NO_PROXY"
    )
