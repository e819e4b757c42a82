"""The names of a project's labels, as input for the encoder.

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
from model.types import READ_AS, Ints

MOST_NAMES = 10_000
"""At most this many names are encoded, before the first task."""


@lru_cache(maxsize=2 * MOST_NAMES)
def spoken_name(called: Called) -> str:
    """The name as the encoder reads it, such as "beauty: hair care"; "" if neither the answer's own
    name nor its hint has words, whatever is above it. Cached, because each round needs it."""
    own = [readable(part) for part in (called.path[-1], called.hint)]
    above = [readable(part) for part in called.path[:-1]] if any(own) else []
    return ": ".join(part for part in (*above, *own) if part)


def names_of(config: LabelConfig) -> dict[str, Parts]:
    """The first MOST_NAMES labels whose name has words, each with its name in the form of a task
    that shows nothing else. Empty if the layout does not start with text: nothing else can be
    compared with a name. Not of spans: a token means little without those around it."""
    if not _begins_with_text(config):
        return {}
    missing = (None,) * (len(config.layout) - 1)
    found = ((label, (text, *missing)) for label, text in _texts(config) if text)
    return dict(islice(found, MOST_NAMES))


def unnamed(config: LabelConfig) -> list[str]:
    """The labels whose name has no words, if names are read at all."""
    if not _begins_with_text(config):
        return []
    return [label for label, text in _texts(config) if not text]


def _begins_with_text(config: LabelConfig) -> bool:
    first = config.layout[0]
    is_whole = any(question.kind != "spans" for question in config.questions)
    return READ_AS.get(first, first) == "text" or (first == "tokens" and is_whole)


def _texts(config: LabelConfig) -> Iterable[tuple[str, str]]:
    """Each label that has a name, with the name as the encoder reads it."""
    for question in config.questions:
        if question.kind == "spans":
            continue
        for label, answer in question.of_label.items():
            if answer in question.called:
                yield label, spoken_name(question.called[answer])


def keys_of(names: Iterable[Parts]) -> Ints:
    """The content keys (n,) of names."""
    return np.array([key_of(parts) for parts in names], dtype=np.int64)
