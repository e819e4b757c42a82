"""The jobs about a project's dataset: encode its items, and choose the ones to import next."""

import shutil
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from backend.dataset.record import Record, read_record, rows_of, vectors_of
from backend.dataset.shortlist import Shortlist, ShortlistItem, write_shortlist
from backend.errors import BackendError
from backend.interface.content import Parts, key_of, parts_of
from backend.interface.questions import LabelConfig
from backend.mirror.labelling import Labelling
from backend.mirror.pool import FILE as MIRROR
from backend.mirror.pool import Pool
from backend.mirror.targets import given_labels, targets_of
from backend.trainer.encoders import loaded
from backend.trainer.messages import EncodeItems, RankItems, Subject
from backend.trainer.report import Report
from backend.types import Json
from model.choosing.audit import ENCODING_LOT, draw
from model.dataset.parts import Item, RowParts, VectorParts
from model.dataset.ranking import Block, Places, Ranking
from model.encoders.joint import JointEncoder
from model.heads.head import Head
from model.snapshot import Policy, Snapshot
from model.storage.damage import broken_rows
from model.storage.store import Store
from model.types import Floats

TURN_SECONDS = 20.0
"""Encoding stops after this time, so that what is imported, deep rounds and other projects have
their turn; the rest is asked for again."""

ENCODED_AT_ONCE = 1024

SHOWS_NOTHING = "it shows nothing under the labelling interface of today"
NOT_A_NUMBER = "the encoder computes values that are not numbers for what it shows"


def encode_items(job: EncodeItems, report: Report) -> Json:
    """Encode the parts of the dataset that have no vectors by this encoder yet, in a random order,
    so that the encoded ones are a fair sample. Stops after TURN_SECONDS."""
    until = time.monotonic() + TURN_SECONDS
    subject = job.subject
    record, rows = _dataset(subject)
    vectors = _vectors(subject, job.encoder)
    store = Store(subject.folder)
    encoder = loaded(store.encoders()[job.encoder].spec, store.tuned_folder(job.encoder))
    numbers = np.arange(record.parts)
    in_turn = numbers[np.argsort(draw(numbers, subject.seed + ENCODING_LOT))]
    there = set(vectors.numbers())
    missing = [number for number in in_turn.tolist() if number not in there]
    done = 0
    broken: list[tuple[str, str]] = []
    for number in missing:
        if done and time.monotonic() > until:
            break
        items = rows.items(number)
        share = 1.0 - (len(missing) - done) / record.parts
        found, reasons = _encoded(items, encoder, subject.config, report, share)
        vectors.write(number, found, reasons)
        broken += [(one.id, why) for one, why in zip(items, reasons, strict=True) if why]
        done += 1
        report.advanced(share)
    left = len(missing) - done
    _delete_outdated(subject.folder, store, job.encoder, is_complete=left == 0)
    facts: Json = {"encoder": job.encoder, "parts": done, "left": left}
    return {**facts, **({"trouble": _about_broken(broken)} if broken else {})}


def _about_broken(broken: list[tuple[str, str]]) -> str:
    name, reason = broken[0]
    return (
        f"{len(broken)} items of the dataset cannot be encoded, such as {name!r}: {reason}. They "
        "are imported last, and the model says nothing of them"
    )


def _delete_outdated(project: Path, store: Store, encoder: int, *, is_complete: bool) -> None:
    """Delete the vectors of encoders that are gone, and once one has encoded all, of those before
    it: they would fill the disk."""
    known = store.encoders()
    for folder in vectors_of(project, encoder).parent.iterdir():
        number = int(folder.name)
        if number not in known or (is_complete and number < encoder):
            shutil.rmtree(folder)


def _encoded(
    items: list[Item], encoder: JointEncoder, config: LabelConfig, report: Report, share: float
) -> tuple[Floats, list[str | None]]:
    """The vectors (n, d) of the items, NaN where there is none, and why there is none."""
    shown = [parts_of(item.data, config) for item in items]
    readable = [place for place, parts in enumerate(shown) if parts is not None]
    found = np.full((len(items), encoder.dimension), np.nan, np.float16)
    for start in range(0, len(readable), ENCODED_AT_ONCE):
        places = readable[start : start + ENCODED_AT_ONCE]
        found[places] = encoder.encode([shown[place] or () for place in places])
        report.advanced(share)
    reasons: list[str | None] = [None] * len(items)
    for place in broken_rows(found).tolist():
        reasons[place] = SHOWS_NOTHING if shown[place] is None else NOT_A_NUMBER
    return found, reasons


