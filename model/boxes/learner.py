"""One round of learning boxes: refit the head of a detector's proposals, rank the pictures, choose.

The detector stays as it is. Of each of its proposals the head says what is in it, or that nothing
is, from the proposal's state and from what the detector itself says of it, which is where the head
begins.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from model.boxes.geometry import (
    SAME,
    Box,
    covered,
    kept,
    learnable,
    matched,
    outside_unread,
    overlaps_on_pages,
    pages_of,
    places_of,
)
from model.boxes.measures import (
    Scored,
    average_precisions,
    counts_of,
    is_right,
    mean_average_precision,
)
from model.boxes.proposals import Proposals, log_odds
from model.choosing.audit import in_reserve
from model.choosing.choice import Choice
from model.choosing.order import order_of, picked_of
from model.heads.calibration import calibrated, fit_calibration
from model.heads.head import Head, centred
from model.heads.logistic import Prior, fit_logistic
from model.learner import Outcome
from model.measuring.metrics import measure_counts
from model.measuring.review import FOLDS
from model.snapshot import Policy, Snapshot, pool_centre
from model.spans.learner import STAND_INS, thinned
from model.threads import one_thread
from model.types import Bools, Floats, Ints

NOTHING = ""
"""What the head calls a proposal in which nothing is; no label has this name."""

CHUNK = 512
"""Pictures whose proposals are in memory at once."""

COLD_PICTURES = 5
"""Below this many training pictures the order comes from the pictures' vectors, as for spans: each
teaches dozens of proposals."""

L2, CONSTANT = 0.005, 0.3
"""As in model.heads.head. L2 was chosen among ten times as much, this, and a tenth, on the shapes
of tests/benchmarks/boxes.py: more is no better with few pictures, and worse with many."""

UNKNOWN = -4.0
"""Log odds, before people drew any, of a box of a label that the detector does not know."""

SURE = 0.4
"""The head draws a box where a label is at least this probable: to delete a box takes people less
than to draw one."""
LEAST_SURE = 0.05
"""Average precision also looks at boxes that are so probable, and so would not be drawn."""
DOUBLES = 0.5
"""Of two boxes of one label that overlap by more than this, only the surer one is drawn."""


@dataclass(frozen=True)
class BoxSnapshot:
    """What is known of a pool of pictures at one moment.

    ids (n,): task ids; take: rows -> their proposals; open (n,): may be asked for; answered (m,):
    rows in which people drew boxes; boxes (m): what they drew; labels (c): of boxes; things: what
    the detector finds, in the order of its scores; tickets (n,), picked: as in SpanSnapshot.
    """

    ids: Ints
    take: Callable[[Ints], Proposals]
    open: Bools
    answered: Ints
    boxes: Sequence[Sequence[Box]]
    labels: tuple[str, ...]
    things: tuple[str, ...]
    tickets: Ints | None = None
    picked: Ints | None = None

    def labelled(self, which: Bools) -> tuple[Proposals, list[Sequence[Box]]]:
        """Proposals and boxes of the answered rows of which `which` (m,) is true."""
        boxes = [self.boxes[row] for row in np.flatnonzero(which).tolist()]
        return self.take(self.answered[which]), boxes


@dataclass(frozen=True)
class _Overview:
    """One pass over all proposals: vectors (n, d), the mean state of each picture's, and priority
    (n,) by the head, if there is one."""

    vectors: Floats
    priority: Floats | None


def box_round(
    snapshot: BoxSnapshot, policy: Policy, start: Head | None = None, fixed: Head | None = None
) -> Outcome:
    """Fit the head on the pictures with boxes that are no audit tasks, and choose the next
    `policy.size`.

    The head (`boxes`) gives proposals a label, or NOTHING. `start` and `fixed` as in
    model.learner.fast_round. Before any label the head says what the detector says, where that
    knows a label by its name.
    """
    with one_thread():  # as in model.learner
        return _box_round(snapshot, policy, start, fixed)


def _box_round(
    snapshot: BoxSnapshot, policy: Policy, start: Head | None, fixed: Head | None
) -> Outcome:
    tickets = snapshot.ids if snapshot.tickets is None else snapshot.tickets
    audits = in_reserve(tickets, policy.audit_share, policy.seed)
    held_out = audits[snapshot.answered]
    training, validation = snapshot.answered[~held_out], snapshot.answered[held_out]
    head, fitted, metrics = fixed, None, {}
    if fixed is None:
        head = first_head(snapshot)
        if len(training):
            fitted = fit(snapshot, ~held_out, start)
            head = _calibrated(fitted, snapshot, held_out)
    if head is not None and len(validation):
        metrics = _measure(head, snapshot, held_out, policy.seed)
    overview = _overview(snapshot, head)
    as_labels = Snapshot(
        ids=snapshot.ids,
        vectors=overview.vectors,
        open=snapshot.open,
        answered=snapshot.answered,
        targets=(counts_of(snapshot.boxes, snapshot.labels) > 0).astype(np.float32),
        labels=snapshot.labels,
        kind="multiple",
        tickets=snapshot.tickets,
    )
    policy = replace(policy, strategy=STAND_INS.get(policy.strategy, policy.strategy))
    ranked = None if overview.priority is None else overview.priority.__getitem__
    chosen = Choice(
        *(as_labels, policy, None, pool_centre(overview.vectors, policy.seed), audits, audits),
        priority=ranked,
        cold_labels=COLD_PICTURES,
    ).rows()
    picked = picked_of(snapshot.picked, snapshot.open, audits)
    order = order_of(chosen, audits, policy.size, picked)
    return Outcome(
        *(head, order.rows, training, validation, metrics, chosen.share, fitted),
        picked=order.picked,
        why=order.why,
    )


def first_head(snapshot: BoxSnapshot) -> Head | None:
    """The head that says what the detector says; None if it knows none of the labels."""
    known = known_things(snapshot.labels, snapshot.things)
    if not len(snapshot.ids) or (known < 0).all():
        return None
    centre = _centre(snapshot.take(np.arange(min(CHUNK, len(snapshot.ids)))))
    return _head(_believed(known, len(centre)), snapshot.labels, centre)


def fit(snapshot: BoxSnapshot, which: Bools, start: Head | None = None) -> Head:
    """The head of the answered rows of which `which` (m,) is true; at least one is. `start`: an
    earlier head, where the fit begins if it has the same labels."""
    proposals, boxes = snapshot.labelled(which)
    labels, centre = snapshot.labels, _centre(proposals)
    known = known_things(labels, snapshot.things)
    targets = targets_of(boxes, proposals, labels)
    said = np.flatnonzero(targets.any(axis=1))
    rows, weights = thinned(targets[said])
    rows = said[rows]
    wanted = targets[rows] * weights[:, None]
    read = features(proposals, centre, labels, snapshot.things, rows)
    constant = np.full((len(read), 1), CONSTANT, np.float32)
    believed = _believed(known, len(centre))
    prior = Prior(believed)
    theta = believed if start is None else _theta(start.of_labels((NOTHING, *labels)))
    theta = theta if theta.shape == believed.shape else believed
    theta, _ = fit_logistic(np.hstack([read, constant]), wanted, "single", L2, theta, prior)
    return _head(theta.astype(np.float32), labels, centre)


def known_things(labels: Sequence[str], things: Sequence[str]) -> Ints:
    """For each label (c,) the place of the thing of this name among the detector's, without regard
    to case; -1 for none."""
    places = {thing.casefold(): place for place, thing in reversed(list(enumerate(things)))}
    return np.array([places.get(label.casefold(), -1) for label in labels], dtype=np.int64)


def features(
    proposals: Proposals,
    centre: Floats,
    labels: Sequence[str],
    things: Sequence[str],
    rows: Ints | slice = slice(None),
) -> Floats:
    """What the head reads of the proposals in these rows, (t, d + c + 1): their states, centred and
    of unit length; of each label that the detector knows by name its log odds, else 0; and the log
    odds of the thing that it holds most probable."""
    known, scores = known_things(labels, things), proposals.scores[rows]
    said = np.zeros((len(scores), len(known) + 1), np.float32)
    said[:, :-1][:, known >= 0] = log_odds(scores[:, known[known >= 0]])
    said[:, -1] = log_odds(scores.max(axis=1, initial=0.0))
    return np.hstack([centred(proposals.states[rows], centre), said])


def probs_of(head: Head, proposals: Proposals, things: Sequence[str]) -> Floats:
    """The probabilities (t, c + 1) of NOTHING and of each label."""
    return head.probs(features(proposals, head.centre, head.labels[1:], things))


def found_boxes(
    probs: Floats, proposals: Proposals, labels: Sequence[str], least: float = SURE
) -> list[list[Scored]]:
    """The boxes that these probabilities (t, c + 1) draw in each example, the surest first."""
    pairs = zip(proposals.bounds[:-1].tolist(), proposals.bounds[1:].tolist(), strict=True)
    return [
        _found_in(
            probs[begin:end],
            np.asarray(proposals.boxes[begin:end], np.float64),
            proposals.pages[begin:end, 0],
            labels,
            least,
        )
        for begin, end in pairs
    ]


def _found_in(
    probs: Floats, places: Floats, pages: Ints, labels: Sequence[str], least: float
) -> list[Scored]:
    found: list[Scored] = []
    for number, label in enumerate(labels, start=1):
        sure = probs[:, number]
        mine = np.flatnonzero(sure >= least)
        shared = overlaps_on_pages(places[mine], pages[mine], places[mine], pages[mine])
        for row in mine[kept(sure[mine], shared, DOUBLES)].tolist():
            x, y, width, height = places[row].tolist()
            if width > 0.0 and height > 0.0:
                found.append((Box(int(pages[row]), x, y, width, height, label), float(sure[row])))
    return sorted(found, key=lambda one: -one[1])


def targets_of(
    boxes: Sequence[Sequence[Box]], proposals: Proposals, labels: Sequence[str]
) -> Floats:
    """What is in each proposal, as targets (t, c + 1) of 0 and 1; zeros where people drew something
    that cannot be learnt, of which nobody can say that it is nothing.

    One proposal has the label of a box, and all others are NOTHING, also those that overlap it as
    much, as when detectors with queries are trained (Carion et al. 2020, arXiv:2005.12872): their
    states tell the two apart. It overlaps the box by SAME at least, and the detector prefers it.
    """
    numbers = {label: number for number, label in enumerate(labels, start=1)}
    wanted = np.zeros(len(proposals.states), dtype=np.int64)
    is_said = np.ones(len(wanted), dtype=np.bool_)
    sure = np.asarray(proposals.scores, np.float64).max(axis=1, initial=0.0)
    for row, drawn in enumerate(boxes):
        mine = slice(int(proposals.bounds[row]), int(proposals.bounds[row + 1]))
        where = np.asarray(proposals.boxes[mine], np.float64), proposals.pages[mine, 0]
        is_said[mine] = ~covered(*where, drawn)
        learnt = [box for box in drawn if box.label in numbers]
        if not learnt:
            continue
        shared = overlaps_on_pages(*where, places_of(learnt), pages_of(learnt))
        preferred = np.where(shared >= SAME, shared * np.sqrt(sure[mine, None] + 1e-6), 0.0)
        of_proposal = matched(preferred, 1e-9)
        numbered = np.array([numbers[box.label] for box in learnt])
        wanted[mine] = np.where(of_proposal >= 0, numbered[of_proposal], 0)
    targets: Floats = np.eye(len(labels) + 1, dtype=np.float32)[wanted]
    targets[~is_said & (wanted == 0)] = 0.0
    return targets


def cross_validated(snapshot: BoxSnapshot, seed: int) -> Floats:
    """Probabilities (t, c + 1) of the proposals in all answered rows, each by a head that was
    fitted to other rows. There are at least FOLDS of them."""
    proposals, _ = snapshot.labelled(np.ones(len(snapshot.answered), dtype=np.bool_))
    fold = np.random.default_rng(seed).permutation(len(proposals)) % FOLDS
    probs = np.zeros((len(proposals.states), len(snapshot.labels) + 1), dtype=np.float32)
    with one_thread():
        for number in range(FOLDS):
            head = fit(snapshot, fold != number)
            mine = np.flatnonzero(fold == number)
            of_mine = np.repeat(fold == number, np.diff(proposals.bounds))
            probs[of_mine] = probs_of(head, proposals.take(mine), snapshot.things)
    return probs


def mean_precision(
    head: Head, proposals: Proposals, boxes: Sequence[Sequence[Box]], things: Sequence[str]
) -> float | None:
    """mAP of the head on pictures with these boxes; None if there are none."""
    labels = head.labels[1:]
    probs = probs_of(head, proposals, things)
    found = _outside_unread(found_boxes(probs, proposals, labels, LEAST_SURE), boxes)
    return mean_average_precision(found, list(boxes), labels)


def _measure(head: Head, snapshot: BoxSnapshot, held_out: Bools, seed: int) -> dict[str, Any]:
    """Figures on the audit pictures: a box is found when one of its label overlaps it by half."""
    proposals, drawn = snapshot.labelled(held_out)
    labels, truth = snapshot.labels, [learnable(boxes) for boxes in drawn]
    probs = probs_of(head, proposals, snapshot.things)
    scored = _outside_unread(found_boxes(probs, proposals, labels), drawn)
    predicted = [[box for box, _ in found] for found in scored]
    right = [is_right(found, boxes) for found, boxes in zip(scored, truth, strict=True)]
    hits = [
        [box for box, is_hit in zip(boxes, mine.tolist(), strict=True) if is_hit]
        for boxes, mine in zip(predicted, right, strict=True)
    ]
    exact = [
        len(hit) == len(found) == len(boxes)
        for hit, found, boxes in zip(hits, predicted, truth, strict=True)
    ]
    counts = [counts_of(boxes, labels) for boxes in (hits, predicted, truth)]
    measured = measure_counts(np.array(exact), counts[0], counts[1], counts[2], labels, seed)
    possible = _outside_unread(found_boxes(probs, proposals, labels, LEAST_SURE), drawn)
    for label, precision in average_precisions(possible, truth, labels).items():
        measured["labels"][label]["average_precision"] = precision
    return {**measured, "mean_average_precision": mean_average_precision(possible, truth, labels)}


def _outside_unread(
    found: Sequence[Sequence[Scored]], drawn: Sequence[Sequence[Box]]
) -> list[list[Scored]]:
    """What is found where people drew nothing that cannot be learnt: there it is neither right nor
    wrong."""
    kept_of = [
        set(outside_unread([box for box, _ in mine], boxes))
        for mine, boxes in zip(found, drawn, strict=True)
    ]
    return [
        [one for one in mine if one[0] in kept] for mine, kept in zip(found, kept_of, strict=True)
    ]


def _calibrated(head: Head, snapshot: BoxSnapshot, held_out: Bools) -> Head:
    if not held_out.any():
        return head
    proposals, boxes = snapshot.labelled(held_out)
    targets = targets_of(boxes, proposals, snapshot.labels)
    said = np.flatnonzero(targets.any(axis=1))
    read = features(proposals, head.centre, snapshot.labels, snapshot.things, said)
    return calibrated(head, fit_calibration(head.logits(read), targets[said], "single"))


def _centre(proposals: Proposals) -> Floats:
    centre: Floats = proposals.states.mean(axis=0, dtype=np.float64).astype(np.float32)
    return centre


def _believed(known: Ints, dimension: int) -> Floats:
    """The weights (d + c + 2, c + 1) of what the detector says, with those of the constant at the
    end: where it knows a label, the label's log odds against NOTHING, else UNKNOWN."""
    weights = np.zeros((dimension + len(known) + 2, len(known) + 1))
    weights[-1, 1:] = np.where(known >= 0, 0.0, UNKNOWN / CONSTANT)
    for number in np.flatnonzero(known >= 0).tolist():
        weights[dimension + number, number + 1] = 1.0
    return weights


