"""The end of a project whose pool is a dataset: what is divided between the model and people, and
what files tell, are the items that nobody has labelled, and not the few of them that are tasks.
"""

from contextlib import suppress

from backend.dataset.record import Record, encoded_parts
from backend.dataset.whole import Items, whole_of
from backend.errors import BackendError
from backend.finish.files import ITEM, keys_of
from backend.finish.plan import (
    About,
    Chosen,
    Left,
    Plan,
    checked_policy,
    chosen_version,
    not_answered,
    questions_of,
)
from backend.interface.questions import LabelConfig
from backend.mirror.pool import Pool
from backend.project.pin import fitting_version
from backend.settings import Settings
from backend.types import Json
from backend.words import roughly
from model.finishing.goal import Goal
from model.storage.store import Store, version_key
from model.types import Ints


class ItemRecords:
    """See backend.finish.files.Records. The ids of a plan are the numbers of the items."""

    key = ITEM

    def __init__(self, items: Items) -> None:
        self._items = items

    def columns(self) -> tuple[str, ...]:
        """Those of the dataset. A column of the ids that is called as ours is not repeated."""
        record, rows = self._items.record, self._items.rows
        parts = map(rows.items, record.numbers)
        found = keys_of(one.data for items in parts for one in items)
        return tuple(one for one in found if not one == ITEM == record.id_column)

    def of(self, ids: Ints) -> list[tuple[int | str, Json]]:
        items = self._items.rows.gathered(*self._items.numbering.where(ids))
        return [(one.id, one.data) for one in items]


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
    asked, labelling = questions_of(chosen, config), pool.labelling(config, settings.empty_is_none)
    encoder = chosen.version.encoder
    whole = whole_of(store, pool, labelling, asked, record=record, encoder=encoder)
    plan = Plan(
        chosen=chosen,
        config=asked,
        goal=goal,
        about=About(whole.snapshot, whole.by_model),
        policy=checked_policy(whole.snapshot, chosen.version, pool, settings),
        left=Left(
            unencoded=whole.unencoded,
            unreadable=whole.unreadable,
            questions=not_answered(config, asked),
            taken=whole.taken,
        ),
        is_of_dataset=True,
    )
    return plan, ItemRecords(whole.items)


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
    if not encoded_parts(store.folder, encoder, record):
        raise BackendError(
            f"Nothing of the dataset {record.address} is encoded by the encoder of version "
            f"{chosen.version.name} ({chosen.why}) so far, so nothing can be said of its items. "
            "While the server runs, its newest encoder encodes more and more of it, and the "
            "status page says how much; a dataset of texts with spans, of pictures with boxes "
            "or of lists is not encoded"
        )
    return chosen


def _with_more(store: Store, config: LabelConfig, record: Record, served: Chosen) -> Chosen:
    """The last version of the encoder that has encoded most, if that is more than the encoder of
    the served one has; else this one."""
    mine, name = encoded_parts(store.folder, served.version.encoder, record), served.version.name
    last = {version_key(known)[0]: known for known in store.version_names()}
    counts = {encoder: encoded_parts(store.folder, encoder, record) for encoder in last}
    for encoder in sorted(counts, key=lambda one: (counts[one], one), reverse=True):
        if counts[encoder] <= mine:
            break
        with suppress(BackendError):  # made for another labelling interface, or damaged
            version = fitting_version(store, last[encoder], config)
            assert version.head is not None
            most, less = (roughly(count / record.part_count) for count in (counts[encoder], mine))
            why = f"its encoder has encoded {most} of the dataset, that of the served {name} {less}"
            return Chosen(version, version.head, why)
    return served
