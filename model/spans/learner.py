"""One round of learning named spans: refit the head of the tokens' tags, rank the texts, choose."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from model.choosing.audit import in_reserve
from model.choosing.choice import Choice
from model.choosing.order import order_of, picked_of
from model.heads.calibration import calibrated, fit_calibration
from model.heads.head import Head, fit_head
from model.learner import Outcome, fit_of
from model.limits import within_limits
from model.measuring.metrics import measure_counts
from model.measuring.review import FOLDS
from model.snapshot import Policy, Snapshot, pool_centre
from model.spans.attributes import Asked, Attributes, fit_attributes
from model.spans.pieces import OF_TEXTS, Rules
from model.spans.tags import (
    OUTSIDE,
    Span,
    Tokens,
    counts_of,
    mean_token_margin,
    spans_of_tags,
    tag_names,
    tags_of,
)
from model.spans.whole import Counted, MakeSnapshot, Priority, Whole, whole_vectors
from model.threads import one_thread
from model.types import Bools, Condition, Floats, Ints

FITTED = 6000
"""A head is fitted to about this many tokens: all tokens of spans, and some outside of them."""

LEAST_OF_A_SOUND = 8
"""Steps within pieces that a head is fitted to of each sound, and as many outside, however many
sounds there are."""

COLD_TEXTS = 5
"""Below this many training texts the order comes from the texts' vectors. A text has dozens of
tokens: with 30, as for labels of whole texts, F1 was .24 after 20 texts instead of .5 (People's
Daily)."""

STAND_INS = {"variance": "cluster_margin", "query_synthesis": "cluster_margin"}
"""Strategy that needs probabilities or a boundary of whole texts -> the one used instead."""

MEASURES: dict[str, Callable[[Floats, Ints], Floats]] = {"entropy": mean_token_margin}
"""Strategy -> how much a text would teach; by all others as its rules say."""


@dataclass(frozen=True)
class SpanSnapshot:
    """What is known of a pool of texts at one moment.

    ids (n,): task ids; take: rows -> their tokens; open (n,): may be asked for; answered (m,): rows
    whose spans people marked; spans (m): what they marked; labels (c): of spans; tickets (n,): by
    which numbers the texts are drawn at random, None: by their ids; picked: rows that people asked
    for, in the order in which they are asked, None: none; rules: of what medium the spans are.

    whole: makes a snapshot of the questions about each text as a whole, None: there are none;
    asked (m,): the answered rows whose spans were asked for, None: all; conditions: on answers to
    these questions, under which they are. about: what is asked about each span, None: nothing.
    """

    ids: Ints
    take: Callable[[Ints], Tokens]
    open: Bools
    answered: Ints
    spans: Sequence[Sequence[Span]]
    labels: tuple[str, ...]
    tickets: Ints | None = None
    picked: Ints | None = None
    rules: Rules = OF_TEXTS
    whole: MakeSnapshot | None = None
    asked: Bools | None = None
    conditions: tuple[Condition, ...] = ()
    about: Asked | None = None

    def read(self, rows: Ints) -> Tokens:
        """The tokens of these rows as the head reads them."""
        return self.rules.read(self.take(rows))

    def in_chunks(self, places: Ints) -> Iterator[Tokens]:
        """The tokens of the answered rows at these places, as the encoder gives them, some at a
        time."""
        yield from self.chunks_of(self.answered[places])

    def chunks_of(self, rows: Ints) -> Iterator[Tokens]:
        """The same of these rows."""
        for some in _in_chunks(rows, self.rules):
            yield self.take(some)

    @property
    def are_asked(self) -> Bools:
        """`asked` (m,), also where it is None."""
        return np.ones(len(self.answered), np.bool_) if self.asked is None else self.asked


@dataclass(frozen=True)
class _Overview:
    """One pass over all tokens: vectors (n, d), the mean state of each text, and priority (n,) by
    the head, if there is one."""

    vectors: Floats
    priority: Floats | None


def span_round(
    snapshot: SpanSnapshot, policy: Policy, start: Head | None = None, fixed: Head | None = None
) -> Outcome:
    """Fit the head on the marked texts that are no audit tasks, and choose the next `policy.size`.

    The head (`spans`) gives tokens their tags, and its `whole` answers the questions about whole
    texts. The figures count the answers to both. `start` and `fixed` as in
    model.learner.fast_round.
    """
    with one_thread():  # as in model.learner
        return _span_round(snapshot, policy, start, fixed)


def _span_round(
    snapshot: SpanSnapshot, policy: Policy, start: Head | None, fixed: Head | None
) -> Outcome:
    tickets = snapshot.ids if snapshot.tickets is None else snapshot.tickets
    audits = in_reserve(tickets, policy.audit_share, policy.seed)
    held_out = audits[snapshot.answered]
    training, validation = snapshot.answered[~held_out], snapshot.answered[held_out]
    are_asked = snapshot.are_asked
    head, fitted, metrics = fixed, None, {}
    if fixed is None and (are_asked & ~held_out).any():
        fitted = _fit(snapshot, are_asked & ~held_out, start)
        head = _calibrated(fitted, snapshot, are_asked & held_out)
    overview = _overview(snapshot, head, policy)
    centre = pool_centre(overview.vectors, policy.seed)
    whole = None
    if snapshot.whole is not None and (fixed is None or fixed.whole is not None):
        fit = fit_of(
            snapshot.whole(overview.vectors),
            (audits, audits),
            centre,
            policy.seed,
            start=None if start is None else start.whole,
            fixed=None if fixed is None else fixed.whole,
        )
        whole = Whole(fit, audits, centre)
    if whole is not None and fixed is None and whole.fit.head is not None:
        blank = _blank(snapshot, centre)
        fitted = replace(fitted or blank, whole=whole.fit.fitted)
        head = replace(head or blank, whole=whole.fit.head)
    attributes = None
    if snapshot.about is not None and _answers(fixed, snapshot.about):
        attributes = fit_attributes(
            *(snapshot.about, snapshot.in_chunks, held_out, policy.seed),
            start=None if start is None else start.attributes,
            fixed=None if fixed is None else fixed.attributes,
        )
    if attributes is not None and fixed is None and head is not None:
        head = replace(head, attributes=attributes.fit.head)
        fitted = None if fitted is None else replace(fitted, attributes=attributes.fit.fitted)
    if head is not None and len(validation):
        metrics = _measure(head, snapshot, held_out, policy.seed, (whole, attributes))
    as_labels = Snapshot(
        ids=snapshot.ids,
        vectors=overview.vectors,
        open=snapshot.open,
        answered=snapshot.answered,
        targets=(counts_of(snapshot.spans, snapshot.labels) > 0).astype(np.float32),
        labels=snapshot.labels,
        kind="multiple",
        tickets=snapshot.tickets,
    )
    policy = replace(policy, strategy=STAND_INS.get(policy.strategy, policy.strategy))
    ranked: Priority | None = None
    if overview.priority is not None:
        ranked = overview.priority.__getitem__
    if whole is not None:
        ranked = whole.priority(overview.priority, snapshot.conditions, policy)
    chosen = Choice(
        *(as_labels, policy, None, centre, audits, audits),
        priority=ranked,
        cold_labels=COLD_TEXTS,
    ).rows()
    picked = picked_of(snapshot.picked, snapshot.open, audits)
    order = order_of(chosen, audits, policy.size, picked)
    return Outcome(
        *(head, order.rows, training, validation, metrics, chosen.share, fitted),
        picked=order.picked,
        why=order.why,
    )


def predicted_spans(
    head: Head, tokens: Tokens, labels: Sequence[str], rules: Rules = OF_TEXTS
) -> list[list[tuple[Span, float]]]:
    """The spans that the head predicts in each text, and how sure it is of each. tokens: as the
    encoder gives them."""
    tokens = rules.read(tokens)
    return spans_from_probs(head.probs(tokens.states), tokens, labels, rules)


def predicted_in(head: Head, snapshot: SpanSnapshot, rows: Ints) -> list[list[tuple[Span, float]]]:
    """The same of these rows, of which only some have their tokens in memory at once."""
    return [
        spans
        for some in _in_chunks(rows, snapshot.rules)
        for spans in predicted_spans(head, snapshot.take(some), snapshot.labels, snapshot.rules)
    ]


def spans_from_probs(
    probs: Floats, tokens: Tokens, labels: Sequence[str], rules: Rules = OF_TEXTS
) -> list[list[tuple[Span, float]]]:
    """The same, from the probabilities (t, 2 c + 1) of the tokens' tags."""
    tags, sure = rules.decode(probs, tokens.bounds), rules.sure(probs)
    pairs = zip(tokens.bounds[:-1].tolist(), tokens.bounds[1:].tolist(), strict=True)
    found = (
        spans_of_tags(tags[begin:end], sure[begin:end], tokens.places[begin:end], labels)
        for begin, end in pairs
    )
    return [within_limits(spans, rules.limits) for spans in found]


