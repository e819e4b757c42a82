"""The webhook by which Label Studio reports a project's events to the backend."""

import base64
import logging
from collections.abc import Sequence
from urllib.parse import urlsplit

from backend.errors import StudioError
from backend.settings import Settings
from backend.studio.project import StudioProject
from backend.types import Json

log = logging.getLogger(__name__)

EVENTS = (
    "ANNOTATION_CREATED",
    "ANNOTATIONS_CREATED",
    "ANNOTATION_UPDATED",
    "ANNOTATIONS_DELETED",
    "TASKS_CREATED",
    "TASKS_DELETED",
    "PROJECT_UPDATED",
)
LARGE_INTERFACE = 100_000
"""Characters of a labelling interface (some 3,000 choices) from which on PROJECT_UPDATED is not
requested; changed settings are then noticed at the next poll. The event describes the whole
project, and our own switch of the version triggers it, too: with 10,000 leaves the switch took
8.7 s with the event and 4.5 s without."""

SECRET_HEADER = "X-Active-Learning"
"""The header with the secret that only our own webhooks know."""


def events_for(interface: str) -> tuple[str, ...]:
    """The events that Label Studio should report in a project with this labelling interface."""
    is_large = len(interface) > LARGE_INTERFACE
    return tuple(event for event in EVENTS if event != "PROJECT_UPDATED" or not is_large)


def webhook_headers(settings: Settings, secret: str) -> dict[str, str]:
    """The headers that Label Studio must send with webhooks; by itself it sends no password."""
    headers = {SECRET_HEADER: secret}
    if settings.basic_auth_user:
        pair = f"{settings.basic_auth_user}:{settings.basic_auth_pass}".encode()
        headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
    return headers


def typed_address(studio: StudioProject, seen: str) -> str | None:
    """Our address as people entered it under *Settings > Model*; None while nothing is saved there.

    seen: our address in a request from Label Studio. A proxy may have changed its host, or https to
    http; if several backends are connected, it identifies ours.
    """
    known = [str(backend["url"]) for backend in studio.backends()]
    same = [url for url in known if _same_address(url, seen)]
    found = same or (known if len(known) == 1 else [])
    return found[0] if found else None


def ensure_webhook(
    studio: StudioProject,
    backend_url: str,
    headers: dict[str, str],
    events: Sequence[str] = EVENTS,
) -> bool:
    """Ensure one webhook of this project to us, with these events and headers. True if it exists.

    Label Studio refuses host names without a dot and then silently creates no webhook; the loop
    falls back on polling. A webhook to an earlier address of ours, known by its secret, is changed
    to the new one.
    """
    url = f"{backend_url.rstrip('/')}/webhook"
    wanted: Json = {
        "project": studio.number,
        "url": url,
        "send_payload": True,
        "send_for_all_actions": False,
        "is_active": True,
        "headers": headers,
        "actions": sorted(events),
    }
    ours = [row for row in studio.webhooks() if _is_ours(row, url, headers[SECRET_HEADER])]
    for duplicate in ours[1:]:
        studio.delete_webhook(duplicate["id"])
    try:
        if not ours:
            studio.create_webhook(wanted)
        elif _differs(ours[0], wanted):
            studio.update_webhook(ours[0]["id"], wanted)
    except StudioError as error:
        if error.status not in (400, 403):
            raise
        log.warning(
            "project %d: Label Studio refuses a webhook to %s (%s). Changes are noticed by polling "
            "instead. Connect the backend under a host name with a dot, and set "
            "SSRF_PROTECTION_ENABLED=false on the Label Studio server if the address is local",
            studio.number,
            url,
            error,
        )
        return False
    return True


def _is_ours(webhook: Json, url: str, secret: str) -> bool:
    sent = (webhook.get("headers") or {}).get(SECRET_HEADER)
    return _same_address(webhook["url"], url) or bool(secret and sent == secret)


def _same_address(one: str, other: str) -> bool:
    first, second = urlsplit(one), urlsplit(other)
    return (first.netloc, first.path.rstrip("/")) == (second.netloc, second.path.rstrip("/"))


def _differs(webhook: Json, wanted: Json) -> bool:
    found = {**webhook, "actions": sorted(webhook.get("actions") or [])}
    return any(found.get(name) != value for name, value in wanted.items())
