"""One run of a simulation: a strategy learns a labelled pool, round by round, as in production."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from tqdm import tqdm

from model.choosing.audit import in_reserve
from model.corpus import BadCorpus, Corpus
from model.encoders.finetune import Examples
from model.encoders.selftraining import POOL_SAMPLE, Unlabelled, deep_round
from model.encoders.text import TextEncoder
from model.heads.names import readable
from model.learner import Outcome, deep_round_due, fast_round
from model.measuring.metrics import scores
from model.measuring.stopping import DEFAULT_METRIC
from model.snapshot import Policy, Snapshot
from model.storage.vectors import VectorStore, content_key
from model.tracking import Tracker
from model.types import Bools, Floats, Ints

Line = TypeVar("Line")


@dataclass(frozen=True)
class Plan:
    """All that a run's result depends on.

    train, test: `fingerprint` of the files, so that a run continues wherever they are.
    deep_growth: None: the encoder is never tuned. names: one of NAMES.
    """

    train: str
    test: str
    strategy: str
    seed: int
    initial: int
    batch: int
    rounds: int
    pool: int | None
    test_size: int | None
    encoder: str
    max_tokens: int
    max_windows: int
    audit_share: float
    deep_first: int
    deep_growth: float | None
    guard: bool
    names: str
    self_training: bool


NAMES = ("given", "none", "letters", "shuffled")
"""What the labels are called: as in the file; not at all; A, B, C ...; each by another's name."""


@dataclass(frozen=True)
class Point:
    """One round: after `labels` labels, of which the encoder was tuned on `tuned_on`.

    scores: on the test examples. asked: rows of the pool to label next, in order. random_share: the
    part of them that the guard drew. seconds: `tune`, `encode` and `round` (refit, rank, choose).
    """

    labels: int
    tuned_on: int
    scores: dict[str, float]
    asked: list[int]
    random_share: float
    seconds: dict[str, float]


