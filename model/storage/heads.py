"""A head as arrays for a safetensors file and facts for a JSON file, and back."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from model.heads.head import Head
from model.storage.damage import check_finite
from model.types import LabelGroup

NAME = "head.safetensors"
"""The file that the arrays of a head are kept in."""


def arrays_of(head: Head) -> dict[str, Any]:
    """weights (d, c), bias (c,), centre (d,), and thresholds (c,) if there are any."""
    arrays = {"weights": head.weights, "bias": head.bias, "centre": head.centre}
    if head.thresholds is not None:
        arrays["thresholds"] = head.thresholds
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}


def facts_of(head: Head) -> dict[str, Any]:
    """`kind`, `classes`, and `groups` where it answers several questions."""
    facts: dict[str, Any] = {"kind": head.kind, "classes": list(head.labels)}
    if head.groups:
        # Not the conditions: they are those of the labelling interface of the day.
        facts["groups"] = [[one.kind, one.start, one.stop] for one in head.groups]
    return facts


def head_of(facts: Mapping[str, Any], arrays: Mapping[str, Any]) -> Head:
    """The head that was written so. Raises Damaged where a number is not finite, and KeyError or
    TypeError where something is missing."""
    given = (arrays["weights"], arrays["bias"], arrays["centre"])
    check_finite(NAME, *given)
    groups = tuple(LabelGroup(*group) for group in facts.get("groups", []))
    labels = tuple(facts["classes"])
    return Head(facts["kind"], labels, *given, arrays.get("thresholds"), groups)
