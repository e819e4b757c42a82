"""What is kept of each version: learning curve, agreement with earlier ones, goals reached.

Versions are deleted hours after they were replaced; their figures stay, a line each, in
`history.jsonl`, and TensorBoard shows them (tensorboard --logdir MODEL_DIR/<project>/tensorboard).
"""

import json
import os
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.numpy import load_file, save_file

from backend.dataset.coverage import Coverage, read_coverage
from backend.dataset.left import items_left
from backend.dataset.record import has_dataset
from backend.errors import DatasetDamaged
from backend.folder.past import COMPARED, FILE, Past, past_of, same_labels
from backend.mirror.pool import FILE as MIRROR
from backend.mirror.pool import Pool
from backend.project.versions import labels_of_the_lot
from backend.settings import Settings
from backend.types import Json
from model.measuring.metrics import cohen_kappa
from model.measuring.stopping import (
    DEFAULT_METRIC,
    METRIC_NAMES,
    Goals,
    Measured,
    Metric,
    PastRound,
    Reason,
    comparison_due,
    reasons_to_stop,
)
from model.storage.store import Version
from model.storage.vectors import content_key
from model.types import Bools, Ints, Kind

if TYPE_CHECKING:  # they import torch, and those who only read a history do not need it
    from backend.project.round import Round
    from model.tracking import Tracker