def rank_items(job: RankItems, report: Report) -> Json:
    """Choose the items to import next, and have their vectors known under what they show: as tasks
    they need not be encoded again."""
    subject, encoder = job.subject, job.encoder
    record, rows = _dataset(subject)
    store, pool = Store(subject.folder), Pool(subject.folder / MIRROR)
    labelling = pool.labelling(subject.config, job.empty_is_none)
    head = store.load_version(job.version).head if job.version else None
    learnt = _learnt(store, labelling, subject.config, head, encoder)
    policy = Policy(job.strategy, job.size, job.audit_share, subject.seed, job.guard)
    ranking = Ranking(learnt, head, policy, pool.items.taken())
    vectors = None if encoder is None else _vectors(subject, encoder)
    for number in range(record.parts):
        known = None if vectors is None else vectors.read(number)
        ranking.see(Block(number, rows.tickets(number), known))
        report.working()
    chosen = ranking.chosen()
    items = _items(rows, chosen)
    if encoder is not None:
        _keep_vectors(store, encoder, items, chosen, subject.config)
    shortlist = Shortlist(
        items=tuple(ShortlistItem(item.id, item.data) for item in items),
        version=job.version,
        labels=len(labelling.answers),
        made_at=time.time(),
    )
    write_shortlist(subject.folder, shortlist)
    return {**asdict(replace(shortlist, items=())), "items": len(items)}


def _dataset(subject: Subject) -> tuple[Record, RowParts]:
    record = read_record(subject.folder)
    if record is None:
        raise BackendError("The project has no dataset any more: it was taken away meanwhile")
    return record, RowParts(rows_of(subject.folder))


def _vectors(subject: Subject, encoder: int) -> VectorParts:
    dimension = Store(subject.folder).encoders()[encoder].dimension
    return VectorParts(vectors_of(subject.folder, encoder), dimension)


def _learnt(
    store: Store, labelling: Labelling, config: LabelConfig, head: Head | None, encoder: int | None
) -> Snapshot:
    """What is labelled, as far as there are vectors of it, with tickets as ids."""
    if head is None:
        asked = config.learnable(given_labels(labelling.answers.values()))
    else:
        asked = config.of_labels(head.labels)
    is_answered = np.isin(labelling.ids, list(labelling.answers))
    ids, keys = labelling.ids[is_answered], labelling.keys[is_answered]
    tickets = labelling.drawn_by[is_answered]
    vectors: Floats = np.zeros((0, 1), np.float16)
    if encoder is not None:
        known = store.vectors(encoder)
        rows = known.rows(keys)
        ids, tickets, rows = ids[rows >= 0], tickets[rows >= 0], rows[rows >= 0]
        vectors = known.take(rows)
    return Snapshot(
        ids=tickets[: len(vectors)],
        vectors=vectors,
        open=np.zeros(len(vectors), bool),
        answered=np.arange(len(vectors)),
        targets=targets_of(
            [labelling.answers[task] for task in ids[: len(vectors)].tolist()], asked.labels
        ),
        labels=asked.labels,
        kind=asked.kind,
        groups=asked.groups,
    )


def _items(rows: RowParts, places: Places) -> list[Item]:
    """The items at these places, in their order."""
    found: list[Item | None] = [None] * len(places)
    for number in np.unique(places.parts).tolist():
        mine = np.flatnonzero(places.parts == number)
        taken = rows.take(number, places.places[mine])
        for row, item in zip(mine.tolist(), taken, strict=True):
            found[row] = item
    return [item for item in found if item is not None]


def _keep_vectors(
    store: Store, encoder: int, items: list[Item], places: Places, config: LabelConfig
) -> None:
    """Those that are known, for the order of the tasks that the items become."""
    shown: list[Parts | None] = [parts_of(item.data, config) for item in items]
    is_known = np.isfinite(places.vectors).all(axis=1)
    which = [row for row in np.flatnonzero(is_known).tolist() if shown[row] is not None]
    keys = np.array([key_of(shown[row] or ()) for row in which], dtype=np.int64)
    if which:
        store.vectors(encoder).append(keys, places.vectors[which])
