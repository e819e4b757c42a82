"""How often do near copies have the same labels, what does it cost to find them, and what do they
cost where they are not known?

    python -m tests.benchmarks.copies agreement TRAIN.jsonl.gz ... [--encoder NAME]
    python -m tests.benchmarks.copies cost [--points 100000]
    python -m tests.benchmarks.copies labels TRAIN.jsonl.gz ... [--encoder NAME]
    python -m tests.benchmarks.copies pictures PICTURES.tar --encoder FOLDER

`agreement`: of at most 5,000 texts of each set, all pairs that are equal after cleaning, and all
pairs whose cosine falls into each range: how many there are, which share of them has exactly the
same labels, and for several labels a text the mean Jaccard index of a pair. `cost`: seconds and
memory for made vectors of which a fifth are near copies, and the share of their pairs that is
found. `labels`: of a pool of 200 texts, each in six forms, how many different texts are among the
first labels in the default order, and how well the head does on the rest of the set (micro-F1),
with copies that are known and with copies that are not; means of SEEDS draws and their standard
errors. `pictures`: of 600 pictures and copies of 40 of them in each of four forms, the share of the
copies whose cosine with the original is at least NEAR, and the highest cosine of two others. Prints
a JSON line each.
"""

import io
import json
import tarfile
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from resource import RUSAGE_SELF, getrusage

import numpy as np
from PIL import Image, ImageOps

from model.choosing.copies import NEAR, cleaned, near_pairs
from model.corpus import Corpus, read
from model.encoders.images import ImageEncoder
from model.encoders.text import BUNDLED, TextEncoder
from model.heads.head import Head, centred
from model.learner import DEFAULT_STRATEGY, fast_round
from model.measuring.fit import f1_of
from model.snapshot import Policy, Snapshot, pool_centre
from model.types import Floats, Ints

TEXTS, TOKENS = 5_000, 128
RANGES = (0.85, 0.9, 0.925, 0.95, 0.96, 0.97, 0.98, 0.99, 1.01)
DIMENSION, COPIED = 384, 0.2
SEEDS, COPIED_TEXTS, TESTED, STEP, MOST = 5, 200, 1_000, 25, 100
PICTURES, COPIED_PICTURES = 600, 40
COUNTS = range(STEP, MOST + 1, STEP)


def agreed(corpus: Corpus, pairs: Ints) -> list[float]:
    """How many pairs (p, 2), the share of them with exactly the same labels and, where a text may
    have several, the mean share of their labels that both have."""
    if len(pairs) == 0:
        return [0]
    first, second = (corpus.targets[pairs] > 0).transpose(1, 0, 2)
    figures = [(first == second).all(axis=1).mean()]
    if corpus.kind == "multiple":
        both, any_ = (first & second).sum(axis=1), (first | second).sum(axis=1)
        figures.append(np.where(any_ > 0, both / np.maximum(any_, 1), 1.0).mean())
    return [len(pairs), *(round(float(one), 3) for one in figures)]


def agreement(path: Path, encoder: str) -> dict[str, object]:
    corpus = read(path).sample(TEXTS, 0)
    vectors = TextEncoder(encoder, TOKENS).encode(list(corpus.texts))
    first: dict[str, int] = {}
    same = np.array([first.setdefault(cleaned(text), row) for row, text in enumerate(corpus.texts)])
    copies = np.flatnonzero(same != np.arange(len(same)))
    found: dict[str, object] = {
        "set": path.parent.name,
        "texts": len(corpus),
        "cleaned": agreed(corpus, np.stack([same[copies], copies], axis=1)),
    }
    directions = centred(vectors, pool_centre(vectors, 0))
    cosines = np.triu(directions @ directions.T, 1)
    cosines[same[:, None] == same[None, :]] = 0.0
    for low, high in pairwise(RANGES):
        pairs = np.argwhere((cosines >= low) & (cosines < high))
        found[f"{low:g}"] = agreed(corpus, pairs)
    return found


def made(points: int) -> tuple[Floats, Ints]:
    """Vectors around 200 middles, and the pairs of a vector and its copy, whose cosine is about
    0.98."""
    rng = np.random.default_rng(0)
    middles = rng.standard_normal((200, DIMENSION))
    vectors = middles[rng.integers(200, size=points)] + rng.standard_normal((points, DIMENSION))
    copies = rng.permutation(points)[: int(COPIED * points)]
    of = rng.permutation(np.setdiff1d(np.arange(points), copies))[: len(copies)]
    vectors[copies] = vectors[of] + 0.28 * rng.standard_normal((len(copies), DIMENSION))
    return vectors.astype(np.float16), np.sort(np.stack([of, copies], axis=1), axis=1)


def cost(points: int) -> dict[str, object]:
    vectors, pairs = made(points)
    before, began = getrusage(RUSAGE_SELF).ru_maxrss, time.monotonic()
    centre = pool_centre(vectors, 0)
    found = near_pairs(vectors, centre, 0)
    seconds = time.monotonic() - began
    directions = centred(vectors, centre)
    cosines = np.einsum("pd,pd->p", directions[pairs[:, 0]], directions[pairs[:, 1]])
    wanted = pairs[cosines >= NEAR]
    there = {tuple(pair) for pair in found.tolist()}
    return {
        "points": points,
        "seconds": round(seconds, 1),
        "more_memory_mb": (getrusage(RUSAGE_SELF).ru_maxrss - before) // 1024,
        "pairs": len(found),
        "found_of_made": round(
            sum(tuple(pair) in there for pair in wanted.tolist()) / len(wanted), 4
        ),
    }