class Run:
    """One strategy with one seed. Everything follows from the plan and the points so far."""

    def __init__(
        self, plan: Plan, pool: Corpus, test: Corpus, folder: Path, tracker: Tracker
    ) -> None:
        self._plan = plan
        # The same for every strategy of a seed.
        self._pool = pool.sample(plan.pool, plan.seed)
        self._test = test.sample(plan.test_size, 0)
        self._ids = np.arange(1, len(self._pool) + 1, dtype=np.int64)
        self._tracker = tracker
        self._answered: list[int] = []
        self._tuned_on = 0
        self._names = called(pool.labels, plan.names, plan.seed)
        self._vectors: tuple[Floats, Floats, Floats] | None = None
        self._folder = folder

    def play(self, points: list[Point]) -> Iterator[Point]:
        """The rounds that are still to come after `points`."""
        plan = self._plan
        self.resume(points)
        for number in range(len(points), plan.rounds + 1):
            last = number == plan.rounds or len(self._answered) == len(self._pool)
            point = self._round(last)
            yield point
            self._answered += point.asked
            if last:
                return

    def resume(self, points: list[Point]) -> None:
        """Go to the moment after `points`."""
        self._answered = list(range(min(self._plan.initial, len(self._pool))))
        for point in points:
            self._answered += point.asked
            self._tuned_on = point.tuned_on
        if points and self._tuned_on:
            self._tune(self._answered[: self._tuned_on])

    def certified(self, which: Bools) -> Snapshot:
        """What is known now where these tasks of the pool (n,) were labelled besides, to prove
        something."""
        vectors, _, names = self._encoded()
        rows = [*self._answered, *np.flatnonzero(which).tolist()]
        return replace(self._snapshot(vectors, names, rows), certified=which)

    @property
    def targets(self) -> Floats:
        """What is true of each task of the pool (n, c)."""
        return self._pool.targets

    def _round(self, last: bool) -> Point:
        plan, labels = self._plan, len(self._answered)
        seconds = {"tune": 0.0, "encode": 0.0}
        due = plan.deep_growth is not None and deep_round_due(
            labels, self._tuned_on, plan.deep_first, plan.deep_growth, len(self._pool.labels)
        )
        if due and len(np.unique(self._pool.targets[self._answered], axis=0)) > 1:
            seconds = self._tune(self._answered)
            self._tuned_on = labels
        vectors, test_vectors, names = self._encoded()
        began = time.monotonic()
        snapshot = self._snapshot(vectors, names, self._answered)
        outcome = fast_round(snapshot, self.policy())
        asked = [] if last else self._asked(snapshot, outcome)
        seconds["round"] = time.monotonic() - began
        found: dict[str, float] = {}
        if outcome.head is not None:
            answers = outcome.head.answers(outcome.head.probs(test_vectors))
            found = scores(answers, self._test.targets > 0)
        self._tracker.round(labels, {"test": found, "seconds": seconds})
        return Point(labels, self._tuned_on, found, asked, outcome.random_share, seconds)

    def _asked(self, snapshot: Snapshot, outcome: Outcome) -> list[int]:
        """What is labelled next: rows of the pool."""
        del snapshot
        asked: list[int] = outcome.rows.tolist()
        return asked

    def _tune(self, answered: list[int]) -> dict[str, float]:
        plan, began = self._plan, time.monotonic()
        rows = np.array(answered, dtype=np.int64)
        audits = in_reserve(self._ids[rows], plan.audit_share, plan.seed)
        encoder = self._pretrained()
        deep_round(
            encoder,
            self._examples(rows[~audits]),
            self._examples(rows[audits]),
            self._unlabelled(),
            self._pool.kind,
            seed=plan.seed,
            observe=lambda step: self._tracker.step(len(answered), step),
        )
        known = self._pool.take(rows[~audits])
        encoder.learn_windows(known.texts, known.targets)
        tuned = time.monotonic()
        self._vectors = self._encode(encoder)
        return {"tune": tuned - began, "encode": time.monotonic() - tuned}

    def _unlabelled(self) -> Unlabelled:
        """What self-training may look at: nothing where it is switched off."""
        if not self._plan.self_training:
            return Unlabelled([])
        # The pool is in random order already.
        is_audit = in_reserve(self._ids, self._plan.audit_share, self._plan.seed)
        is_open = ~is_audit & ~np.isin(np.arange(len(self._pool)), self._answered)
        texts = self._pool.take(np.flatnonzero(is_open)[:POOL_SAMPLE]).texts
        return Unlabelled(texts, [name or None for name in self._names])

    def _encoded(self) -> tuple[Floats, Floats, Floats]:
        """Vectors of the pool, of the test texts and of the names by the present encoder."""
        if self._vectors is None:
            self._vectors = self._encode_untuned()
        return self._vectors

    def _pretrained(self) -> TextEncoder:
        return TextEncoder(self._plan.encoder, self._plan.max_tokens, self._plan.max_windows)

    def _encode(self, encoder: TextEncoder) -> tuple[Floats, Floats, Floats]:
        # float16, as production stores them.
        pool, test = (encoder.encode(part.texts) for part in (self._pool, self._test))
        return pool.astype(np.float16), test.astype(np.float16), self._encode_names(encoder)

    def _encode_names(self, encoder: TextEncoder) -> Floats:
        names = encoder.encode(self._names)
        has_name = np.array([bool(name) for name in self._names])
        named: Floats = np.where(has_name[:, None], names, 0.0).astype(np.float16)
        return named

    def _encode_untuned(self) -> tuple[Floats, Floats, Floats]:
        """Kept on disk: all runs start with the same encoder."""
        plan = self._plan
        encoder = self._pretrained()
        reader = f"{content_key(f'{plan.encoder} {plan.max_tokens} {plan.max_windows}'):x}"
        store = VectorStore(self._folder / "vectors" / reader, encoder.dimension)
        found = []
        for part in (self._pool, self._test):
            keys = np.array([content_key(text) for text in part.texts], dtype=np.int64)
            missing = np.flatnonzero(store.rows(keys) < 0)
            store.append(keys[missing], encoder.encode(part.take(missing).texts))
            found.append(store.take(store.rows(keys)))
        return found[0], found[1], self._encode_names(encoder)

    def _examples(self, rows: Ints) -> Examples:
        chosen = self._pool.take(rows)
        return Examples(chosen.texts, chosen.targets)

    def _snapshot(self, vectors: Floats, names: Floats, rows: list[int]) -> Snapshot:
        answered = np.sort(np.array(rows, dtype=np.int64))
        is_open = np.ones(len(self._pool), dtype=np.bool_)
        is_open[answered] = False
        return Snapshot(
            ids=self._ids,
            vectors=vectors,
            open=is_open,
            answered=answered,
            targets=self._pool.targets[answered],
            labels=self._pool.labels,
            kind=self._pool.kind,
            names=names if names.any() else None,
        )

    def policy(self) -> Policy:
        """How each round chooses."""
        plan = self._plan
        return Policy(plan.strategy, plan.batch, plan.audit_share, plan.seed, plan.guard)


