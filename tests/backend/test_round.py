"""One round on disk: what a version learns from and asks for, and what a pinned one keeps."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.loop.round import Round, play
from backend.pool import Labelling
from backend.settings import Settings
from backend.studio.annotations import Labels
from backend.studio.label_config import LabelConfig, Question, Source
from model.choosing.audit import in_reserve
from model.heads.head import Head
from model.storage.store import EncoderMeta, Store, Version, write_encoder_meta
from model.types import Floats, Ints

CONFIG = LabelConfig((Question("c", "t", "single", ("east", "north")),), (Source("text", "text"),))
TASKS, LABELLED = np.arange(1000, 1200), 60
SETTINGS = Settings(guard=False, strategy="margin", shortlist=5)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Tasks on a quarter of a circle, all with vectors by encoder 2."""
    store = Store(tmp_path / "7")
    with store.new_encoder(2) as folder:
        write_encoder_meta(folder, EncoderMeta("tuned", "base", 16, 2, labels=20))
    angles = np.random.default_rng(3).uniform(0.0, np.pi / 2, len(TASKS))
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    store.vectors(2).append(TASKS, vectors)
    return store


def vectors_of(store: Store, tasks: Ints) -> Floats:
    vectors = store.vectors(2)
    return vectors.take(vectors.rows(tasks))


def labelling(store: Store, labelled: int, *, wrong: bool = False) -> Labelling:
    """The first tasks carry the label of their side of the circle, or the other one."""
    vectors = vectors_of(store, TASKS)
    north = (vectors[:, 1] > vectors[:, 0]) ^ wrong
    answers: dict[int, Labels] = {
        int(TASKS[i]): (CONFIG.labels[int(north[i])],) for i in range(labelled)
    }
    return Labelling(TASKS, TASKS, np.arange(len(TASKS)) >= labelled, answers, 0, 0, 0)


def played(store: Store, known: Labelling, pinned: Version | None = None) -> Round:
    outcome = play(store, known, CONFIG, SETTINGS, 2, 5, set(), None, pinned, lambda _: [])
    assert outcome is not None
    return outcome


def test_a_pinned_version_ranks_as_it_is_whatever_the_labels_say(store: Store) -> None:
    """Bad labels came after 2.1. Rounds under the pin keep its head, whose probabilities make the
    order, and measure it on the audit labels of now."""
    good = played(store, labelling(store, LABELLED)).version
    bad = labelling(store, 2 * LABELLED, wrong=True)
    learnt = played(store, bad)
    under_pin = played(store, bad, good)

    version = under_pin.version
    assert (version.name, version.meta["head_of"]) == ("2.3", "2.1")
    assert "head_of" not in learnt.version.meta
    assert version.training.tolist() == good.training.tolist(), "it learnt from nothing else"
    audits = TASKS[: 2 * LABELLED][in_reserve(TASKS[: 2 * LABELLED], 0.1, 0)]
    assert version.validation.tolist() == audits.tolist()
    assert version.meta["validation"] != learnt.version.meta["validation"]

    loaded = store.load_version("2.3")
    assert good.head is not None and loaded.head is not None
    np.testing.assert_array_equal(loaded.head.weights, good.head.weights)
    open_tasks = TASKS[2 * LABELLED :][~in_reserve(TASKS[2 * LABELLED :], 0.1, 0)]
    margins = np.abs(np.diff(good.head.probs(vectors_of(store, open_tasks)), axis=1)[:, 0])
    assert version.shortlist[0] == open_tasks[np.argmin(margins)]
    first = under_pin.predictions[0]
    probs = good.head.probs(vectors_of(store, version.shortlist[:1]))
    shown = CONFIG.labels[int(probs[0].argmax())]
    assert first["model_version"] == "2.3"
    assert first["result"][0]["value"]["choices"] == [shown]


def test_a_pinned_head_for_other_labels_is_refused(store: Store) -> None:
    """In another order its probabilities would stand for the wrong labels."""
    known = labelling(store, LABELLED)
    good = played(store, known).version
    assert isinstance(good.head, Head)
    other = replace(good, head=replace(good.head, labels=("north", "east")))
    with pytest.raises(ValueError, match=r"knows \('north', 'east'\), the snapshot"):
        played(store, known, other)
