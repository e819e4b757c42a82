"""Labelled spans of texts and sounds, as the trainer learns and reviews them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

from backend.interface.controls.control import Control
from backend.interface.questions import Answer, LabelConfig, labels_in, spans_in
from backend.media.contents import TaskContents
from backend.mirror.targets import targets_of as targets_given
from backend.trainer.doubts import SHOWN_PAIRS, most_doubted
from backend.trainer.report import Report
from backend.trainer.told import Reviewed, told_about
from backend.trainer.whole_tasks import WholeTasks, doubted
from backend.types import Json
from model.choosing.audit import by_lot
from model.encoders.finetune import Examples
from model.encoders.joint import JointEncoder
from model.measuring.belief import belief
from model.measuring.review import FOLDS, LEAST_DOUBT, span_doubts
from model.spans.learner import cross_validated_tags, spans_from_probs, targets_of
from model.spans.pieces import Rules
from model.spans.tags import Span, Tokens, tags_of
from model.spans.whole import whole_vectors
from model.types import Bools, Floats, Ints, LabelGroup, is_of_text

REVIEWED_TEXTS = 2000
"""Marked texts that are reviewed at most, drawn at random: their tokens stand in memory."""
REVIEWED_SOUNDS = 50
"""The same of sounds, of which each has up to 1,200 steps."""


class Spans:
    """See backend.trainer.unit.TrainingUnit."""

    def __init__(self, config: LabelConfig) -> None:
        self._config = config
        self._labels = config.span_labels
        self._rules = config.rules
        self._asked = config.whole
        self._whole = None if config.whole is None else WholeTasks(config.whole)

    def examples(
        self, encoder: JointEncoder, shown: TaskContents, answers: Sequence[Answer]
    ) -> Examples:
        """Texts with the tags of their tokens, and the answers to questions about them."""
        places = encoder.token_places(shown[:])
        tags: list[Ints] = [
            tags_of(spans_in(answer), where, self._labels)
            for answer, where in zip(answers, places, strict=True)
        ]
        bounds = np.cumsum([0, *map(len, tags)])
        wanted = np.concatenate([np.zeros(0, np.int64), *tags])
        targets = np.eye(2 * len(self._labels) + 1, dtype=np.float32)[wanted]
        for row in np.flatnonzero(~self._are_marked(answers)):
            targets[bounds[row] : bounds[row + 1]] = 0.0  # nothing is learnt of their tags
        examples = Examples(shown, targets, shown.lengths, bounds)
        if self._asked is None:
            return examples
        groups = self._asked.groups
        if not groups:
            groups = (LabelGroup(self._asked.kind, 0, len(self._asked.labels)),)
        given = targets_given(answers, self._asked.labels)
        return replace(examples, whole=given, asked=groups)

    def _are_marked(self, answers: Sequence[Answer]) -> Bools:
        """Of which answers (n,) the spans were asked for."""
        return np.array([self._config.are_spans_asked(one) for one in answers], dtype=np.bool_)

    def compared(self, open_ids: Ints, labelled: int, seed: int) -> Ints:
        return open_ids[:0]

    def reviewed(self, ids: Ints, seed: int) -> Ints:
        most = REVIEWED_TEXTS if is_of_text(self._config.layout) else REVIEWED_SOUNDS
        return np.sort(ids[by_lot(ids, most, seed)])

    def doubts(self, encoder: JointEncoder, reviewed: Reviewed, seed: int, _: Report) -> Json:
        texts: list[Any] = [example[0] for example in reviewed.shown]
        tokens: Any = encoder.encode(reviewed.shown)
        answers, marked = reviewed.answers, np.flatnonzero(self._are_marked(reviewed.answers))
        found = doubted_spans(
            [reviewed.ids[row] for row in marked.tolist()],
            [texts[row] for row in marked.tolist()],
            tokens if len(marked) == len(tokens) else tokens.take(marked),
            [spans_in(answers[row]) for row in marked.tolist()],
            self._config,
            seed,
        )
        if self._asked is None:
            return found
        targets = targets_given(answers, self._asked.labels)
        # Beside spans, a text without any answer to a question does not answer it.
        rows = np.flatnonzero(targets.any(axis=1) | (len(self._asked.questions) > 1))
        ids = [reviewed.ids[row] for row in rows.tolist()]
        told = told_about(ids, whole_vectors(tokens)[rows], targets[rows], self._asked, seed)
        return _both(found, doubted(told, len(ids)), len(reviewed.ids))

    def belief(
        self,
        encoder: JointEncoder,
        shown: TaskContents,
        answers: Sequence[Answer],
        seed: int,
        _: Report,
    ) -> Floats:
        tokens: Any = encoder.encode(shown)
        spans = [spans_in(answer) for answer in answers]
        probs = cross_validated_tags(tokens, spans, self._labels, seed, self._rules)
        of_tokens = belief(probs, targets_of(spans, tokens, self._labels), "single")
        # A text counts as a whole, for its tokens are no independent witnesses.
        result: Floats = np.add.reduceat(of_tokens, tokens.bounds[:-1]) / np.diff(tokens.bounds)
        return result

    def differences(self, answers: Sequence[Answer]) -> list[tuple[str, ...]]:
        """Each pair of labels that two people gave to the same piece of a text, "" where one of
        them gave none; other boundaries are not another label."""
        marked = [set(spans_in(answer)) for answer in answers]
        found = {
            tuple(sorted(pair))
            for first, second in combinations(marked, 2)
            for pair in _taken_for(*_apart(sorted(first), sorted(second), self._rules))
        }
        answering = [answer for answer in answers if labels_in(answer)]
        others = [] if self._whole is None else self._whole.differences(answering)
        return sorted(found) + others

    def agree(self, answers: Sequence[Answer]) -> bool:
        return len(set(answers)) == 1

    def readable(self, answer: Answer) -> list[str]:
        is_text = is_of_text(self._config.layout)
        control = control_of(self._config)
        spans = [
            f"{span.label} {span.start}-{span.end}"
            if is_text
            else f"{span.label}: {control.in_words(span, '')}"
            for span in spans_in(answer)
        ]
        return [*labels_in(answer), *spans]


def _both(spans: Json, whole: Json, labelled: int) -> Json:
    """What is doubted of the spans and of the answers about whole texts."""
    pairs = sorted(spans["confusions"] + whole["confusions"], key=lambda one: -one["count"])
    return {
        "tasks": most_doubted(spans["tasks"] + whole["tasks"], labelled),
        "hard": whole["hard"],
        "confusions": pairs[:SHOWN_PAIRS],
    }


def control_of(config: LabelConfig) -> Control[Any]:
    """The control with which people mark."""
    assert config.marking is not None
    return config.marking.control


def doubted_spans(
    ids: list[int],
    texts: Sequence[str],
    tokens: Tokens,
    spans: Sequence[Sequence[Span]],
    config: LabelConfig,
    seed: int,
) -> Json:
    """The same of marked texts or sounds: of each what only people (`given`) and what only the
    model (`said`) marked. tokens: by the pretrained encoder."""
    if len(ids) < 4 * FOLDS:
        return {"tasks": [], "confusions": []}
    labels, rules, control = config.span_labels, config.rules, control_of(config)
    probs = cross_validated_tags(tokens, spans, labels, seed, rules)
    doubt = span_doubts(probs, targets_of(spans, tokens, labels), tokens.bounds)
    tasks: list[Json] = []
    pairs: Counter[tuple[str, str]] = Counter()
    for row, found in enumerate(spans_from_probs(probs, tokens, labels, rules)):
        given, said = sorted(set(spans[row])), sorted({span for span, _ in found})
        missed, claimed = _apart(given, said, rules)
        pairs.update(_taken_for(missed, claimed))
        if doubt[row] >= LEAST_DOUBT and (missed or claimed):
            tasks.append(
                {
                    "task": ids[row],
                    "doubt": round(float(doubt[row]), 3),
                    "given": [_shown(span, texts[row], control) for span in missed],
                    "said": [_shown(span, texts[row], control) for span in claimed],
                }
            )
    return {
        "tasks": most_doubted(tasks, len(ids)),
        "confusions": [
            {"given": first, "said": second, "count": count}
            for (first, second), count in pairs.most_common(SHOWN_PAIRS)
        ],
    }


def _apart(
    first: Sequence[Span], second: Sequence[Span], rules: Rules
) -> tuple[list[Span], list[Span]]:
    """The spans of each that are not the same as one of the other."""
    same = rules.same(first, second)
    one, other = {pair[0] for pair in same}, {pair[1] for pair in same}
    return [span for span in first if span not in one], [s for s in second if s not in other]


def _taken_for(missed: Sequence[Span], claimed: Sequence[Span]) -> Iterator[tuple[str, str]]:
    """Labels of given spans and of those that were said in their place; "" for none."""
    for one in missed:
        others = [other for other in claimed if _overlap(one, other)]
        yield from ((one.label, other.label) for other in others if other.label != one.label)
        if not others:
            yield one.label, ""
    for other in claimed:
        if not any(_overlap(one, other) for one in missed):
            yield "", other.label


def _overlap(one: Span, other: Span) -> bool:
    return other.start < one.end and one.start < other.end


def _shown(span: Span, text: str, control: Control[Any]) -> str:
    return f"{span.label}: {control.in_words(span, text)}"
