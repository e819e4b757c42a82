"""How often annotators are right, from where several of them decided the same.

Nobody knows the truth, so what is true and who is right are found together (Dawid & Skene 1979,
"Maximum Likelihood Estimation of Observer Error-Rates Using the EM Algorithm"): in turn, what is
probably true, from votes weighed by how good each annotator is, and how good each is, from what is
probably true. The votes of a model may be among them, as one annotator more (CROWDLAB: Goh,
Tkachenko & Mueller 2022, arXiv:2210.06812).

A decision is one question about one task, with as many options as it has labels; of labels that may
stand together, each is a decision of its own between no (0) and yes (1), in the tasks in which
anybody gave it. Only numpy is imported here: the server reads labels before it loads anything else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np

from model.types import Bools, Floats, Ints

USUAL = 0.85
"""The accuracy that annotators are taken to have before anything is known of them."""
USUAL_TRIALS = 4.0
"""As many decisions does USUAL count as, against those of all annotators together."""
SHRINKING = 8.0
"""As many decisions does the mean accuracy count as, against those of one annotator."""
OF_LABEL = 4.0
"""As many decisions does an annotator's accuracy count as, against those about one label."""
MOST = 0.99
"""Nobody counts as more often right."""
STEPS, SETTLED = 100, 1e-5
"""EM ends after so many steps, or once no accuracy moves by more."""

SURE = 2.326348
"""The standard normal's 99 % quantile: annotators count as different when one test in a hundred
would say so of equal ones."""
ODDS = 2.0
"""Weighed votes decide where the first option is at least so many times as probable as the next."""
LOG_ODDS = log(ODDS)


