"""The end of a project whose pool is a dataset: what is divided between the model and people, and
what files tell, are the items that nobody has labelled, and not the few of them that are tasks.
"""

from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from backend.dataset.record import Record, encoded_parts, rows_of, vectors_of
from backend.errors import BackendError
from backend.finish.files import ITEM, keys_of
from backend.finish.plan import (
    Chosen,
    Left,
    Plan,
    checked_policy,
    chosen_version,
    not_answered,
    questions_of,
)
from backend.interface.questions import Answer, LabelConfig
from backend.mirror.labelling import Labelling
from backend.mirror.pool import Pool
from backend.mirror.targets import targets_of
from backend.project.pin import fitting_version
from backend.settings import Settings
from backend.types import Json
from backend.words import roughly
from model.dataset.parts import RowParts, VectorParts
from model.dataset.whole import Numbering, PartVectors, has_vector
from model.finishing.goal import Goal
from model.snapshot import Snapshot
from model.storage.store import Store, version_key
from model.types import Bools, Ints


@dataclass(frozen=True)
class Items:
    """All items of a dataset in their order, n of them: tickets (n,)."""

    record: Record
    rows: RowParts
    numbering: Numbering
    tickets: Ints

    @classmethod
    def of(cls, store: Store, record: Record) -> "Items":
        """Raises Damaged where a part cannot be read."""
        rows = RowParts(rows_of(store.folder))
        tickets = [rows.tickets(part) for part in range(record.parts)]
        numbering = Numbering.of([len(one) for one in tickets])
        return cls(record, rows, numbering, np.concatenate(tickets))


class ItemRecords:
    """See backend.finish.files.Records. The ids of a plan are the numbers of the items."""

    key = ITEM

    def __init__(self, items: Items) -> None:
        self._items = items

    def columns(self) -> tuple[str, ...]:
        """Those of the dataset. A column of the ids that is called as ours is not repeated."""
        record, rows = self._items.record, self._items.rows
        parts = map(rows.items, range(record.parts))
        found = keys_of(one.data for items in parts for one in items)
        return tuple(one for one in found if not one == ITEM == record.id_column)

    def of(self, ids: Ints) -> list[tuple[int | str, Json]]:
        items = self._items.rows.gathered(*self._items.numbering.where(ids))
        return [(one.id, one.data) for one in items]


@dataclass(frozen=True)
class _People:
    """What is known of items that are tasks, or were, all by their tickets. answers: the labels
    that people agreed on; closed: not open any more; by_model: of these, annotated by nobody but
    the model; certified: asked for to prove what the model may label."""

    answers: dict[int, Answer]
    closed: Ints
    by_model: Ints
    certified: Ints

    @classmethod
    def of(cls, pool: Pool, labelling: Labelling) -> "_People":
        """An item whose task was deleted is closed: people did not want it."""
        tickets = pool.items.tickets
        there = np.concatenate([labelling.drawn_by, tickets(labelling.blank)])
        deleted = np.setdiff1d(pool.items.taken(), there)
        annotated = labelling.drawn_by[~labelling.open]
        is_finished = np.isin(labelling.ids[~labelling.open], labelling.finished)
        labelled = tickets(np.array(list(labelling.answers), dtype=np.int64))
        return cls(
            answers=dict(zip(labelled.tolist(), labelling.answers.values(), strict=True)),
            closed=np.concatenate([annotated, deleted]),
            by_model=np.setdiff1d(annotated[is_finished], annotated[~is_finished]),
            certified=tickets(labelling.certified),
        )


@dataclass(frozen=True)
class _Known:
    """What is known of each item (n,): is_open: nobody has labelled it; by_model: only the model
    has; is_encoded: its part is encoded; has_vector: and it could be."""

    is_open: Bools
    by_model: Bools
    is_encoded: Bools
    has_vector: Bools

    def left(self, questions: tuple[str, ...]) -> Left:
        """What stays with people, and without what they are asked besides (questions)."""
        return Left(
            unencoded=int((self.is_open & ~self.is_encoded).sum()),
            unreadable=int((self.is_open & self.is_encoded & ~self.has_vector).sum()),
            questions=questions,
            taken=int((~self.is_open & ~self.by_model).sum()),
        )


