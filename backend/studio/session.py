"""A session with one Label Studio: its token, retries of reads, and errors with advice."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from backend.errors import BadSetting, StudioError
from backend.sending import AUTHORIZATION, check_token, is_personal, names_authorization, shown
from backend.studio.client import OTHER_HEADER, Client, Sent, about_proxy
from backend.studio.refusals import LOGIN, decoded, is_json, raise_for
from backend.types import Headers, Json

CONNECT_TIMEOUT, READ_TIMEOUT = 5.0, 60.0
HEALTH_TIMEOUT = 2.0

ACCESS_TOKEN_LIFETIME = 240.0
"""Seconds. Label Studio's access tokens are valid for 300 seconds."""


class Session:
    """For one thread; errors are StudioError."""

    def __init__(
        self,
        url: str,
        token: str,
        spare_token: str = "",
        clock: Callable[[], float] = time.monotonic,
        repeats: int = 3,
        *,
        headers: Headers = (),
    ) -> None:
        """`spare_token` is used once Label Studio refuses the first; `repeats`: how often a failed
        read is retried; `headers`: what a proxy before Label Studio wants to see with each request.

        Raises BadSetting when the token cannot be sent.
        """
        if token:
            check_token(token, headers)
        self.url = url.rstrip("/")
        self._token = token
        self._spare_token = spare_token if _can_be_sent(spare_token, headers) else ""
        self._headers = headers
        self._clock = clock
        self._access_until = 0.0
        self._server_time: datetime | None = None
        self._session = Client(headers)
        # Only reads are retried: a write that timed out may have been applied.
        retry = Retry(
            total=repeats,
            backoff_factor=0.3,
            backoff_jitter=0.3,
            status_forcelist=(502, 503, 504),
            raise_on_status=False,
        )
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=retry))

    def close(self) -> None:
        self._session.close()

    def server_time(self) -> datetime:
        """Label Studio's clock at its last response (requested now if there was none)."""
        if self._server_time is None:
            self.call("GET", "/health")
        assert self._server_time is not None
        return self._server_time

    def json(self, method: str, path: str, **options: Any) -> Json:
        """The JSON object in the response; a list is wrapped as `items`."""
        return decoded(self.call(method, path, **options))

    def call(
        self,
        method: str,
        path: str,
        *,
        timeout: float = READ_TIMEOUT,
        allowed: tuple[int, ...] = (),
        **options: Any,
    ) -> requests.Response:
        """The response, also with a status in `allowed`; other error statuses raise StudioError."""
        what = f"{method} {path}"
        response = self._send(method, path, timeout, options)
        if self._refuses_token(response) and self._has_another_token():
            response = self._send(method, path, timeout, options)
        self._server_time = _date_of(response)
        if response.status_code not in allowed:
            raise_for(response, what)
        return response

    def answer(self, method: str, path: str, timeout: float, **options: Any) -> requests.Response:
        """The response, whatever its status, to a request without the token."""
        try:
            response = self._session.request(
                method, self.url + path, timeout=(CONNECT_TIMEOUT, timeout), **options
            )
        except requests.exceptions.SSLError as error:
            raise StudioError(
                f"{method} {path}: the certificate of {self.url} is not accepted. If it is "
                "your own, set REQUESTS_CA_BUNDLE to the file of its certificate authority; if "
                "Label Studio uses plain HTTP there, write http:// in LABEL_STUDIO_URL"
                f"{about_proxy(self.url)}"
            ) from error
        except requests.RequestException as error:
            raise StudioError(
                f"{method} {path}: no answer from Label Studio at {self.url} "
                f"({type(error).__name__}). Check that it runs and that LABEL_STUDIO_URL is right"
                f"{about_proxy(self.url)}"
            ) from error
        if response.request.method != method:  # a redirect turned a write into a GET
            raise StudioError(
                f"{method} {path}: {self.url} redirects to {shown(response.url)}, and the redirect "
                "loses what is sent. Set LABEL_STUDIO_URL to the address to which it redirects. "
                f"{LOGIN}"
            )
        return response

    def _send(
        self, method: str, path: str, timeout: float, options: dict[str, Any]
    ) -> requests.Response:
        auth = Sent((*self._headers, self._token_header()))
        return self.answer(method, path, timeout, **options, auth=auth)

    def _token_header(self) -> tuple[str, str]:
        """Legacy tokens are sent as such, personal access tokens exchanged for short-lived ones."""
        if self.is_personal() and self._clock() >= self._access_until:
            self._refresh()
        if self.is_personal():  # checked again: it may be the spare one now
            return AUTHORIZATION, f"Bearer {self._access}"
        if names_authorization(self._headers):
            return OTHER_HEADER, self._token
        return AUTHORIZATION, f"Token {self._token}"

    def is_personal(self) -> bool:
        """Whether the token is a personal access token, a JSON web token of three parts."""
        return is_personal(self._token)

    def _refuses_token(self, response: requests.Response) -> bool:
        """Not when a proxy wants a password: the token may be good."""
        return response.status_code == 401 and is_json(response)

    def _has_another_token(self) -> bool:
        if self._access_until:  # Label Studio dropped the access token early: get another
            self._access_until = 0.0
            return True
        if not self._spare_token:
            return False
        self._token, self._spare_token = self._spare_token, ""
        return True

    def _refresh(self) -> None:
        path = "/api/token/refresh/"
        response = self.answer("POST", path, READ_TIMEOUT, json={"refresh": self._token})
        if self._refuses_token(response) and self._has_another_token():
            if self.is_personal():
                self._refresh()
            return
        raise_for(response, f"POST {path}")
        self._access: str = decoded(response)["access"]
        self._access_until = self._clock() + ACCESS_TOKEN_LIFETIME


def is_up(url: str, headers: Headers = ()) -> bool:
    """Whether Label Studio answers at this address, within HEALTH_TIMEOUT."""
    session = Session(url, "", repeats=0, headers=headers)
    try:
        response = session.answer("GET", "/health", HEALTH_TIMEOUT)
        return response.ok and "status" in decoded(response)  # and no page of a proxy
    except StudioError:
        return False
    finally:
        session.close()


def _can_be_sent(token: str, headers: Headers) -> bool:
    try:
        check_token(token, headers)
    except BadSetting:
        return False
    return True


def _date_of(response: requests.Response) -> datetime:
    """The response's Date header, which web servers send; our own clock if a proxy removed it."""
    sent = response.headers.get("Date")
    return datetime.now(UTC) if sent is None else parsedate_to_datetime(sent)
