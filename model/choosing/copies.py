"""Near copies: what is all but the same. What people say of one they would say of the others."""

import math
import re
import unicodedata
from collections.abc import Callable

import numpy as np

from model.heads.head import centred
from model.snapshot import Vectors
from model.types import Bools, Floats, Ints

NEAR = 0.97
"""From this cosine on two examples are near copies, by the vectors of a pretrained encoder, counted
from the pool's mean."""

MISSED = 0.01
"""The chance that a pair with a cosine of NEAR is not found; with a higher one it is smaller."""

LEAST_BITS, MOST_BITS = 8, 24
"""Of the codes that stand for directions."""

BESIDE = 32
"""Each vector is compared with so many of those that have the same code."""

PARTNERS = 16
"""Of each row so many pairs with lower ones are kept: the lowest lead."""

COMPARED_AT_ONCE = 1 << 15
"""Pairs, or vectors, that are in memory at a time."""

QUOTES = "'\"`\u00b4\u2018\u2019\u201c\u201d\u00ab\u00bb"
DASHES = "\u2013\u2014-"
PUNCTUATION = re.compile(
    rf"[.,;:!?…。、{QUOTES}\[\]]|(?<![:;])[()]"
    rf"|(?<![\d\s])[{DASHES}](?=[^\d\s])|(?<=\s)[{DASHES}](?=\s)"
)
"""What a sentence means the same without: no sign that says something, such as %, no minus before a
digit, and no mouth of a face, as in `:(`."""


def cleaned(text: str) -> str:
    """A text without what its copies differ in: capitals, forms of the same letter, spaces, and
    punctuation. A text of nothing else stays as it is."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(PUNCTUATION.sub(" ", plain).split()) or text


def near_pairs(
    vectors: Vectors,
    centre: Floats,
    seed: int,
    least: float = NEAR,
    advanced: Callable[[float], object] = lambda share: None,
) -> Ints:
    """The pairs of rows (p, 2), the lower one first, whose cosine from the centre (d,) is `least`
    or more, in order; nearly all of them, see MISSED and BESIDE, but of each row with lower ones
    at most the PARTNERS lowest: of a hundred thousand copies of one text there are five billion.

    Codes of the sides of random hyperplanes on which a vector lies, several for each, so that near
    ones share at least one (Charikar 2002, "Similarity estimation techniques from rounding
    algorithms", doi:10.1145/509907.509965). vectors (n, d). `advanced` is told the share that is
    done, in [0, 1].
    """
    bits, tables = _codes_for(len(vectors), least)
    rng = np.random.default_rng(seed)
    planes = rng.standard_normal((tables, vectors.shape[1], bits)).astype(np.float32)
    codes = _codes(vectors, centre, planes)
    found = np.zeros((0, 2), dtype=np.int64)
    for table, column in enumerate(codes.T):
        pairs = _with_equal_code(column, rng)
        pairs = np.concatenate([found, pairs[_cosines(vectors, centre, pairs) >= least]])
        found = _with_the_lowest(np.unique(pairs, axis=0))
        advanced((table + 1) / tables)
    return found


def leaders_of(pairs: Ints, count: int) -> Ints:
    """For each of `count` rows the first one that it is a copy of, itself where there is none. A
    leader leads itself, so that no chain of copies ends far from where it began. pairs (p, 2): the
    lower row first, in any order."""
    leaders = np.arange(count, dtype=np.int64)
    for earlier, later in pairs[np.lexsort((pairs[:, 0], pairs[:, 1]))].tolist():
        if leaders[later] == later and leaders[earlier] == earlier:
            leaders[later] = earlier
    return leaders


def held_back(groups: Ints | None, is_open: Bools, answered: Ints, audits: Bools) -> Bools:
    """Which rows (n,) are not to be asked for before all others: copies of an answered row, and of
    an open one that comes before. Audit tasks are never held back: they are drawn at random.

    groups (n,): equal for copies, -1 for what has none; None: nothing has. answered (m,): rows.
    """
    held = np.zeros(len(is_open), dtype=np.bool_)
    if groups is None:
        return held
    rows = np.flatnonzero((groups >= 0) & is_open & ~audits)
    mine = groups[rows]
    _, first = np.unique(mine, return_index=True)
    is_first = np.zeros(len(rows), dtype=np.bool_)
    is_first[first] = True
    held[rows] = ~is_first | np.isin(mine, groups[answered])
    return held


def _codes_for(count: int, least: float) -> tuple[int, int]:
    """How many bits a code has, so that few vectors share one by chance, and how many codes a
    vector has, so that near ones share one."""
    bits = min(MOST_BITS, max(LEAST_BITS, math.ceil(math.log2(max(count, 2))) + 3))
    same = (1.0 - math.acos(least) / math.pi) ** bits
    return bits, math.ceil(math.log(MISSED) / math.log1p(-same))


def _codes(vectors: Vectors, centre: Floats, planes: Floats) -> Ints:
    """The codes (n, t) of the vectors; planes (t, d, b)."""
    tables, _, bits = planes.shape
    flat = planes.transpose(1, 0, 2).reshape(vectors.shape[1], -1)
    places = 1 << np.arange(bits, dtype=np.int64)
    found = np.zeros((len(vectors), tables), dtype=np.int64)
    for start in range(0, len(vectors), COMPARED_AT_ONCE):
        rows = np.arange(start, min(start + COMPARED_AT_ONCE, len(vectors)))
        sides = (centred(vectors[rows], centre) @ flat > 0).reshape(len(rows), tables, bits)
        found[rows] = sides @ places
    return found


def _with_the_lowest(pairs: Ints) -> Ints:
    """Those of the pairs (p, 2), in order, of which each second row has its PARTNERS lowest
    ones."""
    order = np.argsort(pairs[:, 1], kind="stable")
    second = pairs[order, 1]
    place = np.arange(len(second)) - np.searchsorted(second, second)
    kept: Ints = pairs[np.sort(order[place < PARTNERS])]
    return kept


def _with_equal_code(codes: Ints, rng: np.random.Generator) -> Ints:
    """Pairs of rows (p, 2) with the same code (n,), the lower one first: each row with the lowest
    one of the same code, which leads where all are copies, and with BESIDE others at most."""
    shuffled = rng.permutation(len(codes))
    order = shuffled[np.argsort(codes[shuffled], kind="stable")]
    there = codes[order]
    _, lowest, mine = np.unique(codes, return_index=True, return_inverse=True)
    with_lowest = np.stack([lowest[mine], np.arange(len(codes))], axis=1)
    found = [with_lowest[with_lowest[:, 0] != with_lowest[:, 1]]]
    for distance in range(1, min(BESIDE, len(codes) - 1) + 1):
        first = np.flatnonzero(there[distance:] == there[:-distance])
        if len(first) == 0:
            break
        found.append(np.stack([order[first], order[first + distance]], axis=1))
    return np.sort(np.concatenate(found), axis=1)


def _cosines(vectors: Vectors, centre: Floats, pairs: Ints) -> Floats:
    """The cosine (p,) of each pair."""
    found = [np.zeros(0, dtype=np.float32)]
    for start in range(0, len(pairs), COMPARED_AT_ONCE):
        some = pairs[start : start + COMPARED_AT_ONCE]
        rows, places = np.unique(some, return_inverse=True)
        directions = centred(vectors[rows], centre)
        first, second = directions[places.reshape(some.shape)].transpose(1, 0, 2)
        found.append(np.einsum("pd,pd->p", first, second))
    return np.concatenate(found)
