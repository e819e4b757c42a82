"""The jobs about items that arrive at a dataset: add them, and where people have time for so many
labels a day, keep the ones that are worth asking for.
"""

import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import takewhile

import numpy as np

from backend.dataset.adding import take_in
from backend.dataset.merging import merge_small
from backend.dataset.record import read_record
from backend.dataset.shortlist import ShortlistItem
from backend.dataset.stream import begun, damage_of, read_stream, write_stream
from backend.errors import DatasetBusy
from backend.mirror.pool import FILE as MIRROR
from backend.mirror.pool import Pool
from backend.trainer.item_ranking import policy_of, ranking_of
from backend.trainer.item_work import files_of, record_of
from backend.trainer.messages import SelectArrivals, Subject, TakeIn
from backend.trainer.report import Report
from backend.types import Json
from model.choosing.stream import WINDOW, Arrivals, kept
from model.dataset.ranking import Block
from model.dataset.sizes import part_size


def take_in_items(job: TakeIn, report: Report) -> Json:
    """Add what has come, in parts of a few; those that are judged are merged now and then."""
    subject = job.subject
    try:
        _merge(subject)
        report.working()
        found = take_in(subject.folder, subject.config)
    except DatasetBusy:  # what has come is taken in later
        return {"new": 0}
    facts = {"new": found.new, "known": found.known, "refused": found.refusals}
    more = f" (and {found.refusals - 1:,} more)" if found.refusals > 1 else ""
    return {**facts, "trouble": f"{found.refused[0]}{more}"} if found.refused else facts


def _merge(subject: Subject) -> None:
    """Unless something is not judged yet: it would be mixed with what is."""
    record, stream = read_record(subject.folder), read_stream(subject.folder)
    judged = stream.judged if stream and record and record.labels_a_day else None
    merge_small(subject.folder, part_size(subject.spec.layout), judged)


def select_arrivals(job: SelectArrivals, report: Report) -> Json:
    """Judge the parts that have come since, as far as they are encoded, in the order in which they
    came."""
    if not record_of(job.subject).labels_a_day:
        return {"judged": 0}  # asked for before people changed their mind
    damage = damage_of(job.subject.folder)
    judging = _Judging(job)
    for number in judging.waiting:
        judging.judge(number)
        report.working()
    write_stream(job.subject.folder, judging.stream)
    waiting, budget = len(judging.stream.kept), round(judging.stream.budget, 2)
    facts = {"judged": judging.judged, "waiting": waiting, "budget": budget}
    return {**facts, "trouble": damage} if damage else facts


class _Judging:
    """One run of the job. judged: how many items were looked at."""

    def __init__(self, job: SelectArrivals) -> None:
        folder = job.subject.folder
        self._job, self._record, self._now = job, record_of(job.subject), time.time()
        self._rows, self._vectors = files_of(folder, job.encoder)
        self._ranking, _ = ranking_of(
            job.subject, job.encoder, job.version, job.empty_is_none, policy_of(job)
        )
        items = Pool(folder / MIRROR).items
        self._taken = items.taken()
        a_day = self._record.labels_a_day
        found = read_stream(folder) or begun(self._now, self._record.parts, a_day)
        missing = set(items.missing([one.id for one in found.kept]))
        still = tuple(one for one in found.kept if one.id in missing)
        # What is merged was judged, or was there before.
        judged = max(found.judged, self._record.last_merged + 1)
        self.stream = replace(found.accrued(self._now, a_day), kept=still, judged=judged)
        self.judged = 0
        self.waiting = list(self._waiting())
        """The numbers of the parts to judge."""
        self._left = sum(len(self._rows.tickets(number)) for number in self.waiting)
        """How many items wait to be judged."""
        self._window = self._judged_last()

    def _waiting(self) -> Iterator[int]:
        """What comes after a part that is not encoded waits for it."""
        there = None if self._vectors is None else set(self._vectors.numbers())
        later = (number for number in self._record.numbers if number >= self.stream.judged)
        return takewhile(lambda number: there is None or number in there, later)

    def judge(self, number: int) -> None:
        """Keep some of a part's items, and pass the others by."""
        block, policy = self._block(number), policy_of(self._job)
        both = _joined(self._window, block)
        priorities, new = self._ranking.priorities(both), len(block.tickets)
        # Those of earlier models and labels could not be compared with these.
        recent, arrived = priorities[:-new], Arrivals(block.tickets, priorities[-new:])
        rate = self.stream.rate(self._now, self._left, self._record.labels_a_day)
        is_kept = kept(arrived, recent, rate, policy.audit_share, policy.seed)
        places = np.flatnonzero(is_kept & ~np.isin(block.tickets, self._taken))
        items = [ShortlistItem(one.id, one.data) for one in self._rows.take(number, places)]
        self.stream = self.stream.with_part(self._now, number, new, items)
        self._window = _newest(both)
        self.judged, self._left = self.judged + new, self._left - new

    def _judged_last(self) -> Block:
        """The newest items that are judged, or were there before, as far as they are encoded."""
        there = set() if self._vectors is None else set(self._vectors.numbers())
        judged = (one for one in reversed(self._record.numbers) if one < self.stream.judged)
        found = _NOTHING
        for number in judged:
            if len(found.tickets) >= WINDOW:
                break
            if number in there:
                found = _joined(self._block(number), found)
        return _newest(found)

    def _block(self, number: int) -> Block:
        vectors = None if self._vectors is None else self._vectors.read(number)
        return Block(number, self._rows.tickets(number), vectors)


_NOTHING = Block(-1, np.zeros(0, np.int64), None)


def _joined(first: Block, second: Block) -> Block:
    """These items, then those; without vectors where one of them has none."""
    if not len(first.tickets):
        return second
    if not len(second.tickets):
        return first
    vectors = None
    if first.vectors is not None and second.vectors is not None:
        vectors = np.concatenate([first.vectors, second.vectors])
    return Block(second.part, np.concatenate([first.tickets, second.tickets]), vectors)


def _newest(block: Block) -> Block:
    """The last WINDOW of these items."""
    vectors = None if block.vectors is None else block.vectors[-WINDOW:]
    return Block(block.part, block.tickets[-WINDOW:], vectors)
