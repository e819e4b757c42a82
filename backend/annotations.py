"""The only file that knows Label Studio's JSON: tasks, annotations, results, predictions."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from backend.label_config import SEPARATOR, Control, LabelConfig

if TYPE_CHECKING:  # the learning side takes seconds to import
    from model.head import Head

Json = dict[str, Any]
Labels = tuple[str, ...]

MAX_SCORE = 0.5
"""Shortlist scores lie below this, scores of predictions made on demand at or above it."""


def labels_of(result: object, config: LabelConfig) -> Labels | None:
    """The labels that one annotation gives, in the config's order; None when it gives none.

    Labels that the config does not know (any more) do not count.
    """
    if not isinstance(result, Sequence) or isinstance(result, str):
        return None
    chosen: set[str] = set()
    for region in result:
        if not isinstance(region, Mapping) or region.get("from_name") != config.from_name:
            continue
        value = region.get("value")
        if isinstance(value, Mapping):
            chosen.update(ANSWERS[config.control](value))
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


ANSWERS: dict[Control, Callable[[Mapping[str, object]], Iterator[str]]] = {
    "choices": _choices,
    "taxonomy": _nodes,
    "rating": _stars,
}


def consensus(answers: Iterable[Labels], config: LabelConfig) -> Labels | None:
    """What several annotators agree on; None where there is no majority.

    One label a text: the label with the most votes. Several: each label that more than half of
    the annotators gave; a label that exactly half of them gave leaves the task undecided.
    """
    votes = list(answers)
    if config.kind == "single":
        ranked = Counter(labels[0] for labels in votes if len(labels) == 1).most_common(2)
        if not ranked or (len(ranked) == 2 and ranked[0][1] == ranked[1][1]):
            return None
        return (ranked[0][0],)
    counts = Counter(label for labels in votes for label in labels)
    if not votes or any(2 * count == len(votes) for count in counts.values()):
        return None
    return config.in_order(label for label, count in counts.items() if 2 * count > len(votes))


def result_of(probs: Sequence[float], head: "Head", config: LabelConfig) -> list[Json]:
    """The pre-annotation: the likeliest label (single), or all that reach their threshold.

    `probs` belong to the head's labels; labels that the config does not know are left out. The
    region's score is the probability; of several labels, the least certain one's.
    """
    least = [0.5] * len(probs) if head.thresholds is None else head.thresholds.tolist()
    known = [
        (p, label, threshold)
        for p, label, threshold in zip(probs, head.labels, least, strict=True)
        if label in config.places
    ]
    if not known:
        return []
    if config.kind == "single":
        chosen = [max(known, key=lambda one: one[0])]
    else:
        chosen = [one for one in known if one[0] >= one[2]]
        if config.control == "taxonomy":
            lowest = _most_specific((label for _, label, _ in chosen), config)
            chosen = [one for one in chosen if one[1] in lowest]
    if not chosen:
        return []
    return [
        {
            "from_name": config.from_name,
            "to_name": config.to_name,
            **_value([label for _, label, _ in chosen], config),
            "score": round(min(p for p, _, _ in chosen), 4),
        }
    ]


def _value(labels: list[str], config: LabelConfig) -> Json:
    answer: Any = labels
    if config.control == "taxonomy":
        answer = [list(config.paths[label]) for label in labels]
    elif config.control == "rating":
        answer = int(labels[0])
    return {"type": config.control, "value": {config.control: answer}}


def _most_specific(labels: Iterable[str], config: LabelConfig) -> set[str]:
    """Those that no other one lies below; and where only leaves are allowed, only leaves."""
    paths = {config.paths[label] for label in labels}
    above = {path[:depth] for path in paths for depth in range(1, len(path))}
    lowest = {SEPARATOR.join(path) for path in paths - above}
    return lowest - config.inner_nodes if config.is_leaf_only else lowest


def confidence_of(probs: Sequence[float], head: "Head", config: LabelConfig) -> float:
    """How sure the model is of the whole answer, in [0, 1]: the probability of its least
    certain decision (single: of the likeliest label)."""
    if len(probs) == 0:
        return 0.0
    if config.kind == "single":
        return float(max(probs))
    least = [0.5] * len(probs) if head.thresholds is None else head.thresholds.tolist()
    pairs = zip(probs, least, strict=True)
    return float(min(p if p >= threshold else 1.0 - p for p, threshold in pairs))


def shortlist_score(rank: int, size: int) -> float:
    """Label Studio serves the lowest score first: rank 0 of a shortlist gets 0."""
    return MAX_SCORE * rank / size


def demand_score(confidence: float) -> float:
    """The score of a prediction made on demand: it never jumps the queue, sure ones come last."""
    return MAX_SCORE + MAX_SCORE * confidence
