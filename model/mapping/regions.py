"""The regions of a map, each with the words that tell its texts from the others."""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from model.types import Floats, Ints

LEAST_POINTS = 40
"""There is at most one region for so many points."""

LEAST_TEXTS = 3
"""A word that fewer texts of a region have does not name it."""

LEAST_LETTERS = 3

LEAST_LIFT = 1.5
"""A word that is not so many times as frequent in a region as in the rest of the map does not name
it."""

WORDS = 3
"""A region is named by so many words at most."""

MOST_TEXTS = 20_000
"""So many texts are read at most: all of a large pool would take minutes."""

MOST_CHARACTERS = 2000
"""So much of each text is read."""

UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]+")
"""Thai, Lao, Burmese, Khmer, Japanese and Chinese: no spaces between words."""


@dataclass(frozen=True)
class Region:
    """A group of `size` points that lie together: x, y: its middle; words: what its texts are
    about, the most telling first, () where they do not say."""

    x: float
    y: float
    words: tuple[str, ...]
    size: int


class _Letters(dict[int, int | str]):
    """For `str.translate`: letters and the marks on them stay, all else separates words."""

    def __missing__(self, code: int) -> int | str:
        found: int | str = code if unicodedata.category(chr(code))[0] in "LM" else " "
        self[code] = found
        return found


_letters = _Letters()


def named_regions(
    positions: Floats, texts: Sequence[str], seed: int, most: int = 16
) -> tuple[Region, ...]:
    """Groups of the points (n, 2), the largest first, named by the texts (n) of their points.

    At most `most` groups, by k-means; a text may be "". Words are weighed by class-based TF-IDF
    (Grootendorst 2022, "BERTopic", arXiv:2203.05794), each counted once a text, so that none is
    there because a single text repeats it, and by the logarithm of how many times as frequent the
    word is in the region as in the rest of the map: by the formula alone, words such as "that" and
    "with" named all five topics of BBC News. A map of one region has no names. Of scripts without
    spaces, each two neighbouring characters count as a word.
    """
    if len(positions) == 0:
        return ()
    groups = _groups(positions, min(most, max(1, len(positions) // LEAST_POINTS)), seed)
    words = _words(groups, texts, read_rows(len(positions), seed))
    found = []
    for group in np.unique(groups).tolist():
        x, y = np.median(positions[groups == group], axis=0).tolist()
        size = int(np.count_nonzero(groups == group))
        found.append(Region(x, y, words[group], size))
    return tuple(sorted(found, key=lambda one: -one.size))


def read_rows(count: int, seed: int) -> Ints:
    """Of so many points those whose texts `named_regions` reads, in order: all, or MOST_TEXTS drawn
    at random."""
    if count <= MOST_TEXTS:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, MOST_TEXTS, replace=False))


def _groups(positions: Floats, most: int, seed: int) -> Ints:
    """The number of each point's group (n,)."""
    # Not at import: what takes a second to load is loaded where it is used.
    from sklearn.cluster import MiniBatchKMeans  # noqa: PLC0415

    count = min(most, len(np.unique(positions, axis=0)))
    if count == 1:
        return np.zeros(len(positions), np.int64)
    means = MiniBatchKMeans(count, batch_size=4096, n_init=3, random_state=seed)
    found: Ints = means.fit_predict(positions.astype(np.float64)).astype(np.int64)
    return found


def _words(groups: Ints, texts: Sequence[str], rows: Ints) -> list[tuple[str, ...]]:
    """The words of each group, by its number."""
    told = [_Told() for _ in range(int(groups.max()) + 1)]
    for row in rows.tolist():
        told[groups[row]].add(set(terms_of(texts[row])))
    everywhere = _Told(Counter(), sum(one.texts for one in told))
    for one in told:
        everywhere.counts.update(one.counts)
    average = everywhere.counts.total() / len(told)
    return [one.telling(everywhere, average) for one in told]


@dataclass
class _Told:
    """What the texts of a region say: in how many of them each word stands, and how many say
    anything."""

    counts: Counter[str] = field(default_factory=Counter)
    texts: int = 0

    def add(self, words: set[str]) -> None:
        self.counts.update(words)
        self.texts += bool(words)

    def telling(self, everywhere: "_Told", average: float) -> tuple[str, ...]:
        """The words that tell it from the rest of the map; average: how many words a region has."""
        elsewhere = everywhere.texts - self.texts
        if elsewhere == 0:
            return ()
        scores = {}
        for word, count in self.counts.items():
            total = everywhere.counts[word]
            share, other_share = _share(count, self.texts), _share(total - count, elsewhere)
            if count >= LEAST_TEXTS and share > LEAST_LIFT * other_share:
                lift = math.log(share / other_share)
                scores[word] = count * math.log1p(average / total) * lift
        return tuple(sorted(scores, key=lambda word: (-scores[word], word))[:WORDS])


def _share(count: int, texts: int) -> float:
    """The share of the texts that have a word, more than 0 also where none has."""
    return (count + 0.5) / (texts + 1.0)


def terms_of(text: str) -> Iterator[str]:
    """The words of a text in lower case, without numbers and short ones; of scripts without
    spaces each two neighbouring characters."""
    shown = text[:MOST_CHARACTERS].lower()
    if UNSPACED.search(shown):
        for run in UNSPACED.findall(shown):
            yield from map("".join, pairwise(run))
        shown = UNSPACED.sub(" ", shown)
    for word in shown.translate(_letters).split():
        if len(word) >= LEAST_LETTERS:
            yield word
