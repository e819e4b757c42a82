"""What the doctor can fix through Label Studio's API. Each returns a sentence on what it did."""

from contextlib import suppress

import requests

from backend.doctor.observation import TIMEOUT, Observation, address
from backend.doctor.required import optional_controls, with_required
from backend.errors import BackendError
from backend.queue.publish import SAMPLING
from backend.queue.tabs import ORDERING, ensure_first_tab
from backend.queue.webhook import SECRET_HEADER, ensure_webhook, events_for, send_hint
from backend.settings import Settings
from backend.studio.project import StudioProject
from backend.types import Json


def fix_webhook(studio: StudioProject, seen: Observation, settings: Settings) -> str:
    """Without a secret: the backend puts a new one into it, now or at its next poll."""
    events = events_for(seen.project["label_config"])
    if not ensure_webhook(studio, seen.webhooks, seen.backend_url, "", events):
        raise BackendError("Label Studio refuses the webhook")
    with suppress(requests.RequestException):  # it looks later if it does not answer
        send_hint(seen.backend_url, studio.number, settings.password, TIMEOUT)
    return (
        f"the webhook to {seen.backend_url}/webhook is in place, with its events; the backend adds "
        "a new secret to it within a minute"
    )


def delete_left_webhooks(studio: StudioProject, seen: Observation, _: Settings) -> str:
    left = left_webhooks(seen)
    for webhook in left:
        studio.delete_webhook(webhook["id"])
    return "deleted the webhooks to " + ", ".join(webhook["url"] for webhook in left)


def set_sampling(studio: StudioProject, seen: Observation, _: Settings) -> str:
    studio.update(sampling=SAMPLING)
    return f'set the sampling mode to "{SAMPLING}"'


def set_version(studio: StudioProject, seen: Observation, _: Settings) -> str:
    studio.update(model_version=seen.served)
    return f'set model_version to "{seen.served}"'


def order_first_tab(studio: StudioProject, seen: Observation, _: Settings) -> str:
    """Keeps the filters of a tab that somebody has already filtered or ordered."""
    if not ensure_first_tab(studio):
        first = seen.tabs[0]
        studio.update_tab(first["id"], {**first["data"], "ordering": ORDERING})
    return "ordered the first Data Manager tab by score, lowest first"


def require_answers(studio: StudioProject, seen: Observation, settings: Settings) -> str:
    """Read again, so that a change of this moment is not overwritten."""
    xml = studio.describe()["label_config"]
    optional = optional_controls(xml, settings.empty_is_none)
    studio.update(label_config=with_required(xml, optional))
    tags = ", ".join(f'<{tag} name="{name}">' for name, tag in optional.items())
    return f'added required="true" to {tags}'


def left_webhooks(seen: Observation) -> list[Json]:
    """Our webhooks to backends that are no longer connected."""
    connected = {address(f"{backend['url']}/webhook") for backend in seen.backends}
    return [
        webhook
        for webhook in seen.webhooks
        if SECRET_HEADER in (webhook.get("headers") or {})
        and address(webhook["url"]) not in connected
    ]
