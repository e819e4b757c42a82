"""Keeps a project supplied from its dataset: what is worth asking for is imported, a few hundred
items at a time, and all else stays outside of Label Studio.
"""

import logging
import math
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from backend.dataset.broken import Broken, read_broken
from backend.dataset.coverage import Coverage, read_coverage
from backend.dataset.disk import Shortage, shortage
from backend.dataset.importing import (
    Imported,
    delete_second_copies,
    import_items,
    is_waiting,
    last_import,
    refused_items,
)
from backend.dataset.left import open_among, taken_items
from backend.dataset.record import Record, encoded_parts, folder_of, read_record, see_reads
from backend.dataset.rows import with_keys
from backend.dataset.shortlist import FILE, Shortlist, ShortlistItem, read_shortlist
from backend.errors import ItemsRefused
from backend.interface.questions import LabelConfig
from backend.mirror.labelling import Labelling
from backend.mirror.pool import Pool
from backend.project.arrivals import Arrivals
from backend.project.context import ProjectContext
from backend.project.item_training import ItemTraining
from backend.project.status import DatasetStatus
from backend.project.training import RETRY_SECONDS
from backend.studio.project import StudioProject
from model.dataset.sizes import ENOUGH_ITEMS, parts_with
from model.storage.store import Store, version_key

log = logging.getLogger(__name__)

BATCH = 500
"""Items of an import, at least: Label Studio takes about as long for one as for a thousand."""

PAUSE_SECONDS = 30.0
"""Between two imports, at least: each costs Label Studio as much as a hundred requests."""

FIRST_LABELS, GROWTH = 25, 0.1
"""While there is room, the dataset is asked again after this many labels, or this share of them if
it is more: what was imported was chosen by a model that knew less."""


@dataclass(frozen=True)
class Supply:
    """What an import depends on. room: how many more tasks there may be."""

    labels: int
    open_tasks: int
    room: int
    batch: int

    def runs_out(self) -> bool:
        """Whether people may soon have no task to label."""
        return self.open_tasks < self.batch // 2

    def is_due(self, labels_before: int) -> bool:
        """Whether enough was learnt since the last import to ask the dataset again."""
        return self.labels >= labels_before + max(FIRST_LABELS, int(GROWTH * labels_before))

    def is_blocked_by(self, others: int) -> bool:
        """Whether so many open tasks that are no items leave no room for an import."""
        return others > self.open_tasks + self.room - self.batch


