"""Makes a running server look at what a command has written into MODEL_DIR."""

import requests

from backend.queue.webhook import send_hint, webhook_url
from backend.settings import Settings
from backend.studio.client import about_proxy

TIMEOUT = 5.0
"""Seconds. The server answers a webhook in milliseconds, except while it is starting."""


def give_hint(settings: Settings, project: int) -> str:
    """Make a running server look at the project now. Returns a line that says whether it did."""
    address = settings.own_url
    url = webhook_url(address)
    try:
        answer = send_hint(address, project, settings.password, TIMEOUT)
        if answer.ok:
            return "The server applies this now"
        trouble = f"{url} answers {answer.status_code}"
    except requests.RequestException:
        trouble = f"nothing answers at {url}{about_proxy(url)}"
    wait = f"(POLL_SECONDS={settings.poll_seconds:g})"
    return f"The server applies this at its next poll {wait} or start: {trouble}"
