"""The tasks that are nearest to what somebody looks for: some words, or what other tasks show."""

import numpy as np

from backend.errors import BadRequest
from backend.explore.view import Encoded, PoolView
from backend.types import Json
from model.choosing.nearest import middle, nearest
from model.choosing.order import NOTHING
from model.types import Floats, Ints, is_of_things, reads_text

MOST_FOUND = 50
MOST_CHARACTERS = 1_000
MOST_EXAMPLES = 50

NO_WORDS = (
    "Only texts can be searched by words: the encoder of this project reads no text beside its "
    "pictures, clips or sounds. Choose a task on the map and press More like this"
)


NO_PAIRS = (
    "Words cannot be compared with pairs: the vector of a task is the difference of two things "
    "here. Choose a task on the map and press More like this"
)


def by_words(view: PoolView, words: str, encoded: Encoded) -> list[Json]:
    """The MOST_FOUND tasks nearest to these words, encoded as a task would be: each with `task` and
    `cosine`, in [-1, 1], the nearest first. Raises BadRequest where nothing can be looked for."""
    return _found(view, encoded(_checked(view, words)), NOTHING)


def _checked(view: PoolView, words: str) -> str:
    words = " ".join(words.split())
    if not words:
        raise BadRequest("There are no words to search for: type what the texts should be about")
    if len(words) > MOST_CHARACTERS:
        raise BadRequest(
            f"{len(words):,} characters are too many: a search reads at most {MOST_CHARACTERS:,}. "
            "A few words or a sentence find more than a whole text; for texts like one that is a "
            "task here, press More like this"
        )
    if is_of_things(view.config.layout):
        raise BadRequest(NO_PAIRS)
    if not reads_text(view.config.layout):
        raise BadRequest(NO_WORDS)
    return words


def like(view: PoolView, tasks: list[int]) -> list[Json]:
    """The same for tasks like all of these together, without them. Raises BadRequest when none of
    them has a vector."""
    places = view.places(tasks[:MOST_EXAMPLES])
    if len(places) == 0:
        raise BadRequest(
            f"None of the tasks {', '.join(map(str, tasks[:5])) or '(none)'} is encoded, so they "
            "cannot be compared with others. Choose tasks on the map, or wait a minute"
        )
    return _found(view, middle(view.vectors[places], view.centre), places)


def _found(view: PoolView, query: Floats, without: Ints) -> list[Json]:
    """The nearest tasks, but for those at the places `without`."""
    places, cosines = nearest(view.vectors, query, view.centre, MOST_FOUND + len(without))
    kept = np.flatnonzero(~np.isin(places, without))[:MOST_FOUND]
    pairs = zip(view.ids[places[kept]].tolist(), cosines[kept].tolist(), strict=True)
    return [{"task": task, "cosine": round(cosine, 3)} for task, cosine in pairs]
