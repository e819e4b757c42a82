"""What the doctor observes: everything in Label Studio and the backend that the order depends on.

Observing changes nothing.
"""

import time
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import requests

from backend.doctor import dataset_probes, probes
from backend.doctor.dataset_probes import DatasetSeen
from backend.doctor.probes import Refusal
from backend.errors import StudioError
from backend.settings import Settings
from backend.studio.api import IMPORT_FLAG, Studio
from backend.studio.client import Client, about_proxy
from backend.types import Json

TIMEOUT = 5.0
"""Seconds that the backend has to answer the doctor; Label Studio itself waits less."""

ATTEMPTS = 3
"""The backend serves a version shortly before Label Studio switches to it."""


@dataclass(frozen=True)
class Health:
    """The backend's answer to /health: HTTP status and time taken, or why there was none; proxy: a
    sentence on the proxy through which it was asked, see about_proxy."""

    status: int | None = None
    seconds: float = 0.0
    trouble: str = ""
    proxy: str = ""


@dataclass(frozen=True)
class Observation:
    """What the doctor saw. What it could not see, because something else failed, has its default.

    unreachable: why Label Studio does not answer; refused: why it does not accept the token;
    import_flag: None if Label Studio does not show it; served: the version that the backend serves,
    "" while unknown; state: the project as backend.web.pages.state describes it; project, backends,
    webhooks, tabs: as Label Studio's API returns them; empty_is_none: the setting; dataset: None
    without one.
    """

    studio_url: str
    backend_url: str = ""
    release: str = ""
    unreachable: str = ""
    token_kind: str = ""
    refused: str = ""
    backend_refusal: Refusal | None = None
    webhook_refusal: Refusal | None = None
    import_flag: bool | None = None
    health: Health = Health()
    served: str = ""
    state: Json = field(default_factory=dict)
    project: Json = field(default_factory=dict)
    backends: tuple[Json, ...] = ()
    webhooks: tuple[Json, ...] = ()
    tabs: tuple[Json, ...] = ()
    empty_is_none: bool = False
    dataset: DatasetSeen | None = None

    def own_backends(self) -> list[Json]:
        """The project's connections to our address."""
        ours = address(self.backend_url)
        return [backend for backend in self.backends if address(backend["url"]) == ours]

    def own_webhooks(self) -> list[Json]:
        """The project's webhooks to our address."""
        ours = address(f"{self.backend_url}/webhook")
        return [webhook for webhook in self.webhooks if address(webhook["url"]) == ours]


def observe(
    studio: Studio, settings: Settings, project: int | None, backend_url: str
) -> Observation:
    """Observe one project (None: only the server). `backend_url` "": that of the connected backend.

    Raises StudioError if Label Studio answers but has no such project.
    """
    try:
        release = probes.release(studio.session)
    except StudioError as error:
        return Observation(studio.url, unreachable=str(error))
    known: dict[str, Any] = {"release": release, "token_kind": probes.kind_of_token(studio.session)}
    try:
        probes.user(studio.session)
    except StudioError as error:
        return Observation(studio.url, refused=str(error), **known)
    described = {} if project is None else studio.of(project).describe()
    backends = () if project is None else tuple(studio.of(project).backends())
    url = (backend_url or (backends[0]["url"] if backends else settings.own_url)).rstrip("/")
    backend = _Backend(url, settings)
    if project is not None:
        known |= _of_project(studio, backend, described)
        known["dataset"] = dataset_probes.look(settings, known["project"], known["state"])
    seen = Observation(
        studio.url,
        url,
        **known,
        import_flag=probes.feature_flag(studio.session, IMPORT_FLAG),
        empty_is_none=settings.empty_is_none,
        backends=backends,
        health=backend.health(),
    )
    is_called = any(row.get("state") == "CO" for row in seen.own_backends())
    own = seen.own_webhooks()
    return replace(
        seen,
        backend_refusal=None if is_called else probes.backend_refusal(studio.session, url),
        webhook_refusal=probes.webhook_refusal(studio.session, f"{url}/webhook", own),
    )


def address(url: str) -> tuple[str, str, str]:
    """Scheme, host with port, and path: equal for two spellings of the same address."""
    parts = urlsplit(url)
    return parts.scheme, parts.netloc, parts.path.rstrip("/")


def _of_project(studio: Studio, backend: "_Backend", described: Json) -> dict[str, Any]:
    """The fields that describe the project, in Label Studio and in the backend."""
    number: int = described["id"]
    served = backend.served(number)
    for _ in range(ATTEMPTS - 1):
        if served in ("", described["model_version"]):
            break
        time.sleep(0.5)
        described, served = studio.of(number).describe(), backend.served(number)
    return {
        "project": described,
        "served": served,
        "state": backend.json(f"/status/{number}.json"),
        "webhooks": tuple(studio.of(number).webhooks()),
        "tabs": tuple(studio.of(number).tabs()),
    }


class _Backend:
    """The backend's routes, called with the password from the settings."""

    def __init__(self, url: str, settings: Settings) -> None:
        self._url = url
        self._client = Client()
        self._auth = settings.password

    def health(self) -> Health:
        try:
            answer = self._get("/health")
        except requests.RequestException as error:
            return Health(trouble=type(error).__name__, proxy=about_proxy(self._url))
        seconds = answer.elapsed.total_seconds()
        return Health(answer.status_code, seconds, proxy=about_proxy(self._url))

    def served(self, project: int) -> str:
        """The served version; "" while unknown."""
        return str(self.json("/versions", project=project).get("served", ""))

    def json(self, path: str, **params: Any) -> Json:
        """The answer; {} if there is none, or it is not a JSON object."""
        try:
            value = self._get(path, **params).json()
        except (requests.RequestException, ValueError):
            return {}
        return value if isinstance(value, dict) else {}

    def _get(self, path: str, **params: Any) -> requests.Response:
        return self._client.get(self._url + path, params=params, auth=self._auth, timeout=TIMEOUT)
