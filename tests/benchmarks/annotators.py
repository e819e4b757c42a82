"""What weighing annotators, second opinions and the two lists of the review are worth.

    python -m tests.benchmarks.annotators consensus DATA OUT [--sets trec6 agnews] [--seeds 10]
    python -m tests.benchmarks.annotators curves DATA OUT [--sets trec6] [--seeds 3] [--me5 FOLDER]
    python -m tests.benchmarks.annotators mistakes DATA OUT [--sets trec6 subj] [--seeds 5]
    python -m tests.benchmarks.annotators submit
    python -m tests.benchmarks.annotators review DATA

Annotators are right 95, 80 and 60 % of the time (`--right`); their errors are any other label.
`consensus`: how often the label that several of them agree on is right, by plain and by weighed
votes. `curves`: the model's accuracy by the number of annotations, when all go to new tasks, when
ActiveLab decides between new and labelled tasks, and when each task gets three. `mistakes`: the
share of wrong labels in the review's lists, when 10 % are wrong. `submit`: how long all annotations
take at a submit. `review`: how long a review takes, with 3,000 texts of AG News.

Heads on vectors of the encoder as it comes, of 3,000 texts, encoded once and kept in OUT.
"""

import tempfile
import time
from argparse import ArgumentParser
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from backend.interface.parse import parse
from backend.media.access import access_of
from backend.mirror.pool import Pool
from backend.settings import Settings
from backend.studio.connection import Connection
from backend.trainer.encoders import add_base_encoder
from backend.trainer.messages import AddBase, Review, Subject
from backend.trainer.review import review_labels
from backend.types import Json
from model.choosing.second_opinions import of_labelled, of_open, trust_in, worth_again
from model.corpus import Corpus, read
from model.encoders.text import BUNDLED
from model.heads.head import fit_head
from model.learner import fast_round, resolve_strategy
from model.measuring.annotators import (
    Known,
    Opinions,
    Quality,
    chosen,
    from_agreement,
    quality,
    weights_of,
)
from model.measuring.curves import standard_error
from model.measuring.review import half_trained, verdicts
from model.snapshot import Policy, Snapshot
from model.types import Bools, EncoderSpec, Floats, Ints
from tests.benchmarks.first_labels import Encoded, encoded
from tests.benchmarks.learner import SETS

RIGHT = (0.95, 0.80, 0.60)
BATCH, MOST, POOL = 24, 600, 2000
SHOWN = (120, 240, 360, 480, 600)
SAMPLE = 200
FOLDS = 5


@dataclass
class Crowd:
    """Annotators of known error, and the votes that they gave: task, person, option of each."""

    truth: Ints
    options: int
    rng: np.random.Generator
    right: Sequence[float]
    votes: list[tuple[int, int, int]] = field(default_factory=list)
    asked: defaultdict[int, set[int]] = field(default_factory=lambda: defaultdict(set))

    def ask(self, task: int) -> None:
        """One annotation by somebody who has not annotated the task yet, if there is anybody."""
        free = sorted(set(range(len(self.right))) - self.asked[task])
        if not free:
            return
        person = int(self.rng.choice(free))
        self.asked[task].add(person)
        said = self.truth[task]
        if self.rng.random() >= self.right[person]:
            said = (said + self.rng.integers(1, self.options)) % self.options
        self.votes.append((task, person, int(said)))

    def opinions(self) -> Opinions:
        table = np.array(self.votes, dtype=np.int64).reshape(-1, 3)
        return Opinions(table[:, 0], table[:, 1], table[:, 2], len(self.right), self.options)

    def labels(self, found: Quality | None) -> dict[int, int]:
        """The label of each decided task; by plain votes without a Quality that tells people
        apart."""
        weights = np.zeros(len(self.right))
        if found is not None and found.differ:
            weights[:] = weights_of(found.accuracy, self.options)
        of_task: dict[int, dict[int, list[float]]] = {}
        for task, person, option in self.votes:
            of_task.setdefault(task, {}).setdefault(option, []).append(float(weights[person]))
        decided: dict[int, int] = {}
        for task, of in of_task.items():
            place = chosen([sum(some) for some in of.values()], [len(some) for some in of.values()])
            if place is not None:
                decided[task] = list(of)[place]
        return decided


