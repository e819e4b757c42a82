"""Labelled spans of texts and sounds, and questions about the same texts as wholes: what a round
learns from them, and what the model marks and answers itself."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice

import numpy as np

from backend.interface.answers import answer_of
from backend.interface.content import Parts, key_of
from backend.interface.preannotations import Needed, confidence_of, regions_of, results_of
from backend.interface.questions import Answer, LabelConfig, attributes_in, spans_in
from backend.mirror.labelling import Labelling
from backend.mirror.targets import given_labels, targets_of
from backend.project.name_vectors import name_vectors, rows_of
from backend.project.unit import Encode, Learnt, Said, Setup, keep, to_encode
from backend.project.versions import least_confidence
from backend.types import Json
from model.choosing.audit import by_lot
from model.heads.head import Head
from model.snapshot import Policy, Snapshot, rows_in
from model.spans.attributes import Asked, span_vectors
from model.spans.learner import SpanSnapshot, predicted_in, predicted_spans, span_round
from model.spans.tags import Span, Tokens, counts_of
from model.spans.whole import MakeSnapshot, whole_vectors
from model.storage.store import Store, Version
from model.types import Bools, Floats, Ints, is_of_text

COMPARED_TEXTS = 500
"""Two versions are compared by what they find in at most this many texts."""
BEHIND = (
    "it marks something behind the part of the text that is read, {windows} times {tokens} tokens "
    "(MAX_WINDOWS, MAX_TOKENS)"
)


class Spans:
    """See backend.project.unit.Unit."""

    def __init__(self, store: Store, config: LabelConfig) -> None:
        self._store = store
        self._config = config

    def learn(self, labelling: Labelling, setup: Setup, policy: Policy) -> Learnt:
        snapshot = snapshot_of(self._store, labelling, self._config, setup)
        outcome = span_round(snapshot, policy, setup.start, setup.fixed)
        ids, head = snapshot.ids, outcome.head
        sample, answers = by_lot(ids, COMPARED_TEXTS, 0), None
        if head is not None:
            answers = self._answers(head, snapshot, sample)

        def results(needed: Needed) -> list[list[Json]]:
            if head is None:
                return [[] for _ in outcome.rows]
            shown = setup.texts(ids[outcome.rows])
            marked = predicted_in(head, snapshot, outcome.rows)
            probs = _whole_probs(head, lambda: snapshot.take(outcome.rows))
            about = self._about(head, snapshot.chunks_of(outcome.rows), marked, needed)
            return self._results(head, (marked, about), probs, shown, needed)

        lost = self._behind_what_is_read(snapshot, setup.encoder)
        ranked = int(snapshot.open.sum())
        return Learnt(ids, ranked, outcome, sample, answers, results, lost)

    def predict(
        self, version: Version, head: Head, shown: Mapping[int, Parts], encode: Encode | None
    ) -> dict[int, Said]:
        """Sure as of the least certain token, and of the least certain answer."""
        if is_of_text(self._config.layout):
            return self._predicted(version, head, shown, encode)
        # Of sounds only some fit into memory at once, and reading one takes too long for a request.
        said: dict[int, Said] = {}
        places, size = list(shown), self._config.rules.chunk
        for start in range(0, len(places), size):
            some = {place: shown[place] for place in places[start : start + size]}
            said |= self._predicted(version, head, some, None)
        return said

    def _predicted(
        self, version: Version, head: Head, shown: Mapping[int, Parts], encode: Encode | None
    ) -> dict[int, Said]:
        rows, tokens = self._tokens(version.encoder, list(shown.values()), encode)
        if len(rows) == 0:
            return {}
        places = [list(shown)[row] for row in rows]
        rules = self._config.rules
        surest = rules.sure(head.probs(rules.read(tokens).states)).max(axis=1)
        confidence = np.minimum.reduceat(surest, tokens.bounds[:-1])
        asked, probs = self._config.whole, _whole_probs(head, lambda: tokens)
        if asked is not None and head.whole is not None and probs is not None:
            confidence = np.minimum(confidence, confidence_of(probs, head.whole, asked))
        marked = predicted_spans(head, tokens, self._config.span_labels, rules)
        needed = partial(least_confidence, version)
        found = marked, self._about(head, [tokens], marked, needed)
        results = self._results(head, found, probs, [shown[place] for place in places], needed)
        return dict(zip(places, zip(results, confidence.tolist(), strict=True), strict=True))

    def _behind_what_is_read(self, snapshot: SpanSnapshot, encoder: int) -> dict[str, list[int]]:
        """The tasks with a span in a part of their text that is too far behind to be read."""
        if not is_of_text(self._config.layout):
            return {}  # the control says so of sounds
        spec = self._store.encoders()[encoder].spec
        surely_read = spec.windows * spec.max_tokens // 2  # characters, of which a token has one
        behind = []
        for row, spans in zip(snapshot.answered, snapshot.spans, strict=True):
            last = max((span.start for span in spans), default=0)
            if last > surely_read and last >= snapshot.take(row[None]).places[-1, 1]:
                behind.append(int(snapshot.ids[row]))
        reason = BEHIND.format(windows=spec.windows, tokens=spec.max_tokens)
        return {reason: behind} if behind else {}

    def _answers(self, head: Head, snapshot: SpanSnapshot, rows: Ints) -> Bools:
        """Which labels (n, c) the head gives each of these texts, also to a span of it."""
        marked = predicted_in(head, snapshot, rows)
        spans = [[span for span, _ in one] for one in marked]
        found: Bools = counts_of(spans, self._config.span_labels) > 0
        probs = _whole_probs(head, lambda: snapshot.take(rows))
        if head.whole is None or probs is None:
            return found
        return np.hstack([found, head.whole.answers(probs)])

    def _results(
        self,
        head: Head,
        found: tuple[Sequence[Sequence[tuple[Span, float]]], Sequence[Sequence[Sequence[Json]]]],
        probs: Floats | None,
        shown: Sequence[Parts],
        needed: Needed,
    ) -> list[list[Json]]:
        """What is marked in the texts, with what is said of each span, and their answers, of which
        these are the probabilities."""
        regions = [
            regions_of(spans, parts[0] or "", self._config, about)
            for spans, about, parts in zip(*found, shown, strict=True)
        ]
        asked = self._config.whole
        if asked is None:
            return regions
        answers: list[list[Json]] = [[] for _ in regions]
        if head.whole is not None and probs is not None:
            answers = results_of(probs, head.whole, asked, needed)
        return [
            answer + (mine if self._config.are_spans_asked(answer_of(answer, asked) or ()) else [])
            for answer, mine in zip(answers, regions, strict=True)
        ]

    def _about(
        self,
        head: Head,
        chunks: Iterable[Tokens],
        marked: Sequence[Sequence[tuple[Span, float]]],
        needed: Needed,
    ) -> list[list[list[Json]]]:
        """What is said of each span of each text; nothing where there are no questions about
        spans. chunks: the tokens of the texts, of some at a time."""
        config = self._config.about
        if config is None or head.attributes is None or not any(marked):
            return [[] for _ in marked]
        spans = [[span for span, _ in found] for found in marked]
        left, vectors = iter(spans), []
        for tokens in chunks:
            vectors.append(span_vectors(tokens, list(islice(left, len(tokens)))))
        probs = head.attributes.probs(np.concatenate(vectors))
        said = iter(results_of(probs, head.attributes, config, needed))
        return [[next(said) for _ in mine] for mine in spans]

    def _tokens(
        self, encoder: int, shown: Sequence[Parts], encode: Encode | None
    ) -> tuple[Ints, Tokens]:
        """The rows of `shown` whose tokens are known, and these; a few are encoded now."""
        keys = np.array([key_of(parts) for parts in shown], dtype=np.int64)
        known = self._store.tokens(encoder)
        missing = np.flatnonzero(known.rows(keys) < 0)
        new = to_encode(missing, encode)
        if encode is not None and len(new):
            found: Tokens = encode([shown[row] for row in new.tolist()])
            if not keep(known, keys[new], found):
                whole = np.flatnonzero(
                    [np.isfinite(found.states_of(row)).all() for row in range(len(found))]
                )
                return new[whole], found.take(whole)
        there = np.flatnonzero(known.rows(keys) >= 0)
        return there, known.take(known.rows(keys[there]))


def _whole_probs(head: Head, tokens: Callable[[], Tokens]) -> Floats | None:
    """Of the answers to the questions about whole texts; None where there are none."""
    return None if head.whole is None else head.whole.probs(whole_vectors(tokens()))


def snapshot_of(
    store: Store, labelling: Labelling, config: LabelConfig, setup: Setup
) -> SpanSnapshot:
    """The part of the pool whose tokens are known."""
    tokens = store.tokens(setup.encoder)
    rows = tokens.rows(labelling.keys)
    has_tokens = rows >= 0
    ids, rows = labelling.ids[has_tokens], rows[has_tokens]
    answered = [place for place, task in enumerate(ids.tolist()) if task in labelling.answers]

    def take(places: Ints) -> Tokens:
        return tokens.take(rows[places])

    answers = [labelling.answers[int(ids[place])] for place in answered]
    snapshot = SpanSnapshot(
        ids=ids,
        take=take,
        open=labelling.open[has_tokens],
        answered=np.array(answered, dtype=np.int64),
        spans=[spans_in(answer) for answer in answers],
        labels=config.span_labels,
        tickets=None if labelling.tickets is None else labelling.tickets[has_tokens],
        picked=rows_in(ids, labelling.picked) if len(labelling.picked) else None,
        rules=config.rules,
    )
    marking, whole, about = config.marking, config.whole, config.about
    if about is not None:
        given = [attributes_in(answer) for answer in answers]
        asked = Asked(about.labels, about.kind, about.groups, given)
        snapshot = replace(snapshot, about=asked)
    if marking is None or whole is None:
        return snapshot
    is_asked = np.array([config.are_spans_asked(answer) for answer in answers], dtype=np.bool_)
    return replace(
        snapshot,
        whole=_whole_of(store, snapshot, answers, whole, setup),
        asked=is_asked if marking.conditions else None,
        conditions=marking.conditions,
    )


def _whole_of(
    store: Store,
    snapshot: SpanSnapshot,
    answers: Sequence[Answer],
    config: LabelConfig,
    setup: Setup,
) -> MakeSnapshot:
    """What makes a snapshot of the questions about whole texts. config: with these only."""
    fixed = setup.fixed
    names = rows_of(store, setup.encoder, config)
    asked = config.learnable(given_labels(answers), names.keys())
    if fixed is not None and fixed.whole is not None:
        asked = config.of_labels(fixed.whole.labels)
    targets = targets_of(answers, asked.labels)
    # Beside spans, a text without any answer to a question does not answer it.
    answering = targets.any(axis=1) | (len(asked.questions) > 1)

    def made(vectors: Floats) -> Snapshot:
        return Snapshot(
            ids=snapshot.ids,
            vectors=vectors,
            open=snapshot.open,
            answered=snapshot.answered[answering],
            targets=targets[answering],
            labels=asked.labels,
            kind=asked.kind,
            groups=asked.groups,
            names=name_vectors(store, setup.encoder, asked),
            tickets=snapshot.tickets,
        )

    return made