def forms_of(text: str) -> list[str]:
    """A text as it is imported again and again."""
    return [text, text.upper(), f'"{text}"', text.replace(" ", "  "), f"{text} !", f"{text} more"]


def labelled(pool: Snapshot, truth: Floats, seed: int) -> Iterator[tuple[Snapshot, Head | None]]:
    """The pool after each STEP labels in the default order."""
    policy, start = Policy(DEFAULT_STRATEGY, STEP, 0.1, seed), None
    for _ in range(0, MOST, STEP):
        found = fast_round(pool, policy, start)
        answered = np.concatenate([pool.answered, found.rows])
        is_open = pool.open.copy()
        is_open[found.rows] = False
        pool = replace(pool, open=is_open, answered=answered, targets=truth[answered])
        start = found.fitted
        yield pool, fast_round(pool, policy, start).head


def labels_needed(path: Path, encoder: str) -> dict[str, object]:
    corpus, texts = read(path), TextEncoder(encoder, TOKENS)
    found: dict[str, list[list[float]]] = {}
    for seed in range(SEEDS):
        some = corpus.sample(COPIED_TEXTS + TESTED, seed)
        copied, tested = np.arange(COPIED_TEXTS), np.arange(COPIED_TEXTS, len(some))
        forms = [form for text in some.take(copied).texts for form in forms_of(text)]
        groups, test = np.repeat(copied, len(forms_of(""))), some.take(tested)
        vectors, test_vectors = texts.encode(forms), texts.encode(list(test.texts))
        first = Snapshot(
            ids=np.random.default_rng(seed).permutation(len(forms)),
            vectors=vectors,
            open=np.ones(len(forms), np.bool_),
            answered=np.zeros(0, np.int64),
            targets=np.zeros((0, len(some.labels)), np.float32),
            labels=some.labels,
            kind=some.kind,
        )
        for name, copies in (("known", groups), ("unknown", None)):
            curve = []
            pool = replace(first, copies=copies)
            for now, head in labelled(pool, some.targets[groups], seed):
                assert head is not None
                score = f1_of(head, test_vectors, test.targets)
                curve += [len(np.unique(groups[now.answered])), score]
            found.setdefault(name, []).append(curve)
    columns = [f"{what} at {count}" for count in COUNTS for what in ("texts", "f1")]
    rows: dict[str, object] = {"set": path.parent.name}
    for name, curves in found.items():
        means, errors = np.mean(curves, axis=0), np.std(curves, axis=0, ddof=1) / np.sqrt(SEEDS)
        pairs = zip(means.round(3).tolist(), errors.round(3).tolist(), strict=True)
        rows[name] = dict(zip(columns, pairs, strict=True))
    return rows


def compressed(picture: Image.Image) -> Image.Image:
    packed = io.BytesIO()
    picture.save(packed, "JPEG", quality=60)
    return Image.open(packed).convert("RGB")


def cropped(picture: Image.Image) -> Image.Image:
    width, height = picture.size
    return picture.crop((1, 1, width - 1, height - 1)).resize((width, height))


PICTURE_FORMS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "resized": lambda one: one.resize((2 * one.width, 2 * one.height)),
    "compressed": compressed,
    "cropped": cropped,
    "mirrored": ImageOps.mirror,
}


def pictures(path: Path, encoder: str) -> dict[str, object]:
    with tarfile.open(path) as archive:
        members = sorted((one for one in archive if one.isfile()), key=lambda one: one.name)
        chosen = np.random.default_rng(0).permutation(len(members))[:PICTURES]
        files = [archive.extractfile(members[row]) for row in chosen.tolist()]
        shown = [Image.open(file).convert("RGB") for file in files if file is not None]
    copied = shown[:COPIED_PICTURES]
    copies = [make(one) for make in PICTURE_FORMS.values() for one in copied]
    vectors = ImageEncoder(encoder).encode([*shown, *copies])
    directions = centred(vectors, pool_centre(vectors, 0))
    cosines = directions @ directions[: len(shown)].T
    found: dict[str, object] = {"pictures": len(shown)}
    for place, name in enumerate(PICTURE_FORMS):
        first = len(shown) + place * len(copied)
        mine = np.diagonal(cosines[first : first + len(copied)])
        found[name] = [round(float((mine >= NEAR).mean()), 3), round(float(np.median(mine)), 3)]
    found["others"] = round(float(np.triu(cosines[: len(shown)], 1).max()), 3)
    return found


MEASURED = {"agreement": agreement, "labels": labels_needed, "pictures": pictures}


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("cost", *MEASURED))
    parser.add_argument("corpora", type=Path, nargs="*")
    parser.add_argument("--encoder", default=BUNDLED)
    parser.add_argument("--points", type=int, default=100_000)
    arguments = parser.parse_args()
    if arguments.what == "cost":
        print(json.dumps(cost(arguments.points)), flush=True)
    for path in arguments.corpora:
        print(json.dumps(MEASURED[arguments.what](path, arguments.encoder)), flush=True)


if __name__ == "__main__":
    main()
