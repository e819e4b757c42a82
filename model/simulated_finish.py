"""The end of a simulation: what the model may label by itself, and how right it then is.

After the last round of a run, for each goal: further labels are asked for as audit labels as long
as they are expected to prove more. Then the answers that may stand are compared with the truth.
"""

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.corpus import Corpus
from model.finishing.claims import claims_of
from model.finishing.goal import Goal
from model.finishing.outlook import audited_of, split_of, to_certify
from model.finishing.promise import Audited, Promise
from model.finishing.standing import standing_of
from model.heads.head import Head
from model.learner import fast_round
from model.simulation import Plan, Point, Run, resumed
from model.snapshot import Snapshot
from model.tracking import Tracker
from model.types import Floats

AT_ONCE = 10
"""Labels to prove something are asked for so many at a time, with a fast round after each."""

FIXED = 0.95
"""What is compared with: answers of at least this probability stand, without any proof."""

RARE = 0.05
"""Labels of a smaller share of the pool are rare."""


@dataclass(frozen=True)
class Given:
    """The answers that stand by one promise, on the open tasks of which the truth is known: how
    many there are, and how many are right. label: its name, None for all of a question."""

    label: str | None
    is_rare: bool
    answers: int
    right: int


@dataclass(frozen=True)
class Finished:
    """One goal of one run.

    goal: the precision. at_once: the coverage, as in `Split`, before any further label; labels:
    those asked for to prove more; coverage: after them. given: what then stands. fixed,
    fixed_coverage: the same for answers of at least the probability FIXED, before these labels.
    """

    goal: float
    at_once: float
    labels: int
    coverage: float
    given: list[Given]
    fixed_coverage: float
    fixed: list[Given]


@dataclass(frozen=True)
class Wanted:
    """The goals, and how many labels may be asked for to prove each of them."""

    goals: tuple[Goal, ...]
    labels: int


def finish(
    plan: Plan,
    pool: Corpus,
    test: Corpus,
    folder: Path,
    name: str,
    points: list[Point],
    *,
    wanted: Wanted,
) -> list[Finished]:
    """What may be given away after these points of a run, goal by goal; what an earlier call found
    is not computed again.

    Raises BadCorpus when the file of an earlier call was made by another plan.
    """
    path = folder / "runs" / f"{name}-{plan.seed}.finish.jsonl"
    found = {one.goal: one for one in resumed(path, _asked(plan, wanted), _read)}
    missing = [goal for goal in wanted.goals if goal.precision not in found]
    if missing:
        logs = folder / "tensorboard" / f"{name}-{plan.seed}.finish"
        with path.open("a") as file, closing(Tracker(logs)) as tracker:
            run = Run(plan, pool, test, folder, tracker)
            run.resume(points)
            for goal in missing:
                one = _Finish(run, goal, pool.labels).finished(wanted.labels)
                file.write(json.dumps(asdict(one)) + "\n")
                file.flush()
                found[goal.precision] = one
    return [found[goal.precision] for goal in wanted.goals]


def _asked(plan: Plan, wanted: Wanted) -> dict[str, Any]:
    """All that a goal's result depends on besides its precision."""
    goal = {key: value for key, value in asdict(wanted.goals[0]).items() if key != "precision"}
    return {**asdict(plan), **goal, "certify": wanted.labels}


def _read(*, given: list[dict[str, Any]], fixed: list[dict[str, Any]], **fields: Any) -> Finished:
    of_promises, of_fixed = ([Given(**one) for one in some] for some in (given, fixed))
    return Finished(given=of_promises, fixed=of_fixed, **fields)