class Feed:
    """Used by the loop's thread alone."""

    def __init__(
        self,
        context: ProjectContext,
        store: Store,
        pool: Pool,
        studio: StudioProject,
        training: ItemTraining,
    ) -> None:
        self._context, self._store, self._pool, self._studio = context, store, pool, studio
        self._read_at = 0
        """When the shortlist that is known was written (ns)."""
        self._shortlist: Shortlist | None = None
        self._refused_at = -math.inf
        """When Label Studio refused items last (time.monotonic)."""
        self._training = training
        self._arrivals = Arrivals(context, training)
        self._shown: tuple[str, ...] = ()
        """The columns that the labelling interface shows, but for paths and lists."""
        self._covered = ("", 0, 0)
        """The version, the labels and the items with which the coverage was asked for last."""

    def look(self, labelling: Labelling, config: LabelConfig, began: float) -> DatasetStatus | None:
        """Import what is due, and have the trainer do what is missing. None without a dataset.
        `began`: Unix time of a moment before the tasks were looked at."""
        record = read_record(self._context.folder)
        self._arrivals.take_in(record)
        if record is None:
            return None
        if see_reads(self._context.folder, config):
            log.info("project %d: the dataset is encoded again", self._context.number)
        self._delete_copies()
        simple = (key for one in config.sources if one.repeat is None for key in one.keys)
        self._shown = tuple(key for key in simple if key.isidentifier())
        batch = min(BATCH, max(1, self._context.settings.open_tasks // 2))
        room = self._context.settings.open_tasks - labelling.open_tasks
        state = Supply(len(labelling.answers), labelling.open_tasks, room, batch)
        ranked_with = self._ranked_with(record)
        is_stream = self._is_stream(record)
        kept: list[ShortlistItem] = []
        if is_stream:
            self._arrivals.select(record, self._versions())
            kept = self._wanted(self._arrivals.kept())
        if not is_waiting(self._pool, began):
            if is_stream:
                self._import_kept(kept, state)
            else:
                self._refill(record, state, ranked_with)
        encoder = self._training.encoder_of_items()
        encoded = 0 if encoder is None else encoded_parts(self._context.folder, encoder, record)
        if encoder is not None and encoded < record.part_count:
            self._training.request_items(encoder)
        coverage = self._cover(record, ranked_with[1], state)
        status = self._status(record, labelling, encoded / record.part_count)
        arriving = self._arrivals.status(record, len(kept))
        waits = self._why_it_waits(status, state)
        return replace(status, waits=waits, coverage=coverage, arriving=arriving)

    def _is_stream(self, record: Record) -> bool:
        """Whether only what arrives is imported. The first tasks come from what is there."""
        return bool(record.labels_a_day and self._pool.items.count())

    def _import_kept(self, kept: list[ShortlistItem], state: Supply) -> None:
        last = last_import(self._pool)
        is_early = time.time() < last.at + PAUSE_SECONDS
        is_refused = time.monotonic() <= self._refused_at + RETRY_SECONDS
        now = kept[: max(0, min(state.room, BATCH))]
        if now and not (is_early or is_refused):
            self._import(now, Imported(labels=state.labels, version=last.version))

    def _cover(self, record: Record, version: str, state: Supply) -> Coverage | None:
        """What the model can label of the dataset, as far as it was computed; computed again as
        often as the dataset is asked, and when it has grown by a tenth. Of a version without a head
        nothing can be said, so the same is not asked twice."""
        settings, asked = self._context.settings, (version, state.labels, record.items)
        goal = settings.goal_precision, settings.goal_confidence
        known = read_coverage(self._context.folder, *goal)
        is_due = known is None or state.is_due(known.labels)
        if known is not None:
            then = known.items + known.left_out + known.labels
            is_due |= record.items > (1.0 + GROWTH) * then
        if version and state.labels and is_due and asked != self._covered:
            self._covered = asked
            self._training.request_coverage(version)
        return known

    def _why_it_waits(self, status: DatasetStatus, state: Supply) -> str:
        others = state.open_tasks - status.open_tasks
        if status.tasks == status.items or not state.is_blocked_by(others):
            return ""
        return (
            f"{others:,} open tasks are not of the dataset, so with OPEN_TASKS="
            f"{self._context.settings.open_tasks} nothing of it is imported until most of them are "
            "labelled"
        )

    def _status(self, record: Record, labelling: Labelling, encoded: float) -> DatasetStatus:
        folder, encoder = self._context.folder, self._training.encoder_of_items()
        taken = taken_items(folder, self._pool)
        return DatasetStatus(
            address=record.address,
            items=record.items,
            tasks=len(taken),
            open_tasks=open_among(taken, self._pool, labelling),
            encoded=encoded,
            is_ranked=self._training.ranks_items,
            broken=Broken() if encoder is None else read_broken(folder, encoder),
            shortage=None if encoder is None else self._shortage(record, encoder, encoded),
        )

    def _shortage(self, record: Record, encoder: int, encoded: float) -> Shortage | None:
        dimension = self._store.encoders()[encoder].dimension
        free = shutil.disk_usage(self._context.folder).free
        is_tuned = self._context.settings.deep_rounds
        return shortage(record.items, dimension, encoded, free, is_tuned=is_tuned)

    def _refill(
        self,
        record: Record,
        state: Supply,
        ranked_with: tuple[int | None, str],
    ) -> None:
        last, (encoder, version) = last_import(self._pool), ranked_with
        # What was imported before anything was encoded came at random.
        is_due = state.is_due(last.labels) or (bool(version) and not last.version)
        is_wanted = state.runs_out() or (state.room >= state.batch and is_due)
        if not is_wanted or self._is_exhausted(record):
            return
        fresh = self._fresh(last.at)
        if not fresh:
            self._training.request_ranking(encoder, version, state.batch)
            return
        if time.time() < last.at + PAUSE_SECONDS and not state.runs_out():
            return
        if time.monotonic() > self._refused_at + RETRY_SECONDS:
            by = "" if self._shortlist is None else self._shortlist.version
            self._import(fresh[: state.batch], Imported(labels=state.labels, version=by))

    def _import(self, now: list[ShortlistItem], what: Imported) -> None:
        began = time.monotonic()
        now = [replace(one, data=with_keys(one.data, self._shown)) for one in now]
        try:
            refused = import_items(self._studio, self._pool, now, what)
        except ItemsRefused as error:  # what is there can be labelled and learnt all the same
            self._refused_at = began
            log.error("project %d: %s", self._context.number, error)
            self._context.troubles.note(str(error))
            return
        if refused is not None:
            count = "1 item" if len(refused.ids) == 1 else f"{len(refused.ids)} items"
            sentence = (
                f"Label Studio does not want {count} of the dataset as tasks, such as "
                f"{refused.ids[0]!r}: {refused.why}"
            )
            log.error("project %d: %s", self._context.number, sentence)
            self._context.troubles.note(sentence)
        log.info(
            "project %d: imported %d items of the dataset in %.1f s",
            self._context.number,
            len(now),
            time.monotonic() - began,
        )
        self._context.wake("tasks")

    def _fresh(self, since: float) -> list[ShortlistItem]:
        """Items of a shortlist that was made after this time (Unix time), which are no tasks."""
        shortlist = self._read()
        if shortlist is None or shortlist.made_at <= since:
            return []
        return self._wanted(shortlist.items)

    def _wanted(self, items: Sequence[ShortlistItem]) -> list[ShortlistItem]:
        """Those that never were tasks, and that Label Studio has not refused."""
        missing = set(self._pool.items.missing([item.id for item in items]))
        missing -= set(refused_items(self._pool))
        return [item for item in items if item.id in missing]

    def _is_exhausted(self, record: Record) -> bool:
        """Whether the last ranking found nothing more to import."""
        shortlist = self._read()
        return shortlist is not None and not shortlist.items and shortlist.made_at > record.added_at

    def _read(self) -> Shortlist | None:
        path = folder_of(self._context.folder) / FILE
        written = path.stat().st_mtime_ns if path.exists() else 0
        if written != self._read_at:
            self._shortlist = read_shortlist(self._context.folder)
            self._read_at = written
        return self._shortlist

    def _delete_copies(self) -> None:
        copies = delete_second_copies(self._studio, self._pool)
        if copies:
            log.warning(
                "project %d: deleted %d tasks that showed an item of the dataset a second time",
                self._context.number,
                copies,
            )
            self._context.wake("tasks")

    def _ranked_with(self, record: Record) -> tuple[int | None, str]:
        """The encoder by whose vectors the dataset is ranked, and the version whose head does it:
        the newest that has encoded enough, else the newest that has encoded something. None and ""
        while there is nothing of the kind."""
        if self._training.encoder_of_items() is None:
            return None, ""
        names = self._versions()
        enough_parts = parts_with(ENOUGH_ITEMS, record.items, record.part_count)
        for enough in (min(record.part_count, enough_parts), 1):
            for encoder in sorted(self._store.encoders(), reverse=True):
                if encoded_parts(self._context.folder, encoder, record) >= enough:
                    return encoder, names.get(encoder, "")
        return None, ""

    def _versions(self) -> dict[int, str]:
        """The newest version of each encoder."""
        return {version_key(name)[0]: name for name in self._store.version_names()}
