"""Why the next tasks are asked for, in words."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.interface.content import key_of
from backend.interface.parse import parse
from backend.mirror.pool import Pool
from backend.project.reasons import FIRST, OF_PARTS, TEACHES, UNLIKE, reasons_of, shown_name
from backend.project.status import Served
from backend.types import Json
from model.heads.head import Head
from model.storage.facts import VersionFacts
from model.storage.store import EncoderMeta, Store, Version, write_encoder_meta
from model.types import Condition, Floats, Ints, Kind, LabelGroup
from tests.backend.test_pool import annotation

SINGLE = (
    '<View><Text name="t" value="$text"/><Choices name="c" toName="t" choice="single">'
    '<Choice value="a"/><Choice value="Bird" alias="b"/><Choice value="c"/></Choices></View>'
)
MULTIPLE = SINGLE.replace('"single"', '"multiple"')
TWO = SINGLE.replace(
    "</View>",
    '<Choices name="mood" toName="t" choice="single"><Choice value="good"/>'
    '<Choice value="bad"/></Choices></View>',
)
TREE = (
    '<View><Text name="t" value="$text"/><Taxonomy name="c" toName="t"><Choice value="animal">'
    '<Choice value="bird"/></Choice></Taxonomy></View>'
)
NOTHING = np.zeros(0, dtype=np.int64)
TASKS = range(1, 9)


class Next:
    """Project 7. Each task's vector is what its probabilities are to be, as far as they say."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder)
        self.pool = Pool(folder / "pool.sqlite")

    def close(self) -> None:
        self.pool.close()

    def show(self, xml: str, vectors: Floats) -> None:
        """Tasks 1, 2, ... with these vectors (n, d)."""
        config = parse(xml)
        with self.store.new_encoder(2) as aside:
            write_encoder_meta(aside, EncoderMeta("base", "base", 16, vectors.shape[1]))
        texts = [f"text {number}" for number in range(1, len(vectors) + 1)]
        rows: list[Json] = [
            {"id": number, "data": {"text": text}, "annotations": []}
            for number, text in enumerate(texts, start=1)
        ]
        self.pool.update(rows, config)
        keys = np.array([key_of((text,)) for text in texts], dtype=np.int64)
        self.store.vectors(2).append(keys, vectors)

    def served(
        self,
        xml: str,
        head: Head | None,
        shortlist: list[int],
        labelled: Ints = NOTHING,
        **facts: object,
    ) -> Served:
        known: Json = {"why": ("model",) * len(shortlist), **facts}
        version = Version(
            *("2.1", 2, head, labelled, NOTHING),
            shortlist=np.array(shortlist, dtype=np.int64),
            facts=VersionFacts(**known),
        )
        return Served(version, parse(xml), xml, self.store)

    def sentences(self, served: Served) -> list[str]:
        return [one["sentence"] for one in reasons_of(served, self.pool)]


@pytest.fixture
def next_ones(tmp_path: Path) -> Iterator[Next]:
    made = Next(tmp_path / "7")
    yield made
    made.close()


def head_of(kind: Kind, labels: tuple[str, ...], groups: tuple[LabelGroup, ...] = ()) -> Head:
    """One that gives the vector of length one with the logits 4 v."""
    size = len(labels)
    weights = 4 * np.eye(size, dtype=np.float32)
    return Head(kind, labels, weights, np.zeros(size), np.zeros(size), groups=groups)


ABC = ("a", "b", "c")
POINTS = np.array(
    [
        [1.0, 0.0, 0.0],
        [0.75, 0.65, 0.1],
        [-0.1, 0.05, 1.0],
        [0.0, 1.0, 0.0],
    ],
    np.float32,
)


def test_two_labels_that_are_nearly_as_probable(next_ones: Next) -> None:
    next_ones.show(SINGLE, POINTS)
    head = head_of("single", ABC)
    probs = head.probs(POINTS[[1]])[0]
    said = next_ones.sentences(next_ones.served(SINGLE, head, [2, 1]))
    assert said == [f"unsure between a and Bird ({probs[0]:.2f}, {probs[1]:.2f})", TEACHES]
    assert said[0] == "unsure between a and Bird (0.57, 0.38)"


def test_of_several_labels_the_least_certain_decision(next_ones: Next) -> None:
    points = np.array([[0.2, -1.0, 1.0], [1.0, -1.0, 1.0]], np.float32)
    next_ones.show(MULTIPLE, points)
    head = replace(head_of("multiple", ABC), thresholds=np.array([0.5, 0.5, 0.9], np.float32))
    shares = head.probs(points)
    said = next_ones.sentences(next_ones.served(MULTIPLE, head, [1, 2]))
    assert said == [f"unsure whether a ({shares[0, 0]:.2f})", TEACHES]
    assert said[0] == "unsure whether a (0.64)"
    low = replace(head, thresholds=np.array([0.2, 0.09, 0.2], np.float32))
    assert next_ones.sentences(next_ones.served(MULTIPLE, low, [2])) == [
        "unsure whether Bird (0.09)"
    ]