def cross_validated_tags(
    tokens: Tokens,
    spans: Sequence[Sequence[Span]],
    labels: tuple[str, ...],
    seed: int,
    rules: Rules = OF_TEXTS,
) -> Floats:
    """Probabilities (t, 2 c + 1) of the tags of marked texts' tokens, each by a head that was
    fitted to other texts. There are at least FOLDS texts."""
    rows = np.arange(len(tokens))
    snapshot = SpanSnapshot(rows, tokens.take, rows < 0, rows, spans, labels, rules=rules)
    states = rules.read(tokens).states
    fold = np.random.default_rng(seed).permutation(len(rows)) % FOLDS
    probs = np.zeros((len(tokens.states), 2 * len(labels) + 1), dtype=np.float32)
    with one_thread():
        for number in range(FOLDS):
            head = _fit(snapshot, fold != number, None)
            of_tokens = np.repeat(fold == number, np.diff(tokens.bounds))
            probs[of_tokens] = head.probs(states[of_tokens])
    return probs


def targets_of(spans: Sequence[Sequence[Span]], tokens: Tokens, labels: Sequence[str]) -> Floats:
    """The tags of all tokens as targets (t, 2 c + 1) of 0 and 1."""
    tags = [tags_of(some, tokens.places_of(row), labels) for row, some in enumerate(spans)]
    wanted = np.concatenate([np.zeros(0, np.int64), *tags])
    targets: Floats = np.eye(2 * len(labels) + 1, dtype=np.float32)[wanted]
    return targets


