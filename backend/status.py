"""How each project is doing, in figures and sentences: for the status page and for programs."""

import time
from typing import TYPE_CHECKING

from backend.annotations import Json
from backend.loop import Activity, ProjectLoop

if TYPE_CHECKING:
    from backend.predictor import Served

DOING = {
    "base": "The encoder is being loaded",
    "embed": "Texts are being encoded",
    "tune": "Fine-tuning",
}


def state_of(loop: ProjectLoop) -> Json:
    """What is to be known of a project now. `trouble`: what is wrong and how to mend it, or None.

    training_trouble: why the trainer's last job failed; activity: what it does at the moment.
    """
    served, activity = loop.served, loop.activity
    return {
        "project": loop.project,
        "served": None if served is None else served.version.name,
        "labels": 0 if served is None else int(served.version.meta["labels"]),
        "audit_labels": 0 if served is None else len(served.version.validation),
        "sentence": sentence_of(served, activity, loop.trouble),
        "trouble": loop.trouble,
        "training_trouble": loop.training_trouble,
        "activity": None if activity is None else vars(activity),
    }


def sentence_of(served: "Served | None", activity: Activity | None, trouble: str | None) -> str:
    """The state of the loop in one sentence or two."""
    parts = ["No version is served yet."]
    if served is not None:
        labels, audits = int(served.version.meta["labels"]), len(served.version.validation)
        parts = [f"Version {served.version.name} is served.", f"{labels} labels, {audits} audit."]
    if activity is not None:
        parts.append(f"{DOING[activity.job]}, {100 * activity.share:.0f} %{_left(activity)}.")
    if trouble is not None:
        parts.append(f"Trouble: {trouble}.")
    return " ".join(parts)


def _left(activity: Activity) -> str:
    """ ", about 30 s left", from the pace so far; "" while it tells nothing."""
    if not 0.05 < activity.share < 1.0:
        return ""
    passed = time.time() - activity.began
    return f", about {passed * (1.0 - activity.share) / activity.share:.0f} s left"