def consensus(texts: Encoded, name: str, seeds: int, right: Sequence[float]) -> None:
    """Tasks of which a third, or all, got several votes."""
    arms = ("plain", "weighed", "weighed, with the model")
    for tasks, share, votes in (
        (200, 0.3, 2),
        (400, 0.3, 2),
        (400, 1.0, 2),
        (100, 1.0, 3),
        (400, 1.0, 3),
    ):
        rows: dict[str, list[list[float]]] = {arm: [] for arm in arms}
        off: dict[str, list[Floats]] = {arm: [] for arm in arms[1:]}
        for seed in range(seeds):
            crowd, vectors = crowd_on(texts, seed, right)
            for task in range(tasks):
                for _ in range(votes if task < share * tasks else 1):
                    crowd.ask(task)
            opinions = crowd.opinions()
            found: dict[str, Quality | None] = {
                "plain": None,
                "weighed": quality(opinions.of_several()),
                "weighed, with the model": quality(
                    opinions.of_several(), known_by_model(crowd, vectors, seed)
                ),
            }
            several = int(share * tasks)
            for arm, one in found.items():
                labels = crowd.labels(one)
                mine = [task for task in labels if task < several]
                hits = sum(labels[task] == crowd.truth[task] for task in mine)
                rows[arm].append(
                    [
                        hits / several,
                        1 - len(mine) / several,
                        hits / max(1, len(mine)),
                        bool(one and one.differ),
                    ]
                )
                if one is not None:
                    off[arm].append(one.accuracy)
        for arm in arms:
            cells = " | ".join(f"{value:.3f}" for value in np.array(rows[arm]).mean(axis=0))
            found_of = np.mean(off[arm], axis=0) if arm in off else []
            accuracies = " / ".join(f"{value:.2f}" for value in found_of)
            case = f"{tasks}, {share:.0%} of them with {votes}"
            print(f"| {name} | {case} | {arm} | {cells} | {accuracies} |", flush=True)


def known_by_model(crowd: Crowd, vectors: Floats, seed: int) -> Known:
    """What a model that is fitted to the consensus says of people, in tasks that one annotated."""
    opinions, labels = crowd.opinions(), crowd.labels(quality(crowd.opinions().of_several()))
    tasks = np.array(sorted(labels))
    targets = np.eye(crowd.options, dtype=np.float32)[[labels[task] for task in tasks.tolist()]]
    names = tuple(map(str, range(crowd.options)))
    probs, _ = half_trained(vectors[tasks], targets, "single", names, seed)
    said = dict(zip(tasks.tolist(), probs.mean(axis=0).argmax(axis=1).tolist(), strict=True))
    model = [(task, len(crowd.right), option) for task, option in said.items()]
    table = np.array([*crowd.votes, *model], dtype=np.int64)
    both = Opinions(table[:, 0], table[:, 1], table[:, 2], len(crowd.right) + 1, crowd.options)
    accuracy = quality(both.of_several()).accuracy[-1]
    alone = np.bincount(opinions.item)[opinions.item] == 1
    agreed = np.array([said.get(task, -1) == option for task, _, option in crowd.votes])
    people = len(crowd.right)
    return from_agreement(
        np.bincount(opinions.person[alone], agreed[alone], people).astype(np.float64),
        np.bincount(opinions.person[alone], minlength=people).astype(np.float64),
        float(accuracy),
        crowd.options,
    )


def crowd_on(texts: Encoded, seed: int, right: Sequence[float]) -> tuple[Crowd, Floats]:
    """A pool in random order, and annotators who know its labels as well as `right` says."""
    rng = np.random.default_rng(1000 + seed)
    rows = rng.permutation(len(texts.pool))[:POOL]
    truth = texts.pool.targets[rows].argmax(axis=1)
    return Crowd(truth, len(texts.pool.labels), rng, right), texts.vectors[rows].astype(np.float32)


