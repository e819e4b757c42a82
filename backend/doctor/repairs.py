"""What the doctor can mend through Label Studio's API. Each says in a sentence what it did."""

from backend.doctor.seen import Seen, address
from backend.errors import BackendError
from backend.queue.publish import SAMPLING
from backend.queue.webhook import (
    ORDERING,
    SECRET_HEADER,
    ensure_first_tab,
    ensure_webhook,
    events_for,
)
from backend.settings import Settings
from backend.studio.api import Studio
from backend.types import Json


def mend_webhook(studio: Studio, seen: Seen, settings: Settings) -> str:
    """Keeps the secret that the backend put into it; into a new one it puts it at its next look."""
    found = seen.own_webhooks()
    secret = found[0]["headers"].get(SECRET_HEADER, "") if found else ""
    project: int = seen.project["id"]
    events = events_for(seen.project["label_config"])
    if not ensure_webhook(studio, project, seen.backend_url, settings, secret, events):
        raise BackendError("Label Studio refuses the webhook")
    return f"the webhook to {seen.backend_url}/webhook is there, with its events and header"


def delete_left_webhooks(studio: Studio, seen: Seen, _: Settings) -> str:
    left = left_webhooks(seen)
    for webhook in left:
        studio.delete_webhook(webhook["id"])
    return "deleted the webhooks to " + ", ".join(webhook["url"] for webhook in left)


def set_sampling(studio: Studio, seen: Seen, _: Settings) -> str:
    studio.update_project(seen.project["id"], sampling=SAMPLING)
    return f'set the sampling mode to "{SAMPLING}"'


def set_version(studio: Studio, seen: Seen, _: Settings) -> str:
    studio.update_project(seen.project["id"], model_version=seen.served)
    return f'set model_version to "{seen.served}"'


def order_first_tab(studio: Studio, seen: Seen, _: Settings) -> str:
    """Keeps the filters of a tab that somebody has filtered or ordered."""
    project: int = seen.project["id"]
    if not ensure_first_tab(studio, project):
        first = seen.tabs[0]
        studio.update_tab(project, first["id"], {**first["data"], "ordering": ORDERING})
    return "ordered the first Data Manager tab by score, lowest first"


def left_webhooks(seen: Seen) -> list[Json]:
    """Webhooks of ours to backends that are no longer connected."""
    connected = {address(f"{backend['url']}/webhook") for backend in seen.backends}
    return [
        webhook
        for webhook in seen.webhooks
        if SECRET_HEADER in (webhook.get("headers") or {})
        and address(webhook["url"]) not in connected
    ]
