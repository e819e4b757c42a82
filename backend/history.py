"""What each published version left behind: learning curve, agreement with earlier ones, goals.

Versions are deleted half a day after they were replaced; their figures stay, a line each, in
`history.jsonl`, and TensorBoard shows them (tensorboard --logdir MODEL_DIR/<project>/tensorboard).
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from backend.settings import Settings
from model.audit import draw
from model.head import Head
from model.metrics import cohen_kappa
from model.stopping import Goals, Measured, Metric, Reason, Round, comparison_due, reasons_to_stop
from model.store import Version
from model.types import Bools, Floats, Ints, Kind

METRICS: tuple[Metric, ...] = ("accuracy", "micro_f1", "macro_f1", "sample_f1")
DEFAULT_METRIC: dict[Kind, Metric] = {"single": "accuracy", "multiple": "micro_f1"}
COMPARED_TASKS = 5000
"""Two versions are compared by their answers on at most so many tasks."""


class History:
    """The rounds of one project. Written by the loop's thread alone; anybody may read the file."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "history.jsonl"
        self._compared_path = folder / "compared.safetensors"
        # It imports torch, and those who only read a history do not need it.
        from model.tracking import Tracker  # noqa: PLC0415

        self._tracker = Tracker(folder / "tensorboard" / "rounds")
        compared = [row["labels"] for row in read(self._path) if "kappa" in row]
        self._compared_at: int | None = max(compared, default=None)
        """Labels of the version that was compared last."""

    def add(self, version: Version, ids: Ints, vectors: Floats) -> None:
        """Record a published version. ids (n,), vectors (n, d): the pool, by its encoder."""
        labels = int(version.meta["labels"])
        facts: dict[str, Any] = {
            "version": version.name,
            "created_at": version.meta["created_at"],
            "labels": labels,
            "open_tasks": version.meta["ranked"],
            "kind": None if version.head is None else version.head.kind,
            "measured": {
                name: {**version.meta["validation"][name], "examples": len(version.validation)}
                for name in METRICS
                if version.meta["validation"]
            },
        }
        if version.head is not None and comparison_due(self._compared_at, labels):
            facts["kappa"] = self._agreement(version.head, ids, vectors)
            self._compared_at = labels
        self._write(facts)
        figures = {name: one["value"] for name, one in facts["measured"].items()}
        rest = {
            name: facts[name] for name in ("kappa", "open_tasks") if facts.get(name) is not None
        }
        self._tracker.round(labels, {"audit": figures, "pool": rest})

    def add_exhausted(self) -> None:
        """Record that no task is left to ask for; once, though every turn finds it so again."""
        *_, last = [None, *read(self._path)]
        if last is not None and last["open_tasks"] > 0:
            last.pop("kappa", None)
            self._write({**last, "open_tasks": 0})

    def _write(self, facts: dict[str, Any]) -> None:
        with self._path.open("a") as file:
            file.write(json.dumps(facts) + "\n")

    def _agreement(self, head: Head, ids: Ints, vectors: Floats) -> float | None:
        """Kappa with the version compared before, which this one replaces; None for the first."""
        sample = np.argsort(draw(ids, 0))[:COMPARED_TASKS]
        answers = head.answers(head.probs(vectors[sample]))
        before = load_file(self._compared_path) if self._compared_path.exists() else None
        aside = self._compared_path.with_suffix(".unfinished")
        save_file({"ids": ids[sample], "answers": answers}, aside)
        aside.replace(self._compared_path)
        if before is None or before["answers"].shape[1] != answers.shape[1]:
            return None
        return agreement(before["ids"], before["answers"], ids[sample], answers, head.kind)


def agreement(
    first_ids: Ints, first: Bools, second_ids: Ints, second: Bools, kind: Kind
) -> float | None:
    """Cohen's kappa of two versions' answers on the tasks that both answered; None if none."""
    both, of_first, of_second = np.intersect1d(first_ids, second_ids, return_indices=True)
    if len(both) == 0:
        return None
    return cohen_kappa(first[of_first], second[of_second], kind)


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a history file, oldest first; a line that a crash cut off is left out."""
    lines = path.read_text().splitlines() if path.exists() else []
    for line in lines:
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            continue


def reached(folder: Path, settings: Settings) -> list[Reason]:
    """Why labelling in this project may stop, if it may. Only told: nothing stops by itself."""
    rows = list(read(folder / "history.jsonl"))
    if not rows:
        return []
    kind: Kind = rows[-1]["kind"] or "single"
    metric = settings.goal_metric
    goals = Goals(
        metric=DEFAULT_METRIC[kind] if metric == "auto" else metric,  # type: ignore[arg-type]
        target=settings.goal_score or None,
        labels=settings.goal_labels or None,
        rounds=settings.goal_rounds or None,
        kappa=settings.goal_kappa or None,
    )
    return reasons_to_stop([_round(row, goals.metric) for row in rows], goals)


def _round(row: dict[str, Any], metric: Metric) -> Round:
    measured = row["measured"].get(metric)
    return Round(
        version=row["version"],
        labels=row["labels"],
        open_tasks=row["open_tasks"],
        measured=Measured(**measured) if measured else None,
        kappa=row.get("kappa"),
    )
