"""The webhook by which Label Studio reports a project's events to the backend."""

import logging
from collections.abc import Sequence

import requests

from backend.errors import StudioError
from backend.queue.listing import Listing, Row, same_address
from backend.studio.client import Client
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


def webhook_url(backend_url: str) -> str:
    """Where a backend receives webhooks."""
    return f"{backend_url.rstrip('/')}/webhook"


def send_hint(
    backend_url: str, project: int, auth: tuple[str, str] | None, timeout: float
) -> requests.Response:
    """Have a running backend look at a project now, as Label Studio does. Raises
    requests.RequestException when it does not answer."""
    # label-studio-ml's own server reads the interface of each event's project.
    described = {"id": project, "label_config": None}
    body = {"action": "PROJECT_UPDATED", "project": described}
    with Client() as client:
        return client.post(webhook_url(backend_url), json=body, auth=auth, timeout=timeout)


def ensure_webhook(
    studio: StudioProject,
    webhooks: Sequence[Json],
    backend_url: str,
    secret: str,
    events: Sequence[str] = EVENTS,
) -> bool:
    """Ensure one webhook of this project to us, with these events and our secret, which opens
    /webhook in place of the password. True if it exists. webhooks: those of the project now.

    Label Studio refuses host names without a dot and then silently creates no webhook; the loop
    falls back on polling. A webhook to an earlier address of ours, known by its secret, is changed
    to the new one.
    """
    url = webhook_url(backend_url)
    wanted: Json = {
        "project": studio.number,
        "url": url,
        "send_payload": True,
        "send_for_all_actions": False,
        "is_active": True,
        "headers": {SECRET_HEADER: secret} if secret else {},
        "actions": sorted(events),
    }
    ours = [row for row in webhooks if _is_ours(row, url, secret)]
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


def is_secret_lost(webhooks: Sequence[Json], backend_url: str, secret: str) -> bool:
    """Whether a webhook to this address carries another secret than ours, or none: the doctor, or
    somebody else, wants a new one."""
    url = webhook_url(backend_url)
    return any(same_address(row["url"], url) and _secret_in(row) != secret for row in webhooks)


def rival_in(webhooks: Sequence[Json], listing: Listing, secret: str) -> Row | None:
    """Another backend of our kind that was connected to the project before us."""
    for backend in listing.earlier:
        url = webhook_url(backend.url)
        to_it = [row for row in webhooks if same_address(row["url"], url)]
        if any(_secret_in(row) not in ("", secret) for row in to_it):
            return backend
    return None


def _secret_in(webhook: Json) -> str:
    return str((webhook.get("headers") or {}).get(SECRET_HEADER) or "")


def _is_ours(webhook: Json, url: str, secret: str) -> bool:
    return same_address(webhook["url"], url) or bool(secret and _secret_in(webhook) == secret)


def _differs(webhook: Json, wanted: Json) -> bool:
    found = {**webhook, "actions": sorted(webhook.get("actions") or [])}
    return any(found.get(name) != value for name, value in wanted.items())