def curves(texts: Encoded, name: str, seeds: int, right: Sequence[float]) -> None:
    arms: dict[str, Callable[[Play], list[int]]] = {
        "all to new tasks": lambda play: play.new(BATCH),
        "ActiveLab, new ones in its order": lambda play: play.by_activelab(own_order=True),
        "ActiveLab, new ones in our order": lambda play: play.by_activelab(own_order=False),
        "three a task, plain majority": lambda play: 3 * play.new(BATCH // 3),
    }
    for arm, choose in arms.items():
        runs, second = [], []
        for seed in range(seeds):
            play = Play(texts, seed, right, is_plain="plain" in arm)
            runs.append(play.run(choose))
            second.append(
                1 - len({task for task, _, _ in play.crowd.votes}) / len(play.crowd.votes)
            )
        scores = np.array(runs)
        cells = [
            f"{column.mean():.3f} ± {standard_error(column):.3f}"
            for column in scores[:, [shown // BATCH - 1 for shown in SHOWN]].T
        ]
        print(f"| {name} | {arm} | {' | '.join(cells)} | {np.mean(second):.0%} |", flush=True)


class Play:
    """One run: votes, the labels that follow from them, and the model on these."""

    def __init__(
        self, texts: Encoded, seed: int, right: Sequence[float], *, is_plain: bool
    ) -> None:
        self.crowd, self.vectors = crowd_on(texts, seed, right)
        self._texts, self._seed, self._is_plain = texts, seed, is_plain
        self._names = texts.pool.labels
        self.labels: dict[int, int] = {}
        self._quality: Quality | None = None

    def run(self, choose: "Callable[[Play], list[int]]") -> list[float]:
        """The accuracy after each BATCH annotations."""
        found = []
        while len(self.crowd.votes) < MOST:
            for task in choose(self) if len(self.crowd.votes) >= 2 * BATCH else self.new(BATCH):
                self.crowd.ask(task)
            if not self._is_plain:
                self._quality = quality(self.crowd.opinions().of_several())
            self.labels = self.crowd.labels(self._quality)
            found.append(self._score())
        return found

    @property
    def _known(self) -> tuple[Ints, Floats]:
        rows = np.array(sorted(self.labels), dtype=np.int64)
        return rows, np.eye(len(self._names), dtype=np.float32)[
            [self.labels[row] for row in rows.tolist()]
        ].reshape(-1, len(self._names))

    @property
    def _open(self) -> Bools:
        is_open = np.ones(len(self.vectors), np.bool_)
        is_open[[task for task, _, _ in self.crowd.votes]] = False
        return is_open

    def new(self, size: int) -> list[int]:
        """The tasks that our order asks for next."""
        rows, targets = self._known
        snapshot = Snapshot(
            np.arange(1, len(self.vectors) + 1),
            self.vectors,
            self._open,
            rows,
            targets,
            self._names,
            "single",
        )
        policy = Policy(resolve_strategy("auto"), size, 0.0, self._seed)
        asked: list[int] = fast_round(snapshot, policy, None).rows.tolist()
        return asked

    def by_activelab(self, *, own_order: bool) -> list[int]:
        rows, targets = self._known
        opened = self.crowd.rng.choice(np.flatnonzero(self._open), SAMPLE, replace=False)
        probs, beside = half_trained(
            self.vectors[rows], targets, "single", self._names, self._seed, self.vectors[opened]
        )
        believed = (probs.mean(axis=0) * targets).sum(axis=1)
        place = {row: number for number, row in enumerate(rows.tolist())}
        votes = [
            (place[task], person, option == self.labels[task])
            for task, person, option in self.crowd.votes
            if task in place
        ]
        task, person, is_same = (np.array(column) for column in zip(*votes, strict=True))
        said = [
            (row, len(self.crowd.right), int(option))
            for row, option in zip(rows.tolist(), probs.mean(axis=0).argmax(axis=1), strict=True)
        ]
        table = np.array([*self.crowd.votes, *said], dtype=np.int64)
        found = quality(
            Opinions(
                table[:, 0], table[:, 1], table[:, 2], len(self.crowd.right) + 1, self.crowd.options
            ).of_several()
        )
        accuracy = found.accuracy[:-1]
        commonest = float(targets.mean(axis=0).max())
        trust = trust_in(accuracy, float(found.accuracy[-1]), commonest, len(task) / len(rows))
        given = np.where(
            is_same, accuracy[person], (1 - accuracy[person]) / (self.crowd.options - 1)
        )
        labelled = of_labelled(believed, given, task, person, trust, self.crowd.options)
        numbers = of_open(beside, trust)
        full = np.bincount(task, minlength=len(rows)) >= len(self.crowd.right)
        labelled[full] = np.inf  # nobody is left to ask
        again = worth_again(labelled, numbers, int(self._open.sum()), BATCH)
        old: list[int] = rows[again].tolist()
        size = BATCH - len(old)
        if not size:
            return old
        if not own_order:
            return [*old, *self.new(size)]
        everything = np.flatnonzero(self._open)
        _, beside = half_trained(
            self.vectors[rows], targets, "single", self._names, self._seed, self.vectors[everything]
        )
        return [
            *old,
            *everything[np.argsort(of_open(beside, trust), kind="stable")[:size]].tolist(),
        ]

    def _score(self) -> float:
        rows, targets = self._known
        vectors = self.vectors[rows]
        head = fit_head(vectors, targets, "single", self._names, self.vectors.mean(axis=0))
        answers = head.probs(self._texts.test_vectors).argmax(axis=1)
        return float((answers == self._texts.test.targets.argmax(axis=1)).mean())


def mistakes(texts: Encoded, name: str, seeds: int, _: Sequence[float]) -> None:
    """One label in ten is replaced by another. The list as it was: the most doubted of one
    cross-validation in five parts. Hard: wrong by a head that learnt all other true labels."""
    for labels in (150, 300, 1000):
        rows = [reviewed(texts, labels, seed) for seed in range(seeds)]
        cells = " | ".join(f"{value:.3f}" for value in np.mean(rows, axis=0)[:-2])
        before, now = np.mean(rows, axis=0)[-2:]
        print(f"| {name} | {labels} | {cells} | {before:.2f} s, {now:.2f} s |", flush=True)


def reviewed(texts: Encoded, labels: int, seed: int) -> list[float]:
    """Shares of wrong labels: in the list as it was and its first 15, in the list of mistakes, its
    first 15 and the hard ones; of all wrong labels those in the first two lists; the share of the
    hard ones, and of all others without a wrong label, that is hard indeed; seconds."""
    rng, options = np.random.default_rng(seed), len(texts.pool.labels)
    order = rng.permutation(len(texts.pool))
    rows, rest = order[:labels], order[labels:]
    vectors, truth = texts.vectors.astype(np.float32), texts.pool.targets.argmax(axis=1)
    wrong = rng.random(labels) < 0.1
    given = np.where(wrong, (truth[rows] + rng.integers(1, options, labels)) % options, truth[rows])
    targets = np.eye(options, dtype=np.float32)[given]
    most = min(50, labels // 5)
    began = time.process_time()
    doubt = 1.0 - (in_five_parts(vectors[rows], targets, texts.pool.labels, seed) * targets).sum(1)
    first, middle = first_of(doubt, doubt >= 0.5, most), time.process_time()
    probs, _ = half_trained(vectors[rows], targets, "single", texts.pool.labels, seed)
    found = verdicts(probs, targets, "single")
    ended = time.process_time()
    now = first_of(found.doubt, found.wrong, most)
    hard = first_of(found.doubt, found.hard, most)
    whole = fit_head(
        vectors[rest], texts.pool.targets[rest], "single", texts.pool.labels, vectors.mean(axis=0)
    )
    missed = whole.probs(vectors[rows]).argmax(axis=1) != truth[rows]
    others = np.setdiff1d(np.flatnonzero(~wrong), hard)
    return [
        *(wrong[first].mean(), wrong[first[:15]].mean()),
        *(wrong[now].mean(), wrong[now[:15]].mean(), wrong[hard].mean() if len(hard) else 0.0),
        *(wrong[first].sum() / wrong.sum(), wrong[now].sum() / wrong.sum()),
        *(missed[hard].mean() if len(hard) else 0.0, missed[others].mean()),
        *(middle - began, ended - middle),
    ]


def first_of(doubt: Floats, which: Bools, most: int) -> Ints:
    order = np.argsort(-doubt, kind="stable")
    return order[which[order]][:most]


def in_five_parts(vectors: Floats, targets: Floats, labels: tuple[str, ...], seed: int) -> Floats:
    """Cross-validation as the review was made before."""
    part = np.random.default_rng(seed).permutation(len(vectors)) % FOLDS
    probs = np.zeros(targets.shape, dtype=np.float32)
    for number in range(FOLDS):
        seen = part != number
        centre = vectors[seen].mean(axis=0)
        head = fit_head(vectors[seen], targets[seen], "single", labels, centre)
        probs[~seen] = head.probs(vectors[~seen])
    return probs


TOPICS = [f"topic {number}" for number in range(6)]


def submit() -> None:
    """Reading and deciding 20,000 annotations, as at each submit."""
    for each, tasks, choice in (
        *((1, 20000, "single"), (2, 10000, "single"), (3, 6667, "single")),
        (2, 10000, "multiple"),
    ):
        choices = "".join(f'<Choice value="{topic}"/>' for topic in TOPICS)
        config = parse(
            '<View><Text name="text" value="$text"/><Choices name="topic" toName="text" '
            f'choice="{choice}">{choices}</Choices></View>'
        )
        crowd = Crowd(np.zeros(tasks, np.int64), 6, np.random.default_rng(0), RIGHT)
        with tempfile.TemporaryDirectory() as folder:
            pool = Pool(Path(folder) / "pool.sqlite")
            rows = [annotated(crowd, task, each) for task in range(tasks)]
            pool.update(rows, config)
            taken = []
            for _ in range(15):
                began = time.process_time()
                labelling = pool.labelling(config, empty_is_none=False)
                taken.append(time.process_time() - began)
            pool.close()
        print(
            f"| {tasks} tasks with {each}, {choice} | {np.median(taken):.2f} s, at best "
            f"{min(taken):.2f} s | {labelling.undecided} |",
            flush=True,
        )


def annotated(crowd: Crowd, task: int, each: int) -> Json:
    """A task as Label Studio sends it, with this many annotations."""
    crowd.votes.clear()
    for _ in range(each):
        crowd.ask(task)
    return {
        "id": task + 1,
        "data": {"text": f"text {task}"},
        "annotations": [
            {
                "id": 9 * task + person,
                "was_cancelled": False,
                "completed_by": person + 1,
                "result": [
                    {
                        "from_name": "topic",
                        "to_name": "text",
                        "type": "choices",
                        "value": {"choices": [TOPICS[option]]},
                    }
                ],
            }
            for _, person, option in crowd.votes
        ],
    }


class Nobody:
    """Whom a job tells nothing."""

    def advanced(self, share: float) -> None:
        pass

    def working(self) -> None:
        pass


def review(data: Path) -> None:
    """The job that follows each deep round, with the encoder as it comes; the first of four times
    it is loaded."""
    corpus = read(data / "agnews" / "train_balanced.jsonl.gz").sample(3000, 0)
    choices = "".join(f'<Choice value="{label}"/>' for label in corpus.labels)
    xml = (
        '<View><Text name="text" value="$text"/><Choices name="topic" toName="text">'
        f"{choices}</Choices></View>"
    )
    config, spec = parse(xml), EncoderSpec(("text",), BUNDLED, "", 128)
    for labels in (150, 1000):
        with tempfile.TemporaryDirectory() as name:
            folder, taken = Path(name), []
            access = access_of(Connection("http://127.0.0.1:9", "t"), Settings(model_dir=folder))
            subject = Subject(folder, xml, (), spec, access, seed=0)
            with closing(Pool(folder / "pool.sqlite")) as pool:
                pool.update((labelled(corpus, row, row < labels) for row in range(3000)), config)
            add_base_encoder(AddBase(subject), Nobody())
            for _ in range(4):
                began = time.process_time()
                review_labels(Review(subject, 1, empty_is_none=False), Nobody())
                taken.append(time.process_time() - began)
        print(f"| {labels} | {np.median(taken[1:]):.1f} s |", flush=True)


def labelled(corpus: Corpus, row: int, is_annotated: bool) -> Json:
    """A text as Label Studio sends it, annotated by one of two people or not."""
    value = {"choices": [corpus.labels[int(corpus.targets[row].argmax())]]}
    region = {"from_name": "topic", "to_name": "text", "type": "choices", "value": value}
    given = {"id": row, "was_cancelled": False, "completed_by": 1 + row % 2, "result": [region]}
    annotations = [given] if is_annotated else []
    return {"id": row + 1, "data": {"text": corpus.texts[row]}, "annotations": annotations}


PARTS = {"consensus": (consensus, 10), "curves": (curves, 3), "mistakes": (mistakes, 5)}
"""What is measured, and with how many seeds."""


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=(*PARTS, "submit", "review"))
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument(
        "--sets", nargs="*", choices=SETS, default=["trec6", "agnews", "shopping10"]
    )
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--right", type=float, nargs="+", default=RIGHT, help="of each annotator")
    parser.add_argument("--me5", default="intfloat/multilingual-e5-small", help="Chinese encoder")
    arguments = parser.parse_args()
    if arguments.part == "submit":
        submit()
        return
    if arguments.part == "review":
        review(arguments.data)
        return
    measure, seeds = PARTS[arguments.part]
    for name in arguments.sets:
        encoder = arguments.me5 if SETS[name].is_chinese else BUNDLED
        texts = encoded(name, arguments.data, arguments.out, encoder)
        measure(texts, name, arguments.seeds or seeds, arguments.right)


if __name__ == "__main__":
    main()
