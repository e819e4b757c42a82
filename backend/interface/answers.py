"""The only file that knows Label Studio's JSON: tasks, annotations, results, predictions."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from backend.interface.questions import SEPARATOR, Control, LabelConfig, Question
from backend.types import Json
from model.spans.tags import Span
from model.types import EXCLUSIVE, Kind

if TYPE_CHECKING:  # the learning side takes seconds to import
    from model.heads.head import Head

Labels = tuple[str, ...]

MAX_SCORE = 0.5
"""Shortlist scores lie below this, scores of predictions made on demand at or above it."""


def labels_of(result: object, config: LabelConfig) -> Labels | None:
    """The labels that one annotation gives, in the config's order; None when it gives none.

    Labels that the config does not know (any more) do not count.
    """
    if not isinstance(result, Sequence) or isinstance(result, str):
        return None
    asked = {question.from_name: question for question in config.questions}
    chosen: set[str] = set()
    for region in result:
        if not isinstance(region, Mapping):
            continue
        question, value = asked.get(str(region.get("from_name"))), region.get("value")
        if question is not None and isinstance(value, Mapping):
            given = ANSWERS[question.control](value)
            chosen.update(question.prefix + answer for answer in given)
    return config.in_order(chosen) or None


def _choices(value: Mapping[str, object]) -> Iterator[str]:
    choices = value.get("choices")
    if isinstance(choices, list):
        yield from (choice for choice in choices if isinstance(choice, str))


def _nodes(value: Mapping[str, object]) -> Iterator[str]:
    """The chosen nodes of a taxonomy, and all above them."""
    paths = value.get("taxonomy")
    for path in paths if isinstance(paths, list) else []:
        if isinstance(path, list) and all(isinstance(name, str) for name in path):
            yield from (SEPARATOR.join(path[:depth]) for depth in range(1, len(path) + 1))


def _stars(value: Mapping[str, object]) -> Iterator[str]:
    rating = value.get("rating")
    if isinstance(rating, int) and not isinstance(rating, bool):
        yield str(rating)


def _spans(value: Mapping[str, object]) -> Iterator[str]:
    """Labelled pieces of a text, written as model.spans.tags.Span writes them."""
    start, end, labels = value.get("start"), value.get("end"), value.get("labels")
    # In JSON, true is no number; in Python it is one.
    if type(start) is int and type(end) is int and 0 <= start < end:
        known = labels if isinstance(labels, list) else []
        yield from (str(Span(start, end, one)) for one in known if isinstance(one, str))


def regions_of(found: Iterable[tuple[Span, float]], text: str, config: LabelConfig) -> list[Json]:
    """Spans of a text, each with how sure it is, as pre-annotations."""
    (question,) = config.questions
    return [
        {
            "from_name": question.from_name,
            "to_name": question.to_name,
            "type": question.control,
            "value": {
                "start": span.start,
                "end": span.end,
                "text": text[span.start : span.end],
                "labels": [span.label],
            },
            "score": round(sure, 4),
        }
        for span, sure in found
    ]


ANSWERS: dict[Control, Callable[[Mapping[str, object]], Iterator[str]]] = {
    "choices": _choices,
    "taxonomy": _nodes,
    "rating": _stars,
    "labels": _spans,
}


def votes_of(annotations: list[Json], config: LabelConfig, empty_is_none: bool) -> list[Labels]:
    """What each of a task's annotations says, without skips and those that say nothing."""
    found = (_vote(row, config, empty_is_none) for row in annotations if not row["was_cancelled"])
    return [vote for vote in found if vote is not None]


def _vote(annotation: Json, config: LabelConfig, empty_is_none: bool) -> Labels | None:
    labels = labels_of(annotation["result"], config)
    # Of spans there may well be none, and nothing else says so.
    is_none = config.kind == "spans" or (empty_is_none and config.kind == "multiple")
    if labels is None and is_none:
        return () if annotation["result"] == [] else None
    return labels


def consensus(votes: Sequence[Labels], config: LabelConfig) -> Labels | None:
    """What several annotators agree on; None where there is no majority.

    One label a text: the label with the most votes. Several: each label that more than half of
    the annotators gave; a label that exactly half of them gave leaves the task undecided. Of
    several questions each is decided by those who answered it.
    """
    if len(config.questions) == 1:
        agreed = _agreed(votes, config.kind)
        return None if agreed is None else config.in_order(agreed)
    decided: list[str] = []
    for question in config.questions:
        mine = [config.in_order(vote & question.of_label.keys()) for vote in map(set, votes)]
        decided += _agreed([vote for vote in mine if vote], question.kind) or ()
    return config.in_order(decided) or None