def _answers(fixed: Head | None, about: Asked) -> bool:
    """Whether a pinned head, if there is one, answers just these questions about spans. What it
    says of others is not measured."""
    if fixed is None:
        return True
    return fixed.attributes is not None and fixed.attributes.labels == about.labels


def _fit(snapshot: SpanSnapshot, which: Bools, start: Head | None) -> Head:
    states, targets, counts, centre = _to_learn(snapshot, which)
    tags = tag_names(snapshot.labels)
    before = None if start is None else start.of_labels(tags)
    head = fit_head(states, targets * counts[:, None], "single", tags, centre, start=before)
    return replace(head, kind="spans")


def _to_learn(snapshot: SpanSnapshot, which: Bools) -> tuple[Floats, Floats, Floats, Floats]:
    """States (m, d) and targets (m, 2 c + 1) of tokens of the answered rows of which `which` is
    true, how many tokens each stands for, (m,), and the mean state (d,). Where the rules say so, of
    each row a sample: all the steps of all sounds would fill the memory."""
    most = snapshot.rules.most
    if most is None:
        tokens, targets = _labelled(snapshot, np.flatnonzero(which))
        rows, counts = thinned(targets)
        return tokens.states[rows], targets[rows], counts, _mean(tokens.states)
    share = max(most // max(1, int(which.sum())), LEAST_OF_A_SOUND)
    parts = []
    for place in np.flatnonzero(which):
        tokens, targets = _labelled(snapshot, np.array([place]))
        rows, counts = _sample(targets, share)
        parts.append((tokens.states[rows], targets[rows], counts))
    states, targets, counts = (np.concatenate(one) for one in zip(*parts, strict=True))
    return states, targets, counts, _mean(states)


def _mean(states: Floats) -> Floats:
    mean: Floats = states.mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean


def _sample(targets: Floats, share: int) -> tuple[Ints, Floats]:
    """At most `share` of the tokens within spans, and as many of those outside: their rows, and how
    many each stands for."""
    is_outside = targets[:, OUTSIDE] > 0
    rng, found = np.random.default_rng(0), []
    for rows in (np.flatnonzero(~is_outside), np.flatnonzero(is_outside)):
        kept = rows if len(rows) <= share else rng.choice(rows, share, replace=False)
        found.append((kept, np.full(len(kept), len(rows) / max(1, len(kept)), np.float32)))
    rows, counts = (np.concatenate(one) for one in zip(*found, strict=True))
    return rows, counts


def thinned(targets: Floats) -> tuple[Ints, Floats]:
    """Rows of about FITTED tokens, and how many tokens each stands for: most tokens are outside of
    all spans, and a sample of them gives the same in a fraction of the time."""
    is_outside = targets[:, OUTSIDE] > 0
    inside, outside = np.flatnonzero(~is_outside), np.flatnonzero(is_outside)
    room = max(FITTED - len(inside), FITTED // 4)
    if len(outside) <= room:
        return np.arange(len(targets)), np.ones(len(targets), np.float32)
    kept = np.random.default_rng(0).choice(outside, room, replace=False)
    weights = np.full(room, len(outside) / room, np.float32)
    return np.concatenate([inside, kept]), np.concatenate([np.ones(len(inside)), weights])


def _calibrated(head: Head, snapshot: SpanSnapshot, held_out: Bools) -> Head:
    if not held_out.any():
        return head
    found = []
    for some in _in_chunks(np.flatnonzero(held_out), snapshot.rules):
        tokens, targets = _labelled(snapshot, some)
        found.append((head.logits(tokens.states), targets))
    logits, targets = (np.concatenate(one) for one in zip(*found, strict=True))
    return calibrated(head, fit_calibration(logits, targets, "single"))


def _labelled(snapshot: SpanSnapshot, places: Ints) -> tuple[Tokens, Floats]:
    """Tokens and targets of the answered rows at these places."""
    tokens = snapshot.read(snapshot.answered[places])
    spans = [snapshot.spans[place] for place in places.tolist()]
    return tokens, targets_of(spans, tokens, snapshot.labels)


def _blank(snapshot: SpanSnapshot, centre: Floats) -> Head:
    """A head that finds no spans: none were asked for so far."""
    tags = tag_names(snapshot.labels)
    weights, bias = np.zeros((len(centre), len(tags)), np.float32), np.zeros(len(tags), np.float32)
    return Head("spans", tags, weights, bias, np.asarray(centre, np.float32))


def _measure(
    head: Head,
    snapshot: SpanSnapshot,
    held_out: Bools,
    seed: int,
    beside: tuple[Whole | None, Attributes | None],
) -> dict[str, Any]:
    """Figures on the audit texts: a span is found when it is the same as one that was marked."""
    counted = _counted(head, snapshot, held_out)
    whole, attributes = beside
    if whole is not None:
        counted = whole.counted(counted, snapshot.answered[held_out], seed)
    if attributes is not None:
        counted = attributes.counted(counted, np.flatnonzero(held_out), seed)
    counts = (counted.hits, counted.claims, counted.truths)
    return measure_counts(counted.exact, *counts, counted.labels, seed)


def _counted(head: Head, snapshot: SpanSnapshot, held_out: Bools) -> Counted:
    """What is found of the spans of the answered rows of which `held_out` (m,) is true. Where they
    were not asked for, they are neither right nor wrong."""
    truth = [set(snapshot.spans[row]) for row in np.flatnonzero(held_out).tolist()]
    scored = predicted_in(head, snapshot, snapshot.answered[held_out])
    are_asked = snapshot.are_asked[held_out].tolist()
    predicted = [
        {span for span, _ in spans} if is_asked else set()
        for spans, is_asked in zip(scored, are_asked, strict=True)
    ]
    hits = [
        [found for found, _ in snapshot.rules.same(sorted(mine), sorted(marked))]
        for mine, marked in zip(predicted, truth, strict=True)
    ]
    counts = [counts_of(spans, snapshot.labels) for spans in (hits, predicted, truth)]
    exact = (counts[0] == counts[1]).all(axis=1) & (counts[0] == counts[2]).all(axis=1)
    return Counted(snapshot.labels, exact, *counts)


def _overview(snapshot: SpanSnapshot, head: Head | None, policy: Policy) -> _Overview:
    measure = MEASURES.get(policy.strategy, snapshot.rules.priority)
    vectors, priority = [], []
    for stored in _chunks(snapshot):
        tokens = replace(stored, states=stored.states.astype(np.float32, copy=False))
        vectors.append(whole_vectors(tokens))
        if head is not None:
            priority.append(measure(head.probs(tokens.states), tokens.bounds))
    return _Overview(
        np.concatenate(vectors) if vectors else np.zeros((0, 1), np.float32),
        np.concatenate(priority) if priority else None,
    )


def _chunks(snapshot: SpanSnapshot) -> Iterator[Tokens]:
    for some in _in_chunks(np.arange(len(snapshot.ids)), snapshot.rules):
        yield snapshot.read(some)


def _in_chunks(rows: Ints, rules: Rules) -> Iterator[Ints]:
    for start in range(0, len(rows), rules.chunk):
        yield rows[start : start + rules.chunk]
