"""The jobs about a project's dataset: encode its items, and choose the ones to import next."""

import shutil
import time
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from backend.dataset.broken import Broken, read_broken, write_broken
from backend.dataset.record import (
    Record,
    encoded_parts,
    read_reads,
    rows_of,
    vectors_of,
)
from backend.dataset.shortlist import Shortlist, ShortlistItem, write_shortlist
from backend.dataset.stream import read_stream
from backend.interface.content import key_of, parts_of
from backend.interface.questions import LabelConfig
from backend.trainer.item_ranking import policy_of, ranking_of
from backend.trainer.item_work import (
    EncodedPart,
    Encoding,
    Group,
    Seeing,
    files_of,
    record_of,
)
from backend.trainer.messages import EncodeItems, RankItems
from backend.trainer.report import Report
from backend.types import Json
from model.choosing.audit import ENCODING_LOT, draw
from model.dataset.engine import Engine, EngineFailed, Local, MakeWork, Results
from model.dataset.kept import Kept, Places
from model.dataset.parts import Item, RowParts
from model.dataset.ranking import Ranking
from model.dataset.ray import Ray
from model.dataset.sizes import part_numbers, parts_with
from model.storage.store import Store

TURN_SECONDS = 20.0
"""Encoding stops after this time, so that what is imported, deep rounds and other projects have
their turn; the rest is asked for again. A cluster goes on meanwhile."""

ITEMS_TOGETHER = 65_536
"""About so many items are ranked as a group: what is kept of one is hardly more than of a part."""

ALONE_ITEMS = 1_000_000
"""This process ranks so many items before a cluster has begun."""


@dataclass(frozen=True)
class _Run:
    """Encoding that goes on between two turns: of which dataset, by which encoder, how many parts
    were missing when it began, and those that are done as they come."""

    record: Record
    encoder: int
    missing: int
    done: Results[EncodedPart]


_runs: dict[Path, _Run] = {}
"""What clusters are encoding, by project."""


def encode_items(job: EncodeItems, report: Report) -> Json:
    """Encode the parts of the dataset that have no vectors by this encoder yet, in a random order,
    so that the encoded ones are a fair sample. Stops after TURN_SECONDS."""
    until = time.monotonic() + TURN_SECONDS
    folder, record = job.subject.folder, record_of(job.subject)
    run = _runs.pop(folder, None)
    if run is None or run.encoder != job.encoder or not _is_same(run.record, record):
        run = _begun(job, record)
    parts = 0
    for part in run.done:
        left = _left(job, record)
        report.advanced(1.0 - left / record.part_count)
        parts += part is not None
        is_over = time.monotonic() > until
        if is_over and job.cluster is not None:
            _runs[folder] = run
            break
        if is_over and part is not None:
            break  # what is begun is finished first
    else:
        _check_advanced(run, _left(job, record))
    left = _left(job, record)
    _delete_outdated(folder, job.encoder, is_complete=left == 0)
    broken = _count_broken(folder, record, job.encoder)
    return {"encoder": job.encoder, "parts": parts, "left": left, "broken": broken.count}


def _is_same(before: Record, now: Record) -> bool:
    """Whether it is the dataset as it was, or with what has come since."""
    return before.address == now.address and before.parts <= now.parts


def _left(job: EncodeItems, record: Record) -> int:
    """How many parts have no vectors by the encoder yet."""
    return record.part_count - encoded_parts(job.subject.folder, job.encoder, record)


def _count_broken(project: Path, record: Record, encoder: int) -> Broken:
    """Count the items without a vector in the parts that were not counted before, and keep that."""
    known, reads = read_broken(project, encoder), read_reads(project)
    rows, vectors = files_of(project, encoder)
    assert vectors is not None
    there = set(vectors.numbers())
    numbers = [number for number in record.numbers if number in there]
    counts = {str(one): known.counts[str(one)] for one in numbers if str(one) in known.counts}
    places = {one: vectors.unreadable(one) for one in numbers if str(one) not in counts}
    fresh = {number: found for number, found in places.items() if found is not None}
    counts |= {str(number): len(found) for number, found in fresh.items()}
    broken = replace(known, counts=counts, reads=reads)
    first = next((number for number, found in fresh.items() if len(found)), None)
    if first is not None and not known.example:
        (item,) = rows.take(first, fresh[first][:1])
        reason = vectors.reason(first, int(fresh[first][0]))
        broken = replace(broken, example=item.id, reason=reason)
    if broken != known:
        write_broken(project, encoder, broken)
    return broken


