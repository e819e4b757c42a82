"""Names for the arrays that travel between the modules of `model`."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["single", "ordered", "multiple", "spans"]
"""`single`: exactly one label an example (softmax); `ordered`: the same, of labels in an order, see
model.heads.ordered; `multiple`: any number (sigmoid); `spans`: any number of labelled spans in
a text, for which each token has exactly one tag, see model.spans.tags."""

EXCLUSIVE: tuple[Kind, ...] = ("single", "ordered")
"""The kinds with exactly one label an example."""


@dataclass(frozen=True)
class LabelGroup:
    """The labels that answer one of several questions: columns `start` up to `stop` of all labels.

    If an example does not answer a question, its targets have no 1 in the question's columns.
    """

    kind: Kind
    start: int
    stop: int

    @property
    def columns(self) -> slice:
        return slice(self.start, self.stop)


Medium = Literal["text", "tokens", "image", "video", "audio"]
"""`tokens`: a text, read token by token."""
Layout = tuple[Medium, ...]
"""What an example consists of, in this order; any part of it may be missing. `tokens` is alone."""


def is_of_text(layout: Layout) -> bool:
    """Whether examples consist of a text only."""
    return layout in (("text",), ("tokens",))


Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
