"""Predictions on demand: tasks -> vectors -> the served head -> pre-annotations and scores."""

import logging
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backend.errors import BackendError, BadRequest, explained
from backend.interface.content import Parts, key_of, parts_of
from backend.interface.preannotations import demand_score, results_of_answer
from backend.interface.questions import LabelConfig
from backend.project.status import Served
from backend.project.unit import Said
from backend.project.units import unit_of
from backend.types import Json
from model.encoders.errors import NotAnEncoder
from model.storage.store import Store
from model.types import READ_AS, EncoderSpec

if TYPE_CHECKING:  # it imports transformers, 4 s and 120 MB that most servers never need
    from backend.mirror.copied import Copied
    from model.encoders.joint import JointEncoder
    from model.types import Floats

log = logging.getLogger(__name__)

MOST_UNKNOWN = 0.5
"""Words of which a larger share of pieces is unknown to the encoder are not searched for."""

UNKNOWN_WORDS = (
    "The encoder of this project does not know most of these words, so it cannot say what is "
    "near them. Search in the language that it was trained on, or set ENCODER to one that reads "
    "yours"
)


class Predictor:
    """Turns tasks into predictions; owns the one encoder that the server keeps in memory."""

    def __init__(self, waiting: int) -> None:
        """`waiting`: how many requests may encode texts or wait for that; it must be smaller than
        the number of the server's threads, so that the others stay free for short requests."""
        self._places = threading.BoundedSemaphore(waiting)
        self._encoding = threading.Lock()
        self._loaded: tuple[EncoderSpec, Path | None] | None = None
        self._encoder: JointEncoder | None = None

    def predict(
        self, served: Served, tasks: Sequence[Json], copied: "Copied | None" = None
    ) -> list[Json]:
        """One prediction a task, in the tasks' order: what people said of a near copy, else what
        the model says; without result where there is nothing to read or no head yet, and where a
        text has no vector and too many wait to be encoded. Their scores lie in [0.5, 1], so that
        none jumps the queue."""
        may_encode = self._places.acquire(blocking=False)
        try:
            said = self._said(served, tasks, copied, may_encode)
        finally:
            if may_encode:
                self._places.release()
        return [
            {
                "result": result,
                "score": demand_score(confidence),
                "model_version": served.version.name,
            }
            for result, confidence in (said.get(place, ([], 0.0)) for place in range(len(tasks)))
        ]

    def words(self, served: Served, words: str) -> "Floats":
        """The vector (d,) of some words, encoded as a task that shows nothing else. Raises
        BadRequest when the encoder does not know most of them, and BackendError where it cannot be
        loaded and while too many others wait for it."""
        if not self._places.acquire(blocking=False):
            raise BackendError("The encoder is busy with other requests; search again in a moment")
        try:
            with self._encoding:
                encoder = self._loaded_encoder(served.store, served.version.encoder)
                return _vector_of(encoder, words)
        except NotAnEncoder as error:
            raise BackendError(explained(error)) from error
        finally:
            self._places.release()

    def _said(
        self, served: Served, tasks: Sequence[Json], copied: "Copied | None", may_encode: bool
    ) -> dict[int, Said]:
        shown = [parts_of(task.get("data"), served.config) for task in tasks]
        readable = {place: parts for place, parts in enumerate(shown) if parts is not None}
        by_people = {} if copied is None else _of_copies(readable, copied, served.config)
        readable = {place: readable[place] for place in readable.keys() - by_people.keys()}
        version = served.version
        if version.head is None or not readable:
            return by_people

        def encode(shown: Sequence[Parts]) -> Any:
            with self._encoding:
                return self._loaded_encoder(served.store, version.encoder).encode(shown)

        unit = unit_of(served.store, served.config)
        said = unit.predict(version, version.head, readable, encode if may_encode else None)
        if len(said) < len(readable):
            log.info(
                "%d of %d tasks of a request are not encoded yet and got no pre-annotation",
                len(readable) - len(said),
                len(tasks),
            )
        return by_people | said

    def _loaded_encoder(self, store: Store, number: int) -> "JointEncoder":
        from model.encoders.joint import JointEncoder  # noqa: PLC0415 (see above)

        wanted = (store.encoders()[number].spec, store.tuned_folder(number))
        if self._encoder is None or self._loaded != wanted:
            self._encoder = None  # before the next is loaded: there is room for one
            self._encoder = JointEncoder(*wanted)
            self._loaded = wanted
        return self._encoder


def _of_copies(
    shown: Mapping[int, Parts], copied: "Copied", config: LabelConfig
) -> dict[int, Said]:
    """What people said of near copies of what is shown, by the same places."""
    keys = np.array([key_of(parts) for parts in shown.values()], dtype=np.int64)
    proposals = zip(shown, copied.of_keys(keys), strict=True)
    return {
        place: (results_of_answer(proposal.answer, config), 1.0)
        for place, proposal in proposals
        if proposal is not None
    }


def _vector_of(encoder: "JointEncoder", words: str) -> "Floats":
    if encoder.unknown_share(words) > MOST_UNKNOWN:
        raise BadRequest(UNKNOWN_WORDS)
    read_as = (READ_AS.get(medium, medium) for medium in encoder.layout)
    example = tuple(words if medium == "text" else None for medium in read_as)
    vector: Floats = encoder.encode([example])[0]
    return vector
