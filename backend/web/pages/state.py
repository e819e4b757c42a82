"""The current state of each project, in figures and in a sentence."""

import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily

from backend.project.loop import ProjectLoop
from backend.project.metrics import NAMESPACE
from backend.project.progress import Activity
from backend.project.service import Service
from backend.project.status import DatasetStatus, Served, Status, what_is_left
from backend.types import Json
from backend.web.pages.copies import copies_of
from model.measuring.stopping import DEFAULT_METRIC

if TYPE_CHECKING:
    from model.storage.facts import VersionFacts

DOING = {
    "base": "The encoder is being loaded",
    "embed": "Tasks are being encoded",
    "judge": "The encoder of the earlier project is being compared with the pretrained one",
    "tune": "Fine-tuning",
    "review": "Labels are being reviewed",
    "draw": "The map of the pool is being drawn",
    "copies": "Near copies are being looked for",
    "encode": "The dataset is being encoded",
    "rank": "The dataset is being ranked",
    "take": "Items that arrived are being added to the dataset",
    "select": "Items that arrived are being looked at",
    "cover": "What the model can label of the dataset is being computed",
}

NAMES_MATTER_BELOW = 200
"""From this many labelled tasks on, the label names hardly matter."""

GAUGES = {
    "labels": "Labels that the served version knows",
    "audit_labels": "Labels held out to measure the model",
    "open_tasks": "Tasks that are not labelled",
    "open_items": "Items of the dataset that are not labelled, those that are tasks included",
    "score": "Accuracy, or micro-F1 where a task has several labels, on the audit labels",
    "coverage": "Share of the open tasks, or of the dataset, that the model can label by itself",
    "in_trouble": "1 while something is wrong; the status page says what",
}


def state_of(loop: ProjectLoop) -> Json:
    """The current state of a project.

    open_tasks: how many tasks nobody has annotated yet; open_items: the same of the items of the
    dataset, those that are tasks included, or None; unreadable: how many tasks cannot be read;
    unreadable_tasks: the first of them, with the reason; nothing_shown: that tasks show nothing
    that can be read, in a sentence, or None; not_learnt: why annotations are not learnt, each with
    the number of tasks and the first; beginning: what was taken over from an earlier project, in
    sentences, or None; certifying: how the proof of what the model may label goes on, or how it
    ended, or None; is_certifying: whether it goes on; dataset: the pool outside of Label Studio, or
    None; coverage: the share of the open tasks, or of the dataset's items, that the model can label
    by itself, or None; near_copies: see `copies_of`; trouble: what is wrong and how to fix it, or
    None; training_trouble: why the trainer's last job failed, or None; reading: the share of the
    tasks that has been read while they are read from Label Studio for the first time, or None;
    activity: what the trainer is doing, with the share that is done, or None.
    """
    status, activity = loop.status, loop.progress.activity
    served, unreadable = status.served, status.unreadable
    return {
        "project": loop.project,
        "title": status.title,
        "served": None if served is None else served.version.name,
        "labels": 0 if served is None else served.version.facts.labels,
        "audit_labels": 0 if served is None else len(served.version.validation),
        "open_tasks": status.open_tasks,
        "open_items": None if status.dataset is None else status.dataset.open_items,
        "unreadable": unreadable.count,
        "unreadable_tasks": [
            {"task": task, "reason": why} for task, why in unreadable.reasons.items()
        ],
        "nothing_shown": status.nothing_shown or None,
        "not_learnt": [vars(one) for one in status.not_learnt],
        "beginning": status.beginning or None,
        "certifying": status.certifying or None,
        "dataset": _dataset(status.dataset),
        "is_certifying": status.is_certifying,
        "coverage": _coverage(status),
        "near_copies": copies_of(status),
        "sentence": sentence_of(served, activity, status.reading),
        "trouble": loop.trouble,
        "training_trouble": loop.progress.trouble,
        "reading": status.reading,
        "activity": None if activity is None else vars(activity),
        "troubles": [vars(trouble) for trouble in loop.troubles.newest()],
    }


def _coverage(status: Status) -> float | None:
    found: float | None = None
    if status.dataset is not None:
        coverage = status.dataset.coverage
        found = None if coverage is None else coverage.outlook["coverage"]
    elif status.served is not None:
        found = status.served.version.facts.outlook.get("coverage")
    return found


