"""Does a search by a label's name find texts of that label, and from where should directions count?

    python -m tests.benchmarks.retrieval TRAIN.jsonl.gz ... [--encoder NAME]

Of 1,000 texts of each set, the share of the 10 nearest to a label's name that have the label, mean
over the labels: with vectors as they are, and counted from the pool's mean, as the search does it.
Prints a JSON line a set.
"""

import json
from argparse import ArgumentParser
from pathlib import Path

import numpy as np

from model.choosing.nearest import nearest
from model.corpus import Corpus, read
from model.encoders.text import BUNDLED, TextEncoder
from model.heads.names import readable
from model.snapshot import pool_centre
from model.types import Floats

TEXTS, NEAREST, TOKENS = 1_000, 10, 64


def precision(corpus: Corpus, vectors: Floats, names: Floats, centre: Floats) -> float:
    found = []
    for label, name in enumerate(names):
        has = corpus.targets[:, label] > 0
        if has.any():
            rows, _ = nearest(vectors, name, centre, min(NEAREST, int(has.sum())))
            found.append(has[rows].mean())
    return round(float(np.mean(found)), 3)


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("corpora", type=Path, nargs="+")
    parser.add_argument("--encoder", default=BUNDLED)
    arguments = parser.parse_args()
    encoder = TextEncoder(arguments.encoder, TOKENS)
    for path in arguments.corpora:
        corpus = read(path).sample(TEXTS, 0)
        vectors = encoder.encode(corpus.texts)
        names = encoder.encode([readable(label) for label in corpus.labels])
        centre = pool_centre(vectors, 0)
        figures = {
            "as_they_are": precision(corpus, vectors, names, np.zeros_like(centre)),
            "from_the_mean": precision(corpus, vectors, names, centre),
        }
        print(json.dumps({"set": path.parent.name, **figures}), flush=True)


if __name__ == "__main__":
    main()
