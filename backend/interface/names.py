"""What the labels of a project are called, as examples for the encoder.

A label's name is encoded like a task that shows nothing else, into the same store.
"""

from collections.abc import Iterable
from functools import lru_cache
from itertools import islice

import numpy as np

from backend.interface.content import Parts, key_of
from backend.interface.controls.control import Called
from backend.interface.questions import LabelConfig
from model.heads.names import readable
from model.types import Ints

MOST_NAMES = 10_000
"""So many names are encoded at most, before the first task."""


@lru_cache(maxsize=2 * MOST_NAMES)
def spoken_name(called: Called) -> str:
    """The name as the encoder reads it, such as "beauty: hair care"; "" when neither the answer's
    own name nor its hint says anything, whatever stands above it. Remembered, for it is asked for
    at each round."""
    own = [readable(part) for part in (called.path[-1], called.hint)]
    above = [readable(part) for part in called.path[:-1]] if any(own) else []
    return ": ".join(part for part in (*above, *own) if part)


def names_of(config: LabelConfig) -> dict[str, Parts]:
    """The first MOST_NAMES labels whose name says something, each with its name as all that a task
    shows. None where no text stands first: nothing else can be compared with a name."""
    if config.layout[0] != "text":
        return {}
    missing = (None,) * (len(config.layout) - 1)
    found = ((label, (text, *missing)) for label, text in _texts(config) if text)
    return dict(islice(found, MOST_NAMES))


def unnamed(config: LabelConfig) -> list[str]:
    """The labels whose name says nothing to an encoder that reads names."""
    if config.layout[0] != "text":
        return []
    return [label for label, text in _texts(config) if not text]


def _texts(config: LabelConfig) -> Iterable[tuple[str, str]]:
    """Each label that is called something, and what the encoder reads of it."""
    for question in config.questions:
        for label, answer in question.of_label.items():
            if answer in question.called:
                yield label, spoken_name(question.called[answer])


def keys_of(names: Iterable[Parts]) -> Ints:
    """Content keys (n,) of names."""
    return np.array([key_of(parts) for parts in names], dtype=np.int64)
