"""Predictions on demand: tasks -> vectors -> the served head -> pre-annotations and scores."""

import logging
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from backend.errors import explained
from backend.interface.content import Parts, key_of, parts_of
from backend.interface.preannotations import confidence_of, demand_score, regions_of, results_of
from backend.project.status import Served
from backend.project.versions import least_confidence
from backend.types import Json
from model.heads.head import Head
from model.spans.learner import predicted_spans
from model.spans.tags import Tokens
from model.storage.store import Store
from model.storage.tokens import TokenStore
from model.storage.vectors import VectorStore
from model.types import EncoderSpec, Floats, Ints

if TYPE_CHECKING:  # it imports transformers, 4 s and 120 MB that most servers never need
    from model.encoders.joint import JointEncoder

log = logging.getLogger(__name__)


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
        readable = {place: parts for place, parts in enumerate(shown) if parts is not None}
        found: dict[int, tuple[list[Json], float]] = {}
        if served.version.head is not None and readable:
            said = self._spans if served.config.kind == "spans" else self._labels
            found = said(served, served.version.head, readable)
        return [
            self._prediction(served, *found.get(place, ([], 0.0))) for place in range(len(tasks))
        ]

    def _prediction(self, served: Served, result: list[Json], confidence: float) -> Json:
        return {
            "result": result,
            "score": demand_score(confidence),
            "model_version": served.version.name,
        }

    def _labels(
        self, served: Served, head: Head, readable: dict[int, Parts]
    ) -> dict[int, tuple[list[Json], float]]:
        """What the head says of these tasks, by their place, and how sure it is."""
        rows, vectors = self._vectors(served, list(readable.values()))
        places = [list(readable)[row] for row in rows]
        config, needed = served.config, partial(least_confidence, served.version)
        probs = head.probs(vectors)
        results = results_of(probs, head, config, needed)
        confidence = confidence_of(probs, head, config).tolist()
        return dict(zip(places, zip(results, confidence, strict=True), strict=True))

    def _spans(
        self, served: Served, head: Head, readable: dict[int, Parts]
    ) -> dict[int, tuple[list[Json], float]]:
        """The same of spans: as sure as of the least certain token."""
        texts = [parts[0] or "" for parts in readable.values()]
        tokens = self._tokens(served, list(readable.values()))
        surest = head.probs(tokens.states).max(axis=1)
        confidence = np.minimum.reduceat(surest, tokens.bounds[:-1]).tolist()
        said = predicted_spans(head, tokens, served.config.labels)
        results = [
            regions_of(one, text, served.config) for one, text in zip(said, texts, strict=True)
        ]
        return dict(zip(readable, zip(results, confidence, strict=True), strict=True))

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

    def _tokens(self, served: Served, shown: list[Parts]) -> Tokens:
        """The tokens of these texts; where they are not there yet encoded now."""
        store, number = served.store, served.version.encoder
        keys = np.array([key_of(parts) for parts in shown], dtype=np.int64)
        tokens = store.tokens(number)
        missing = np.flatnonzero(tokens.rows(keys) < 0)
        if len(missing):
            with self._encoding:
                encoder = self._loaded_encoder(store, number)
                found: Any = encoder.encode([shown[row] for row in missing])
            is_kept = self._keep(tokens, keys[missing], found)
            if len(missing) == len(shown):
                return cast(Tokens, found)
            if not is_kept:
                with self._encoding:
                    return cast(Tokens, self._loaded_encoder(store, number).encode(shown))
        return tokens.take(tokens.rows(keys))

    def _keep(self, vectors: VectorStore | TokenStore, keys: Ints, found: Any) -> bool:
        """Whether there was room for them; without, the next prediction takes longer."""
        try:
            vectors.append(keys, found)
        except OSError as error:
            log.warning("vectors are not kept: %s", explained(error))
            return False
        return True

    def _loaded_encoder(self, store: Store, number: int) -> "JointEncoder":
        from model.encoders.joint import JointEncoder  # noqa: PLC0415 (see above)

        wanted = (store.encoders()[number].spec, store.tuned_folder(number))
        if self._encoder is None or self._loaded != wanted:
            self._encoder = None  # before the next is loaded: there is room for one
            self._encoder = JointEncoder(*wanted)
            self._loaded = wanted
        return self._encoder
