"""What is worth a second look: labels that the model doubts, what it confuses, where people differ.

Found by the trainer after each deep round, kept by backend.mirror.review, shown on the status page
and in the Data Manager tab *Review labels*.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import combinations

import numpy as np

from backend.interface.questions import Answer, LabelConfig, Question, labels_in, spans_in
from backend.types import Json
from model.heads.deciding import decisions
from model.measuring.review import FOLDS, confusions, cross_validated, doubts, span_doubts
from model.spans.learner import cross_validated_tags as cross_validated_spans
from model.spans.learner import spans_from_probs, targets_of
from model.spans.tags import Span, Tokens
from model.types import Floats, Ints

SHOWN_TASKS, SHOWN_PAIRS = 50, 10
SHOWN_SHARE = 0.2
"""At most this share of the labels is doubted: of few labels the model knows little itself."""
LEAST_DOUBT = 0.5
"""What the model believes more than not needs no second look."""


def doubted(
    ids: list[int], vectors: Floats, targets: Floats, config: LabelConfig, seed: int
) -> Json:
    """`tasks`: the most doubted labels, each with `task`, `doubt`, `given` and `said`;
    `confusions`: what is taken for what. Both empty while there are too few labels to tell.

    vectors (n, d): by the encoder as it comes; targets (n, c) of 0 and 1.
    """
    found: Json = {"tasks": [], "confusions": []}
    for question in config.questions:
        columns = [config.places[label] for label in question.labels]
        mine = targets[:, columns]
        # Of several questions a task may lack the answer to this one.
        rows = mine.any(axis=1) if len(config.questions) > 1 else np.ones(len(ids), np.bool_)
        of_question = _doubted(np.array(ids)[rows], vectors[rows], mine[rows], question, seed)
        for name, some in of_question.items():
            found[name] += some
    return {
        "tasks": _most_doubted(found["tasks"], len(ids)),
        "confusions": sorted(found["confusions"], key=lambda one: -one["count"])[:SHOWN_PAIRS],
    }


def _doubted(ids: Ints, vectors: Floats, targets: Floats, question: Question, seed: int) -> Json:
    """All doubted labels and all confusions of one question."""
    if len(ids) < 4 * FOLDS or len(np.unique(targets, axis=0)) < 2:
        return {}
    kind, labels = question.kind, question.labels
    probs = cross_validated(vectors, targets, kind, labels, seed)
    said, doubt = decisions(probs, kind), doubts(probs, targets, kind)
    return {
        "tasks": [
            {
                "task": int(ids[row]),
                "doubt": round(float(doubt[row]), 3),
                "given": _names(targets[row] > 0, labels),
                "said": _names(said[row], labels),
            }
            for row in np.flatnonzero(doubt >= LEAST_DOUBT)
        ],
        "confusions": [asdict(one) for one in confusions(probs, targets, kind, labels)],
    }


def doubted_spans(
    ids: list[int],
    texts: Sequence[str],
    tokens: Tokens,
    spans: Sequence[Sequence[Span]],
    labels: tuple[str, ...],
    seed: int,
) -> Json:
    """The same of marked texts: of each what only people (`given`) and what only the model (`said`)
    marked. tokens: by the encoder as it comes."""
    if len(ids) < 4 * FOLDS:
        return {"tasks": [], "confusions": []}
    probs = cross_validated_spans(tokens, spans, labels, seed)
    doubt = span_doubts(probs, targets_of(spans, tokens, labels), tokens.bounds)
    tasks: list[Json] = []
    pairs: Counter[tuple[str, str]] = Counter()
    for row, found in enumerate(spans_from_probs(probs, tokens, labels)):
        given, said = set(spans[row]), {span for span, _ in found}
        missed, claimed = sorted(given - said), sorted(said - given)
        pairs.update(_taken_for(missed, claimed))
        if doubt[row] >= LEAST_DOUBT and (missed or claimed):
            tasks.append(
                {
                    "task": ids[row],
                    "doubt": round(float(doubt[row]), 3),
                    "given": [_shown(span, texts[row]) for span in missed],
                    "said": [_shown(span, texts[row]) for span in claimed],
                }
            )
    return {
        "tasks": _most_doubted(tasks, len(ids)),
        "confusions": [
            {"given": first, "said": second, "count": count}
            for (first, second), count in pairs.most_common(SHOWN_PAIRS)
        ],
    }


def _most_doubted(tasks: list[Json], labelled: int) -> list[Json]:
    limit = min(SHOWN_TASKS, int(SHOWN_SHARE * labelled))
    return sorted(tasks, key=lambda one: -one["doubt"])[:limit]


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


def _shown(span: Span, text: str) -> str:
    return f"{span.label}: {text[span.start : span.end]}"


def _names(chosen: Iterable[bool], labels: Sequence[str]) -> list[str]:
    return [label for label, is_chosen in zip(labels, chosen, strict=True) if is_chosen]


def disagreement(votes: Mapping[int, Sequence[Answer]], config: LabelConfig) -> Json:
    """Where annotators differ, from the answers that each task got.

    `asked`: tasks with two answers or more; `agreed`: of them, those with the same answer from
    everybody; `pairs`: labels that one person gave and another did not give but another one in
    their place, most frequent first; `tasks`: where people differ, with the answers.
    """
    several = {task: answers for task, answers in votes.items() if len(answers) > 1}
    differing = {task: answers for task, answers in several.items() if len(set(answers)) > 1}
    pairs: Counter[tuple[str, ...]] = Counter()
    for answers in differing.values():
        if config.kind == "spans":
            pairs.update(_pairs_of_spans(answers))
            continue
        for question in config.questions:
            pairs.update(_pairs(_of_question(answers, question, config)))
    return {
        "asked": len(several),
        "agreed": len(several) - len(differing),
        "pairs": [
            {"labels": list(pair), "count": count} for pair, count in pairs.most_common(SHOWN_PAIRS)
        ],
        "tasks": [
            {"task": task, "answers": [_readable(answer, config) for answer in answers]}
            for task, answers in list(differing.items())[:SHOWN_TASKS]
        ],
    }


def _of_question(
    answers: Sequence[Answer], question: Question, config: LabelConfig
) -> list[tuple[str, ...]]:
    """The answers to one of several questions, by those who gave one."""
    labels = [labels_in(answer) for answer in answers]
    if len(config.questions) == 1:
        return labels
    mine = [tuple(label for label in one if label in question.of_label) for one in labels]
    return [one for one in mine if one]


def _readable(answer: Answer, config: LabelConfig) -> list[str]:
    if config.kind != "spans":
        return list(labels_in(answer))
    return [f"{span.label} {span.start}-{span.end}" for span in spans_in(answer)]


def _pairs_of_spans(answers: Sequence[Answer]) -> set[tuple[str, ...]]:
    """Each pair of labels that two people gave to the same piece of a text, once, "" where one of
    them gave none; borders that differ are no other label."""
    marked = [set(spans_in(answer)) for answer in answers]
    return {
        tuple(sorted(pair))
        for first, second in combinations(marked, 2)
        for pair in _taken_for(sorted(first - second), sorted(second - first))
    }


def _pairs(answers: list[tuple[str, ...]]) -> set[tuple[str, ...]]:
    """Each pair of labels that two of the answers have in place of each other, once."""
    return {
        tuple(sorted((mine, theirs)))
        for first in answers
        for second in answers
        for mine in set(first) - set(second) or {""}
        for theirs in set(second) - set(first) or {""}
        if mine != theirs
    }
