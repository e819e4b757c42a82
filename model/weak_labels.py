"""Weak labels: what others than people say of the pool, as evidence for the head."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from model.heads.head import Head, centred
from model.heads.logistic import Evidence
from model.heads.sources import (
    BELIEVED_SKILL,
    MOST_WEIGHT,
    Compared,
    Reliability,
    Source,
    agreement,
    reliability,
)
from model.measuring.metrics import proportion
from model.snapshot import Snapshot, sampled
from model.types import EXCLUSIVE, Bools, Floats, Ints

MOST_ROWS, MOST_CELLS = 1_000, 1 << 19
"""The head learns from this many rows with weak labels at most, or fewer with thousands of
labels: people wait for it."""

CLEARLY = 3.0
"""Two opinions agree if they do so by this many standard deviations more than by chance."""

RIDGE, FOLLOWING = 1.0, 2.0
"""The votes of a source are foretold from the vectors by ridge regression with this decay. The
source is believed to have this many times the skill that the forecasts have, because most of these
are wrong where the source is right."""

MOST_JUDGED, FEWEST_VOTES = 500, 10
"""So many votes of a source are looked at before people's labels; with fewer votes than this it is
not believed."""

MOST_LABELS = 2_000
"""Nothing is learnt from weak labels where one of more labels is given: a table of all pairs of
labels would fill the memory."""

ENOUGH = 50
"""After so many comparisons it does not matter what was believed before any."""

LEAST_WEIGHT, LEAST_SHARE = 0.02, 0.1
"""Nothing is learnt from a source that counts less, or less than this share of the best one: its
votes would take the place of better ones."""


@dataclass(frozen=True)
class SourceFigures:
    """A source compared with people's labels.

    votes: how many examples it has labelled; compared: how many of them people have labelled after
    it; late: how many they had labelled before, which say nothing of it; precision: the share of
    its labels there that people gave, too, and recall, of people's labels there that it gave, each
    with `value`, `low` and `high`, None without any; weight: how much its votes count in training,
    in [0, 1].
    """

    name: str
    votes: int
    compared: int
    late: int
    precision: dict[str, float] | None
    recall: dict[str, float] | None
    weight: float


@dataclass(frozen=True)
class Judged:
    """The sources of a snapshot of one question, and how far each is right."""

    sources: tuple[Source, ...]
    reliabilities: tuple[Reliability, ...]
    weights: tuple[float, ...]

    def counting(self) -> Iterator[tuple[Source, Reliability, float]]:
        """The sources that are learnt from, each with how right it is and its weight."""
        least = max(LEAST_WEIGHT, LEAST_SHARE * max(self.weights, default=0.0))
        for one in zip(self.sources, self.reliabilities, self.weights, strict=True):
            if one[2] >= least:
                yield one


def judged(snapshot: Snapshot, held_out: Bools, named: Head | None) -> Judged:
    """Compare the sources with people's labels, except those `held_out` (m,); before any, with what
    the head of the labels' names says."""
    count = len(snapshot.labels)
    reliabilities, weights = [], []
    if snapshot.kind in EXCLUSIVE and count > MOST_LABELS:
        return Judged((), (), ())
    for source in snapshot.sources:
        covered = len(source.rows) / max(1, len(snapshot.ids))
        compared, shares = _compared(source, snapshot, ~held_out), source.shares(count)
        is_known = (~compared.is_silent).sum() >= ENOUGH
        believed = BELIEVED_SKILL if is_known else _believed(source, snapshot, named)
        found = reliability(compared, shares, covered, snapshot.kind, believed)
        reliabilities.append(found)
        weights.append(found.weight(source.votes(_evenly(len(source.rows), MOST_ROWS), count)))
    return Judged(snapshot.sources, tuple(reliabilities), tuple(weights))


def evidence_of(snapshot: Snapshot, judges: Judged, audits: Bools, seed: int) -> Evidence | None:
    """What the sources say of rows that people have not labelled, without those of the audit
    reserve, `audits` (n,); None if nothing."""
    count = len(snapshot.labels)
    is_free = ~audits
    is_free[snapshot.answered] = False
    rows = _spoken_of(snapshot, judges, is_free, seed)
    said, weights = np.zeros((len(rows), count)), np.zeros(len(rows))
    for source, found, weight in judges.counting():
        mine, places = _places(source, rows)
        here = np.broadcast_to(found.silence, said.shape).copy()
        here[mine] = found.evidence(source.votes(places, count))
        said += here
        heard = slice(None) if found.is_silence_telling else mine
        weights[heard] = np.maximum(weights[heard], MOST_WEIGHT[snapshot.kind] * weight)
    return Evidence(snapshot.vectors[rows], said, weights) if len(rows) else None


def figures(snapshot: Snapshot, judges: list[Judged]) -> tuple[SourceFigures, ...]:
    """The sources of a snapshot, compared with all labels of people; `judges`: of each question."""
    parts = snapshot.parts()
    return tuple(
        _figure(place, source, parts, [one.weights[place] for one in judges if one.weights])
        for place, source in enumerate(snapshot.sources)
    )


