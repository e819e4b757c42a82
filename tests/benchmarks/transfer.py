"""What an earlier project is worth to the next one: DATA/NAME/{train,test}.jsonl.gz.

    python -m tests.benchmarks.transfer DATA OUT [--pairs emotions ...] [--seeds 3] [--deep]

Tunes an encoder on LABELS random labels of the earlier set and fits a head on it, which OUT keeps.
Then plays the next project on random pools of POOL texts, ten labels a round, with the default
strategy: on the pretrained encoder (`alone`), on the one half way to the earlier one (`begun`),
where labels may bring the pretrained one back (`judged`), and as the product does, where also the
earlier head votes for labels of the same name (`voted`). `--arms whole` plays on the earlier
encoder as it was tuned. Prints the mean accuracy (micro-F1 where a text may have several labels) on
TEST other texts at the numbers of labels in SHOWN, and the standard error of the last. With --deep
the encoder is tuned at the numbers of labels in DEEP, on pools of DEEP_POOL texts.
"""

from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from backend.project.beginning import JUDGED_FIRST, JUDGED_GROWTH, JUDGED_LAST
from backend.trainer.judge import compared
from model.choosing.audit import in_reserve
from model.corpus import Corpus, read_pair
from model.encoders.blending import blended
from model.encoders.finetune import Examples
from model.encoders.joint import JointEncoder
from model.encoders.selftraining import POOL_SAMPLE, Unlabelled, deep_round
from model.encoders.text import BUNDLED
from model.heads.head import Head
from model.heads.sources import Source
from model.learner import fast_round
from model.measuring.belief import belief, cross_validated
from model.measuring.curves import standard_error
from model.measuring.metrics import scores
from model.measuring.stopping import DEFAULT_METRIC
from model.simulation import called
from model.snapshot import Policy, Snapshot, pool_centre
from model.transferred import votes_of
from model.types import EncoderSpec, Floats, Ints

LABELS, POOL, TEST, BATCH, SHARE = 400, 1500, 1000, 10, 0.1
SHOWN, DEEP, DEEP_POOL = (0, 10, 20, 30, 50, 100), (20, 40, 80), 1000
NONE = np.zeros(0, np.int64)
SPEC = EncoderSpec(("text",), BUNDLED, "", 128)

Arm = Literal["alone", "whole", "begun", "judged", "voted"]
ARMS: tuple[Arm, ...] = ("alone", "begun", "judged", "voted")
"""Those that are played if none are named."""


@dataclass(frozen=True)
class Pair:
    """The earlier set and the next one. half: the earlier has the first half of the labels of one
    set, the next one the second; the texts always differ."""

    earlier: str
    later: str
    half: bool = False


RELATED = {
    "trec6-same": Pair("trec6", "trec6"),
    "banking77-same": Pair("banking77", "banking77"),
    "banking77-other": Pair("banking77", "banking77", half=True),
    "emotions": Pair("goemotions-ekman", "semeval18-ec"),
    "emotions-same": Pair("semeval18-ec", "semeval18-ec"),
    "news": Pair("agnews", "reuters10"),
}
UNRELATED = {
    "trec6-banking77": Pair("trec6", "banking77"),
    "banking77-trec6": Pair("banking77", "trec6"),
    "subj-semeval": Pair("subj", "semeval18-ec"),
    "trec6-shopping10": Pair("trec6", "shopping10"),
    "semeval-agnews": Pair("semeval18-ec", "agnews"),
    "agnews-trec6": Pair("agnews", "trec6"),
}
PAIRS = {**RELATED, **UNRELATED}


@dataclass(frozen=True)
class Encoded:
    """By one encoder: vectors (n, d) of the pool and of the test texts, and (c, d) of the names."""

    pool: Floats
    test: Floats
    names: Floats


@dataclass(frozen=True)
class Next:
    """The next project: its texts, and their vectors by the pretrained encoder, by the one that it
    begins with, and, if that is played, by the earlier one as it was tuned.

    tuned: the folder of the earlier project's encoder; head: of the earlier project on that.
    """

    pool: Corpus
    test: Corpus
    alone: Encoded
    begun: Encoded
    whole: Encoded | None
    tuned: Path
    head: Head


