"""A head as arrays for a safetensors file and facts for a JSON file, and back."""

from collections.abc import Iterator, Mapping
from typing import Any, get_args

import numpy as np

from model.heads.head import Head
from model.storage.damage import Damaged, check_finite
from model.types import OF_LISTS, Kind, LabelGroup

BESIDE = ("whole", "attributes")
"""The heads of questions about whole texts and about spans: where their facts are, and what is
before the names of their arrays."""

NAME = "head.safetensors"
"""The file that the arrays of a head are kept in."""


def arrays_of(head: Head) -> dict[str, Any]:
    """weights (d, c) and bias (c,), of lists (d, 1) and (1,), centre (d,), and thresholds (c,) if
    there are any; the same of the heads beside it, if there are any."""
    arrays = {"weights": head.weights, "bias": head.bias, "centre": head.centre}
    if head.thresholds is not None:
        arrays["thresholds"] = head.thresholds
    for beside, other in _beside(head):
        arrays |= {f"{beside}.{name}": array for name, array in arrays_of(other).items()}
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}


def facts_of(head: Head) -> dict[str, Any]:
    """`kind`, `classes`, `groups` where it answers several questions, and those of the
    heads beside it, if there are any."""
    facts: dict[str, Any] = {"kind": head.kind, "classes": list(head.labels)}
    if head.groups:
        # Not the conditions: they are those of the labelling interface of the day.
        facts["groups"] = [[one.kind, one.start, one.stop] for one in head.groups]
    return facts | {beside: facts_of(other) for beside, other in _beside(head)}


def _beside(head: Head) -> Iterator[tuple[str, Head]]:
    for name in BESIDE:
        other = getattr(head, name)
        if other is not None:
            yield name, other


def head_of(facts: Mapping[str, Any], arrays: Mapping[str, Any]) -> Head:
    """The head that was written so. Raises Damaged where a number is not finite or the arrays are
    not those of these labels, and KeyError or TypeError where something is missing."""
    given = (arrays["weights"], arrays["bias"], arrays["centre"])
    check_finite(NAME, *given)
    groups = tuple(LabelGroup(*group) for group in facts.get("groups", []))
    labels, thresholds = tuple(facts["classes"]), arrays.get("thresholds")
    d, c = len(arrays["centre"]), len(labels)
    own = 1 if facts["kind"] in OF_LISTS else c
    shapes = [array.shape for array in given]
    # A head of boxes also reads what the detector says, see model.boxes.learner.features.
    read = d + c if facts["kind"] == "boxes" else d
    is_whole = shapes == [(read, own), (own,), (d,)]
    is_whole &= thresholds is None or thresholds.shape == (c,)
    if not is_whole or facts["kind"] not in get_args(Kind):
        raise Damaged(f"its {NAME} does not hold what its facts say")
    others: dict[str, Any] = {}
    for beside in set(BESIDE) & facts.keys():
        begin = f"{beside}."
        names = [name for name in arrays if name.startswith(begin)]
        theirs = {name.removeprefix(begin): arrays[name] for name in names}
        others[beside] = head_of(facts[beside], theirs)
    return Head(facts["kind"], labels, *given, thresholds, groups, **others)