def plan_of_items(
    store: Store,
    pool: Pool,
    config: LabelConfig,
    settings: Settings,
    record: Record,
    *,
    goal: Goal,
    version: str = "",
) -> tuple[Plan, ItemRecords]:
    """The plan for the items, as the project's mirror knows them, by `version_for_items`. Raises
    BackendError, and Damaged where a part of the dataset cannot be read."""
    chosen = version_for_items(store, pool, config, record, version)
    asked, items = questions_of(chosen, config), Items.of(store, record)
    people = _People.of(pool, pool.labelling(config, settings.empty_is_none))
    vectors = _vectors(store, chosen.version.encoder)
    known = _Known(
        ~np.isin(items.tickets, people.closed),
        np.isin(items.tickets, people.by_model),
        *has_vector(vectors, items.numbering),
    )
    numbers = np.flatnonzero(known.has_vector)
    snapshot = _snapshot(numbers, known, people, asked, items, vectors)
    plan = Plan(
        chosen=chosen,
        config=asked,
        goal=goal,
        snapshot=snapshot,
        by_model=known.by_model[numbers],
        policy=checked_policy(snapshot, chosen.version, pool, settings),
        left=known.left(not_answered(config, asked)),
        is_of_dataset=True,
    )
    return plan, ItemRecords(items)


def _vectors(store: Store, encoder: int) -> VectorParts:
    return VectorParts(vectors_of(store.folder, encoder), store.encoders()[encoder].dimension)


def _snapshot(
    numbers: Ints,
    known: _Known,
    people: _People,
    config: LabelConfig,
    items: Items,
    vectors: VectorParts,
) -> Snapshot:
    """Of the items with these numbers, which have vectors."""
    tickets = items.tickets[numbers]
    answered = np.flatnonzero(np.isin(tickets, list(people.answers)))
    answers = [people.answers[ticket] for ticket in tickets[answered].tolist()]
    return Snapshot(
        ids=numbers,
        vectors=PartVectors(vectors, items.numbering, numbers),
        open=known.is_open[numbers],
        answered=answered,
        targets=targets_of(answers, config.labels),
        labels=config.labels,
        kind=config.kind,
        groups=config.groups,
        certified=np.isin(tickets, people.certified) if len(people.certified) else None,
        tickets=tickets,
    )


def version_for_items(
    store: Store, pool: Pool, config: LabelConfig, record: Record, wanted: str = ""
) -> Chosen:
    """The version `wanted`, else the pinned one, else the served one or, where the encoder of an
    older one has encoded more of the dataset, that one. Raises BackendError as `chosen_version`
    does, and where nothing is encoded."""
    chosen = chosen_version(store, pool, config, wanted)
    if chosen.why == "served":
        chosen = _with_more(store, config, record, chosen)
    encoder = chosen.version.encoder
    if not encoded_parts(store.folder, encoder):
        raise BackendError(
            f"Nothing of the dataset {record.address} is encoded by the encoder of version "
            f"{chosen.version.name} ({chosen.why}) so far, so nothing can be said of its items. "
            "While the server runs, its newest encoder encodes more and more of it, and the "
            "status page says how much; a dataset of texts with spans is not encoded"
        )
    return chosen


def _with_more(store: Store, config: LabelConfig, record: Record, served: Chosen) -> Chosen:
    """The last version of the encoder that has encoded most, if that is more than the encoder of
    the served one has; else this one."""
    mine, name = encoded_parts(store.folder, served.version.encoder), served.version.name
    last = {version_key(known)[0]: known for known in store.version_names()}
    counts = {encoder: encoded_parts(store.folder, encoder) for encoder in last}
    for encoder in sorted(counts, key=lambda one: (counts[one], one), reverse=True):
        if counts[encoder] <= mine:
            break
        with suppress(BackendError):  # made for another labelling interface, or damaged
            version = fitting_version(store, last[encoder], config)
            assert version.head is not None
            most, less = (roughly(count / record.parts) for count in (counts[encoder], mine))
            why = f"its encoder has encoded {most} of the dataset, that of the served {name} {less}"
            return Chosen(version, version.head, why)
    return served
