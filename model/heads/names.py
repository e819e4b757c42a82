"""What labels are called: a head from the vectors of their names, before any label and along with
labels.

The name of a label is a text, and the encoder reads texts. Without any label the head of the names
alone is right on BANKING77 (77 intents) in .67 of the texts, where 25 random labels without names
reach .18. How much of it holds for a project is found with the head's own weights, from its labels:
see `model.heads.logistic.Prior`. So misleading names, such as A, B and C, end at a share of 0.
"""

import re

import numpy as np
from scipy.special import expit, softmax

from model.heads.head import Head, centred
from model.types import EXCLUSIVE, Floats, Kind

SCALE = 8.0
"""Logits are this many times the cosines of texts and names."""

STEPS: dict[Kind, int] = {"single": 3, "ordered": 3, "multiple": 1, "pair": 0}
"""How often the names are moved towards the texts that they stand for. If a text has several
labels, its clearest one says less."""

SUREST = 0.4
"""The share of the texts that names are moved towards: those that are most clearly of one label."""

MOST_SHARE = 0.5
LABELS_A_TEXT = 1.5
"""If texts may have several labels, a text is assumed to have this many until labels say otherwise,
and each label to be on at most MOST_SHARE of the texts."""


def named_head(
    names: Floats, vectors: Floats, kind: Kind, labels: tuple[str, ...], centre: Floats
) -> Head:
    """The head of the labels' names alone.

    names (c, d): the vectors of the names, zeros for a label without one, which takes what no name
    fits; vectors (n, d): of some of the pool, n may be 0; centre (d,): of the pool. All by one
    encoder.

    The names are centred by their own mean: what they have in common (that they are single words)
    says nothing. Then each is moved towards the mean of the texts that are most clearly its own,
    some STEPS, so that it stands among the texts it names: seeded k-means (Basu, Banerjee & Mooney
    2002, "Semi-supervised Clustering by Seeding") on the clearest part of the texts.
    """
    has_name = np.linalg.norm(names, axis=1) > 0
    seeds = np.zeros(names.shape, np.float32)
    if has_name.any():
        seeds[has_name] = centred(names[has_name], names[has_name].mean(axis=0))
    texts = centred(vectors, centre)
    prototypes = seeds
    for _ in range(STEPS[kind] if has_name.sum() > 1 and len(texts) else 0):
        prototypes = np.where(has_name[:, None], _moved(seeds, prototypes, texts), 0.0)
    weights = (SCALE * prototypes.T).astype(np.float32)
    bias = np.zeros(len(labels), np.float32)
    if kind not in EXCLUSIVE:
        share = min(MOST_SHARE, LABELS_A_TEXT / len(labels))
        bias += bias_for(texts @ weights, share)
    shares = np.ones(len(labels), np.float32)
    return Head(kind, labels, weights, bias, np.asarray(centre, np.float32), name_shares=shares)


def _moved(seeds: Floats, prototypes: Floats, texts: Floats) -> Floats:
    """Each name's seed plus the direction of the mean of its clearest texts, of unit length."""
    probs = softmax(SCALE * (texts @ prototypes.T), axis=1)
    likeliest = probs.argmax(axis=1)
    top = probs[np.arange(len(probs)), likeliest]
    probs[np.arange(len(probs)), likeliest] = -1.0
    margin = top - probs.max(axis=1)
    clearest = np.argsort(-margin, kind="stable")[: max(1, round(SUREST * len(texts)))]
    sums = np.zeros(seeds.shape, np.float32)
    np.add.at(sums, likeliest[clearest], texts[clearest])
    return _unit(_unit(sums) + seeds)


def bias_for(logits: Floats, share: float) -> float:
    """What to add to all of the logits (n, c) so that their mean probability is `share`, in (0, 1).
    By bisection, to a thousandth; without any logits the share's own."""
    low, high = -30.0, 30.0
    if logits.size == 0:
        return float(np.log(share / (1.0 - share)))
    while high - low > 1e-3:
        middle = 0.5 * (low + high)
        too_much = expit(logits + middle).mean() > share
        low, high = (low, middle) if too_much else (middle, high)
    return 0.5 * (low + high)


def readable(name: str) -> str:
    """A label's name as a reader would say it: words instead of `snake_case` and `camelCase`, in
    lower case, without marks at its ends; "" for one that says nothing, such as a number."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|[-_/|.:]+", " ", name)
    said = " ".join(words.split()).strip(" ?!,;").lower()
    return said if any(letter.isalpha() for letter in said) else ""


def _unit(vectors: Floats) -> Floats:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    result: Floats = (vectors / np.maximum(norms, 1e-12)).astype(np.float32)
    return result
