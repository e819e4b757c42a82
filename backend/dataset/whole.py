"""All items of a project's dataset: what people said of them, and which nobody has labelled."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from backend.dataset.record import Record, rows_of, vectors_of
from backend.interface.questions import Answer, LabelConfig
from backend.mirror.labelling import Labelling
from backend.mirror.pool import Pool
from backend.mirror.targets import targets_of
from model.dataset.parts import RowParts, VectorParts
from model.dataset.whole import Numbering, PartVectors, has_vector
from model.snapshot import Snapshot
from model.storage.store import Store
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
        tickets = {part: rows.tickets(part) for part in record.numbers}
        numbering = Numbering.of([len(tickets.get(part, ())) for part in range(record.parts)])
        return cls(record, rows, numbering, np.concatenate(list(tickets.values())))


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
class Whole:
    """What is known of a dataset whose items one encoder encodes.

    snapshot: of the items that have vectors, with their numbers in the dataset as ids; open: nobody
    has labelled them; by_model: which of these rows are annotated by nobody but the model;
    unencoded, unreadable: how many further items nobody has labelled, in parts that are not encoded
    yet, and without a vector all the same; taken: how many items people have labelled, skipped or
    deleted.
    """

    items: Items
    snapshot: Snapshot
    by_model: Bools
    unencoded: int
    unreadable: int
    taken: int


def whole_of(
    store: Store,
    pool: Pool,
    labelling: Labelling,
    config: LabelConfig,
    *,
    record: Record,
    encoder: int,
    on_part: Callable[[], object] = lambda: None,
) -> Whole:
    """The dataset as the mirror knows it, with the labels of the questions of `config`. `on_part`
    is called as parts are read, here and later. Raises Damaged where a part cannot be read."""
    items, people = Items.of(store, record), _People.of(pool, labelling)
    dimension = store.encoders()[encoder].dimension
    vectors = VectorParts(vectors_of(store.folder, encoder), dimension)
    is_open = ~np.isin(items.tickets, people.closed)
    by_model = np.isin(items.tickets, people.by_model)
    is_encoded, has_one = has_vector(vectors, items.numbering)
    numbers = np.flatnonzero(has_one)
    tickets = items.tickets[numbers]
    answered = np.flatnonzero(np.isin(tickets, list(people.answers)))
    answers = [people.answers[ticket] for ticket in tickets[answered].tolist()]
    snapshot = Snapshot(
        ids=numbers,
        vectors=PartVectors(vectors, items.numbering, numbers, on_part),
        open=is_open[numbers],
        answered=answered,
        targets=targets_of(answers, config.labels),
        labels=config.labels,
        kind=config.kind,
        groups=config.groups,
        certified=np.isin(tickets, people.certified) if len(people.certified) else None,
        tickets=tickets,
    )
    return Whole(
        items=items,
        snapshot=snapshot,
        by_model=by_model[numbers],
        unencoded=int((is_open & ~is_encoded).sum()),
        unreadable=int((is_open & is_encoded & ~has_one).sum()),
        taken=int((~is_open & ~by_model).sum()),
    )
