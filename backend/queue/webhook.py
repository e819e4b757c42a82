"""What a project in Label Studio needs beside predictions: a webhook and a first tab in order."""

import base64
import logging
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from backend.errors import StudioError
from backend.settings import Settings
from backend.studio.api import Studio
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
"""Characters of a labelling interface (some 3,000 choices) from which on nobody tells us of changed
settings, which are then seen at the next look. PROJECT_UPDATED describes the whole project, and our
own switch of the version sends it, too: with 10,000 leaves the switch took 8.7 s, without 4.5 s."""

TAB_TITLE = "Label next"
REVIEW_TITLE = "Review labels"
DEFAULT_TITLES = ("Default", "New Tab")
ORDERING = ["tasks:predictions_score"]
HIDDEN_IN_EXPLORE = [
    "tasks:inner_id",
    "tasks:annotations_results",
    "tasks:annotations_ids",
    "tasks:predictions_model_versions",
    "tasks:predictions_results",
    "tasks:file_upload",
    "tasks:storage_filename",
    "tasks:created_at",
    "tasks:updated_at",
    "tasks:updated_by",
    "tasks:avg_lead_time",
    "tasks:draft_exists",
]
HIDDEN_IN_LABELING = [
    *HIDDEN_IN_EXPLORE,
    "tasks:id",
    "tasks:completed_at",
    "tasks:cancelled_annotations",
    "tasks:total_predictions",
    "tasks:annotators",
]


SECRET_HEADER = "X-Active-Learning"
"""Carries what only our own webhooks know."""


def events_for(interface: str) -> tuple[str, ...]:
    """What Label Studio should tell us of, in a project with this labelling interface."""
    is_large = len(interface) > LARGE_INTERFACE
    return tuple(event for event in EVENTS if event != "PROJECT_UPDATED" or not is_large)


def webhook_headers(settings: Settings, secret: str) -> dict[str, str]:
    """The headers that Label Studio must send with webhooks; it sends no password by itself."""
    headers = {SECRET_HEADER: secret}
    if settings.basic_auth_user:
        pair = f"{settings.basic_auth_user}:{settings.basic_auth_pass}".encode()
        headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
    return headers


def typed_address(studio: Studio, project: int, told: str) -> str | None:
    """Our address as people typed it under *Settings > Model*; None while nothing is saved there.

    told: as a request of Label Studio had it. A proxy may have written another host into it, or
    http in place of https; it tells which one is ours where several backends are connected.
    """
    known = [str(backend["url"]) for backend in studio.backends(project)]
    same = [url for url in known if _same_address(url, told)]
    found = same or (known if len(known) == 1 else [])
    return found[0] if found else None


def ensure_webhook(
    studio: Studio,
    project: int,
    backend_url: str,
    settings: Settings,
    secret: str,
    events: Sequence[str] = EVENTS,
) -> bool:
    """One webhook of this project to us, with these events and our header. True if it is there.

    Label Studio refuses host names without a dot, and then makes no webhook without a word: the
    loop falls back on looking by itself. One to an address that we had before is turned to `url`.
    """
    url = f"{backend_url.rstrip('/')}/webhook"
    wanted: Json = {
        "project": project,
        "url": url,
        "send_payload": True,
        "send_for_all_actions": False,
        "is_active": True,
        "headers": webhook_headers(settings, secret),
        "actions": sorted(events),
    }
    ours = [
        webhook
        for webhook in studio.webhooks(project)
        if _same_address(webhook["url"], url)
        or (secret and (webhook.get("headers") or {}).get(SECRET_HEADER) == secret)
    ]
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
            project,
            url,
            error,
        )
        return False
    return True


def ensure_first_tab(studio: Studio, project: int) -> bool:
    """Order the first Data Manager tab like the queue, because direct links follow that tab.

    A tab that somebody has ordered or filtered already is left alone. True if it was changed.
    """
    tabs = studio.tabs(project)
    if not tabs:
        studio.create_tab(project, _tab_data({"title": TAB_TITLE}))
        return True
    first = tabs[0]
    data: dict[str, Any] = first.get("data") or {}
    if data.get("ordering") or (data.get("filters") or {}).get("items"):
        return False
    if data.get("title", "Default") in DEFAULT_TITLES:
        data = {**data, "title": TAB_TITLE}
    studio.update_tab(project, first["id"], _tab_data(data))
    return True


def ensure_review_tab(studio: Studio, project: int, annotations: list[int]) -> None:
    """Show the tasks of these annotations in a tab of their own, made when there is none yet.

    Label Studio cannot order a tab by what it does not store, so the tab shows the right tasks and
    the status page tells which to begin with.
    """
    item = {
        "filter": "filter:tasks:annotations_ids",
        "operator": "contains",
        "type": "String",
        "value": " ".join(map(str, annotations)) or "0",
    }
    wanted = {"filters": {"conjunction": "and", "items": [item]}}
    tabs = studio.tabs(project)
    ours = [tab for tab in tabs if (tab.get("data") or {}).get("title") == REVIEW_TITLE]
    if ours:
        studio.update_tab(project, ours[0]["id"], {**ours[0]["data"], **wanted})
    elif annotations and tabs:  # never the first one, which direct links follow
        hidden = {"explore": HIDDEN_IN_EXPLORE, "labeling": HIDDEN_IN_LABELING}
        columns = {"type": "list", "target": "tasks", "hiddenColumns": hidden}
        studio.create_tab(project, {"title": REVIEW_TITLE, **columns, **wanted})


def _tab_data(data: Json) -> Json:
    return {
        **data,
        "type": "list",
        "target": "tasks",
        "ordering": ORDERING,
        "filters": {
            "conjunction": "and",
            "items": [
                {
                    "filter": "filter:tasks:total_annotations",
                    "operator": "equal",
                    "type": "Number",
                    "value": 0,
                }
            ],
        },
        "hiddenColumns": {"explore": HIDDEN_IN_EXPLORE, "labeling": HIDDEN_IN_LABELING},
    }


def _same_address(one: str, other: str) -> bool:
    first, second = urlsplit(one), urlsplit(other)
    return (first.netloc, first.path.rstrip("/")) == (second.netloc, second.path.rstrip("/"))


def _differs(webhook: Json, wanted: Json) -> bool:
    found = {**webhook, "actions": sorted(webhook.get("actions") or [])}
    return any(found.get(name) != value for name, value in wanted.items())