class History:
    """The rounds of one project. Written by the loop's thread alone; anybody may read the file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / FILE
        self._compared_path = folder / COMPARED
        compared = [row["labels"] for row in past_of(self._path).rows if "kappa" in row]
        self._compared_at: int | None = compared[-1] if compared else None
        """Labels of the version that was compared last."""

    def add(self, played: "Round") -> None:
        """Record a version that was made."""
        facts = facts_of(played.version)
        head, labels = played.version.head, labels_of_the_lot(played.version)
        if self._compared_at is not None and labels < self._compared_at:
            self._compared_at = None  # labels were deleted: start again
        # A pinned head would only be compared with itself.
        is_new = head is not None and played.version.facts.head_of is None
        if is_new and played.answers is not None and comparison_due(self._compared_at, labels):
            facts["kappa"] = self._agreement(played, facts)
            self._compared_at = labels
        append(self._path, facts)
        figures = {name: one["value"] for name, one in facts["measured"].items()}
        rest = {
            name: facts[name] for name in ("kappa", "open_tasks") if facts.get(name) is not None
        }
        groups = {"audit": figures, "pool": rest, **played.version.facts.fit}
        self._tracker.round(facts["labels"], groups)

    def close(self) -> None:
        """Close the TensorBoard log; adding a further round opens another."""
        if "_tracker" in vars(self):
            self._tracker.close()
            del self._tracker

    @cached_property
    def _tracker(self) -> "Tracker":
        from model.tracking import Tracker  # noqa: PLC0415 (see above)

        return Tracker(self._folder / "tensorboard" / "rounds")

    def _agreement(self, played: "Round", facts: Json) -> float | None:
        """Kappa with the version compared before, which this one replaces; None for the first, and
        when the labels are others now."""
        ids, answers, head = played.sample, played.answers, played.version.head
        assert answers is not None and head is not None
        known = head.labels if head.whole is None else head.labels + head.whole.labels
        labels = np.array([content_key(json.dumps(known))])
        last = past_of(self._path).compared
        before = load_file(self._compared_path) if self._compared_path.exists() else None
        aside = self._compared_path.with_suffix(".unfinished")
        rows = {"ids": ids, "answers": np.ascontiguousarray(answers), "labels": labels}
        save_file(rows, aside)
        aside.replace(self._compared_path)
        if before is None or last is None or not same_labels(last, facts):
            return None
        if not np.array_equal(before.get("labels", labels), labels):
            return None  # of a taxonomy more nodes are learnt now
        return agreement(before["ids"], before["answers"], ids, answers, facts["kind"])


def facts_of(version: Version) -> Json:
    """A line of the history: what is kept of a version when it is gone."""
    head, measured, outlook = version.head, version.facts.validation, version.facts.outlook
    return {
        "version": version.name,
        "created_at": version.facts.created_at,
        "labels": version.facts.labels,
        "open_tasks": version.facts.open,
        "kind": None if head is None else head.kind,
        "classes": [] if head is None else version.facts.label_set or list(head.labels),
        "measured": {
            name: {**measured[name], "examples": measured["examples"]}
            for name in METRIC_NAMES
            if measured
        },
        **({"coverage": outlook["coverage"]} if outlook else {}),
        **({"fit": version.facts.fit} if version.facts.fit else {}),
        **spent(version.facts.effort),
    }


def spent(effort: Json) -> Json:
    """What the stopping rules ask of a version's `effort`: hours, where any annotation has a time,
    and how many annotations are paid for; {} where it was not counted."""
    if not effort:
        return {}
    hours = effort["seconds"] / 3600 if effort["timed"] else None
    return {"hours": hours, "paid": effort["annotations"]}


def agreement(
    first_ids: Ints, first: Bools, second_ids: Ints, second: Bools, kind: Kind
) -> float | None:
    """Cohen's kappa of two versions' answers on the tasks that both answered; None if none."""
    both, of_first, of_second = np.intersect1d(first_ids, second_ids, return_indices=True)
    if len(both) == 0:
        return None
    return cohen_kappa(first[of_first], second[of_second], kind)


def append(path: Path, facts: Json) -> None:
    """Add a line. After one that a crash cut off it begins a line of its own."""
    with path.open("a+b") as file:
        cut_off = file.tell() > 0
        if cut_off:
            file.seek(-1, os.SEEK_END)
            cut_off = file.read(1) != b"\n"
        file.write((("\n" if cut_off else "") + json.dumps(facts) + "\n").encode())


def reached(folder: Path, settings: Settings) -> list[Reason]:
    """Why labelling in this project may stop, if it may. Only reported: nothing stops by itself."""
    return reasons(past_of(folder / FILE), settings, outside_of(folder, settings))


@dataclass(frozen=True)
class Outside:
    """A project's dataset. items: how many are no tasks yet, 1 where that is unknown, because it is
    damaged; coverage: what the model can label of it by itself, as far as that is known."""

    items: int
    coverage: Coverage | None = None


def outside_of(folder: Path, settings: Settings) -> Outside | None:
    """The dataset of the project in this folder; None where it has none."""
    if not has_dataset(folder) or not (folder / MIRROR).is_file():
        return None
    with closing(Pool(folder / MIRROR)) as pool:
        try:
            items = items_left(folder, pool)
        except DatasetDamaged:
            return Outside(1)
    goal = settings.goal_precision, settings.goal_confidence
    return Outside(items or 0, read_coverage(folder, *goal))


def reasons(past: Past, settings: Settings, outside: Outside | None = None) -> list[Reason]:
    """The same, from what the history comes to. outside: see `outside_of`."""
    rows = past.rows
    if not rows:
        return []
    kind: Kind = rows[-1]["kind"] or "single"
    metric: Any = settings.goal_metric
    goals = Goals(
        metric=DEFAULT_METRIC[kind] if metric == "auto" else metric,
        target=settings.goal_score or None,
        labels=settings.goal_labels or None,
        coverage=settings.goal_coverage or None,
        at_precision=settings.goal_precision,
        rounds=settings.goal_rounds or None,
        kappa=settings.goal_kappa or None,
        hours=settings.goal_hours or None,
        cost=settings.goal_cost or None,
        price=settings.label_price,
        is_dataset=outside is not None,
        kind=kind,
    )
    rounds = [_past(row, goals.metric) for row in rows]
    last = replace(rounds[-1], number=past.count)
    if outside is not None:  # a share of the tasks, from before there was a dataset, says nothing
        found = outside.coverage
        share = None if found is None else found.outlook["coverage"]
        last = replace(last, open_tasks=last.open_tasks + outside.items, coverage=share)
    return reasons_to_stop([*rounds[:-1], last], goals)


def _past(row: Json, metric: Metric) -> PastRound:
    measured = row["measured"].get(metric)
    return PastRound(
        version=row["version"],
        labels=row["labels"],
        open_tasks=row["open_tasks"],
        measured=Measured(**measured) if measured else None,
        kappa=row.get("kappa"),
        coverage=row.get("coverage"),
        hours=row.get("hours"),
        paid=row.get("paid"),
    )
