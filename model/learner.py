"""One fast round without any I/O: labels and vectors in, a head and the next tasks out."""

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from model.choosing.choice import Choice
from model.choosing.order import EXPLAINED, NOTHING, Why, order_of, picked_of
from model.finishing.outlook import Outlook, audited_of, outlook_of, to_certify
from model.heads.calibration import (
    calibrated,
    cross_fitted_probs,
    expected_calibration_error,
    fit_calibration,
)
from model.heads.head import Head, fit_head, joined
from model.heads.lists import as_pairs, comparable, list_logits, width_of
from model.heads.names import named_head
from model.heads.thresholds import fit_thresholds
from model.measuring.fit import f1_of, log_loss_of
from model.measuring.metrics import measure
from model.snapshot import (
    Policy,
    Snapshot,
    audits_of,
    measured_on,
    pool_centre,
    sampled,
)
from model.threads import one_thread
from model.types import EXCLUSIVE, OF_LISTS, Bools, Floats, Ints, LabelGroup
from model.weak_labels import Judged, SourceFigures, evidence_of, figures, judged

DEFAULT_STRATEGY = "variance"
"""What `auto` means."""

MOST_CROSS_FITTED = 256
"""With more labels, as in a taxonomy, calibrating each example by the others would take longer than
all the rest."""

THRESHOLD_SAMPLE, LABELS_AT_ONCE = 20_000, 512
"""Thresholds are fitted on at most this many rows of the pool, for this many labels at a time: all
of a taxonomy's probabilities would fill the memory."""


LABELS_A_CLASS, MOST_FIRST = 3, 300
"""The first deep round waits for this many labels a class, and for this many at most. With 100 and
200 labels of BANKING77's 77 intents a tuned encoder and names were right in .64 and .68, an untuned
one in .63 and .69."""

FEW = 2
"""A label that so many tasks have is one of which there are few."""

LEAST_MEASURED, MOST_MEASURED, MEASURED_CELLS = 200, 2_000, 1 << 18
"""The fit is measured on at most MOST_MEASURED labelled rows, and on fewer where that would be more
probabilities than MEASURED_CELLS, but for LEAST_MEASURED of them: people wait for a round, and not
for this figure. All of 10,000 labels took 37 ms."""

NAMED_SAMPLE, NAMED_CELLS = 2_000, 1 << 21
"""Names are moved towards this many texts of the pool, or fewer with thousands of labels."""


