"""From the model's probabilities to pre-annotations, as Label Studio expects them, and scores.

The model makes the decisions; this module writes them down.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from backend.interface.content import Parts
from backend.interface.questions import Answer, LabelConfig, Question
from backend.types import Json
from model.boxes.geometry import Box
from model.heads.deciding import confidence, decisions
from model.limits import within_limits
from model.spans.tags import Span
from model.types import Bools, Floats

if TYPE_CHECKING:  # it imports scipy, which takes a second to load
    from model.heads.head import Head

MAX_SCORE = 0.5
"""Shortlist scores lie below this, scores of predictions made on demand at or above it."""

Needed = Callable[[str], float]
"""From a question's name to the least probability at which its answers are pre-annotated."""

QuestionProbs = tuple[Question, list[str], Floats, Floats | float]
"""A question, those of its answers that the head knows (c), their probabilities (n, c), and their
thresholds where several answers are possible, (c,) or one."""

Given = dict[str, Bools]
"""Label -> to which of n tasks it is given, (n,)."""


def results_of(
    probs: Floats,
    head: "Head",
    config: LabelConfig,
    needed: Needed = lambda _: 0.0,
    shown: Sequence[Parts] = (),
) -> list[list[Json]]:
    """The pre-annotations of n tasks: the head's decision on each question that is asked after
    them, without answers that are less probable than `needed`.

    probs (n, c) of the head's labels; those that the config does not have are left out before
    anything is decided. A region's score is its probability; with several labels, that of the
    least certain one. shown: what the tasks show (n,), which `config.reads_text` asks for.
    """
    texts = [parts[0] or "" for parts in shown] or [""] * len(probs)
    results: list[list[Json]] = [[] for _ in probs]
    given: Given = {}
    for question, answers, mine, thresholds in _in_turn(probs, head, config):
        is_given = decisions(mine, question.kind, thresholds)
        is_given = _sure_enough(is_given, mine, question, needed(question.from_name))
        is_given &= _is_asked(question, given, len(probs))[:, None]
        is_stated = _surest(_stated(question, answers, is_given), mine, question.most)
        given.update(_labels_in(question, answers, is_stated))
        regions = _regions(question, answers, mine, is_stated, texts)
        for result, region in zip(results, regions, strict=True):
            result.extend([] if region is None else [region])
    return results


def results_of_answer(said: Answer, config: LabelConfig) -> list[Json]:
    """The pre-annotation that says what people said of a whole task."""
    result = []
    for question in config.questions:
        mine = [answer for label, answer in question.of_label.items() if label in said]
        stated = question.control.stated(mine)
        result += [_region(question, stated, 1.0)] if stated else []
    return result


def confidence_of(probs: Floats, head: "Head", config: LabelConfig) -> Floats:
    """The head's confidence in each whole answer, (n,) in [0, 1]: that of its least certain
    decision on a question that is asked after the others; 0 if it knows no label of the config.
    probs (n, c) of the head's labels."""
    given: Given = {}
    sure = []
    for question, answers, mine, thresholds in _in_turn(probs, head, config):
        is_asked = _is_asked(question, given, len(probs))
        is_given = decisions(mine, question.kind, thresholds) & is_asked[:, None]
        given.update(_labels_in(question, answers, _stated(question, answers, is_given)))
        sure.append(np.where(is_asked, confidence(mine, question.kind, thresholds), 1.0))
    return np.min(sure, axis=0) if sure else np.zeros(len(probs))


def _sure_enough(is_given: Bools, probs: Floats, question: Question, needed: float) -> Bools:
    """Those of the given answers (n, c) that are as probable as needed; of an order all or none, by
    the mean probability of what it says of two things."""
    if question.kind != "ranking":
        return is_given & (probs >= needed)
    count = np.maximum(is_given.sum(axis=1), 1)
    mean = np.where(is_given, probs, 0.0).sum(axis=1) / count
    result: Bools = is_given & (mean >= needed)[:, None]
    return result


def _is_asked(question: Question, given: Given, tasks: int) -> Bools:
    """Whether the question is asked about each of the tasks, (tasks,)."""
    is_asked = np.ones(tasks, dtype=np.bool_)
    for condition in question.conditions:
        known = [given[label] for label in condition.labels if label in given]
        is_one = np.any(known, axis=0) if known else np.zeros(tasks, dtype=np.bool_)
        is_asked &= is_one != condition.is_negated
    return is_asked


