"""Stopping rules: pure functions on the history of rounds. They only report; nothing stops by
itself."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from model.types import Kind

Metric = Literal["accuracy", "micro_f1", "macro_f1", "sample_f1"]

DEFAULT_METRIC: dict[Kind, Metric] = {
    "single": "accuracy",
    "ordered": "accuracy",
    "pair": "accuracy",
    "multiple": "micro_f1",
    "candidate": "accuracy",
    "candidates": "micro_f1",
    "ranking": "micro_f1",
    "spans": "micro_f1",
    "boxes": "micro_f1",
}
"""The main metric: of learning curves, and of a target unless another is named."""

STEP, GROWTH = 10, 0.1
"""Versions are compared when the labels grew by at least STEP and by the share GROWTH since the
last comparison: one label more changes next to nothing, however far the model still has to go.
Measured with this rule, a kappa of 0.98 and a window of 3 (heads on frozen vectors, three seeds):
AG News would have ended after 390 to 470 labels, Reuters after 520 to 570, TREC-6 after 920 or
never, with at least 0.98 of the score at 1,200 labels; GoEmotions, still unsettled then, never."""


@dataclass(frozen=True)
class Measured:
    """One metric of one version on `examples` audit labels, with its 95 % interval."""

    value: float
    low: float
    high: float
    examples: int


@dataclass(frozen=True)
class PastRound:
    """The record of one round.

    labels: labels in use when it was made, those of the audit reserve included; open_tasks: tasks
    that may still be asked for; measured: `Goals.metric`, None without audit labels; kappa:
    agreement of the version's answers over the pool with those of the last version compared, None
    when no comparison was due (see `comparison_due`); number: how many rounds there were with it,
    where not all of them are given; coverage: the share of the open tasks that the model can label
    by itself, None while nothing is known of it; hours: of labelling, None where no time is known;
    paid: annotations that are paid for, None where they were not counted.
    """

    version: str
    labels: int
    open_tasks: int
    measured: Measured | None = None
    kappa: float | None = None
    number: int = 0
    coverage: float | None = None
    hours: float | None = None
    paid: int | None = None


@dataclass(frozen=True)
class Goals:
    """When to say that labelling may stop; None: not asked.

    target: of the metric, in (0, 1]; kappa: the least agreement of versions that counts as stable;
    window: as many comparisons in a row must reach it, at least 1; coverage: the share of the open
    tasks that the model is to label by itself, at the precision `at_precision`; hours: of
    labelling; cost: of all labels, at `price` each; is_dataset: whether the pool is a dataset, of
    whose items some were chosen to become tasks; kind: of the labels.
    """

    metric: Metric = "accuracy"
    target: float | None = None
    labels: int | None = None
    rounds: int | None = None
    kappa: float | None = None
    window: int = 3
    coverage: float | None = None
    at_precision: float = 0.95
    hours: float | None = None
    cost: float | None = None
    price: float = 0.0
    is_dataset: bool = False
    kind: Kind = "single"


@dataclass(frozen=True)
class Reason:
    """A goal that is reached: its name for machines, a sentence for people."""

    name: str
    sentence: str


def reasons_to_stop(history: Sequence[PastRound], goals: Goals) -> list[Reason]:
    """All reasons to stop after the rounds of `history`, oldest first; none for no rounds."""
    if not history:
        return []
    found = (rule(history, goals) for rule in RULES)
    return [reason for reason in found if reason is not None]


def comparison_due(compared: int | None, labels: int) -> bool:
    """Whether a version with `labels` labels should be compared with the last that was.

    `compared`: the labels of that one, None if there is none yet. Keep the answers of the first
    version and of each one that is compared; `PastRound.kappa` is `metrics.cohen_kappa` with them.
    """
    return compared is None or labels >= compared + max(STEP, math.ceil(GROWTH * compared))


def target_reached(history: Sequence[PastRound], goals: Goals) -> Reason | None:
    """The lower end of the metric's interval has reached the target."""
    measured = history[-1].measured
    if goals.target is None or measured is None or measured.low < goals.target:
        return None
    return Reason(
        "target_reached",
        f"The target is reached: {name_of(goals.metric, goals.kind)} is at least "
        f"{_figure(goals.target)} with 95 % confidence ({measured.value:.2f}, interval "
        f"{measured.low:.2f} to {measured.high:.2f}, {_count(measured.examples, 'audit label')}).",
    )


