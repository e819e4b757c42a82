"""Names for the arrays that travel between the modules of `model`."""

from collections.abc import Set
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal[
    "single",
    "ordered",
    "multiple",
    "spans",
    "boxes",
    "pair",
    "candidate",
    "candidates",
    "ranking",
]
"""`single`: exactly one label an example (softmax); `ordered`: the same, of labels in an order, see
model.heads.ordered; `multiple`: any number (sigmoid); `spans`: any number of labelled spans in
a text, or pieces of a sound, for which each token has exactly one tag, see model.spans.tags;
`boxes`: any number of labelled boxes in a picture, for which each proposal of a detector has
exactly one label or holds nothing, see model.boxes; `pair`: which of two things is chosen, the
first or the second label, from vectors that change their sign where the two change places;
`candidate`, `candidates` and `ranking`: which of an example's own candidates is chosen, which ones
are, and their order, see model.heads.lists."""

MARKED: tuple[Kind, ...] = ("spans", "boxes")
"""The kinds whose answers are labelled pieces of what is shown, and not labels of the whole."""

EXCLUSIVE: tuple[Kind, ...] = ("single", "ordered", "pair", "candidate")
"""The kinds with exactly one label an example."""
INDEPENDENT: tuple[Kind, ...] = ("multiple", "candidates", "ranking")
"""The kinds whose labels are given each for itself."""
OF_LISTS: tuple[Kind, ...] = ("candidate", "candidates", "ranking")
"""The kinds about a list of things that each example has of its own. They are asked alone."""
MOST_CANDIDATES = 10
"""Things in such a list. A vector has a place for each, also where an example has fewer."""


@dataclass(frozen=True)
class Condition:
    """That one of these labels is given or, if `is_negated`, none of them."""

    labels: tuple[str, ...]
    is_negated: bool = False

    def holds(self, given: Set[object]) -> bool:
        """Whether it is fulfilled where these labels are given."""
        return given.isdisjoint(self.labels) == self.is_negated


@dataclass(frozen=True)
class LabelGroup:
    """The labels that answer one of several questions: columns `start` up to `stop` of all labels.

    If an example does not answer a question, its targets have no 1 in the question's columns.
    conditions: the question is asked only where the answers to the others fulfil all of these.
    """

    kind: Kind
    start: int
    stop: int
    conditions: tuple[Condition, ...] = ()

    @property
    def columns(self) -> slice:
        return slice(self.start, self.stop)


Medium = Literal[
    "text",
    "tokens",
    "beside",
    "document",
    "image",
    "images",
    "proposals",
    "video",
    "footage",
    "audio",
    "track",
    "steps",
    "pair",
    "list",
]
"""`tokens`: a text, read token by token; `beside`: a text that is read with it and has no tokens of
its own; `document`: the text of a file; `images`: several pictures, read as one; `proposals`:
pictures in which a detector finds things; `video`: a clip, read frame by frame; `footage`: a clip,
read by a network that sees all of its frames at once; `track`: the sound of a clip; `steps`: a
sound, read step by step in time; `pair` and `list`: nothing that is read, see `Layout`."""
READ_AS: dict[Medium, Medium] = {"document": "text"}
"""Media that the encoder of another medium reads."""
Layout = tuple[Medium, ...]
"""What an example consists of, in this order; any part of it may be missing. What is read token by
token is alone or before `beside`; what is read step by step, and `proposals`, are alone.
After `pair` come the parts of one thing and those of another, which are compared, and where both
are texts perhaps a text that is shown beside them; examples have None in its place. After `list`
come MOST_CANDIDATES texts and one that is shown beside them; what examples have in the place of
`list` is not read."""


@dataclass(frozen=True)
class EncoderSpec:
    """Which encoder: what it reads, and the folders or hub names of its networks for texts, for
    pictures and single frames, for sounds, and for clips as wholes ("" where the layout has none).
    Texts are read in up to `windows` windows of `max_tokens` tokens."""

    layout: Layout
    text: str
    image: str
    max_tokens: int
    audio: str = ""
    windows: int = 1
    video: str = ""

    def is_like(self, other: "EncoderSpec") -> bool:
        """Whether it is the same but for how much is read of long texts. What is there with another
        number of windows is used until a deep round makes one with this number."""
        return replace(self, windows=other.windows) == other

    def network_of(self, medium: Medium) -> str:
        """The name of the network that reads this medium."""
        if medium in ("text", "tokens", "document"):
            return self.text
        if medium == "footage":
            return self.video
        return self.audio if medium in ("audio", "track", "steps") else self.image


def reads_text(layout: Layout) -> bool:
    """Whether texts as wholes are read, in a task or in a file: what words can be compared with."""
    return any(READ_AS.get(medium, medium) == "text" for medium in layout)


def is_of_text(layout: Layout) -> bool:
    """Whether examples consist of a text only, or of several that are compared."""
    return (
        layout == ("text",)
        or layout[:1] == ("tokens",)
        or set(layout) in ({"pair", "text"}, {"list", "text"})
    )


def is_of_tokens(layout: Layout) -> bool:
    """Whether an encoder says something of each token of a text, or of each step of a sound."""
    return layout[:1] in (("tokens",), ("steps",))


def is_of_pairs(layout: Layout) -> bool:
    """Whether examples consist of two things that are compared."""
    return layout[:1] == ("pair",)


def is_of_lists(layout: Layout) -> bool:
    """Whether examples consist of a list of things, of which some are chosen or put in order."""
    return layout[:1] == ("list",)


def is_of_things(layout: Layout) -> bool:
    """Whether examples consist of several things that are not read as one."""
    return is_of_pairs(layout) or is_of_lists(layout)


def compared(layout: Layout) -> Layout:
    """What each of several things consists of; the layout itself of other ones."""
    if is_of_lists(layout):
        return layout[1:2]
    return layout[1 : 1 + (len(layout) - 1) // 2] if is_of_pairs(layout) else layout


def has_context(layout: Layout) -> bool:
    """Whether a text is shown beside two things that are compared."""
    return is_of_pairs(layout) and len(layout) % 2 == 0


CALLED: dict[Medium, str] = {"steps": "steps of sounds", "beside": "a text beside them"}
"""Media whose names would say nothing to people -> what they are called."""


def in_words(layout: Layout) -> str:
    """What examples consist of, such as "text and image"."""
    words = " and ".join(CALLED.get(medium, medium) for medium in compared(layout))
    if is_of_lists(layout):
        return f"lists of {words}"
    beside = " and a text beside them" if has_context(layout) else ""
    return f"pairs of {words}{beside}" if is_of_pairs(layout) else words


Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
