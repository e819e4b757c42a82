"""The one webhook by which Label Studio tells the backend what happens in a project."""

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
asked for; changed settings are then seen at the next look. The event describes the whole project,
and our own switch of the version sends it, too: with 10,000 leaves the switch took 8.7 s with the
event and 4.5 s without."""

SECRET_HEADER = "X-Active-Learning"
"""Carries what only our own webhooks know."""


def events_for(interface: str) -> tuple[str, ...]:
    """The events that Label Studio should report in a project with this labelling interface."""
    is_large = len(interface) > LARGE_INTERFACE
    return tuple(event for event in EVENTS if event != "PROJECT_UPDATED" or not is_large)


def webhook_headers(settings: Settings, secret: str) -> dict[str, str]:
    """The headers that Label Studio must send with webhooks; it sends no password by itself."""
    headers = {SECRET_HEADER: secret}
    if settings.basic_auth_user:
        pair = f"{settings.basic_auth_user}:{settings.basic_auth_pass}".encode()
        headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
    return headers


def typed_address(studio: StudioProject, seen: str) -> str | None:
    """Our address as people typed it under *Settings > Model*; None while nothing is saved there.

    seen: our address as a request of Label Studio had it. A proxy may have written another host
    into it, or http in place of https; it says which one is ours where several are connected.
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
    """One webhook of this project to us, with these events and headers. True if it is there.

    Label Studio refuses host names without a dot, and then creates no webhook without any message:
    the loop falls back on polling. A webhook to an address that we had before, known by its secret,
    is turned to the new one.
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
    for double in ours[1:]:
        studio.delete_webhook(double["id"])
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
    carried = (webhook.get("headers") or {}).get(SECRET_HEADER)
    return _same_address(webhook["url"], url) or bool(secret and carried == secret)


def _same_address(one: str, other: str) -> bool:
    first, second = urlsplit(one), urlsplit(other)
    return (first.netloc, first.path.rstrip("/")) == (second.netloc, second.path.rstrip("/"))


def _differs(webhook: Json, wanted: Json) -> bool:
    found = {**webhook, "actions": sorted(webhook.get("actions") or [])}
    return any(found.get(name) != value for name, value in wanted.items())
