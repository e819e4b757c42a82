"""What others say of examples: tags of uploaders, rules, other models. How far each is right is
learnt from people's labels, label by label, and so much it counts.

A source is described as Dawid & Skene 1979 ("Maximum Likelihood Estimation of Observer Error-Rates
Using the EM Algorithm", doi:10.2307/2346806) describe an observer: by how probable each vote is
given each true label. Silence counts as a vote, so a source may be a rule that gives one label
only. The truth is known wherever people have labelled, so votes are counted there and not guessed,
and drawn to what one number for the whole source says, as far as they do not clearly differ. A vote
is then evidence for the head, see `model.heads.logistic.Evidence`: one that is as probable whatever
is true says nothing, and counts nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln, softmax

from model.heads.losses import certainty
from model.types import EXCLUSIVE, Bools, Floats, Ints, Kind, LabelGroup

BELIEVED, BELIEVED_SKILL = 3.0, 0.5
"""Before people have labelled anything, a source is believed to have this skill, as if that had
been found in so many comparisons. Skill is the share of the votes that follow the truth; the others
are right as often as their label is frequent."""

STRENGTHS = (3000.0, 1000.0, 300.0, 100.0, 30.0, 10.0)
"""What the skill of the whole source says of a label weighs as much as so many examples of it."""

MOST_COUNTED = 1 << 18
"""With more labels than 512, counts are hardly believed: looking for how far takes seconds."""

CLEARLY_LESS = 2.0
"""A difference of log-likelihoods that is no chance."""

MOST_SKILL = 0.98
"""Nobody is believed to be always right."""

FEWEST = 1e-3
"""Nothing is believed to be less frequent."""

GUESSED = 5.0
"""How frequent the labels are is guessed as if by so many examples, and counted."""

LEAST_TELLING = 0.05
"""Silence that says less than this is not looked at."""

MOST_WEIGHT: dict[Kind, float] = {"single": 0.6, "ordered": 0.6, "multiple": 0.2, "pair": 0.6}
"""An example that only a source without any fault knows weighs this much of one that people have
labelled. With more, wrong votes are learnt by heart: TREC-6 with 100 random labels .74 without a
source, .69 with one that is right 70 % of the time if its votes weigh as much as labels, .79 if a
fifth of that. Where an example may have several labels, SemEval-2018 with 75 labels is at .579
without it, .583 with 0.2 and .565 with 0.6."""


@dataclass(frozen=True)
class Source:
    """The votes of one source, by rows of a snapshot.

    rows (v,): ascending; bounds (v + 1,): vote i is for labels[bounds[i]:bounds[i + 1]], columns of
    the snapshot's labels. A vote for none is one, too. is_blind (v,): whether the vote was there
    before people labelled the example, so that it can be compared with what they say.
    """

    name: str
    rows: Ints
    labels: Ints
    bounds: Ints
    is_blind: Bools

    def votes(self, places: Ints, count: int) -> Floats:
        """The votes at these places (k,) of `rows` as 0 and 1, (k, count), for `count` labels."""
        starts, sizes = self.bounds[places], np.diff(self.bounds)[places]
        votes = np.repeat(np.arange(len(places)), sizes)
        inside = np.arange(len(votes)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        found = np.zeros((len(places), count), np.float32)
        found[votes, self.labels[np.repeat(starts, sizes) + inside]] = 1.0
        return found

    def shares(self, count: int) -> Floats:
        """How often each of `count` labels is given, as a share of the votes."""
        given = np.bincount(self.labels, minlength=count)
        result: Floats = given / max(1, len(self.rows))
        return result

    def of_labels(self, columns: Sequence[int] | Ints, *, keep_empty: bool = False) -> "Source":
        """The votes for these labels only, in this order; without votes that were for others only,
        and unless `keep_empty` without those for none."""
        most = max([int(self.labels.max(initial=0)), *columns], default=0)
        place = np.full(most + 1, -1)
        place[list(columns)] = np.arange(len(columns))
        kept = place[self.labels] >= 0
        vote_of = np.repeat(np.arange(len(self.rows)), np.diff(self.bounds))
        sizes = np.bincount(vote_of[kept], minlength=len(self.rows))
        there = sizes > 0
        if keep_empty:
            there |= np.diff(self.bounds) == 0
        return Source(
            self.name,
            self.rows[there],
            place[self.labels[kept]],
            np.concatenate([[0], np.cumsum(sizes[there])]).astype(np.int64),
            self.is_blind[there],
        )

    def of_question(self, group: LabelGroup) -> "Source":
        """The votes that answer one of several questions."""
        return self.of_labels(range(group.start, group.stop))


@dataclass(frozen=True)
class Reliability:
    """How far a source's votes can be believed.

    skill: see BELIEVED_SKILL; log_likelihoods: for exclusive labels (c + 1, c), of each vote (row),
    silence last, given each true label (column); for `multiple` (3, c), the logarithm of the ratio
    between having a label and not having it, where it is not given, where it is, and where the
    source is silent. See `model.heads.logistic.Evidence`.
    """

    kind: Kind
    skill: float
    log_likelihoods: Floats

    def evidence(self, votes: Floats) -> Floats:
        """Votes (v, c) of 0 and 1 to what they say of each label, (v, c)."""
        result: Floats
        if self.kind in EXCLUSIVE:
            result = votes @ self.log_likelihoods[:-1]
        else:
            result = np.where(votes > 0, self.log_likelihoods[1], self.log_likelihoods[0])
        return result

    @property
    def silence(self) -> Floats:
        """What silence says of each label, (c,)."""
        result: Floats = self.log_likelihoods[-1]
        return result

    @property
    def is_silence_telling(self) -> bool:
        """Whether silence says anything."""
        return float(certainty(self.silence[None], self.kind).max()) > LEAST_TELLING

    def weight(self, votes: Floats) -> float:
        """How much the votes (v, c) say on average, in [0, 1]: how far they take the labels from
        being equally probable; squared, because what says half as much is as good as a quarter of
        the examples."""
        if len(votes) == 0:
            return 0.0
        said = self.evidence(votes)
        if self.kind not in EXCLUSIVE:
            return float(np.tanh(0.5 * np.abs(said)).mean()) ** 2
        count = max(2, said.shape[1])
        moved = 0.5 * np.abs(softmax(said, axis=1) - 1.0 / count).sum(axis=1)
        return float(moved.mean() * count / (count - 1)) ** 2


@dataclass(frozen=True)
class Compared:
    """Where people's labels can be compared with a source: its votes (m, c), rows without any where
    it is silent, and people's labels (m, c), all of 0 and 1. is_silent (m,). m may be 0."""

    votes: Floats
    truth: Floats
    is_silent: Bools


