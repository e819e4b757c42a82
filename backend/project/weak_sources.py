"""Weak labels by task to weak labels by row, as the learner takes them."""

from collections.abc import Sequence

import numpy as np

from backend.interface.questions import LabelConfig
from backend.mirror.labelling import Labelling
from backend.mirror.weak_labels import WeakSource
from model.heads.sources import Source
from model.types import Bools, Ints

LEAST_GIVEN = 5
"""A label of which so many votes are there is learnt, even if no person has given it yet."""


def sources_of(labelling: Labelling, ids: Ints) -> tuple[Source, ...]:
    """The weak labels of these tasks (n,), ascending, as columns of all labels of the config."""
    found = [_source(one, ids, labelling.began) for one in labelling.weak]
    return tuple(one for one in found if len(one.rows))


def labels_given(sources: Sequence[Source], config: LabelConfig) -> set[str]:
    """The labels that one of the sources gives LEAST_GIVEN times."""
    found: set[str] = set()
    for one in sources:
        counts = np.bincount(one.labels, minlength=len(config.labels))
        found.update(config.labels[place] for place in np.flatnonzero(counts >= LEAST_GIVEN))
    return found


def of_asked(
    sources: Sequence[Source], config: LabelConfig, asked: LabelConfig
) -> tuple[Source, ...]:
    """The sources for the labels that are learnt, `asked`, of all of the `config`."""
    if asked.labels == config.labels:
        return tuple(sources)
    columns = [config.places[label] for label in asked.labels]
    found = [one.of_labels(columns, keep_empty=True) for one in sources]
    return tuple(one for one in found if len(one.rows))


def _source(weak: WeakSource, ids: Ints, began: dict[int, str]) -> Source:
    rows = np.searchsorted(ids, weak.tasks)
    is_there = np.zeros(len(rows), np.bool_)
    inside = rows < len(ids)
    is_there[inside] = ids[rows[inside]] == weak.tasks[inside]
    sizes = np.diff(weak.bounds)
    return Source(
        weak.name,
        rows[is_there],
        weak.labels[np.repeat(is_there, sizes)],
        np.concatenate([[0], np.cumsum(sizes[is_there])]).astype(np.int64),
        _are_blind(weak, began)[is_there],
    )


def _are_blind(weak: WeakSource, began: dict[int, str]) -> Bools:
    """Which of the votes (v,) were there before people labelled the task: what came later may be
    copied from them."""
    blind = np.ones(len(weak.tasks), np.bool_)
    for place in np.flatnonzero(np.isin(weak.tasks, list(began))).tolist():
        when = weak.at[place]
        blind[place] = when is None or when < began[int(weak.tasks[place])]
    return blind