def test_of_several_questions_the_least_sure_is_named(next_ones: Next) -> None:
    labels = parse(TWO).labels
    points = np.array([[1.0, 0, 0, 0.1, 0.2], [0.2, 0.1, 0, 1.0, 0]], np.float32)
    next_ones.show(TWO, points)
    groups = (LabelGroup("single", 0, 3), LabelGroup("single", 3, 5))
    head = head_of("multiple", labels, groups)
    said = next_ones.sentences(next_ones.served(TWO, head, [1, 2]))
    assert said == [
        "mood: unsure between bad and good (0.60, 0.40)",
        "c: unsure between a and Bird (0.47, 0.32)",
    ]
    depends = replace(groups[1], conditions=(Condition((labels[1],)),))
    conditional = replace(head, groups=(groups[0], depends))
    said = next_ones.sentences(next_ones.served(TWO, conditional, [1]))
    assert said == [TEACHES], "the mood is asked of birds alone"


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "there is no label yet"), (1, "there is 1 label"), (2, "there are 2 labels")],
)
def test_a_label_that_hardly_any_task_has(next_ones: Next, count: int, words: str) -> None:
    next_ones.show(SINGLE, POINTS)
    served = next_ones.served(SINGLE, head_of("single", ABC), [4, 1], few={"b": count})
    assert next_ones.sentences(served) == [f"perhaps Bird, of which {words}", TEACHES]


def test_a_label_that_is_not_given_is_not_perhaps_the_one(next_ones: Next) -> None:
    next_ones.show(MULTIPLE, -np.ones((1, 3), np.float32))
    head = replace(head_of("multiple", ABC), bias=-np.ones(3))
    served = next_ones.served(MULTIPLE, head, [1], few={"a": 0})
    assert next_ones.sentences(served) == [TEACHES]


def test_what_is_far_from_all_that_is_labelled(next_ones: Next) -> None:
    """Task 1 is labelled, and task 5 is beside it."""
    points = np.concatenate([POINTS, [[1.0, 0.02, 0.0]]]).astype(np.float32)
    next_ones.show(SINGLE, points)
    head = head_of("single", ABC)
    labelled = np.array([1], dtype=np.int64)
    nearest = points[[4, 2, 3]] @ points[0] / np.linalg.norm(points[[4, 2, 3]], axis=1)
    assert nearest.argsort().tolist() == [1, 2, 0]
    said = next_ones.sentences(next_ones.served(SINGLE, head, [5, 3, 4], labelled))
    assert said == [TEACHES, UNLIKE, TEACHES], "further than half of them"
    four = next_ones.sentences(next_ones.served(SINGLE, head, [5, 3, 4, 2], labelled))
    assert [four[0], *four[3:]] == [TEACHES, "unsure between a and Bird (0.57, 0.38)"]
    assert four[1:3] == [UNLIKE, UNLIKE]
    assert UNLIKE not in next_ones.sentences(next_ones.served(SINGLE, head, [5, 3, 4, 2]))


def test_each_kind_of_task_in_words(next_ones: Next) -> None:
    next_ones.show(SINGLE, POINTS)
    why = ("picked", "certify", "audit", "random")
    served = next_ones.served(SINGLE, head_of("single", ABC), [4, 3, 2, 1], why=why)
    assert reasons_of(served, next_ones.pool, most=3) == [
        {"task": 4, "why": "picked", "sentence": "somebody asked for it"},
        {"task": 3, "why": "certify", "sentence": "to prove what the model may label"},
        {"task": 2, "why": "audit", "sentence": "audit task, drawn at random"},
    ]
    assert next_ones.sentences(served)[3] == (
        "drawn at random, because the model still knows little"
    )
    always = next_ones.served(SINGLE, None, [4], why=("random",), strategy="random")
    assert next_ones.sentences(always) == ["drawn at random"]
    waits = next_ones.served(SINGLE, None, [4], why=("unranked",))
    assert next_ones.sentences(waits) == ["not encoded yet"]


def test_only_tasks_that_are_still_open_are_listed(next_ones: Next) -> None:
    next_ones.show(SINGLE, POINTS)
    labelled = {"id": 2, "data": {"text": "text 2"}, "annotations": [annotation(1, "a")]}
    next_ones.pool.update([labelled], parse(SINGLE))
    served = next_ones.served(SINGLE, None, [99, 2, 3, 1])
    found = reasons_of(served, next_ones.pool)
    assert [(one["task"], one["sentence"]) for one in found] == [(3, FIRST), (1, FIRST)]


def test_of_an_earlier_release_nothing_is_known(next_ones: Next) -> None:
    next_ones.show(SINGLE, POINTS)
    assert reasons_of(next_ones.served(SINGLE, None, [1, 2], why=()), next_ones.pool) == []


def test_without_vectors_or_of_spans_nothing_is_computed(next_ones: Next) -> None:
    next_ones.show(SINGLE, POINTS)
    head = head_of("single", ABC)
    served = next_ones.served(SINGLE, head, [2])
    gone = replace(served, version=replace(served.version, encoder=5))
    assert next_ones.sentences(gone) == [TEACHES]
    spans = next_ones.served(SINGLE, replace(head, kind="spans"), [2])
    assert next_ones.sentences(spans) == [OF_PARTS["spans"]]


def test_labels_are_called_as_annotators_see_them() -> None:
    single, tree, two = parse(SINGLE), parse(TREE), parse(TWO)
    assert [shown_name(label, single) for label in single.labels] == ["a", "Bird", "c"]
    assert [shown_name(label, tree) for label in tree.labels] == ["animal", "animal > bird"]
    assert [shown_name(label, two) for label in two.labels] == ["a", "Bird", "c", "good", "bad"]
    assert shown_name("gone", single) == "gone"