def sets_of(pair: Pair, data: Path) -> tuple[Corpus, Corpus, Corpus]:
    """The earlier project's texts, and the next one's pool and test."""
    earlier, _ = read(data, pair.earlier)
    pool, test = read(data, pair.later)
    if pair.half:
        middle = len(pool.labels) // 2
        first, second = np.arange(middle), np.arange(middle, len(pool.labels))
        earlier = with_labels(earlier, first)
        pool, test = with_labels(pool, second), with_labels(test, second)
    earlier, pool = earlier.sample(None, 77), pool.sample(None, 77)
    if pair.earlier == pair.later and not pair.half:  # no text is in both
        earlier, pool = earlier.take(np.arange(2000)), pool.take(np.arange(2000, len(pool)))
    return earlier, pool.sample(3000, 78), test.sample(TEST, 0)


def read(data: Path, name: str) -> tuple[Corpus, Corpus]:
    train = "train_balanced" if name == "agnews" else "train"
    return read_pair(data / name / f"{train}.jsonl.gz", data / name / "test.jsonl.gz")


def with_labels(corpus: Corpus, columns: Ints) -> Corpus:
    """The texts that have one of these labels, and these labels alone."""
    targets = corpus.targets[:, columns]
    kept = np.flatnonzero(targets.any(axis=1))
    labels = tuple(corpus.labels[column] for column in columns.tolist())
    texts = [corpus.texts[row] for row in kept.tolist()]
    return Corpus(texts, targets[kept], labels, corpus.kind)


def tune(encoder: JointEncoder, corpus: Corpus, rows: Ints, ids: Ints, seed: int) -> None:
    """A deep round on these rows, whose audit tasks follow from their `ids`."""
    audits = in_reserve(ids[rows], SHARE, seed)
    free = np.setdiff1d(np.arange(len(corpus)), rows)
    free = free[~in_reserve(ids[free], SHARE, seed)][:POOL_SAMPLE]
    names = [(name,) if name else None for name in called(corpus.labels, "given", 0)]
    deep_round(
        encoder,
        examples(corpus, rows[~audits]),
        examples(corpus, rows[audits]),
        Unlabelled(items(corpus, free), names),
        corpus.kind,
        seed=seed,
    )


def examples(corpus: Corpus, rows: Ints) -> Examples:
    return Examples(items(corpus, rows), corpus.targets[rows])


def items(corpus: Corpus, rows: Ints) -> list[tuple[str]]:
    return [(corpus.texts[row],) for row in rows.tolist()]


def encoded(encoder: JointEncoder, pool: Corpus, test: Corpus) -> Encoded:
    said = called(pool.labels, "given", 0)
    names = encoder.encode([(name,) for name in said])
    names *= np.array([bool(name) for name in said])[:, None]
    found = (encoder.encode([(text,) for text in part.texts]) for part in (pool, test))
    vectors, others = (one.astype(np.float16) for one in found)  # as the product keeps them
    return Encoded(vectors, others, names.astype(np.float16))


def next_project(name: str, data: Path, out: Path, *, with_whole: bool = False) -> Next:
    """Both projects up to the first label of the next one. What takes long is kept in `out`."""
    earlier, pool, test = sets_of(PAIRS[name], data)
    few, tuned = earlier.take(np.arange(min(3000, len(earlier)))), out / name
    if not tuned.exists():
        encoder = JointEncoder(SPEC)
        tune(encoder, few, np.arange(LABELS), np.arange(len(few)), 0)
        tuned.mkdir(parents=True)
        encoder.save(tuned)
    alone = _kept(out / f"{name}-alone.npz", lambda: encoded(JointEncoder(SPEC), pool, test))
    begun = _kept(out / f"{name}-begun.npz", lambda: encoded(blended(SPEC, tuned), pool, test))
    own = few.take(np.arange(2 * LABELS))
    there = _kept(
        out / f"{name}-earlier.npz", lambda: encoded(JointEncoder(SPEC, tuned), own, own.take(NONE))
    )
    whole = None
    if with_whole:
        whole = _kept(
            out / f"{name}-whole.npz", lambda: encoded(JointEncoder(SPEC, tuned), pool, test)
        )
    return Next(pool, test, alone, begun, whole, tuned, head_of(there, own))


def _kept(path: Path, make: Callable[[], Encoded]) -> Encoded:
    if not path.exists():
        np.savez(path, **vars(make()))
    with np.load(path) as arrays:
        return Encoded(arrays["pool"], arrays["test"], arrays["names"])


def head_of(there: Encoded, own: Corpus) -> Head:
    """The head of the earlier project, as its last fast round made it."""
    rows = np.arange(len(own))
    snapshot = Snapshot(
        rows + 1,
        there.pool,
        rows >= LABELS,
        rows[:LABELS],
        own.targets[:LABELS],
        own.labels,
        own.kind,
        names=there.names,
    )
    head = fast_round(snapshot, Policy("variance", BATCH, SHARE, 0)).head
    assert head is not None
    return head