def reliability(
    compared: Compared, shares: Floats, covered: float, kind: Kind, believed: float = BELIEVED_SKILL
) -> Reliability:
    """What a comparison says of a source that has a vote on the share `covered` of all examples,
    and gives each label in these shares (c,) of its votes. `believed`: its skill, in [0, 1], before
    any comparison."""
    skill = _skill(compared, shares, kind, believed)
    if kind in EXCLUSIVE:
        return Reliability(kind, skill, _exclusive(compared, shares * covered, skill))
    return Reliability(kind, skill, _multiple(compared, shares, skill))


def _exclusive(compared: Compared, shares: Floats, skill: float) -> Floats:
    """The log-likelihoods (c + 1, c); shares (c,): of all examples that get each vote."""
    followed = np.minimum(1.0, shares / guessed(shares))  # where a label is true and is followed
    expected = skill * np.diag(followed) + (1.0 - skill) * shares  # rows: the truth
    voted = np.minimum(1.0, expected.sum(axis=1))
    counted = compared.truth.T.astype(np.float64) @ compared.votes
    silent = compared.truth.T.astype(np.float64) @ compared.is_silent
    # Whether it votes, and for what: one may be known well and the other not at all.
    of_voting = drawn(
        np.stack([counted.sum(axis=1), silent], axis=1), np.stack([voted, 1.0 - voted], axis=1)
    )
    of_votes = drawn(counted, expected)
    return np.log(np.vstack([(of_votes * of_voting[:, :1]).T, of_voting[:, 1]]))