def _head(theta: Floats, labels: Sequence[str], centre: Floats) -> Head:
    theta = theta.astype(np.float32)
    return Head("boxes", (NOTHING, *labels), theta[:-1], CONSTANT * theta[-1], centre)


def _theta(head: Head) -> Floats:
    return np.vstack([head.weights, head.bias / CONSTANT])


def _overview(snapshot: BoxSnapshot, head: Head | None) -> _Overview:
    vectors, priority = [], []
    for proposals in _chunks(snapshot):
        sure = np.asarray(proposals.scores, np.float32).max(axis=1, initial=0.0)
        if head is not None:
            probs = probs_of(head, proposals, snapshot.things)
            sure = 1.0 - probs[:, 0]
            priority.append(doubt(probs, proposals.bounds))
        vectors.append(_means(proposals, sure))
    return _Overview(
        np.concatenate(vectors) if vectors else np.zeros((0, 1), np.float32),
        np.concatenate(priority) if priority else None,
    )


def doubt(probs: Floats, bounds: Ints) -> Floats:
    """Priority (n,) of each picture, which has at least one proposal: the sum over its proposals of
    the entropy of what is in it.

    A sum asks for full pictures, each of which teaches more (Brust et al. 2019, "Active Learning
    for Deep Object Detection", arXiv:1809.09875). tests/benchmarks/boxes.py compares it with random
    pictures.
    """
    entropies = -(probs * np.log(np.maximum(probs, 1e-12))).sum(axis=1)
    result: Floats = np.add.reduceat(entropies, bounds[:-1])
    return result


def _means(proposals: Proposals, sure: Floats) -> Floats:
    """The mean state (n, d) of each example's proposals, weighed by how sure it is that there is
    something."""
    weights = (sure + 1e-3)[:, None]
    firsts = proposals.bounds[:-1]
    summed = np.add.reduceat(weights * proposals.states.astype(np.float32), firsts)
    means: Floats = summed / np.add.reduceat(weights, firsts)
    return means.astype(np.float32)


def _chunks(snapshot: BoxSnapshot) -> Iterator[Proposals]:
    rows = np.arange(len(snapshot.ids))
    for start in range(0, len(rows), CHUNK):
        yield snapshot.take(rows[start : start + CHUNK])
