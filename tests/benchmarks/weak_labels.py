"""What weak labels are worth, with the encoder as it comes: DATA/NAME/{train,test}.jsonl.gz.

    python -m tests.benchmarks.weak_labels DATA OUT [--sets trec6] [--seeds 5] [--me5 FOLDER]

Plays fast rounds of the default strategy alone, 25 labels a round up to 300, on random pools of
2,000 texts, encoded once and kept in OUT, and measures on 1,000 others: accuracy, or micro-F1 where
a text may have several labels. Each arm has other sources of weak labels on the pool, none on the
test texts: `good` is right 70 % of the time on 60 % of the texts, otherwise it gives another label
at random; `bad` is right 20 % of the time; `both`; `swapped` is good but calls each label by the
next one's name; `fixed idea` follows the text, but nothing that people label; `one label` gives the
most frequent label only, right 70 % of the time. Prints the mean of each arm, its difference from
no source seed by seed, and the weights that were found.
"""

from collections.abc import Callable

import numpy as np

from model.corpus import Corpus
from model.heads.sources import Source
from model.measuring.curves import standard_error
from model.types import Floats
from tests.benchmarks.first_labels import (
    BATCH,
    Arm,
    Encoded,
    arguments_of,
    outcomes,
    pool_of,
    score,
    texts_of,
)

MOST = 300
SHOWN = (0, 25, 50, 75, 100, 150, 200, 300)
COVERED = 0.6
OURS = Arm("auto", "given")


def voting(name: str, pool: Corpus, votes: Floats, seed: int) -> Source:
    """A source with these votes (n, c) of 0 and 1 on COVERED of the texts."""
    is_covered = np.random.default_rng([seed, 1]).random(len(pool)) < COVERED
    rows = np.flatnonzero(is_covered & votes.any(axis=1))
    given = votes[rows] > 0
    bounds = np.concatenate([[0], np.cumsum(given.sum(axis=1))])
    blind = np.ones(len(rows), np.bool_)
    return Source(name, rows, np.nonzero(given)[1].astype(np.int64), bounds, blind)


def right_in(share: float, pool: Corpus, seed: int) -> Floats:
    """The true labels, of which each is replaced by another one unless it is one of `share`."""
    rng = np.random.default_rng([seed, round(100 * share)])
    votes = np.zeros(pool.targets.shape, np.float32)
    rows, labels = np.nonzero(pool.targets)
    is_wrong = rng.random(len(labels)) >= share
    others = (labels + rng.integers(1, len(pool.labels), len(labels))) % len(pool.labels)
    votes[rows, np.where(is_wrong, others, labels)] = 1.0
    return votes


def of_text(vectors: Floats, pool: Corpus, seed: int) -> Floats:
    """The label whose random direction the text's vector points to most."""
    directions = np.random.default_rng([seed, 3]).normal(size=(vectors.shape[1], len(pool.labels)))
    likeliest = ((vectors - vectors.mean(axis=0, dtype=np.float32)) @ directions).argmax(axis=1)
    result: Floats = np.eye(len(pool.labels), dtype=np.float32)[likeliest]
    return result


def first_only(votes: Floats) -> Floats:
    """Of these votes (n, c), those for the most frequent label."""
    frequent = votes.sum(axis=0).argmax()
    result: Floats = votes * (np.arange(votes.shape[1]) == frequent)
    return result


def sources_of(name: str, pool: Corpus, vectors: Floats, seed: int) -> tuple[Source, ...]:
    """The sources of an arm."""
    good, bad = (right_in(share, pool, seed) for share in (0.7, 0.2))
    made: dict[str, Callable[[], Floats]] = {
        "good": lambda: good,
        "bad": lambda: bad,
        "swapped": lambda: np.roll(good, 1, axis=1),
        "fixed idea": lambda: of_text(vectors, pool, seed),
        "one label": lambda: first_only(good),
    }
    kept = {"none": (), "both": ("good", "bad")}.get(name, (name,))
    return tuple(voting(one, pool, made[one](), seed + place) for place, one in enumerate(kept))


ARMS = ("none", "good", "bad", "both", "swapped", "fixed idea", "one label")


def play(texts: Encoded, arm: str, seed: int) -> tuple[list[float], list[list[float]]]:
    """The scores after 0, 25, 50 ... labels, and the weights of the sources."""
    sources = sources_of(arm, *pool_of(texts, seed), seed)
    scores, weights = [], []
    for outcome in outcomes(texts, OURS, seed, sources, MOST):
        scores.append(score(outcome.head, texts))
        weights.append([one.weight for one in outcome.sources])
    return scores, weights


def main() -> None:
    arguments = arguments_of(__doc__, ARMS, seeds=5)
    print(f"| set | sources | {' | '.join(map(str, SHOWN))} | weights at 25 and 300 |")
    print(f"|---|---|{'---|' * len(SHOWN)}---|")
    for name in arguments.sets:
        texts = texts_of(name, arguments)
        without: Floats | None = None
        for arm in arguments.arms:
            played = [play(texts, arm, seed) for seed in range(arguments.seeds)]
            scores = np.array([one for one, _ in played])
            without = scores if without is None else without
            weights = np.array([one for _, one in played]).mean(axis=0)
            print(row(name, arm, scores, without, weights), flush=True)


def row(name: str, arm: str, scores: Floats, without: Floats, weights: Floats) -> str:
    """A line of the table. scores, without (seeds, rounds); weights (rounds, sources)."""
    cells = []
    for labels in SHOWN:
        place = labels // BATCH
        gains = (scores - without)[:, place]
        gain = f" ({gains.mean():+.3f} ± {standard_error(gains):.3f})" if arm != "none" else ""
        cells.append(f"{scores[:, place].mean():.3f}{gain}")
    found = [f"{at[0]:.2f} {at[1]:.2f}" for at in weights[[25 // BATCH, -1]].T]
    return f"| {name} | {arm} | {' | '.join(cells)} | {', '.join(found)} |"


if __name__ == "__main__":
    main()
