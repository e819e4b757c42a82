"""Labelled spans of texts and sounds, as the trainer learns and reviews them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from backend.interface.controls.control import Control
from backend.interface.questions import Answer, LabelConfig, spans_in
from backend.media.contents import TaskContents
from backend.trainer.doubts import SHOWN_PAIRS, most_doubted
from backend.trainer.report import Report
from backend.trainer.told import Reviewed
from backend.types import Json
from model.choosing.audit import by_lot
from model.encoders.finetune import Examples
from model.encoders.joint import JointEncoder
from model.measuring.belief import belief
from model.measuring.review import FOLDS, LEAST_DOUBT, span_doubts
from model.spans.learner import cross_validated_tags, spans_from_probs, targets_of
from model.spans.pieces import Rules, rules_of
from model.spans.tags import Span, Tokens, tags_of
from model.types import Floats, Ints, is_of_text

REVIEWED_TEXTS = 2000
"""Marked texts that are reviewed at most, drawn at random: their tokens stand in memory."""
REVIEWED_SOUNDS = 50
"""The same of sounds, of which each has up to 1,200 steps."""


class Spans:
    """See backend.trainer.unit.TrainingUnit."""

    def __init__(self, config: LabelConfig) -> None:
        self._labels = config.labels
        self._config = config
        self._rules = rules_of(config.layout)

    def examples(
        self, encoder: JointEncoder, shown: TaskContents, answers: Sequence[Answer]
    ) -> Examples:
        """Texts with the tags of their tokens."""
        places = encoder.token_places(shown[:])
        tags: list[Ints] = [
            tags_of(spans_in(answer), where, self._labels)
            for answer, where in zip(answers, places, strict=True)
        ]
        bounds = np.cumsum([0, *map(len, tags)])
        wanted = np.concatenate([np.zeros(0, np.int64), *tags])
        targets = np.eye(2 * len(self._labels) + 1, dtype=np.float32)[wanted]
        return Examples(shown, targets, shown.lengths, bounds)

    def compared(self, open_ids: Ints, labelled: int, seed: int) -> Ints:
        return open_ids[:0]

    def reviewed(self, ids: Ints, seed: int) -> Ints:
        most = REVIEWED_TEXTS if is_of_text(self._config.layout) else REVIEWED_SOUNDS
        return np.sort(ids[by_lot(ids, most, seed)])

    def doubts(self, encoder: JointEncoder, reviewed: Reviewed, seed: int, _: Report) -> Json:
        texts: list[Any] = [example[0] for example in reviewed.shown]
        tokens: Any = encoder.encode(reviewed.shown)
        spans = [spans_in(answer) for answer in reviewed.answers]
        return doubted_spans(reviewed.ids, texts, tokens, spans, self._config, seed)

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
        return sorted(found)

    def readable(self, answer: Answer) -> list[str]:
        is_text = is_of_text(self._config.layout)
        control = self._config.questions[0].control
        return [
            f"{span.label} {span.start}-{span.end}"
            if is_text
            else f"{span.label}: {control.in_words(span, '')}"
            for span in spans_in(answer)
        ]


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
    labels, rules, control = config.labels, rules_of(config.layout), config.questions[0].control
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
