"""Predictions on demand: tasks -> vectors -> the served head -> pre-annotations and scores."""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backend.annotations import Json, confidence_of, demand_score, result_of, text_of
from backend.errors import explained
from backend.label_config import LabelConfig
from model.encoder import TextEncoder
from model.store import Store, Version
from model.types import Floats, Ints
from model.vectors import VectorStore, content_key

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
        self._loaded: tuple[str, TextEncoder] | None = None

    def predict(self, served: Served, tasks: Sequence[Json]) -> list[Json]:
        """One prediction a task, in the tasks' order; without result where there is no text or no
        head yet. Their scores lie in [0.5, 1], so that none jumps the queue."""
        texts = [text_of(task.get("data"), served.config) for task in tasks]
        head = served.version.head
        probs: dict[int, list[float]] = {}
        readable = [place for place, text in enumerate(texts) if text is not None]
        if head is not None and readable:
            vectors = self._vectors(served, [texts[place] or "" for place in readable])
            probs = dict(zip(readable, head.probs(vectors).tolist(), strict=True))
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

    def _vectors(self, served: Served, texts: list[str]) -> Floats:
        """Vectors (len(texts), d): from the store, and encoded now where they are missing."""
        store, number = served.store, served.version.encoder
        keys = np.array([content_key(text) for text in texts], dtype=np.int64)
        vectors = store.vectors(number)
        rows = vectors.rows(keys)
        known, missing = np.flatnonzero(rows >= 0), np.flatnonzero(rows < 0)
        found = np.empty((len(texts), vectors.dimension), dtype=np.float16)
        found[known] = vectors.take(rows[known])
        if len(missing):
            with self._encoding:
                encoder = self._encoder(store, number)
                found[missing] = encoder.encode([texts[i] for i in missing])
            self._keep(vectors, keys[missing], found[missing])
        return found

    def _keep(self, vectors: VectorStore, keys: Ints, found: Floats) -> None:
        try:
            vectors.append(keys, found)
        except OSError as error:  # the prediction is made; only the next one takes longer
            log.warning("vectors are not kept: %s", explained(error))

    def _encoder(self, store: Store, number: int) -> TextEncoder:
        source = store.encoder_source(number)
        if self._loaded is None or self._loaded[0] != source:
            self._loaded = None  # before the next is loaded: there is room for one
            encoder = TextEncoder(source, store.encoders()[number].max_tokens)
            self._loaded = (source, encoder)
        return self._loaded[1]