@dataclass(frozen=True)
class Outcome:
    """A fast round's product: the head (None before any label), the snapshot rows to ask for,
    ask-first order, and the rows that it learnt from and was measured on.

    random_share: the share of the rows that the guard drew at random, without audit tasks.
    certifying: as many of the first rows, after the picked ones, are audit tasks that help to prove
    what the model may label; outlook: what that is; None without a goal or a head.
    fitted: the head before its calibration, where the next fit on the same encoder starts; None if
    nothing was fitted. sources: how right the sources of weak labels are.
    picked: as many of the rows, before those that are certifying, were asked for by people; why:
    each of the first rows is asked for, see `model.choosing.order`; few: the most probable labels
    of these rows that FEW tasks or fewer have, each with how many. fit: how well the head fits
    the labels of `train` and `validation`, see `_fit_figures`.
    """

    head: Head | None
    rows: Ints
    training: Ints
    validation: Ints
    metrics: dict[str, Any]
    random_share: float
    fitted: Head | None = None
    sources: tuple[SourceFigures, ...] = ()
    certifying: int = 0
    outlook: Outlook | None = None
    picked: int = 0
    why: tuple[Why, ...] = ()
    few: dict[str, int] = field(default_factory=dict)
    fit: dict[str, dict[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Fit:
    """What labels teach. snapshot: without the questions of which nothing is known; head, and
    fitted: the same before its calibration, None if nothing is known at all; sources: as in
    Outcome."""

    snapshot: Snapshot
    head: Head | None
    fitted: Head | None
    sources: tuple[SourceFigures, ...] = ()


def fast_round(
    snapshot: Snapshot, policy: Policy, start: Head | None = None, fixed: Head | None = None
) -> Outcome:
    """Fit the head on the training labels and choose the next `policy.size` tasks.

    `start`: the `fitted` head of an earlier round on the same encoder; the fit then takes fewer
    steps.
    `fixed`: a head to rank with unchanged; nothing is fitted. Raises ValueError when its labels are
    not the snapshot's, in the same order.
    """
    if fixed is not None and fixed.labels != snapshot.labels:
        raise ValueError(f"the fixed head knows {fixed.labels}, the snapshot {snapshot.labels}")
    # These products are small: a second thread costs more than it helps (measured at 1,600 vectors:
    # 0.07 s with one thread, 0.2 to 0.4 s with two), all the more while the trainer uses the cores.
    with one_thread():
        return _fast_round(snapshot, policy, start, fixed)


def _fast_round(
    snapshot: Snapshot, policy: Policy, start: Head | None, fixed: Head | None
) -> Outcome:
    audits, measured = audits_of(snapshot, policy), measured_on(snapshot, policy)
    held_out = audits[snapshot.answered]
    training, validation = snapshot.answered[~held_out], snapshot.answered[held_out]
    centre = pool_centre(snapshot.vectors, policy.seed)
    fit = fit_of(snapshot, (audits, measured), centre, policy.seed, start=start, fixed=fixed)
    snapshot, head, fitted, metrics = fit.snapshot, fit.head, fit.fitted, {}
    if head is not None and fitted is not None:
        metrics = _measure(head, fitted, snapshot, measured, policy.seed)
    chosen = _choice(snapshot, policy, head, centre, audits, measured).rows()
    certify, outlook = _finishing(head, snapshot, policy)
    picked = picked_of(snapshot.picked, snapshot.open, audits)
    order = order_of(chosen, audits, policy.size, picked, certify)
    return Outcome(
        *(head, order.rows, training, validation, metrics, chosen.share, fitted, fit.sources),
        certifying=order.certifying,
        outlook=outlook,
        picked=order.picked,
        why=order.why,
        few={} if head is None else _few(head, snapshot, order.rows[:EXPLAINED]),
        fit={}
        if head is None or fitted is None
        else _fit_figures(head, fitted, snapshot, audits, measured, is_fixed=fixed is not None),
    )


def fit_of(
    snapshot: Snapshot,
    audited: tuple[Bools, Bools],
    centre: Floats,
    seed: int,
    *,
    start: Head | None = None,
    fixed: Head | None = None,
) -> Fit:
    """Fit the head on the training labels, names and sources. audited: `audits_of` and
    `measured_on` the snapshot; centre (d,): of the pool; `start` and `fixed` as in
    `fast_round`."""
    audits, measured = audited
    if fixed is not None:
        return Fit(snapshot, fixed, fixed)
    asked = snapshot.of_answered(~audits[snapshot.answered])
    if not asked.labels:
        return Fit(asked, None, None)
    fits = [_fit(part, audits, centre, start, seed) for part in asked.parts()]
    judges = [judges for _, judges in fits]
    heads = [head for head, _ in fits if head is not None]
    known = asked.of_parts([head is not None for head, _ in fits])
    sources = figures(asked, judges)
    if not heads:
        return Fit(known, None, None, sources)
    fitted = joined(heads, known.groups)
    head = _finished(fitted, known, seed, audits, measured)
    return Fit(known, head, fitted, sources)


def _choice(
    snapshot: Snapshot,
    policy: Policy,
    head: Head | None,
    centre: Floats,
    audits: Bools,
    measured: Bools,
) -> Choice:
    """What chooses the next tasks; of lists by the pair in each that is the hardest to tell."""
    if snapshot.kind not in OF_LISTS:
        return Choice(snapshot, policy, head, centre, audits, measured)
    vectors, answered = snapshot.vectors, snapshot.answered
    unfitted = np.zeros((width_of(vectors.shape[1]), 1), np.float32)
    begin = head or Head(snapshot.kind, snapshot.labels, unfitted, np.zeros(1), unfitted[:, 0])
    weights, bias = begin.weights[:, 0], float(begin.bias[0])
    logits = list_logits(vectors, weights, bias, snapshot.kind)
    differences, targets = as_pairs(vectors, logits, snapshot.kind, answered, snapshot.targets)
    sides = ("first", "second")
    pairs = replace(snapshot, vectors=differences, targets=targets, labels=sides, kind="pair")
    both, biases = np.stack([weights, -weights], axis=1) / 2, np.array([bias, -bias]) / 2
    own = None if head is None else Head("pair", sides, both, biases, begin.centre)
    return Choice(pairs, policy, own, begin.centre, audits, measured)


def _fit_figures(
    head: Head,
    fitted: Head,
    snapshot: Snapshot,
    audits: Bools,
    measured: Bools,
    *,
    is_fixed: bool,
) -> dict[str, dict[str, float]]:
    """`micro_f1` of the head, and `log_loss` of the head before its calibration, which has seen the
    audit labels: on the labels that were learnt (`train`) and on the audit labels (`validation`),
    on some of them where there are many. Without a side that has none; of a fixed head without
    `train`, because it may have learnt from fewer."""
    most = min(MOST_MEASURED, max(LEAST_MEASURED, MEASURED_CELLS // len(head.labels)))
    sides = {"train": ~audits[snapshot.answered], "validation": measured[snapshot.answered]}
    if is_fixed:
        del sides["train"]
    found = {}
    for name, which in sides.items():
        rows = np.flatnonzero(which)
        rows = rows[:: max(1, math.ceil(len(rows) / most))]  # from all of the pool
        if len(rows):
            vectors, targets = snapshot.vectors[snapshot.answered[rows]], snapshot.targets[rows]
            found[name] = {
                "micro_f1": f1_of(head, vectors, targets),
                "log_loss": log_loss_of(fitted, vectors, targets),
            }
    return found


def _few(head: Head, snapshot: Snapshot, rows: Ints) -> dict[str, int]:
    """The most probable label of each question in these rows, where FEW tasks or fewer have it."""
    if len(rows) == 0 or head.kind in OF_LISTS:
        return {}
    probs = head.probs(snapshot.vectors[rows])
    likeliest = {
        group.start + column
        for group in head.questions
        for column in probs[:, group.columns].argmax(axis=1).tolist()
    }
    given = {column: int(snapshot.targets[:, column].sum()) for column in sorted(likeliest)}
    return {head.labels[column]: count for column, count in given.items() if count <= FEW}


def _finishing(
    head: Head | None, snapshot: Snapshot, policy: Policy
) -> tuple[Ints, Outlook | None]:
    """The rows that help to prove it, and what the model may label by itself."""
    if head is None or policy.goal is None or head.kind in OF_LISTS:
        return NOTHING, None
    known = audited_of(snapshot, head, policy)
    outlook = outlook_of(head, known, policy.goal)
    if not policy.certify:
        return NOTHING, outlook
    return to_certify(snapshot, policy, head, known, policy.goal, policy.certify), outlook


def _fit(
    snapshot: Snapshot, audits: Bools, centre: Floats, start: Head | None, seed: int
) -> tuple[Head | None, Judged]:
    """A head fitted to the names, the training labels and what others say, not yet calibrated, None
    if there is nothing of the kind; and how far these others are right."""
    held_out = audits[snapshot.answered]
    training = snapshot.labelled(~held_out)
    named = _named(snapshot, centre, seed)
    judges = judged(snapshot, held_out, named)
    evidence = evidence_of(snapshot, judges, audits, seed)
    if len(training.vectors) == 0 and named is None and evidence is None:
        return None, judges
    head = fit_head(
        training.vectors,
        training.targets,
        snapshot.kind,
        snapshot.labels,
        centre,
        start=None if start is None else start.of_labels(snapshot.labels),
        named=named,
        evidence=evidence,
    )
    return head, judges


def _named(snapshot: Snapshot, centre: Floats, seed: int) -> Head | None:
    """The head of the labels' names alone; None without names."""
    if snapshot.names is None or not snapshot.names.any():
        return None
    most = max(1, min(NAMED_SAMPLE, NAMED_CELLS // len(snapshot.labels)))
    sample = sampled(snapshot, np.arange(len(snapshot.ids)), most, seed)
    vectors = snapshot.vectors[sample]
    return named_head(snapshot.names, vectors, snapshot.kind, snapshot.labels, centre)


def _finished(fitted: Head, snapshot: Snapshot, seed: int, audits: Bools, measured: Bools) -> Head:
    """The head with each question calibrated on its audit labels, and with its thresholds."""
    parts = zip(fitted.parts(), snapshot.parts(), strict=True)
    return joined([_decided(*part, seed, audits, measured) for part in parts], snapshot.groups)


def _decided(fitted: Head, snapshot: Snapshot, seed: int, audits: Bools, measured: Bools) -> Head:
    held_out = audits[snapshot.answered]
    validation = snapshot.labelled(measured[snapshot.answered])
    logits = fitted.logits(validation.vectors)
    head = calibrated(fitted, fit_calibration(logits, validation.targets, snapshot.kind))
    if snapshot.kind in EXCLUSIVE or snapshot.kind in OF_LISTS:
        return head
    # The whole pool, not what is left of it: a few rows say nothing about frequencies.
    everything = np.arange(len(snapshot.ids))
    sample = sampled(snapshot, everything, THRESHOLD_SAMPLE, seed)
    positives = snapshot.labelled(~held_out).targets.sum(axis=0).astype(np.int64)
    # A name is evidence like an example, and so is what others say.
    if snapshot.names is not None:
        positives = np.maximum(positives, snapshot.names.any(axis=1))
    for source in snapshot.sources:
        positives = np.maximum(positives, source.shares(len(positives)) > 0)
    return replace(head, thresholds=_thresholds(head, snapshot.vectors[sample], positives))


def _thresholds(head: Head, vectors: Floats, positives: Ints) -> Floats:
    """`fit_thresholds` of all labels of a `multiple` head."""
    starts = range(0, len(head.labels), LABELS_AT_ONCE)
    groups = [LabelGroup(head.kind, start, start + LABELS_AT_ONCE) for start in starts]
    return np.concatenate(
        [fit_thresholds(head.part(one).probs(vectors), positives[one.columns]) for one in groups]
    )


def _measure(
    head: Head, fitted: Head, snapshot: Snapshot, measured: Bools, seed: int
) -> dict[str, Any]:
    """`metrics.measure` on the audit labels, and `calibration_error`, of several questions their
    mean; {} without any.

    `fitted`: the head before its calibration on these very labels, so that each is measured after a
    calibration on other ones. A fixed head is measured as it is, and its error after one more.
    """
    answers, truth, errors = audited_answers(head, fitted, snapshot, measured, seed)
    if len(truth) == 0:
        return {}
    found = {**measure(answers, truth, head.labels, seed), **errors}
    # A place in a list means nothing by itself.
    return {**found, "labels": {}} if head.kind in OF_LISTS else found


def audited_answers(
    head: Head, fitted: Head, snapshot: Snapshot, measured: Bools, seed: int
) -> tuple[Bools, Bools, dict[str, Any]]:
    """What the head answers, and what people answered, (k, c) each, of the answered rows that are
    `measured` (n,); and its calibration error, see `_measure`."""
    validation = snapshot.labelled(measured[snapshot.answered])
    truth = validation.targets > 0
    probs, errors = head.probs(validation.vectors), {}
    if len(truth) and len(head.labels) <= MOST_CROSS_FITTED:
        crossed, errors["calibration_error"] = _cross_fitted(fitted, snapshot, measured, seed)
        probs = probs if fitted is head else crossed
    answers = head.answers(probs)
    for group in snapshot.groups:
        # A question that was not asked or answered is neither right nor wrong.
        answers[~truth[:, group.columns].any(axis=1), group.columns] = False
    answers &= comparable(truth, head.kind)
    return answers, truth, errors


def _cross_fitted(
    fitted: Head, snapshot: Snapshot, measured: Bools, seed: int
) -> tuple[Floats, float | None]:
    """`cross_fitted_probs` of the audit labels (m, c), zeros where a question has no answer, and
    their calibration error, of several questions the mean."""
    rows = snapshot.answered[measured[snapshot.answered]]
    probs = np.zeros((len(rows), len(fitted.labels)))
    errors = []
    columns = [group.columns for group in snapshot.groups] or [slice(None)]
    for head, part, mine in zip(fitted.parts(), snapshot.parts(), columns, strict=True):
        validation = part.labelled(measured[part.answered])
        truth, logits = validation.targets > 0, head.logits(validation.vectors)
        crossed = cross_fitted_probs(logits, truth, part.kind, seed)
        probs[np.isin(rows, part.answered), mine] = crossed
        errors.append(expected_calibration_error(crossed, truth, part.kind))
    known = [error for error in errors if error is not None]
    return probs, float(np.mean(known)) if known else None


def deep_round_due(labels: int, tuned_on: int, first: int, growth: float, classes: int) -> bool:
    """Whether the encoder should be tuned again: at `first` labels, or at LABELS_A_CLASS for each
    of the `classes` if that is more, and whenever they have grown by the share `growth` since the
    last time, when there were `tuned_on`."""
    enough = max(first, min(LABELS_A_CLASS * classes, MOST_FIRST))
    return labels >= max(enough, int(tuned_on * (1.0 + growth)), tuned_on + 1)


def resolve_strategy(name: str) -> str:
    """The strategy behind a setting: `auto` means the one that did best."""
    return DEFAULT_STRATEGY if name == "auto" else name