def _stated(question: Question, answers: Sequence[str], is_given: Bools) -> Bools:
    """Which of the given answers (n, c) the results state. Label Studio's pages see no others: a
    node of a taxonomy is not chosen where one below it is."""
    is_stated = np.zeros_like(is_given)
    places = {answer: place for place, answer in enumerate(answers)}
    for row, chosen in enumerate(is_given):
        found = question.control.stated(
            [answers[place] for place in np.flatnonzero(chosen).tolist()]
        )
        is_stated[row, [places[answer] for answer in found]] = True
    return is_stated


def _surest(is_stated: Bools, probs: Floats, most: int | None) -> Bools:
    """Of the stated answers (n, c) the most probable ones, so many of each task at most: Label
    Studio's page refuses a task with more."""
    if most is None or not len(probs):
        return is_stated
    order = np.argsort(np.where(is_stated, -probs, np.inf), axis=1, kind="stable")
    is_among = np.zeros_like(is_stated)
    np.put_along_axis(is_among, order[:, :most], True, axis=1)
    return is_stated & is_among


def _labels_in(question: Question, answers: Sequence[str], is_given: Bools) -> Given:
    return {
        question.prefix + answer: column for answer, column in zip(answers, is_given.T, strict=True)
    }


def regions_of(
    found: Sequence[tuple[Span, float]],
    text: str,
    config: LabelConfig,
    about: Sequence[Sequence[Json]] = (),
) -> list[Json]:
    """Spans of a text, each with its confidence, as pre-annotations; without those of what cannot
    be marked. about: what is said of each span, as `results_of` gives it; () for nothing."""
    question = config.marking
    if question is None:
        return []
    regions: list[Json] = []
    for number, (span, sure) in enumerate(found):
        label = question.of_label[span.label]
        region = _region(question, [replace(span, label=label)], sure, text)
        if not region["value"]:
            continue
        if not about:
            regions.append(region)
            continue
        # What is said of a span has its id and its place, as Label Studio's page saves it.
        of_span = {"id": f"span-{number + 1}"}
        kind = question.control.type_name
        place = {name: value for name, value in region["value"].items() if name != kind}
        regions.append(region | of_span)
        for said in about[number]:
            only = config.asked[said["from_name"]].of_label_only
            if only is None or only == label:
                regions.append(said | of_span | {"value": place | said["value"]})
    return regions


def box_regions(
    found: Iterable[tuple[Box, float]], sizes: Mapping[int, tuple[int, int]], config: LabelConfig
) -> list[Json]:
    """Boxes in pictures, each with its confidence, as pre-annotations. sizes: page -> width and
    height of its picture in pixels, which Label Studio's exports need."""
    (question,) = config.questions
    regions = []
    within = within_limits(list(found), question.limits)
    for number, (box, sure) in enumerate(within, start=1):
        width, height = sizes[box.page]
        beside = {"original_width": width, "original_height": height, "image_rotation": 0}
        page = {"item_index": box.page} if len(sizes) > 1 or box.page else {}
        region = {**_region(question, [box], sure), **beside, **page}
        regions += question.control.around(region, number)
    return regions


def _in_turn(probs: Floats, head: "Head", config: LabelConfig) -> Iterator[QuestionProbs]:
    """The head's probabilities for each question of which it knows answers, those that depend on
    others after them."""
    for question in config.in_turn:
        of_label = question.of_label
        known = [column for column, label in enumerate(head.labels) if label in of_label]
        if known:
            thresholds = 0.5 if head.thresholds is None else head.thresholds[known]
            answers = [of_label[head.labels[column]] for column in known]
            yield question, answers, probs[:, known], thresholds


def _regions(
    question: Question,
    answers: Sequence[str],
    probs: Floats,
    is_stated: Bools,
    texts: Sequence[str],
) -> Iterator[Json | None]:
    """The region that states the decided answers (of c) for each of n tasks; None if there are
    none. probs, is_stated (n, c)."""
    for row, chosen, text in zip(probs.tolist(), is_stated, texts, strict=True):
        sure = {answers[column]: row[column] for column in np.flatnonzero(chosen).tolist()}
        region = _region(question, list(sure), min(sure.values()), text) if sure else None
        yield region if region and region["value"] else None


def _region(
    question: Question,
    answers: Sequence[str] | Sequence[Span] | Sequence[Box],
    sure: float,
    text: str = "",
) -> Json:
    return {
        "from_name": question.from_name,
        "to_name": question.to_name,
        "type": question.control.type_name,
        "value": question.control.write(answers, text),
        "score": round(sure, 4),
    }


def shortlist_score(rank: int, size: int) -> float:
    """Label Studio serves the lowest score first: rank 0 of a shortlist gets 0."""
    return MAX_SCORE * rank / size


def demand_score(confidence: float) -> float:
    """The score of a prediction made on demand: it never jumps the queue; sure ones come last."""
    return MAX_SCORE + MAX_SCORE * confidence
