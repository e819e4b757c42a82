"""Predictions on demand: tasks -> vectors -> the served head -> pre-annotations and scores."""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backend.annotations import Json, confidence_of, demand_score, result_of
from backend.content import Parts, key_of, parts_of
from backend.errors import explained
from backend.label_config import LabelConfig
from model.joint_encoder import JointEncoder
from model.store import EncoderSpec, Store, Version
from model.types import Floats, Ints
from model.vectors import VectorStore

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Served:
    """What a project serves at this moment. Immutable: a switch is one assignment."""

    version: Version
    config: LabelConfig
    xml: str
    store: Store


class Predictor:
    """Turns tasks into predictions; owns the one encoder that the server keeps in memory."""

    def __init__(self) -> None:
        self._encoding = threading.Lock()
        self._loaded: tuple[EncoderSpec, Path | None] | None = None
        self._encoder: JointEncoder | None = None

    def predict(self, served: Served, tasks: Sequence[Json]) -> list[Json]:
        """One prediction a task, in the tasks' order; without result where there is nothing to read
        or no head yet. Their scores lie in [0.5, 1], so that none jumps the queue."""
        shown = [parts_of(task.get("data"), served.config) for task in tasks]
        head = served.version.head
        probs: dict[int, list[float]] = {}
        readable = {place: parts for place, parts in enumerate(shown) if parts is not None}
        if head is not None and readable:
            rows, vectors = self._vectors(served, list(readable.values()))
            places = [list(readable)[row] for row in rows]
            probs = dict(zip(places, head.probs(vectors).tolist(), strict=True))
        return [self._prediction(served, probs.get(place)) for place in range(len(tasks))]

    def _prediction(self, served: Served, probs: list[float] | None) -> Json:
        result: list[Json] = []
        confidence = 0.0
        head = served.version.head
        if head is not None and probs is not None:
            result = result_of(probs, head, served.config)
            confidence = confidence_of(probs, head, served.config)
        return {
            "result": result,
            "score": demand_score(confidence),
            "model_version": served.version.name,
        }

    def _vectors(self, served: Served, shown: list[Parts]) -> tuple[Ints, Floats]:
        """The rows of `shown` that have a vector, and these: from the store, and where one is
        missing encoded now. Not pictures and clips: nobody should wait for their download, and the
        trainer encodes them soon."""
        store, number = served.store, served.version.encoder
        keys = np.array([key_of(parts) for parts in shown], dtype=np.int64)
        vectors = store.vectors(number)
        rows = vectors.rows(keys)
        known, missing = np.flatnonzero(rows >= 0), np.flatnonzero(rows < 0)
        found = np.zeros((len(shown), vectors.dimension), dtype=np.float16)
        found[known] = vectors.take(rows[known])
        if served.config.layout != ("text",):
            return known, found[known]
        if len(missing):
            with self._encoding:
                encoder = self._loaded_encoder(store, number)
                found[missing] = encoder.encode([shown[row] for row in missing])
            self._keep(vectors, keys[missing], found[missing])
        return np.arange(len(shown)), found

    def _keep(self, vectors: VectorStore, keys: Ints, found: Floats) -> None:
        try:
            vectors.append(keys, found)
        except OSError as error:  # the prediction is made; only the next one takes longer
            log.warning("vectors are not kept: %s", explained(error))

    def _loaded_encoder(self, store: Store, number: int) -> JointEncoder:
        wanted = (store.encoders()[number].spec, store.tuned_folder(number))
        if self._encoder is None or self._loaded != wanted:
            self._encoder = None  # before the next is loaded: there is room for one
            self._encoder = JointEncoder(*wanted)
            self._loaded = wanted
        return self._encoder