def coverage_reached(history: Sequence[PastRound], goals: Goals) -> Reason | None:
    """The model can label as much as is wanted by itself, at the promised precision."""
    coverage = history[-1].coverage
    if goals.coverage is None or coverage is None or coverage < goals.coverage:
        return None
    return Reason(
        "coverage_reached",
        f"The model can label {100 * coverage:.0f} % of the open tasks by itself at a precision of "
        f"{_figure(goals.at_precision)} (goal {100 * goals.coverage:g} %).",
    )


def budget_used(history: Sequence[PastRound], goals: Goals) -> Reason | None:
    """As many labels as were allowed are given."""
    labels = history[-1].labels
    if goals.labels is None or labels < goals.labels:
        return None
    return Reason(
        "budget_used", f"The budget is used: {labels} of {_count(goals.labels, 'label')}."
    )


def hours_used(history: Sequence[PastRound], goals: Goals) -> Reason | None:
    """People have labelled for as long as was allowed."""
    hours = history[-1].hours
    if goals.hours is None or hours is None or hours < goals.hours:
        return None
    return Reason("hours_used", f"The hours are used: {hours:.1f} of {goals.hours:g} hours.")


def cost_used(history: Sequence[PastRound], goals: Goals) -> Reason | None:
    """The labels have cost as much as was allowed."""
    paid = history[-1].paid
    if goals.cost is None or paid is None or paid * goals.price < goals.cost:
        return None
    return Reason(
        "cost_used",
        f"The money is used: {_count(paid, 'label')} at {goals.price:g} each come to "
        f"{paid * goals.price:.2f} (budget {goals.cost:.2f}).",
    )


def predictions_stable(history: Sequence[PastRound], goals: Goals) -> Reason | None:
    """The last comparisons of versions all found nearly the same answers.

    Stabilizing predictions (Bloodgood & Vijay-Shanker 2009, aclanthology.org/W09-1107).
    """
    kappas = [past.kappa for past in history if past.kappa is not None][-goals.window :]
    if goals.kappa is None or len(kappas) < goals.window or min(kappas) < goals.kappa:
        return None
    return Reason(
        "predictions_stable",
        f"The predictions are stable: in the last {_count(len(kappas), 'comparison')} of versions "
        f"the agreement was at least {_figure(goals.kappa)} (lowest kappa {min(kappas):.3f})"
        + (", on the items of the dataset that are tasks here." if goals.is_dataset else "."),
    )


def pool_exhausted(history: Sequence[PastRound], goals: Goals) -> Reason | None:
    """No task is left to ask for. Reported whatever the goals."""
    if history[-1].open_tasks > 0:
        return None
    what = "item of the dataset" if goals.is_dataset else "task"
    return Reason("pool_exhausted", f"The pool is exhausted: no {what} is left to label.")


def last_round(history: Sequence[PastRound], goals: Goals) -> Reason | None:
    """As many rounds as were allowed are done."""
    done = max(len(history), history[-1].number)
    if goals.rounds is None or done < goals.rounds:
        return None
    rounds = _count(goals.rounds, "round")
    return Reason("last_round", f"The last round is done: {done} of {rounds}.")


RULES: tuple[Callable[[Sequence[PastRound], Goals], Reason | None], ...] = (
    target_reached,
    coverage_reached,
    budget_used,
    hours_used,
    cost_used,
    predictions_stable,
    pool_exhausted,
    last_round,
)

METRIC_NAMES: dict[Metric, str] = {
    "accuracy": "accuracy",
    "micro_f1": "micro-F1",
    "macro_f1": "macro-F1",
    "sample_f1": "sample F1",
}
OF_KIND: dict[tuple[Kind, Metric], str] = {
    ("candidate", "accuracy"): "share of right choices",
    ("ranking", "accuracy"): "share of right orders",
    ("ranking", "micro_f1"): "share of pairs in the right order",
}
"""What a metric is called where its own name would mislead. Of orders, each pair that people put
into one has two answers, one of which is given, so that micro-F1 is the share of the right ones:
(1 + Kendall's tau) / 2."""


def name_of(metric: Metric, kind: Kind) -> str:
    """What a metric is called, of labels of this kind."""
    return OF_KIND.get((kind, metric), METRIC_NAMES[metric])


def _figure(value: float) -> str:
    """Two decimals, or as many as the goal was given with: 0.90, 0.995."""
    return max(f"{value:.2f}", f"{value:g}", key=len)


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