@dataclass(frozen=True)
class Opinions:
    """Votes (v,): in each, `person` chose `option` in decision `item`; all count from 0. people:
    how many there are; options: how many each decision has, at least 2."""

    item: Ints
    person: Ints
    option: Ints
    people: int
    options: int

    @property
    def shares(self) -> Floats:
        """How much (v,) each vote counts: 1, and less where a person votes several times on the
        same."""
        _, place, count = np.unique(
            self.item * self.people + self.person, return_inverse=True, return_counts=True
        )
        result: Floats = 1.0 / count[place]
        return result

    @property
    def voters(self) -> Ints:
        """How many people decided each item (i,)."""
        pairs = np.unique(self.item * self.people + self.person)
        return np.bincount(pairs // self.people, minlength=int(self.item.max(initial=-1)) + 1)

    def where(self, kept: Bools) -> "Opinions":
        """Some of the votes (v,); items and people keep their numbers."""
        return Opinions(
            self.item[kept], self.person[kept], self.option[kept], self.people, self.options
        )

    def of_several(self) -> "Opinions":
        """The votes on what at least two people decided, with these items counted from 0."""
        kept = self.where(self.voters[self.item] > 1)
        _, item = np.unique(kept.item, return_inverse=True)
        return Opinions(item.astype(np.int64), kept.person, kept.option, self.people, self.options)


@dataclass(frozen=True)
class Known:
    """What else is known of each person: `right` of `trials` decisions, both (p,), as numbers that
    need not be whole."""

    right: Floats
    trials: Floats


@dataclass(frozen=True)
class Quality:
    """accuracy (p,): how often each person is probably right, in [1 / options, MOST]; trials (p,):
    from how many decisions that is known; belief (v,): the probability that each vote is right;
    differ: whether the people are measurably different."""

    accuracy: Floats
    trials: Floats
    belief: Floats
    differ: bool


def quality(opinions: Opinions, known: Known | None = None) -> Quality:
    """How good the people are: accuracies by EM, each drawn to the mean of all.

    An annotator with two decisions ends near the mean, all without any at it. Whether they differ
    is found by the likelihood of these accuracies against that of one for all (Wilks 1938): noise
    alone does not make one annotator's vote worth more.
    """
    nothing = np.zeros(opinions.people)
    known, cells = known or Known(nothing, nothing), _cells(opinions)
    one, each = (_fitted(opinions, cells, known, is_common=common) for common in (True, False))
    of_one, of_each = (_log_likelihood(opinions, cells, known, found) for found in (one, each))
    trials = np.bincount(opinions.person, cells.share, opinions.people) + known.trials
    differ = 2.0 * (of_each - of_one) > _chi_squared(int((trials > 0).sum()) - 1)
    belief = _believed(opinions, cells, each)[0][cells.place]
    return Quality(each, trials, belief, bool(differ))


def weights_of(accuracy: Floats, options: int) -> Floats:
    """What each person's vote weighs (p,): the logarithm of how many times as probable it makes its
    option as any other (Nitzan & Paroush 1982). 0 for somebody who is no better than chance."""
    held = np.clip(accuracy, 1.0 / options, MOST)
    result: Floats = np.log(held * (options - 1) / (1.0 - held))
    return result


def matrices(opinions: Opinions, quality: Quality) -> Floats:
    """Confusion matrices (p, c, c): the probability that each person says option k, in columns,
    where option l, in rows, is true; rows sum to 1.

    Each is drawn to the person's one accuracy, with errors spread evenly, so a label that somebody
    had twice says little. Of what is true, the votes of all people say how probable it is.
    """
    c, people = opinions.options, opinions.people
    counts = np.zeros((people, c, c))
    np.add.at(counts, *_truths(opinions, quality.accuracy))
    miss = (1.0 - quality.accuracy) / (c - 1)
    prior = np.repeat(miss[:, None, None], c, axis=1) * np.ones((1, 1, c))
    prior[:, np.arange(c), np.arange(c)] = quality.accuracy[:, None]
    result: Floats = (counts + OF_LABEL * prior) / (counts.sum(axis=2, keepdims=True) + OF_LABEL)
    return result


@dataclass(frozen=True)
class Mistaken:
    """`person` said `said` where `true` is probably true, about `count` times."""

    person: int
    true: int
    said: int
    count: float


def mistaken(opinions: Opinions, quality: Quality) -> list[Mistaken]:
    """What people probably took for what, the most frequent first."""
    (person, true, said), amount = _truths(opinions, quality.accuracy)
    is_wrong = true != said
    keys = np.stack([person, true, said], axis=1)[is_wrong]
    found, place = np.unique(keys, axis=0, return_inverse=True)
    counts = np.bincount(place.ravel(), amount[is_wrong], len(found))
    order = np.argsort(-counts, kind="stable")
    return [
        Mistaken(who, meant, given, float(counts[row]))
        for row, (who, meant, given) in zip(order, found[order].tolist(), strict=True)
    ]


def with_others(opinions: Opinions) -> tuple[Floats, Floats]:
    """Of each person (p,): in how many decisions others said the same, and how many others decided,
    too. Where some of the others agree, their share of a decision counts."""
    share, cells = opinions.shares, _cells(opinions)
    together = np.bincount(cells.place, share, len(cells.item))[cells.place]
    _, again = np.unique(cells.place * opinions.people + opinions.person, return_inverse=True)
    own = np.bincount(again, share)[again]
    others = opinions.voters[opinions.item] - 1
    agreed: Floats = share * (together - own) / np.maximum(others, 1)
    compared: Floats = share * (others > 0)
    return _sums(opinions, agreed), _sums(opinions, compared)


def with_one(opinions: Opinions, other: int) -> tuple[Floats, Floats]:
    """The same with one other person, such as the model, who voted once on each."""
    theirs = np.full(int(opinions.item.max(initial=-1)) + 1, -1)
    is_theirs = opinions.person == other
    theirs[opinions.item[is_theirs]] = opinions.option[is_theirs]
    told = theirs[opinions.item]
    compared: Floats = opinions.shares * ((told >= 0) & ~is_theirs)
    return _sums(opinions, compared * (opinions.option == told)), _sums(opinions, compared)


def _sums(opinions: Opinions, of_votes: Floats) -> Floats:
    """Of each person (p,), the sum over their votes (v,)."""
    result: Floats = np.bincount(opinions.person, of_votes, opinions.people).astype(np.float64)
    return result


def chosen(sums: Sequence[float], counts: Sequence[int]) -> int | None:
    """Which of the options of one decision is taken; None where that is undecided.

    sums: what the votes for each weigh together; counts: how many there are. The weights decide
    where the first is at least ODDS times as probable as the second; else the majority does.
    """
    first, second = _two_highest(sums)
    if len(sums) == 1 or sums[first] - sums[second] >= LOG_ODDS:
        return first
    first, second = _two_highest(counts)
    return first if counts[first] > counts[second] else None


def from_agreement(agreed: Floats, compared: Floats, model: float, options: int) -> Known:
    """What their agreement with a model says of people, whose own accuracy is `model`: agreed of
    compared decisions, both (p,).

    Someone who is right a times in 1 agrees with it in g = a m + (1 - a) (1 - m) / (c - 1) of all,
    so g gives a, with the variance of as many decisions as `trials` says: fewer the less the model
    knows, none where it only guesses.
    """
    by_chance = (1.0 - model) / (options - 1)
    knows = max(0.0, model - by_chance)
    if knows <= 0.0 or compared.sum() == 0:
        return Known(np.zeros(len(agreed)), np.zeros(len(agreed)))
    right = np.clip((agreed / np.maximum(compared, 1e-9) - by_chance) / knows, 0.0, 1.0)
    g = float(np.clip(agreed.sum() / compared.sum(), 0.01, 0.99))
    a = float(np.clip((g - by_chance) / knows, 1.0 - MOST, MOST))
    trials = compared * knows**2 * min(1.0, a * (1.0 - a) / (g * (1.0 - g)))
    return Known(right * trials, trials)


@dataclass(frozen=True)
class _Cells:
    """Each option that anybody chose in a decision, sorted by decision: item, option (k,); place
    (v,): the cell of each vote; rest (i,): how many options of each decision nobody chose; share
    (v,): what each vote counts."""

    item: Ints
    option: Ints
    place: Ints
    rest: Ints
    share: Floats


def _cells(opinions: Opinions) -> _Cells:
    keys = opinions.item * opinions.options + opinions.option
    cells, place = np.unique(keys, return_inverse=True)
    item, option = np.divmod(cells, opinions.options)
    items = int(opinions.item.max(initial=-1)) + 1
    rest = opinions.options - np.bincount(item, minlength=items)
    return _Cells(item, option, place, rest, opinions.shares)


def _fitted(opinions: Opinions, cells: _Cells, known: Known, *, is_common: bool) -> Floats:
    """Accuracies (p,) by EM; `is_common`: one for all."""
    accuracy: Floats = np.full(opinions.people, USUAL)
    votes = np.bincount(opinions.person, cells.share, opinions.people) + known.trials
    for _ in range(STEPS):
        belief = _believed(opinions, cells, accuracy)[0][cells.place]
        right = np.bincount(opinions.person, cells.share * belief, opinions.people) + known.right
        mean = (right.sum() + USUAL_TRIALS * USUAL) / (votes.sum() + USUAL_TRIALS)
        found = np.full(len(votes), mean)
        if not is_common:
            found = (right + SHRINKING * mean) / (votes + SHRINKING)
        found = np.clip(found, 1.0 / opinions.options, MOST)
        moved, accuracy = np.abs(found - accuracy).max(initial=0.0), found
        if moved < SETTLED:
            break
    return accuracy


def _believed(opinions: Opinions, cells: _Cells, accuracy: Floats) -> tuple[Floats, Floats]:
    """The probability that each chosen option is the true one (k,), and the logarithm of what all
    options of each decision sum to (i,)."""
    weight = cells.share * weights_of(accuracy, opinions.options)[opinions.person]
    sums = np.bincount(cells.place, weight, len(cells.item))
    # An option that nobody chose has a sum of 0.
    total = np.log(cells.rest + np.bincount(cells.item, np.exp(sums), len(cells.rest)))
    believed: Floats = np.exp(sums - total[cells.item])
    return believed, total


def _log_likelihood(opinions: Opinions, cells: _Cells, known: Known, accuracy: Floats) -> float:
    """Of the votes and what else is known, up to a constant."""
    held = np.clip(accuracy, 1.0 / opinions.options, MOST)
    wrong = np.log((1.0 - held) / (opinions.options - 1))
    _, total = _believed(opinions, cells, held)
    besides = known.right @ np.log(held) + (known.trials - known.right) @ np.log(1.0 - held)
    return float(total.sum() + (cells.share * wrong[opinions.person]).sum() + besides)


def _truths(opinions: Opinions, accuracy: Floats) -> tuple[tuple[Ints, Ints, Ints], Floats]:
    """Places (person, true option, chosen option) in the confusion matrices, and what to add there:
    for each vote, each option that anybody chose in its decision, by how probable it is."""
    cells = _cells(opinions)
    believed, _ = _believed(opinions, cells, accuracy)
    begin = np.searchsorted(cells.item, opinions.item)
    many = np.searchsorted(cells.item, opinions.item, side="right") - begin
    vote = np.repeat(np.arange(len(many)), many)
    cell = np.arange(len(vote)) - np.repeat(np.cumsum(many) - many - begin, many)
    where = opinions.person[vote], cells.option[cell], opinions.option[vote]
    return where, cells.share[vote] * believed[cell]


def _two_highest(values: Sequence[float]) -> tuple[int, int]:
    """The places of the highest value and of the next; the same one twice if it is alone."""
    order = sorted(range(len(values)), key=lambda place: -values[place])
    return order[0], order[min(1, len(order) - 1)]


def _chi_squared(freedom: int) -> float:
    """The 99 % quantile (Wilson & Hilferty 1931); infinite without freedom."""
    if freedom < 1:
        return np.inf
    spread = 2.0 / (9.0 * freedom)
    return float(freedom * (1.0 - spread + SURE * np.sqrt(spread)) ** 3)