def _agreed(votes: Sequence[Labels], kind: Kind) -> Labels | None:
    if kind in EXCLUSIVE:
        ranked = Counter(labels[0] for labels in votes if len(labels) == 1).most_common(2)
        if not ranked or (len(ranked) == 2 and ranked[0][1] == ranked[1][1]):
            return None
        return (ranked[0][0],)
    counts = Counter(label for labels in votes for label in labels)
    if not votes or any(2 * count == len(votes) for count in counts.values()):
        return None
    return tuple(label for label, count in counts.items() if 2 * count > len(votes))


Needed = Callable[[str], float]
"""The name of a question -> the probability from which on its answers are pre-annotated."""

Decision = tuple[float, str, float]
"""A label's probability, its answer, and the threshold that it needs where several may be given."""


def result_of(
    probs: Sequence[float], head: "Head", config: LabelConfig, needed: Needed = lambda _: 0.0
) -> list[Json]:
    """The pre-annotation: of each question the likeliest answer (single), the median one (ordered),
    or all that reach their threshold; without those that are less probable than is `needed`.

    `probs` belong to the head's labels; labels that the config does not know are left out. A
    region's score is the probability; of several labels, the least certain one's.
    """
    pairs = [(question, _decisions(probs, head, question)) for question in config.questions]
    regions = (
        _region(question, known, needed(question.from_name)) for question, known in pairs if known
    )
    return [region for region in regions if region is not None]


def confidence_of(probs: Sequence[float], head: "Head", config: LabelConfig) -> float:
    """How sure the model is of the whole answer, in [0, 1]: the probability of its least
    certain decision (of exclusive labels the likeliest)."""
    sure = [
        max(p for p, _, _ in known)
        if question.kind in EXCLUSIVE
        else min(p if p >= least else 1.0 - p for p, _, least in known)
        for question in config.questions
        if (known := _decisions(probs, head, question))
    ]
    return float(min(sure, default=0.0))


def _decisions(probs: Sequence[float], head: "Head", question: Question) -> list[Decision]:
    """What the head says of a question's answers."""
    least = [0.5] * len(probs) if head.thresholds is None else head.thresholds.tolist()
    answers = question.of_label
    return [
        (p, answers[label], threshold)
        for p, label, threshold in zip(probs, head.labels, least, strict=True)
        if label in answers
    ]


def _region(question: Question, known: list[Decision], least: float) -> Json | None:
    """None where nothing is to be said."""
    if question.kind == "single":
        chosen = [max(known, key=lambda one: one[0])]
    elif question.kind == "ordered":
        chosen = [_median(known)]
    else:
        chosen = [one for one in known if one[0] >= one[2]]
    chosen = [one for one in chosen if one[0] >= least]
    if question.control == "taxonomy":
        lowest = _most_specific((answer for _, answer, _ in chosen), question)
        chosen = [one for one in chosen if one[1] in lowest]
    if not chosen:
        return None
    return {
        "from_name": question.from_name,
        "to_name": question.to_name,
        **_value([answer for _, answer, _ in chosen], question),
        "score": round(min(p for p, _, _ in chosen), 4),
    }


def _median(known: list[Decision]) -> Decision:
    """The first of answers in an order at which half of the probability is reached."""
    half = sum(p for p, _, _ in known) / 2
    reached = zip(accumulate(p for p, _, _ in known), known, strict=True)
    return next(one for total, one in reached if total >= half)


def _value(answers: list[str], question: Question) -> Json:
    value: Any = answers
    if question.control == "taxonomy":
        value = [list(question.paths[answer]) for answer in answers]
    elif question.control == "rating":
        value = int(answers[0])
    return {"type": question.control, "value": {question.control: value}}


def _most_specific(answers: Iterable[str], question: Question) -> set[str]:
    """Those that no other one lies below; and where only leaves are allowed, only leaves."""
    paths = {question.paths[answer] for answer in answers}
    above = {path[:depth] for path in paths for depth in range(1, len(path))}
    lowest = {SEPARATOR.join(path) for path in paths - above}
    return lowest - question.inner_nodes if question.is_leaf_only else lowest


def shortlist_score(rank: int, size: int) -> float:
    """Label Studio serves the lowest score first: rank 0 of a shortlist gets 0."""
    return MAX_SCORE * rank / size


def demand_score(confidence: float) -> float:
    """The score of a prediction made on demand: it never jumps the queue, sure ones come last."""
    return MAX_SCORE + MAX_SCORE * confidence