def _multiple(compared: Compared, shares: Floats, skill: float) -> Floats:
    """The logarithms of ratios (3, c); shares (c,): of the votes that give each label."""
    votes, truth = compared.votes.astype(np.float64), compared.truth
    is_only_one = (shares > 0).sum() == 1  # who gives one label only says no by silence
    if not is_only_one:
        votes, truth = votes[~compared.is_silent], truth[~compared.is_silent]
    by_chance = (1.0 - skill) * shares
    expected = np.concatenate([skill + by_chance, by_chance])
    given = np.concatenate([(votes * truth).sum(axis=0), (votes * (1.0 - truth)).sum(axis=0)])
    of = np.concatenate([truth.sum(axis=0), (1.0 - truth).sum(axis=0)])
    rows = drawn(
        np.stack([of - given, given], axis=1), np.stack([1.0 - expected, expected], axis=1)
    )
    hit, false = np.split(np.log(rows), 2)
    # Of a label that it never gives, a source says nothing.
    not_given, is_given = np.where(shares > 0, (hit - false).T, 0.0)
    return np.stack([not_given, is_given, not_given if is_only_one else np.zeros(len(shares))])


def drawn(counted: Floats, expected: Floats) -> Floats:
    """The probabilities of outcomes (r, o), each row summing to 1, by counts that are drawn to what
    is expected: with the greatest of STRENGTHS under which the counts are not CLEARLY_LESS likely
    than under another, for a Dirichlet distribution of each row around what is expected (Minka
    2000, "Estimating a Dirichlet distribution"). So what is counted by chance is not believed."""
    expected = np.maximum(expected, FEWEST)
    expected = expected / expected.sum(axis=1, keepdims=True)
    strengths = STRENGTHS if counted.size <= MOST_COUNTED else STRENGTHS[:1]
    likely = [_log_likelihood(counted, strength * expected) for strength in strengths]
    least = max(likely) - CLEARLY_LESS
    strength = next(one for one, found in zip(strengths, likely, strict=True) if found >= least)
    found = counted + strength * expected
    result: Floats = found / found.sum(axis=1, keepdims=True)
    return result


def _log_likelihood(counted: Floats, before: Floats) -> float:
    """Of the counts (r, o), given a Dirichlet distribution of each row with these parameters."""
    rows = gammaln(before.sum(axis=1)) - gammaln((before + counted).sum(axis=1))
    return float(rows.sum() + (gammaln(before + counted) - gammaln(before)).sum())


def guessed(shares: Floats) -> Floats:
    """How frequent each of the labels (c,) is, guessed from how often a source gives it: those that
    it gives have as much together as if all were equally frequent."""
    given = shares > 0
    result: Floats = np.full(len(shares), 1.0 / len(shares))
    result[given] = shares[given] / shares.sum() * given.mean() if given.any() else 0.0
    return result


def _skill(compared: Compared, shares: Floats, kind: Kind, believed: float) -> float:
    """The share of the votes that follow the truth, in [0, MOST_SKILL], less what a source that
    knows nothing shows by chance in so few comparisons (one standard deviation)."""
    before = guessed(shares) if kind in EXCLUSIVE else shares
    counted = compared.truth.sum(axis=0)
    frequent = (counted + GUESSED * before) / (len(compared.truth) + GUESSED)
    followed, most, luck = _followed(compared.votes, compared.truth, frequent)
    found = (followed - luck + BELIEVED * believed) / (most + BELIEVED)
    return float(np.clip(found, 0.0, MOST_SKILL))


def agreement(votes: Floats, others: Floats) -> tuple[float, float]:
    """How far votes (m, c) and what somebody else says (m, c), all of 0 and 1, agree beyond chance,
    1 if always; and how many standard deviations of chance that is."""
    followed, most, luck = _followed(votes, others, others.sum(axis=0) / max(1, len(others)))
    return followed / max(most, 1.0), followed / max(luck, 1.0)


def _followed(votes: Floats, truth: Floats, frequent: Floats) -> tuple[float, float, float]:
    """How many of the given labels are true beyond those that are by chance, how many could be, and
    the standard deviation of those that are by chance. frequent (c,): how frequent labels are."""
    by_chance = np.broadcast_to(frequent, votes.shape)[votes > 0]
    followed = float((truth[votes > 0] - by_chance).sum())
    luck = float(np.sqrt((by_chance * (1.0 - by_chance)).sum()))
    return followed, float((1.0 - by_chance).sum()), luck
