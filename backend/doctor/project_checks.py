"""The doctor's checks of one project; see backend.doctor.server_checks."""

from collections.abc import Iterator, Sequence

from backend.doctor.finding import Finding
from backend.doctor.observation import Observation
from backend.doctor.repairs import (
    delete_left_webhooks,
    fix_webhook,
    left_webhooks,
    order_first_tab,
    require_answers,
    set_sampling,
    set_version,
)
from backend.doctor.required import optional_controls
from backend.errors import UnsupportedConfig
from backend.interface.parse import parse
from backend.interface.questions import LabelConfig
from backend.project.service import NOTHING_SERVED
from backend.queue.publish import SAMPLING
from backend.queue.tabs import ORDERING
from backend.queue.webhook import events_for
from backend.types import Json

SHOWN = 3
"""Tasks that cannot be read are named up to this many."""


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


def labelling_interface(seen: Observation) -> Finding:
    try:
        config = parse(seen.project["label_config"])
    except UnsupportedConfig as error:
        return Finding(
            "interface",
            "wrong",
            f"Nothing in the labelling interface can be learnt: {error}",
            "Change it in Settings > Labeling Interface",
        )
    if config.unseen:
        return Finding(
            "interface",
            "hint",
            f"Annotators see {', '.join(config.unseen)} and not the data under it: Label Studio's "
            "pages fill in keys of Latin letters, digits and _ only",
            "Rename the key in the data and in Settings > Labeling Interface",
        )
    if config.left_out:
        return Finding(
            "interface",
            "hint",
            f"Left to annotators: {'; '.join(config.left_out)}",
            f"None needed if this is intended; what is learnt: {_described(config)}",
        )
    return Finding("interface", "ok", _described(config))


def _described(config: LabelConfig) -> str:
    kind = {
        "single": "one label per task",
        "ordered": "one label per task, on an ordered scale",
        "multiple": "several labels per task",
        "spans": "spans of text",
    }[config.kind]
    if len(config.questions) > 1:
        kind = f"{len(config.questions)} questions"
    return f"{len(config.labels)} labels, {kind}"


def loop(seen: Observation) -> Finding | None:
    if seen.health.status != 200:
        return None
    state = seen.state
    trouble = state.get("trouble") or state.get("training_trouble")
    if "sentence" not in state:
        trouble = f"The backend does not know project {seen.project['id']}"
    if trouble:
        return Finding(
            "loop",
            "wrong",
            f"The backend is in trouble: {trouble}",
            "Follow its advice, then open Settings > Model",
        )
    unread = list(_unread(seen))
    if unread and _has_no_order(state):
        found, fixes = _together(unread)
        return Finding("loop", "wrong", f"There is no order yet: {found}", fixes)
    return Finding("loop", "ok", str(state["sentence"]).rstrip("."))


def _has_no_order(state: Json) -> bool:
    """Whether there is no order, and nothing going on that will bring one."""
    is_working = state.get("activity") is not None or state.get("reading") is not None
    return state.get("served") is None and not is_working


def tasks(seen: Observation) -> Finding | None:
    if "sentence" not in seen.state:
        return None
    unread = list(_unread(seen))
    if not unread:
        return Finding("tasks", "ok", "All tasks can be read")
    return None if _has_no_order(seen.state) else Finding("tasks", "hint", *_together(unread))


def labels(seen: Observation) -> Finding | None:
    if "sentence" not in seen.state:
        return None
    lost = seen.state.get("not_learnt")
    if not lost:
        return Finding("labels", "ok", "All annotations are understood")
    reasons = [
        f"{one['reason']} ({one['tasks']} tasks, task {one['first']} is the first)" for one in lost
    ]
    return Finding(
        "labels",
        "hint",
        f"Something in annotations is not learnt: {'; '.join(reasons[:SHOWN])}",
        "Let a former name of a label count with LABEL_ALIASES, or correct the annotations; the "
        "status page lists all reasons",
    )


def _unread(seen: Observation) -> Iterator[tuple[str, str]]:
    """What the model cannot learn from, and what to do about it."""
    count, first = seen.state.get("unreadable", 0), seen.state.get("unreadable_tasks") or []
    if count:
        reasons = "; ".join(f"task {row['task']}: {row['reason']}" for row in first[:SHOWN])
        yield (
            f"{count} of {seen.project['task_number']} tasks cannot be read ({reasons})",
            "Do what the reasons say; the status page lists more of them, and Start Training, in "
            "Settings > Model, tries them again",
        )
    if seen.state.get("nothing_shown"):
        yield (
            seen.state["nothing_shown"],
            "Name a key that the tasks have in Settings > Labeling Interface, or import tasks with "
            "this one",
        )


def _together(found: Sequence[tuple[str, str]]) -> tuple[str, str]:
    return "; ".join(what for what, _ in found), ". ".join(fix for _, fix in found)


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


def required(seen: Observation) -> Finding | None:
    if not seen.project["show_collab_predictions"]:
        return Finding("required", "ok", "Choices are not pre-annotated")
    try:
        optional = optional_controls(seen.project["label_config"], seen.empty_is_none)
    except UnsupportedConfig:
        return None
    if not optional:
        kept = "An empty annotation can be saved only where it counts as an answer"
        return Finding("required", "ok", kept)
    tag = next(iter(optional.values()))
    return Finding(
        "required",
        "hint",  # most of Label Studio's own templates are like this
        "Choices are pre-annotated and not required: the hotkey of a ticked choice unticks "
        "it, and an empty annotation is saved, which counts as no label",
        f'Run the doctor with --fix, or add required="true" to <{tag}> in Settings > Labeling '
        "Interface",
        require_answers,
    )


def entrance(seen: Observation) -> Finding:
    return Finding(
        "entrance",
        "hint",
        "Only Label All Tasks has both the order and locks: through other entrances two people "
        "may get the same task",
        f"Have annotators start on the project's page, /projects/{seen.project['id']}/data",
    )
