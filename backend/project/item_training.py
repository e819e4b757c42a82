"""What a project asks of the trainer for its dataset: items added, encoded, chosen, covered."""

import math
import time

from backend.project.cluster import cluster_of
from backend.project.context import ProjectContext
from backend.project.training import RETRY_SECONDS, Training
from backend.trainer.messages import (
    CoverItems,
    EncodeItems,
    RankItems,
    Request,
    SelectArrivals,
    TakeIn,
)
from model.learner import resolve_strategy
from model.storage.store import RAGGED, Store
from model.types import is_of_lists


class ItemTraining:
    """Used by the loop's thread alone. As `Training`, which it goes through."""

    def __init__(self, context: ProjectContext, store: Store, training: Training) -> None:
        self._settings, self._store, self._training = context.settings, store, training
        self._failed_at = -math.inf
        """When a job failed last (time.monotonic)."""

    @property
    def ranks_items(self) -> bool:
        """Whether an item of a dataset has a vector. Texts with spans have one for each token,
        sounds with marked pieces one for each step, pictures with boxes one for each proposal;
        these and lists are drawn at random from a dataset."""
        layout = self._training.spec.layout
        return layout not in RAGGED and not is_of_lists(layout)

    def encoder_of_items(self) -> int | None:
        """The encoder for the items of a dataset, the newest of today's settings; None while there
        is none, and where items are not ranked."""
        known = self._store.encoders().items()
        fitting = [number for number, meta in known if meta.spec.is_like(self._training.spec)]
        return fitting[-1] if fitting and self.ranks_items else None

    def request_items(self, encoder: int) -> None:
        """Have more of the dataset encoded."""
        request = EncodeItems(self._training.subject(), encoder, cluster_of(self._settings))
        self._submit(f"encode {encoder}", request, encoder)

    def request_ranking(self, encoder: int | None, version: str, size: int) -> None:
        """Have chosen which items of the dataset are imported next: by this encoder's vectors and
        this version's head, or at random where there are none."""
        settings = self._settings
        request = RankItems(
            self._training.subject(),
            encoder,
            version,
            size,
            strategy=resolve_strategy(settings.strategy),
            audit_share=settings.audit_share,
            guard=settings.guard,
            empty_is_none=settings.empty_is_none,
            cluster=cluster_of(self._settings),
        )
        self._submit("rank", request, encoder, is_urgent=True)

    def request_arrivals(self) -> None:
        """Have added to the dataset what was sent, and what has come to its address."""
        self._training.submit("take", TakeIn(self._training.subject()), is_urgent=True)

    def request_selection(self, encoder: int | None, version: str) -> None:
        """Have chosen which of the items that arrived at the dataset are kept for people."""
        settings = self._settings
        request = SelectArrivals(
            self._training.subject(),
            encoder,
            version,
            strategy=resolve_strategy(settings.strategy),
            audit_share=settings.audit_share,
            guard=settings.guard,
            empty_is_none=settings.empty_is_none,
        )
        self._submit("select", request, encoder, is_urgent=True)

    def request_coverage(self, version: str) -> None:
        """Have computed what this version can label of the dataset by itself."""
        settings = self._settings
        request = CoverItems(
            self._training.subject(),
            version,
            precision=settings.goal_precision,
            confidence=settings.goal_confidence,
            audit_share=settings.audit_share,
            empty_is_none=settings.empty_is_none,
        )
        self._training.submit("cover", request)

    def _submit(
        self, what: str, request: Request, encoder: int | None = None, *, is_urgent: bool = False
    ) -> None:
        """Not at once after a failure: it would fail again."""
        if time.monotonic() > self._failed_at + RETRY_SECONDS:
            self._training.submit(
                what, request, encoder=encoder, is_urgent=is_urgent, failed=self._note_failure
            )

    def _note_failure(self) -> None:
        self._failed_at = time.monotonic()
