"""A session with one Label Studio: its token, retries of reads, and errors with advice."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from backend.errors import StudioError
from backend.types import Json

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
    ) -> None:
        """`spare_token` is used once Label Studio refuses the first; `repeats`: how often a failed
        read is retried."""
        self.url = url.rstrip("/")
        self._token = token
        self._spare_token = spare_token
        self._clock = clock
        self._access_until = 0.0
        self._server_time: datetime | None = None
        self._session = requests.Session()
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
        if response.status_code == 401 and self._has_another_token():
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
            ) from error
        except requests.RequestException as error:
            raise StudioError(
                f"{method} {path}: no answer from Label Studio at {self.url} "
                f"({type(error).__name__}). Check that it runs and that LABEL_STUDIO_URL is right"
            ) from error
        if response.request.method != method:  # a redirect turned a write into a GET
            raise StudioError(
                f"{method} {path}: {self.url} redirects to {response.url}, and the redirect loses "
                "what is sent. Set LABEL_STUDIO_URL to the address to which it redirects"
            )
        return response

    def _send(
        self, method: str, path: str, timeout: float, options: dict[str, Any]
    ) -> requests.Response:
        headers = {**options.get("headers", {}), "Authorization": self._authorization()}
        return self.answer(method, path, timeout, **{**options, "headers": headers})

    def _authorization(self) -> str:
        """Legacy tokens are sent as such, personal access tokens exchanged for short-lived ones."""
        if self.is_personal() and self._clock() >= self._access_until:
            self._refresh()
        # Checked again: it may be the spare one now.
        return f"Bearer {self._access}" if self.is_personal() else f"Token {self._token}"

    def is_personal(self) -> bool:
        """Whether the token is a personal access token, a JSON web token of three parts."""
        return self._token.count(".") == 2

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
        if response.status_code == 401 and self._has_another_token():
            if self.is_personal():
                self._refresh()
            return
        raise_for(response, f"POST {path}")
        self._access: str = decoded(response)["access"]
        self._access_until = self._clock() + ACCESS_TOKEN_LIFETIME


def is_up(url: str) -> bool:
    """Whether Label Studio answers at this address, within HEALTH_TIMEOUT."""
    session = Session(url, "", repeats=0)
    try:
        return session.answer("GET", "/health", HEALTH_TIMEOUT).ok
    except StudioError:
        return False
    finally:
        session.close()


def _date_of(response: requests.Response) -> datetime:
    """The response's Date header, which web servers send; our own clock if a proxy removed it."""
    sent = response.headers.get("Date")
    return datetime.now(UTC) if sent is None else parsedate_to_datetime(sent)


def decoded(response: requests.Response) -> Json:
    """The JSON object in the response; a list is wrapped as `items`. Raises StudioError."""
    try:
        value = response.json()
    except ValueError as error:
        raise StudioError(
            f"{response.request.method} {response.request.path_url.partition('?')[0]}: "
            "the response is not JSON; is Label Studio really at this address?",
            response.status_code,
        ) from error
    return value if isinstance(value, dict) else {"items": value}


def raise_for(response: requests.Response, what: str) -> None:
    """Raises StudioError with advice when Label Studio refused `what`."""
    status = response.status_code
    if status < 400:
        return
    advice = {
        401: "The access token is not accepted: set LABEL_STUDIO_API_KEY to a personal access "
        "token (Account & Settings), or allow legacy tokens in the organisation's settings and "
        "open the project's Settings > Model: Label Studio then sends its own",
        403: f"{_detail(response)} If this is about a local address, start Label Studio with "
        "ML_BLOCK_LOCAL_IP=false and SSRF_PROTECTION_ENABLED=false; otherwise use the token of an "
        "administrator",
        404: "It does not exist, or the token's user may not see it",
    }.get(status, response.text[:1000])
    raise StudioError(f"{what}: Label Studio answered {status}. {advice}", status)


def _detail(response: requests.Response) -> str:
    """What Label Studio says about a refusal."""
    try:
        return str(response.json()["detail"])
    except (requests.JSONDecodeError, KeyError, TypeError):
        return response.text[:1000]
