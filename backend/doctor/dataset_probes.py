"""What the doctor looks at of a project's dataset itself, because the server does not: its files,
the place that they were copied from, the columns that it has, and the Ray cluster. Nothing is
changed, and nothing is waited for without an end.
"""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from backend.dataset.arriving import is_sent
from backend.dataset.record import Record, has_dataset, read_record, rows_of
from backend.errors import DatasetDamaged, UnsupportedConfig
from backend.interface.parse import parse
from backend.interface.values import STEP
from backend.project.cluster import cluster_of
from backend.settings import Settings
from backend.types import Json
from model.dataset.engine import EngineFailed
from model.dataset.parts import Item, RowParts
from model.dataset.ray import Ray
from model.storage.damage import Damaged

PARTS_SECONDS = 20.0
"""Parts are read for so long; of the others it is only seen whether they are there."""

SOURCE_SECONDS, KILLED_SECONDS = 20.0, 1.0
"""A disk of another machine that is gone never answers."""

ASK = "import sys; from model.dataset.source import trouble_with; print(trouble_with(sys.argv[1]))"


@dataclass(frozen=True)
class DatasetSeen:
    """A dataset as its files are here. folder: MODEL_DIR; record: None where it is not here, or
    cannot be read; damage: why a file cannot be used; read: how many parts were read and are
    whole; items: of how many items the columns were looked at; lacking: column that the
    labelling interface shows -> how many of these do not have it; columns: those of the first item;
    source: why what was added cannot be read any more; cluster: why the Ray cluster cannot be used,
    None where none is set. Sentences have no full stop and are "" where all is well."""

    folder: Path
    record: Record | None = None
    damage: str = ""
    read: int = 0
    items: int = 0
    lacking: dict[str, int] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    source: str = ""
    cluster: str | None = None


def look(settings: Settings, project: Json, state: Json) -> DatasetSeen | None:
    """The dataset of a project as Label Studio describes it; state: what the server says of it.
    None where neither the server nor this machine knows a dataset."""
    folder = settings.model_dir / str(project["id"])
    if not has_dataset(folder):
        return DatasetSeen(settings.model_dir) if state.get("dataset") else None
    cluster = _cluster_trouble(settings)
    try:
        record = read_record(folder)
    except DatasetDamaged as error:
        return DatasetSeen(settings.model_dir, damage=str(error), cluster=cluster)
    if record is None:  # taken away at this moment
        return None
    rows = RowParts(rows_of(folder))
    read, damage = _read(rows, record)
    lacking, items, columns = _lacking(rows, record, _shown(project["label_config"], settings))
    source = "" if is_sent(record) else source_trouble(record.address)
    return DatasetSeen(
        settings.model_dir, record, damage, read, items, lacking, columns, source, cluster
    )


def _read(rows: RowParts, record: Record) -> tuple[int, str]:
    """How many parts were read and are whole, and what is wrong with the first that is not."""
    until, there, read = time.monotonic() + PARTS_SECONDS, set(rows.numbers()), 0
    for number in record.numbers:
        if number in there and time.monotonic() > until:
            continue
        try:
            rows.check(number)
        except Damaged as error:
            return read, str(error)
        read += 1
    return read, ""


def _shown(xml: str, settings: Settings) -> list[str]:
    """The columns that the labelling interface shows."""
    try:
        sources = parse(xml, aliases=settings.aliases).sources
    except UnsupportedConfig:
        return []
    return list(dict.fromkeys(key for source in sources for key in source.keys))


def _lacking(
    rows: RowParts, record: Record, shown: list[str]
) -> tuple[dict[str, int], int, tuple[str, ...]]:
    """See DatasetSeen: lacking, items and columns."""
    if not shown:
        return {}, 0, ()
    looked_at, found, columns = 0, Counter[str](), None
    for item in _some_items(rows, record):
        looked_at += 1
        columns = columns if columns is not None else tuple(item.data)
        found.update(key for key in shown if not _has(item, key))
    return dict(found), looked_at, columns or ()


def _some_items(rows: RowParts, record: Record) -> Iterator[Item]:
    """The first items of each part."""
    for number in record.numbers:
        try:
            yield from rows.first(number)
        except Damaged:  # which is said
            continue


def _has(item: Item, key: str) -> bool:
    """Whether Label Studio finds something under a key, or the first step of a path."""
    first = STEP.search(key)
    return key in item.data or (first is not None and first[0] in item.data)


def source_trouble(address: str, seconds: float = SOURCE_SECONDS) -> str:
    """Why nobody can read what is at this address now; "" where it can be read. Asked for by a
    process of its own, because nothing else ends what waits for a disk or a server."""
    command = [sys.executable, "-c", ASK, address]
    asked = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        said, _ = asked.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        asked.kill()
        with suppress(subprocess.TimeoutExpired):  # what waits for a disk does not even end then
            asked.communicate(timeout=KILLED_SECONDS)
        return f"{address} did not answer within {seconds:.0f} s"
    return said.strip()


def _cluster_trouble(settings: Settings) -> str | None:
    cluster = cluster_of(settings)
    if cluster is None:
        return None
    try:
        Ray(cluster).check()
    except EngineFailed as error:
        return str(error)
    return ""
