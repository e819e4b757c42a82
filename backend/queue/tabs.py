"""Our tabs in the Data Manager: the first one, in the queue's order, *Review labels*, *Model is
sure*, and *Chosen on the map*."""

from typing import Any

from backend.studio.project import StudioProject
from backend.types import Json

FIRST_TITLE = "Label next"
REVIEW_TITLE = "Review labels"
SURE_TITLE = "Model is sure"
CHOSEN_TITLE = "Chosen on the map"
MOST_CHOSEN = 100
"""Tasks in that tab: each is one of its filters."""
DEFAULT_TITLES = ("Default", "New Tab")
ORDERING = ["tasks:predictions_score"]
BY_ID = ["tasks:id"]
"""The order of a new project; Label Studio ignores a change to none at all."""
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
SHOWN: Json = {
    "type": "list",
    "target": "tasks",
    "hiddenColumns": {"explore": HIDDEN_IN_EXPLORE, "labeling": HIDDEN_IN_LABELING},
}
WITH_ANSWERS: Json = {
    **SHOWN,
    "hiddenColumns": {
        "explore": [
            *(column for column in HIDDEN_IN_EXPLORE if column != "tasks:predictions_results"),
            "tasks:predictions_score",
        ],
        "labeling": [*HIDDEN_IN_LABELING, "tasks:predictions_score"],
    },
}
"""What the model says, without the scores, which are of the version that the project follows."""
UNLABELLED: Json = {
    "filter": "filter:tasks:total_annotations",
    "operator": "equal",
    "type": "Number",
    "value": 0,
}


def ensure_first_tab(studio: StudioProject) -> bool:
    """Order the first Data Manager tab like the queue, because direct links follow that tab.

    A tab that somebody has already ordered or filtered is left alone. True if it was changed.
    """
    tabs = studio.tabs()
    if not tabs:
        studio.create_tab(_in_order({"title": FIRST_TITLE}))
        return True
    first = tabs[0]
    data: dict[str, Any] = first.get("data") or {}
    if data.get("ordering") or (data.get("filters") or {}).get("items"):
        return False
    if data.get("title", "Default") in DEFAULT_TITLES:
        data = {**data, "title": FIRST_TITLE}
    studio.update_tab(first["id"], _in_order(data))
    return True


def ensure_review_tab(studio: StudioProject, annotations: list[int]) -> None:
    """Show the tasks of these annotations in their own tab, which is created if there is none.

    Label Studio cannot order a tab by what it does not store, so the tab shows the right tasks and
    the status page says which ones to start with.
    """
    item = {
        "filter": "filter:tasks:annotations_ids",
        "operator": "contains",
        "type": "String",
        "value": " ".join(map(str, annotations)) or "0",
    }
    _ensure_tab(studio, REVIEW_TITLE, [item], SHOWN if annotations else None)


def sure_version(version: str) -> str:
    """The name of predictions that hold what a version is sure of. Label Studio looks for names
    that contain another: without the brackets, 3.1 would be found in 3.12."""
    return f"sure ({version})"


def is_sure_version(name: str) -> bool:
    """Whether predictions are named so: they are ours, and nothing is learnt from them."""
    return name.startswith("sure (") and name.endswith(")")


def ensure_sure_tab(studio: StudioProject, version: str) -> None:
    """Show the open tasks with predictions named `sure_version(version)` in a tab of their own, so
    that a person can look through them and accept them, all at once (*Create Annotations From
    Predictions*) or one by one. The tab is created if there is none, and shows others after another
    call; tasks that somebody annotates leave it.

    By the name of predictions, because no other filter holds a set of thousands of tasks: Label
    Studio's server knows lists of ids, but its page turns them into a single id as soon as somebody
    opens the filters; and scores are those of the version that the project follows, which changes
    with the next label. Leave audit tasks out of these predictions: accepted together with the
    others they would measure whether the model agrees with itself.
    """
    item = {
        "filter": "filter:tasks:predictions_model_versions",
        "operator": "contains",
        "type": "List",
        "value": [sure_version(version)],
    }
    _ensure_tab(studio, SURE_TITLE, [UNLABELLED, item], WITH_ANSWERS)


def ensure_chosen_tab(studio: StudioProject, tasks: list[int]) -> None:
    """Show these tasks, 1 to MOST_CHOSEN, in a tab of their own, which is created if there is none.

    One filter a task: Label Studio's server knows lists of ids, but its page ends at one.
    """
    items = [
        {"filter": "filter:tasks:id", "operator": "equal", "type": "Number", "value": task}
        for task in tasks
    ]
    _ensure_tab(studio, CHOSEN_TITLE, items, SHOWN, "or")


def remove_sure_tab(studio: StudioProject) -> None:
    """Delete it, if it is there."""
    for tab in _titled(studio.tabs(), SURE_TITLE):
        studio.delete_tab(tab["id"])


def remove_tabs(studio: StudioProject) -> list[str]:
    """Delete *Review labels*, *Model is sure* and *Chosen on the map*, and give the first tab, if
    it is still as we left it, the name and the order that it has in a new project. Returns the
    titles of the tabs that were changed."""
    changed = []
    for place, tab in enumerate(studio.tabs()):
        data: dict[str, Any] = tab.get("data") or {}
        title = data.get("title")
        if title in (REVIEW_TITLE, SURE_TITLE, CHOSEN_TITLE):
            studio.delete_tab(tab["id"])
            changed.append(title)
        elif place == 0 and title == FIRST_TITLE and data.get("ordering") == ORDERING:
            plain = {"conjunction": "and", "items": []}
            new = {**data, "title": DEFAULT_TITLES[0], "ordering": BY_ID, "filters": plain}
            studio.update_tab(tab["id"], new)
            changed.append(FIRST_TITLE)
    return changed


def _ensure_tab(
    studio: StudioProject,
    title: str,
    items: list[Json],
    shown: Json | None,
    conjunction: str = "and",
) -> None:
    """Have the tab of this title show the tasks that pass all filters, or with "or" any of them;
    what else it shows is left as it is. `shown`: what a new one shows, None: none is created."""
    wanted = {"filters": {"conjunction": conjunction, "items": items}}
    tabs = studio.tabs()
    ours = _titled(tabs, title)
    if ours:
        studio.update_tab(ours[0]["id"], {**ours[0]["data"], **wanted})
    elif shown is not None:
        if not tabs:  # never the first one, which direct links follow
            ensure_first_tab(studio)
        studio.create_tab({"title": title, **shown, **wanted})


def _titled(tabs: list[Json], title: str) -> list[Json]:
    return [tab for tab in tabs if (tab.get("data") or {}).get("title") == title]


def _in_order(data: Json) -> Json:
    filters = {"conjunction": "and", "items": [UNLABELLED]}
    return {**data, **SHOWN, "ordering": ORDERING, "filters": filters}