def _delete_outdated(project: Path, encoder: int, *, is_complete: bool) -> None:
    """Delete the vectors of encoders that are gone, and once one has encoded all, of those before
    it: they would fill the disk."""
    known = Store(project).encoders()
    for folder in vectors_of(project, encoder).parent.glob("*"):  # a cluster may have none so far
        number = int(folder.name)
        if number not in known or (is_complete and number < encoder):
            shutil.rmtree(folder)


def _begun(job: EncodeItems, record: Record) -> _Run:
    numbers, stream = np.array(record.numbers), read_stream(job.subject.folder)
    lots = draw(numbers, job.subject.seed + ENCODING_LOT)
    # What has just arrived is waited for, to be kept for people or passed by.
    is_judged = numbers < (record.parts if stream is None else stream.judged)
    in_turn = numbers[np.lexsort((lots, is_judged))]
    there = set(part_numbers(vectors_of(job.subject.folder, job.encoder)))
    missing = [number for number in in_turn.tolist() if number not in there]
    engine = Local() if job.cluster is None else Ray(job.cluster)
    work = partial(Encoding, job.subject, job.encoder)
    return _Run(record, job.encoder, len(missing), engine.map(work, missing))


def _check_advanced(run: _Run, left: int) -> None:
    """Raises EngineFailed when a run has ended without a single part that is done."""
    if left >= run.missing > 0:
        raise EngineFailed(
            f"Workers of the Ray cluster ended in each of the {left} parts that are left to "
            "encode. The usual cause is too little memory: with a higher RAY_WORKER_CPUS fewer of "
            "them work on a node at the same time"
        )


def rank_items(job: RankItems, report: Report) -> Json:
    """Choose the items to import next, and have their vectors known under what they show: as tasks
    they need not be encoded again."""
    subject, encoder = job.subject, job.encoder
    record, store = record_of(subject), Store(subject.folder)
    ranking, labels = ranking_of(
        subject, encoder, job.version, job.empty_is_none, policy_of(job, job.size)
    )
    trouble = _see_all(job, record, ranking, report)
    chosen = ranking.chosen()
    items = RowParts(rows_of(subject.folder)).gathered(chosen.parts, chosen.places)
    if encoder is not None:
        _keep_vectors(store, encoder, items, chosen, subject.config)
    shortlist = Shortlist(
        items=tuple(ShortlistItem(item.id, item.data) for item in items),
        version=job.version,
        labels=labels,
        made_at=time.time(),
    )
    write_shortlist(subject.folder, shortlist)
    facts = {**asdict(replace(shortlist, items=())), "items": len(items)}
    return {**facts, "trouble": trouble} if trouble else facts


def _see_all(job: RankItems, record: Record, ranking: Ranking, report: Report) -> str:
    """Have the ranking see all parts. What a cluster does not rank is ranked here, for people wait
    for it; returns why, "" for no reason that they must know."""
    numbers = record.numbers
    together = parts_with(ITEMS_TOGETHER, record.items, len(numbers))
    groups = [
        tuple(numbers[start : start + together]) for start in range(0, len(numbers), together)
    ]
    work = partial(Seeing, job.subject.folder, job.encoder, ranking.afresh())
    trouble = ""
    if job.cluster is not None and record.items > ALONE_ITEMS:
        # It need not wait for a processor: those that encode would keep it waiting for hours.
        engine = Ray(replace(job.cluster, cpus=0.0, gpus=0.0))
        try:
            groups = _see(engine, work, groups, ranking, report)
        except EngineFailed as error:
            trouble = f"{error}. Meanwhile this machine ranks the dataset alone"
            ranking.kept = ranking.afresh().kept  # nothing is seen twice
    _see(Local(), work, groups, ranking, report)
    return trouble


def _see(
    engine: Engine,
    work: MakeWork[Group, tuple[Group, Kept]],
    groups: list[Group],
    ranking: Ranking,
    report: Report,
) -> list[Group]:
    """Have the ranking see these groups. Returns those whose worker ended."""
    left = dict.fromkeys(groups)
    for found in engine.map(work, groups):
        report.working()
        if found is not None and found[0] in left:
            ranking.kept.join(found[1])
            del left[found[0]]
    return list(left)


def _keep_vectors(
    store: Store, encoder: int, items: list[Item], places: Places, config: LabelConfig
) -> None:
    """Those that are known, for the order of the tasks that the items become."""
    shown = [parts_of(item.data, config) for item in items]
    is_known = np.isfinite(places.vectors).all(axis=1)
    is_known &= np.array([parts is not None for parts in shown], dtype=bool)
    known = [parts for parts, is_one in zip(shown, is_known, strict=True) if parts and is_one]
    if known:
        keys = np.array([key_of(parts) for parts in known], dtype=np.int64)
        store.vectors(encoder).append(keys, places.vectors[is_known])