def votes_in(project: Next, rows: Ints) -> tuple[Source, ...]:
    """What the earlier head says of these texts of the pool; nothing without a common label."""
    here = {label.casefold(): place for place, label in enumerate(project.pool.labels)}
    labels = [label.casefold() for label in project.head.labels]
    places = {place: here[label] for place, label in enumerate(labels) if label in here}
    if not places:
        return ()
    vectors = project.begun.pool[rows]
    centre = pool_centre(vectors, 0)
    return (votes_of("earlier", project.head, vectors, centre, places, project.pool.kind),)


def played(project: Next, arm: Arm, seed: int, *, is_deep: bool) -> Iterator[float]:
    """The scores at SHOWN."""
    rows = np.random.default_rng(seed).permutation(len(project.pool))
    rows = rows[: DEEP_POOL if is_deep else POOL]
    pool, test = project.pool.take(rows), project.test
    ids, answered = np.arange(1, len(rows) + 1, dtype=np.int64), np.zeros(0, np.int64)
    begins, judged_at = arm != "alone", 0
    now = _rows_of(project.begun if begins else project.alone, rows)
    if arm == "whole" and project.whole is not None:
        now = _rows_of(project.whole, rows)
    sources = votes_in(project, rows) if arm == "voted" else ()
    while True:
        labels = len(answered)
        is_due = arm in ("judged", "voted") and labels >= JUDGED_FIRST and judged_at < JUDGED_LAST
        if begins and is_due and labels >= JUDGED_GROWTH * judged_at:
            judged_at = labels
            beliefs = [
                believes(one, rows, pool, answered) for one in (project.begun, project.alone)
            ]
            begins = compared(labels, *beliefs).stays
            now = now if begins else _rows_of(project.alone, rows)
        if is_deep and labels in DEEP:
            encoder = blended(SPEC, project.tuned) if begins else JointEncoder(SPEC)
            tune(encoder, pool, answered, ids, seed)
            now = encoded(encoder, pool, test)
        is_open = np.ones(len(rows), np.bool_)
        is_open[answered] = False
        chosen = np.sort(answered)
        snapshot = Snapshot(
            ids,
            now.pool,
            is_open,
            chosen,
            pool.targets[chosen],
            pool.labels,
            pool.kind,
            names=now.names,
            sources=sources,
        )
        outcome = fast_round(snapshot, Policy("variance", BATCH, SHARE, seed))
        if labels in SHOWN and outcome.head is not None:
            answers = outcome.head.answers(outcome.head.probs(now.test))
            yield scores(answers, test.targets > 0)[DEFAULT_METRIC[pool.kind]]
        if labels >= SHOWN[-1]:
            return
        answered = np.concatenate([answered, outcome.rows])


def _rows_of(encoded: Encoded, rows: Ints) -> Encoded:
    return Encoded(encoded.pool[rows], encoded.test, encoded.names)


def believes(encoded: Encoded, rows: Ints, pool: Corpus, answered: Ints) -> Floats:
    """How much heads on this encoder believe each of the labels so far."""
    vectors, targets = encoded.pool[rows[answered]], pool.targets[answered]
    probs = cross_validated(vectors, targets, pool.kind, pool.labels, 0, names=encoded.names)
    return belief(probs, targets, pool.kind)


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--pairs", nargs="+", choices=list(PAIRS), default=list(PAIRS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--arms", nargs="+", choices=("whole", *ARMS), default=ARMS)
    parser.add_argument("--deep", action="store_true")
    arguments = parser.parse_args()
    print(f"{'pair':17}{'arm':8}" + "".join(f"{labels:7}" for labels in SHOWN) + "     +-")
    for name in arguments.pairs:
        with_whole = "whole" in arguments.arms
        project = next_project(name, arguments.data, arguments.out, with_whole=with_whole)
        for arm in arguments.arms:
            curves = np.array(
                [
                    list(played(project, arm, seed, is_deep=arguments.deep))
                    for seed in range(arguments.seeds)
                ]
            )
            mean = "".join(f"{value:7.3f}" for value in curves.mean(axis=0))
            print(f"{name:17}{arm:8}{mean}{standard_error(curves[:, -1]):7.3f}", flush=True)


if __name__ == "__main__":
    main()