class _Finish:
    """One goal of one run. The labels that prove it are not kept for the next goal."""

    def __init__(self, run: Run, goal: Goal, names: Sequence[str]) -> None:
        self._run, self._goal, self._names = run, goal, names
        self._certified = np.zeros(len(run.targets), dtype=np.bool_)
        self._learn()

    def _learn(self) -> None:
        self._snapshot: Snapshot = self._run.certified(self._certified)
        self._head: Head | None = fast_round(self._snapshot, self._run.policy()).head

    def finished(self, most: int) -> Finished:
        at_once, _ = self._stands(self._promises())
        fixed_coverage, fixed = self._stands(self._fixed())
        self._certify(most)
        coverage, given = self._stands(self._promises())
        return Finished(
            goal=self._goal.precision,
            at_once=at_once,
            labels=int(self._certified.sum()),
            coverage=coverage,
            given=given,
            fixed_coverage=fixed_coverage,
            fixed=fixed,
        )

    def _certify(self, most: int) -> None:
        """Label what is expected to prove more, until nothing is."""
        while self._head is not None:
            left = most - int(self._certified.sum())
            policy, known = self._run.policy(), self._known(self._head)
            rows = to_certify(self._snapshot, policy, self._head, known, self._goal, left)
            if left <= 0 or len(rows) == 0:
                return
            self._certified[rows[:AT_ONCE]] = True
            self._learn()

    def _promises(self) -> Sequence[Promise]:
        if self._head is None:
            return []
        return split_of(self._head, self._known(self._head), self._goal).promises

    def _known(self, head: Head) -> Audited:
        return audited_of(self._snapshot, head, self._run.policy())

    def _fixed(self) -> Sequence[Promise]:
        if not self._goal.each_label:
            return [Promise(0, None, FIXED)]
        return [Promise(0, label, FIXED) for label in range(len(self._names))]

    def _stands(self, promises: Sequence[Promise]) -> tuple[float, list[Given]]:
        """The coverage, and what stands of the answers to the open tasks."""
        rows = np.flatnonzero(self._snapshot.open)
        if self._head is None or len(rows) == 0:
            return 0.0, []
        probs = self._head.probs(self._snapshot.vectors[rows])
        truth = self._run.targets[rows] > 0
        stands = standing_of(self._head, probs, self._goal, promises)
        shares: Floats = self._run.targets.mean(axis=0)
        given = []
        claims = claims_of(self._head, probs, self._goal, truth)
        for one, promise in zip(claims, promises, strict=True):
            assert one.right is not None and one.counted is not None
            which = (one.scores >= promise.threshold) & one.counted
            label = None if one.label is None else self._names[one.label]
            is_rare = one.label is not None and bool(shares[one.label] < RARE)
            given.append(Given(label, is_rare, int(which.sum()), int(one.right[which].sum())))
        return float(stands.tasks.mean()), given


def finish_summary(runs: list[list[Finished]]) -> list[dict[str, Any]]:
    """For each goal, over the runs of one strategy: in how many something was given away, in how
    many of these less than the goal was right, and the means of the coverage, of the labels that
    were asked for, and of the share that was right where something was given away; the same for a
    fixed threshold. Of each label: the share of such pairs of a run and a label."""
    return [_summed([run[place] for run in runs]) for place in range(len(runs[0]))]


def _summed(runs: list[Finished]) -> dict[str, Any]:
    goal = runs[0].goal
    found = {
        "goal": goal,
        "runs": len(runs),
        **_kept([one.given for one in runs], goal),
        "coverage": _mean([one.coverage for one in runs]),
        "at_once": _mean([one.at_once for one in runs]),
        "labels": _mean([one.labels for one in runs]),
        "fixed": {
            **_kept([one.fixed for one in runs], goal),
            "coverage": _mean([one.fixed_coverage for one in runs]),
        },
    }
    if any(given.label is not None for one in runs for given in one.given):
        found["labels_apart"] = {
            name: _kept(_pairs(runs, is_rare=is_rare), goal)
            for name, is_rare in (("frequent", False), ("rare", True))
        }
    return found


def _pairs(runs: list[Finished], *, is_rare: bool) -> list[list[Given]]:
    return [[given] for one in runs for given in one.given if given.is_rare == is_rare]


def _kept(runs: Sequence[Sequence[Given]], goal: float) -> dict[str, Any]:
    """In how many of the runs something is given away, in how many of these less than the goal is
    right, and how much on average."""
    answers = [sum(given.answers for given in run) for run in runs]
    right = [sum(given.right for given in run) for run in runs]
    shares = [k / n for k, n in zip(right, answers, strict=True) if n > 0]
    return {
        "promises": len(shares),
        "below": sum(share < goal for share in shares),
        "precision": _mean(shares) if shares else None,
    }


def _mean(values: Sequence[float]) -> float:
    return round(float(np.mean(values)), 4)


def finish_table(strategies: dict[str, list[dict[str, Any]]]) -> str:
    """The summaries of all strategies as a Markdown table."""
    lines = [
        "| strategy | goal | runs with a promise | below the goal | coverage | right | labels "
        f"| {FIXED:g} fixed: coverage | right | below the goal |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, rows in strategies.items():
        for row in rows:
            fixed = row["fixed"]
            lines.append(
                f"| {name} | {row['goal']:g} | {row['promises']} of {row['runs']} | {row['below']} "
                f"| {row['coverage']:.2f} | {_share(row['precision'])} | {row['labels']:.0f} "
                f"| {fixed['coverage']:.2f} | {_share(fixed['precision'])} "
                f"| {fixed['below']} of {fixed['promises']} |"
            )
    return "\n".join([*lines, *_labels_apart(strategies)])


def _labels_apart(strategies: dict[str, list[dict[str, Any]]]) -> list[str]:
    return [
        f"{name}, goal {row['goal']:g}, {which} labels: below the goal in {kept['below']} of "
        f"{kept['promises']} pairs of a run and a label"
        for name, rows in strategies.items()
        for row in rows
        for which, kept in row.get("labels_apart", {}).items()
    ]


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
