"""What of a project's dataset is in Label Studio, and what is left of it outside."""

from pathlib import Path

import numpy as np

from backend.dataset.record import are_items, read_record
from backend.mirror.labelling import Labelling
from backend.mirror.pool import Pool
from model.types import Ints


def taken_items(project: Path, pool: Pool) -> Ints:
    """The tickets of the items that are tasks, or were. Tasks of a dataset that the project had
    before are none of them."""
    taken = pool.items.taken()
    return taken[are_items(project, taken)]


def items_left(project: Path, pool: Pool) -> int | None:
    """How many items never were tasks; None without a dataset. Raises DatasetDamaged."""
    record = read_record(project)
    return None if record is None else max(0, record.items - len(taken_items(project, pool)))


def open_among(taken: Ints, pool: Pool, labelling: Labelling) -> int:
    """How many of the items with these tickets are tasks that nobody has annotated yet."""
    still = [labelling.drawn_by[labelling.open], pool.items.tickets(labelling.blank)]
    return int(np.isin(taken, np.concatenate(still)).sum())
