"""How Label Studio and one project are connected and set; see backend.doctor.server_checks."""

from collections.abc import Iterator

from backend.doctor.finding import Finding
from backend.doctor.observation import Observation
from backend.doctor.repairs import (
    delete_left_webhooks,
    fix_webhook,
    left_webhooks,
    order_first_tab,
    set_sampling,
    set_version,
)
from backend.project.service import NOTHING_SERVED
from backend.queue.publish import SAMPLING
from backend.queue.tabs import ORDERING
from backend.queue.webhook import events_for
from backend.types import Json


def connection(seen: Observation) -> Finding:
    number, rows = seen.project["id"], seen.own_backends()
    if not rows:
        return Finding(
            "connection",
            "wrong",
            f"No backend at {seen.backend_url} is connected to project {number}",
            f"python -m backend connect --project {number} --backend-url {seen.backend_url}",
        )
    if rows[0].get("state") != "CO":
        return Finding(
            "connection",
            "wrong",
            f"Label Studio cannot use the backend: {rows[0].get('error_message') or 'no answer'}",
            f"Fix that, then open Settings > Model of project {number}",
        )
    return Finding("connection", "ok", f"Project {number} is connected to {seen.backend_url}")


def only_backend(seen: Observation) -> Finding:
    if len(seen.backends) < 2:
        return Finding("only backend", "ok", "No other backend is connected")
    others = sorted(row["url"] for row in seen.backends if row["url"] != seen.backend_url)
    return Finding(
        "only backend",
        "wrong",
        f"{len(seen.backends)} backends are connected: each sets the order, and the last one wins",
        f"Delete in Settings > Model: {', '.join(others) or 'all but one with this address'}",
    )


def webhook(seen: Observation) -> Finding | None:
    if not seen.own_backends():
        return None
    own = seen.own_webhooks()
    faults = list(_faults(own[0], seen)) if own else ["it is missing"]
    if not faults:
        return Finding("webhook", "ok", "All events are sent to the backend")
    can_fix = seen.webhook_refusal is None
    return Finding(
        "webhook",
        "wrong",
        f"The webhook to {seen.backend_url}/webhook is not right ({'; '.join(faults)}): the "
        "backend notices labels only at its next poll",
        "Run the doctor with --fix" if can_fix else "First fix what is wrong above",
        fix_webhook if can_fix else None,
    )


def _faults(row: Json, seen: Observation) -> Iterator[str]:
    missing = sorted(set(events_for(seen.project["label_config"])) - set(row.get("actions") or []))
    if missing and not row.get("send_for_all_actions"):
        yield f"without {', '.join(missing)}"
    if not row.get("is_active"):
        yield "switched off"
    if not row.get("send_payload"):
        yield "without payload"
    if "Authorization" in (row.get("headers") or {}):
        yield "with the backend's password, which all users of Label Studio can read"


def removed_backends(seen: Observation) -> Finding:
    left = left_webhooks(seen)
    if not left:
        return Finding("left webhooks", "ok", "No webhook of a removed backend is left")
    return Finding(
        "left webhooks",
        "wrong",
        f"Webhooks of removed backends are left ({', '.join(str(row['url']) for row in left)}): "
        "every submit waits for them",
        "Run the doctor with --fix, or delete them in Settings > Webhooks",
        delete_left_webhooks,
    )


def sampling(seen: Observation) -> Finding:
    mode = seen.project["sampling"]
    if mode == SAMPLING:
        return Finding("sampling", "ok", f'The sampling mode is "{SAMPLING}"')
    return Finding(
        "sampling",
        "wrong",
        f'The sampling mode is "{mode}": Label All Tasks ignores the scores',
        f'Run the doctor with --fix; the settings page does not offer "{SAMPLING}"',
        set_sampling,
    )


def version(seen: Observation) -> Finding | None:
    named, served = seen.project["model_version"] or "", seen.served
    if named and named in [row.get("title") for row in seen.backends]:
        sentence = (
            f'model_version is "{named}", the title of the backend: Label Studio asks the backend '
            "for each task, and the queue is random"
        )
    elif not served:
        return None
    elif served == NOTHING_SERVED:
        sentence = "The backend serves no version yet: the queue is random"
    elif named != served:
        sentence = (
            f'model_version is "{named}" but "{served}" is served: the queue is random or outdated'
        )
    else:
        return Finding(
            "model_version", "ok", f'model_version is "{named}", the version that is served'
        )
    if served in ("", NOTHING_SERVED):
        fix = "Wait for the first version (tasks are needed), or fix what is wrong above"
        return Finding("model_version", "wrong", sentence, fix)
    return Finding("model_version", "wrong", sentence, "Run the doctor with --fix", set_version)


def first_tab(seen: Observation) -> Finding:
    ordering = (seen.tabs[0].get("data") or {}).get("ordering") if seen.tabs else None
    if ordering == ORDERING:
        return Finding("first tab", "ok", "The first Data Manager tab follows the order, too")
    return Finding(
        "first tab",
        "wrong",
        "The first Data Manager tab is not in the order of the scores, and links that open the "
        "labelling page directly follow it",
        "Run the doctor with --fix, or order the tab by Prediction score, ascending",
        order_first_tab,
    )


def overlap(seen: Observation) -> Finding:
    number = seen.project["maximum_annotations"]
    if number <= 1:
        return Finding("overlap", "ok", "One annotation per task")
    return Finding(
        "overlap",
        "hint",  # several annotations per task may be intended
        f"{number} annotations per task: tasks in progress come first, in random order",
        f"PATCH /api/projects/{seen.project['id']}/ with maximum_annotations 1, if that is "
        "what you want",
    )


def entrance(seen: Observation) -> Finding:
    return Finding(
        "entrance",
        "hint",
        "Only Label All Tasks has both the order and locks: through other entrances two people "
        "may get the same task",
        f"Have annotators start on the project's page, /projects/{seen.project['id']}/data",
    )