def _dataset(found: DatasetStatus | None) -> Json | None:
    if found is None:
        return None
    broken = {"count": found.broken.count, "sentence": found.broken.sentence}
    return {**asdict(found), "broken": broken, "sentence": found.sentence}


def sentence_of(
    served: Served | None, activity: Activity | None, reading: float | None = None
) -> str:
    """The state of the loop in a few sentences."""
    parts = ["No version is served yet."]
    if served is None and activity is None and reading is None:
        parts.append("The first one is made once there are tasks that can be read.")
    if served is not None:
        labels, audits = served.version.facts.labels, len(served.version.validation)
        parts = [f"Version {served.version.name} is served."]
        parts.append(f"{labels} labels, {audits} of them audit labels.")
        parts += _about_names(served.version.facts.names, labels, labels - audits)
        parts += _about_the_rest(served.version.facts)
    if reading is not None:
        parts.append(f"Tasks are being read from Label Studio, {100 * reading:.0f} %.")
    if activity is not None:
        parts.append(f"{DOING[activity.job]}, {100 * activity.share:.0f} %{_left(activity)}.")
    return " ".join(parts)


def _about_names(share: float | None, labels: int, learnt: int) -> list[str]:
    """A sentence on how much the label names contribute, while they do; `learnt`: the number of
    labels other than audit labels, which only measure."""
    if share is None or labels >= NAMES_MATTER_BELOW:
        return []
    if learnt <= 0:
        return ["So far the model knows only the names of the labels."]
    if share < 0.1:
        return ["The names of the labels do not help here."]
    much = "a lot" if share >= 0.5 else "a little"
    return [f"The names of the labels help {much} (weight {share:g})."]


def _about_the_rest(facts: "VersionFacts") -> list[str]:
    """A sentence on the tasks without a vector, while only they are asked for."""
    if facts.ranked or not facts.open:
        return []
    left = what_is_left(facts)
    return [f"{left[0].upper()}{left[1:]}."]


def _left(activity: Activity) -> str:
    """ ", about 30 s left", from the pace so far; "" while there is too little to estimate from."""
    gained = activity.share - activity.from_share
    if gained < 0.05 or activity.share >= 1.0:
        return ""
    passed = time.time() - activity.began
    return f", about {passed * (1.0 - activity.share) / gained:.0f} s left"


class States:
    """A collector of Prometheus: the states of all projects, and of the trainer."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterator[GaugeMetricFamily]:
        there = [loop for loop in self._service.loops() if not loop.has_ended]
        rows = [(loop, state_of(loop)) for loop in there]
        for name, help_text in GAUGES.items():
            family = GaugeMetricFamily(f"{NAMESPACE}_{name}", help_text, labels=["project"])
            for loop, state in rows:
                value = _gauge(name, loop, state)
                if value is not None:
                    family.add_metric([str(loop.project)], value)
            yield family
        trainer = self._service.trainer
        for name, help_text, value in (
            ("trainer_up", "1 while the trainer process runs", float(trainer.is_alive())),
            ("trainer_jobs_waiting", "Jobs that wait for the trainer", float(trainer.waiting())),
        ):
            yield GaugeMetricFamily(f"{NAMESPACE}_{name}", help_text, value=value)


def exposition(service: Service) -> bytes:
    """All metrics in Prometheus's text format."""
    states = CollectorRegistry(auto_describe=False)
    states.register(States(service))
    return generate_latest(states) + generate_latest(service.metrics.registry)


def _gauge(name: str, loop: ProjectLoop, state: Json) -> float | None:
    if name == "in_trouble":
        is_wrong = state["trouble"] is not None and not loop.is_let_go
        lacks = ((state["dataset"] or {}).get("shortage") or {}).get("is_now", False)
        return float(is_wrong or lacks or state["training_trouble"] is not None)
    if name != "score":
        return None if state[name] is None else float(state[name])
    served = loop.served
    if served is None or served.version.head is None:
        return None
    metric = DEFAULT_METRIC[served.version.head.kind]
    measured = served.version.facts.validation.get(metric)
    return None if measured is None else float(measured["value"])
