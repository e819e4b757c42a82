"""What people label: whole tasks, or spans of their texts. A round and a prediction ask the same of
both."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from backend.errors import explained
from backend.interface.content import Parts
from backend.interface.preannotations import Needed
from backend.interface.questions import LabelConfig
from backend.mirror.labelling import Labelling
from backend.types import Json
from model.finishing.goal import Goal
from model.heads.head import Head
from model.heads.sources import Source
from model.learner import Outcome
from model.snapshot import Policy
from model.storage.store import Version
from model.storage.tokens import TokenStore
from model.storage.vectors import VectorStore
from model.types import Bools, Ints

log = logging.getLogger(__name__)

Sources = Callable[[Ints, LabelConfig], tuple[Source, ...]]
"""Content keys of tasks (n,) and all labels -> what others than people say of them."""


def no_sources(_: Ints, __: LabelConfig) -> tuple[Source, ...]:
    """Nobody else says anything."""
    return ()


Texts = Callable[[Ints], list[Parts]]
"""Ids of tasks -> what they show."""
Encode = Callable[[Sequence[Parts]], Any]
"""What tasks show -> their vectors (n, d) or Tokens, by the encoder of the served version."""
MOST_ENCODED = 32
"""Texts that are encoded for one request: more would keep it, and those behind it, for seconds, and
the trainer encodes them soon anyway."""
Said = tuple[list[Json], float]
"""A pre-annotation, and how sure the model is of it, in [0, 1]."""


@dataclass(frozen=True)
class Setup:
    """What a round ranks with.

    encoder: its number; size: of the shortlist; taken: version names that Label Studio holds, from
    which the new name differs; texts: what tasks show; previous: the version before, where the fit
    begins; pinned: a version of this encoder whose head ranks unchanged; nothing is learnt then;
    sources: what others say of tasks; goal: the precision of what the model may label; certify: how
    many audit labels may be asked for first to prove it.
    """

    encoder: int
    size: int
    taken: set[str]
    texts: Texts
    previous: Version | None = None
    pinned: Version | None = None
    sources: Sources = no_sources
    goal: Goal | None = None
    certify: int = 0

    @property
    def start(self) -> Head | None:
        """The head where a fit begins: of the version before, if that has the same encoder."""
        before = self.previous
        if before is None or before.encoder != self.encoder:
            return None
        return before.fitted or before.head

    @property
    def fixed(self) -> Head | None:
        """The head that ranks unchanged, if any."""
        return self.pinned.head if self.pinned else None


@dataclass(frozen=True)
class Learnt:
    """What came out of a round, in rows of `ids` (n,).

    ranked: how many open tasks have vectors; sample (k,), answers (k, c): rows drawn at random, and
    the labels that the head gives them (None without a head); results: the least probability to
    pre-annotate -> the pre-annotations of the rows to ask for; lost: why parts of annotations could
    not be learnt, each with the ids of their tasks.
    """

    ids: Ints
    ranked: int
    outcome: Outcome
    sample: Ints
    answers: Bools | None
    results: Callable[[Needed], list[list[Json]]]
    lost: Mapping[str, list[int]] = field(default_factory=dict)


def to_encode(missing: Ints, encode: Encode | None) -> Ints:
    """Those of the missing texts that are encoded for this request; none without an encoder."""
    return missing[: MOST_ENCODED if encode is not None else 0]


def keep(store: VectorStore | TokenStore, keys: Ints, found: Any) -> bool:
    """Add what was encoded for a prediction, where it is finite. Whether there was room for it;
    without, the next prediction takes longer."""
    try:
        store.append(keys, found)
    except OSError as error:
        log.warning("vectors are not kept: %s", explained(error))
        return False
    return True


class Unit(Protocol):
    """What is labelled in a project. Made with its store and its labelling config."""

    def learn(self, labelling: Labelling, setup: Setup, policy: Policy) -> Learnt:
        """Fit a head to what is labelled, and choose what to ask for next. Raises ValueError when a
        pinned head has other labels than the labelling config."""

    def predict(
        self, version: Version, head: Head, shown: Mapping[int, Parts], encode: Encode | None
    ) -> dict[int, Said]:
        """What the head of this version says of the tasks that show this, by the same places.
        Without those that have no vector yet and take too long to encode now. `encode`: None when
        nothing is to be encoded, because others are waiting for that."""