def _figure(
    place: int, source: Source, parts: list[Snapshot], weights: list[float]
) -> SourceFigures:
    right = given = true = 0
    compared: set[int] = set()
    for part in parts:
        mine = part.sources[place]
        found = _compared(mine, part, np.ones(len(part.answered), np.bool_))
        votes, truth = found.votes[~found.is_silent], found.truth[~found.is_silent]
        right += int((votes * truth).sum())
        given += int(votes.sum())
        true += int(truth.sum())
        compared.update(mine.rows[np.isin(mine.rows, part.answered) & mine.is_blind].tolist())
    answered = np.concatenate([part.answered for part in parts])
    late = ~source.is_blind & np.isin(source.rows, answered)
    return SourceFigures(
        source.name,
        votes=len(source.rows),
        compared=len(compared),
        late=int(late.sum()),
        precision=proportion(right, given),
        recall=proportion(right, true),
        weight=round(max(weights, default=0.0), 3),
    )


def _compared(source: Source, snapshot: Snapshot, which: Bools) -> Compared:
    """The answered rows `which` (m,), without those where the vote came after people's labels."""
    count = len(snapshot.labels)
    mine, places = _places(source, snapshot.answered)
    votes = np.zeros((len(snapshot.answered), count), np.float32)
    votes[mine] = source.votes(places, count)
    is_silent = np.ones(len(votes), np.bool_)
    is_silent[mine] = False
    kept = which.copy()
    kept[mine] &= source.is_blind[places]
    truth = (snapshot.targets[kept] > 0).astype(np.float32)
    return Compared(votes[kept], truth, is_silent[kept])


def _believed(source: Source, snapshot: Snapshot, named: Head | None) -> float:
    """The skill of a source before people's labels say anything about it: BELIEVED_SKILL, but 0
    where it does not say what the labels' names say, and little where its votes do not follow from
    what the examples show: nothing could be learnt from those."""
    count = len(snapshot.labels)
    rows, places = source.rows, _evenly(len(source.rows), MOST_JUDGED)
    if len(rows) < FEWEST_VOTES:
        return 0.0
    rows, votes = rows[places], source.votes(places, count)
    given = np.flatnonzero(source.shares(count))
    if len(given) == 1:  # who gives one label only says no by silence
        rows = np.union1d(rows, _evenly(len(snapshot.ids), MOST_JUDGED))
        is_given = np.isin(rows, source.rows)
        votes = np.stack([is_given, ~is_given], axis=1).astype(np.float32)
    vectors = snapshot.vectors[rows]
    if named is not None:
        said = named.answers(named.probs(vectors))
        if len(given) == 1:
            said = np.stack([said[:, given[0]], ~said[:, given[0]]], axis=1)
        if agreement(votes, said.astype(np.float32))[1] < CLEARLY:
            return 0.0
    followed, _ = agreement(_foretold(vectors, votes), votes)
    return float(np.clip(FOLLOWING * followed, 0.0, BELIEVED_SKILL))


def _evenly(count: int, most: int) -> Ints:
    """At most `most` of the numbers below `count`, evenly spread: tasks may be imported label by
    label."""
    return np.unique(np.linspace(0, count - 1, min(most, count)).astype(np.int64))


def _foretold(vectors: Floats, votes: Floats) -> Floats:
    """The likeliest label (m, c) of each of the vectors (m, d) by the votes (m, c) on the others,
    all of 0 and 1: leave-one-out ridge regression, in closed form."""
    known = centred(vectors, vectors.mean(axis=0, dtype=np.float32))
    means = votes.mean(axis=0)
    alike = known @ known.T
    hat = alike @ np.linalg.inv(alike + RIDGE * np.eye(len(known), dtype=np.float32))
    own = np.minimum(np.diag(hat)[:, None], 1.0 - 1e-4)
    wanted = votes - means
    scores = (hat @ wanted - own * wanted) / (1.0 - own) / np.sqrt(means + 1e-3)
    result = np.zeros(votes.shape, np.float32)
    result[np.arange(len(votes)), scores.argmax(axis=1)] = 1.0
    return result


def _spoken_of(snapshot: Snapshot, judges: Judged, is_free: Bools, seed: int) -> Ints:
    """Some of the free rows of which a source that counts says something: at random, and no more by
    silence than by votes, of which there may be few."""
    is_voted = np.zeros(len(snapshot.ids), np.bool_)
    is_told = is_voted.copy()
    for source, found, _ in judges.counting():
        is_voted[source.rows] = True
        is_told |= found.is_silence_telling
    most = max(2, min(MOST_ROWS, MOST_CELLS // max(1, len(snapshot.labels))))
    silent = np.flatnonzero(is_told & ~is_voted & is_free)
    half = most // 2 if len(silent) else most
    voted = sampled(snapshot, np.flatnonzero(is_voted & is_free), half, seed)
    return np.sort(np.append(voted, sampled(snapshot, silent, most - len(voted), seed)))


def _places(source: Source, rows: Ints) -> tuple[Ints, Ints]:
    """Which of the rows (k,) the source has a vote on, and where in `source.rows` it stands."""
    places = np.searchsorted(source.rows, rows)
    inside = places < len(source.rows)
    mine = np.flatnonzero(inside)
    mine = mine[source.rows[places[mine]] == rows[mine]]
    return mine, places[mine]