def called(labels: Sequence[str], names: str, seed: int) -> list[str]:
    """What each of the labels is called, "" for one without a name; `names`: one of NAMES."""
    said = {
        "given": [readable(label) for label in labels],
        "none": [""] * len(labels),
        "letters": [f"{place // 26 or ''}{chr(65 + place % 26)}" for place in range(len(labels))],
    }
    if names == "shuffled":
        # Each in a random circle is called by the next one's name, so that none keeps its own.
        order = np.random.default_rng(seed).permutation(len(labels))
        next_one = dict(zip(order.tolist(), np.roll(order, -1).tolist(), strict=True))
        return [said["given"][next_one[place]] for place in range(len(labels))]
    return said[names]


def play(
    plan: Plan,
    pool: Corpus,
    test: Corpus,
    folder: Path,
    name: str,
    made: Callable[..., Run] = Run,
) -> list[Point]:
    """Play a run to its end, going on where an earlier one stopped; each round is kept at once.
    `made`: Run, or a subclass.

    Raises BadCorpus when the file of an earlier run was made by another plan.
    """
    path = folder / "runs" / f"{name}-{plan.seed}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    points = resumed(path, asdict(plan), Point)
    finished = len(points) == plan.rounds + 1 or (points and not points[-1].asked)
    if finished:
        return points
    logs = folder / "tensorboard" / f"{name}-{plan.seed}"
    bar = tqdm(total=plan.rounds + 1, initial=len(points), desc=f"{name}, seed {plan.seed}")
    with path.open("a") as file, bar, closing(Tracker(logs)) as tracker:
        for point in made(plan, pool, test, folder, tracker).play(points):
            points.append(point)
            file.write(json.dumps(asdict(point)) + "\n")
            file.flush()
            metric = DEFAULT_METRIC[pool.kind]
            bar.set_postfix({"labels": point.labels, metric: round(point.scores.get(metric, 0), 3)})
            bar.update()
    return points


def resumed(path: Path, plan: dict[str, Any], read: Callable[..., Line]) -> list[Line]:
    """What is on disk already, each line read by `read`; the first line of the file is the plan.

    Raises BadCorpus where it is another plan.
    """
    lines = path.read_text().splitlines() if path.exists() else []
    if not lines:
        path.write_text(json.dumps(plan) + "\n")
        return []
    if json.loads(lines[0]) != plan:
        raise BadCorpus(f"{path} was made with other options; choose another --out, or delete it")
    found, kept = [], [lines[0]]
    for line in lines[1:]:
        try:
            found.append(read(**json.loads(line)))
        except ValueError:
            break  # half a line: the run was cut off while it wrote
        kept.append(line)
    path.write_text("\n".join(kept) + "\n")
    return found
