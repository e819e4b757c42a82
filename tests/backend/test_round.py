"""One round on disk: what a version learns from and asks for, and what a pinned one keeps."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.interface.controls.control import Called
from backend.interface.controls.rating import Rating
from backend.interface.names import keys_of, names_of
from backend.interface.objects.text import Text
from backend.interface.questions import Answer, LabelConfig, Question, Source
from backend.mirror.labelling import Labelling
from backend.project.round import FastRounds, Round
from backend.project.unit import Setup
from backend.project.versions import FIRST_CONFIDENCE, SETTLED_BY
from backend.settings import Settings
from model.choosing.audit import at_random, in_reserve
from model.heads.head import Head
from model.storage.store import EncoderMeta, Store, Version, write_encoder_meta
from model.types import Bools, Floats, Ints

CONFIG = LabelConfig((Question("c", "t", "single", ("east", "north")),), (Source(Text(), "$text"),))
TASKS, LABELLED = np.arange(1000, 1200), 60
SETTINGS = Settings(guard=False, strategy="margin", shortlist=5)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Tasks on a quarter of a circle, all with vectors by encoder 2."""
    angles = np.random.default_rng(3).uniform(0.0, np.pi / 2, len(TASKS))
    return store_in(tmp_path / "7", np.stack([np.cos(angles), np.sin(angles)], axis=1))


def store_in(folder: Path, vectors: Floats) -> Store:
    """Vectors (n, d) of the tasks by encoder 2."""
    store = Store(folder)
    with store.new_encoder(2) as aside:
        meta = EncoderMeta("tuned", "base", 16, vectors.shape[1], labels=20)
        write_encoder_meta(aside, meta)
    store.vectors(2).append(TASKS, vectors.astype(np.float32))
    return store


def vectors_of(store: Store, tasks: Ints) -> Floats:
    vectors = store.vectors(2)
    return vectors.take(vectors.rows(tasks))


def labelling(store: Store, labelled: int, *, wrong: bool = False) -> Labelling:
    """The first tasks carry the label of their side of the circle, or the other one."""
    vectors = vectors_of(store, TASKS)
    north = (vectors[:, 1] > vectors[:, 0]) ^ wrong
    answers: dict[int, Answer] = {
        int(TASKS[i]): (CONFIG.labels[int(north[i])],) for i in range(labelled)
    }
    return labelling_of(np.arange(len(TASKS)) >= labelled, answers)


def labelling_of(is_open: Bools, answers: dict[int, Answer]) -> Labelling:
    """Of all tasks, which can all be read."""
    nothing = np.zeros(0, np.int64)
    return Labelling(TASKS, TASKS, is_open, answers, 0, 0, 0, TASKS < 0, nothing, 0)


def played(
    store: Store,
    known: Labelling,
    pinned: Version | None = None,
    *,
    config: LabelConfig = CONFIG,
    settings: Settings = SETTINGS,
    previous: Version | None = None,
    size: int = 5,
) -> Round:
    setup = Setup(2, size, set(), lambda _: [], previous, pinned)
    outcome = FastRounds(store, config, settings).play(known, setup)
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
    assert (version.name, version.facts.head_of) == ("2.3", "2.1")
    assert learnt.version.facts.head_of is None
    assert version.training.tolist() == good.training.tolist(), "it learnt from nothing else"
    audits = TASKS[: 2 * LABELLED][in_reserve(TASKS[: 2 * LABELLED], 0.1, 0)]
    assert version.validation.tolist() == audits.tolist()
    assert version.facts.validation != learnt.version.facts.validation

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


CALLED = {"east": Called(("To the East",)), "north": Called(("To the North",))}
(ASKED,) = CONFIG.questions
NAMED = replace(CONFIG, questions=(replace(ASKED, called=CALLED),))
STARS = Question("stars", "t", "ordered", ("1", "2"), Rating(), prefix="stars: ")
BOTH = replace(NAMED, questions=(replace(NAMED.questions[0], prefix="c: "), STARS))


@pytest.fixture
def named(store: Store) -> Store:
    """Both names have vectors: those of the ends of the quarter circle."""
    store.vectors(2).append(keys_of(names_of(NAMED).values()), np.eye(2, dtype=np.float32))
    return store


def accuracy(store: Store, version: Version, config: LabelConfig) -> float:
    assert version.head is not None
    vectors = vectors_of(store, TASKS)
    said = version.head.probs(vectors)[:, :2].argmax(axis=1)
    assert version.head.labels[:2] == config.labels[:2]
    return float((said == (vectors[:, 1] > vectors[:, 0])).mean())


def test_the_first_version_knows_what_the_labels_are_called(named: Store) -> None:
    """Before any label there is a model, an order and an answer where the model is sure."""
    outcome = played(named, labelling(named, 0), config=NAMED)
    version = outcome.version
    assert accuracy(named, version, NAMED) > 0.9
    assert (version.facts.labels, version.facts.names, len(version.shortlist)) == (0, 1.0, 5)
    assert outcome.answers is not None
    loaded = named.load_version(version.name)
    assert loaded.head is not None and loaded.facts.names == 1.0


def test_without_vectors_of_names_the_first_version_has_an_order_and_no_head(store: Store) -> None:
    """They come with the next job of the trainer; nothing waits for them."""
    outcome = played(store, labelling(store, 0), config=NAMED)
    assert outcome.version.head is None and outcome.version.facts.names is None
    assert len(outcome.version.shortlist) == 5
    assert [one["result"] for one in outcome.predictions] == [[]] * 5


def test_a_label_whose_name_is_not_encoded_yet_is_learnt_all_the_same(store: Store) -> None:
    """A new choice, between the change of the interface and the trainer's answer."""
    keys = keys_of(names_of(NAMED).values())
    store.vectors(2).append(keys[:1], np.eye(2, dtype=np.float32)[:1])
    version = played(store, labelling(store, LABELLED), config=NAMED).version
    assert accuracy(store, version, NAMED) > 0.9


def test_names_that_are_not_to_be_used_change_nothing(named: Store) -> None:
    off, few = replace(SETTINGS, label_names=False), labelling(named, LABELLED)
    assert played(named, labelling(named, 0), config=NAMED, settings=off).version.head is None
    without = played(named, few, config=NAMED, settings=off).version
    as_before = played(named, few, config=CONFIG).version
    assert without.head is not None and as_before.head is not None
    np.testing.assert_array_equal(without.head.weights, as_before.head.weights)
    assert without.facts.names is None


def test_a_question_without_names_waits_for_its_first_answer(named: Store) -> None:
    """Stars have no names. The head knows the other question alone, and then both."""
    nothing = labelling_of(TASKS > 0, {})
    version = played(named, nothing, config=BOTH).version
    assert version.head is not None and version.head.labels == ("c: east", "c: north")
    given = replace(nothing, answers={int(task): ("stars: 2",) for task in TASKS[:9]})
    assert version.facts.unanswered == ("c", "stars")
    version = played(named, given, config=BOTH).version
    assert version.head is not None and version.head.labels == BOTH.labels
    assert version.facts.unanswered == ("c",)
    assert accuracy(named, version, BOTH) > 0.9, "from the names"


def test_an_answer_that_only_measures_is_no_lesson(named: Store) -> None:
    """Stars that nobody gave but to an audit task are learnt by nothing: neither names nor
    labels."""
    audit = int(TASKS[in_reserve(TASKS, SETTINGS.audit_share, SETTINGS.seed)][0])
    answers: dict[int, Answer] = {audit: ("c: east", "stars: 2")}
    known = labelling_of(~np.isin(TASKS, audit), answers)
    version = played(named, known, config=BOTH).version
    assert version.head is not None and version.head.labels == ("c: east", "c: north")


def coming(store: Store, known: Labelling, encoded: int) -> Labelling:
    """The same while only the first tasks have vectors: the others show something else."""
    return replace(known, keys=np.where(np.arange(len(TASKS)) < encoded, TASKS, TASKS + 10**6))


def test_what_is_not_encoded_yet_follows_and_then_what_cannot_be_read(store: Store) -> None:
    """Sixteen of forty clips were encoded. When they were labelled, Label Studio served the others
    at random, outside of our order, and the log said that nothing was left."""
    unreadable = np.isin(TASKS, [1180, 1199])
    known = replace(labelling(store, 150), unreadable=unreadable, blank=np.array([7, 8]))
    outcome = played(store, coming(store, known, 160), size=100)
    order = outcome.version.shortlist
    assert set(order[:10]) == {*TASKS[150:160]}, "ranked"
    waiting = np.setdiff1d(TASKS[160:], [1180, 1199])
    assert (
        order[10:48].tolist() == waiting[at_random(waiting, 0.1, 0, labelled=160, size=38)].tolist()
    )
    assert set(order[48:]) == {1180, 1199, 7, 8}
    assert outcome.unranked == 42
    facts = outcome.version.facts
    assert (facts.encoded, facts.ranked, facts.open, facts.unreadable) == (160, 10, 52, 4)
    assert [one["task"] for one in outcome.predictions] == order.tolist()
    assert [one["score"] for one in outcome.predictions] == [0.5 * n / 52 for n in range(52)]
    assert all(one["result"] for one in outcome.predictions[:10])
    assert not any(one["result"] for one in outcome.predictions[10:])


def test_nothing_follows_while_the_model_fills_the_order(store: Store) -> None:
    known = replace(coming(store, labelling(store, 60), 160), blank=np.array([7, 8]))
    outcome = played(store, known, size=5)
    assert (len(outcome.predictions), outcome.unranked) == (5, 0)
    assert set(outcome.version.shortlist) <= {*TASKS[60:160]}
    assert (outcome.version.facts.open, outcome.version.facts.unreadable) == (142, 2)


def test_every_tenth_task_is_an_audit_task_also_among_those_without_a_vector(store: Store) -> None:
    """A label of one without a vector does not count as learnt, so the place stood still: once an
    audit task was due, there was nothing else until the next vectors came."""
    known, asked = coming(store, labelling(store, 0), 0), []
    known = replace(known, keys=np.where(TASKS < 1002, TASKS, known.keys))
    for _ in range(30):
        asked.append(int(played(store, known).version.shortlist[0]))
        answers: dict[int, Answer] = dict.fromkeys(asked, ("east",))
        known = replace(known, open=~np.isin(TASKS, asked), answers=answers)
    places = np.flatnonzero(in_reserve(np.array(asked), 0.1, 0)) + 1
    assert places.tolist() == [10, 20, 30]


@pytest.mark.parametrize("store_of", ["labels", "names", "spans"])
def test_where_nothing_can_be_read_the_order_is_random(
    store_of: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    config, folder = CONFIG, request.getfixturevalue("named" if store_of == "names" else "store")
    if store_of == "names":
        config = NAMED
    if store_of == "spans":
        question = Question("c", "t", "spans", ("east", "north"))
        config, folder = LabelConfig((question,), CONFIG.sources), Store(tmp_path / "8")
        with folder.new_encoder(2) as aside:
            write_encoder_meta(aside, EncoderMeta("tuned", "base", 16, 2, layout=("tokens",)))
    known = replace(labelling_of(TASKS > 0, {}), keys=TASKS + 10**6, unreadable=TASKS > 0)
    outcome = played(folder, known, config=config)
    assert outcome.version.shortlist.tolist() == TASKS[at_random(TASKS, 0.1, 0, 0, 5)].tolist()
    assert outcome.version.facts.unreadable == len(TASKS)


def test_a_version_of_names_alone_can_be_pinned(named: Store) -> None:
    first = played(named, labelling(named, 0), config=NAMED).version
    known = labelling(named, LABELLED)
    under_pin = played(named, known, named.load_version(first.name), config=NAMED).version
    assert first.head is not None and under_pin.head is not None
    np.testing.assert_array_equal(under_pin.head.weights, first.head.weights)
    assert under_pin.facts.names is None, "it is not known any more how much they count"


def test_a_restart_goes_on_with_what_was_learnt(named: Store) -> None:
    """How much the names count is not kept with a version; it is found again from the labels."""
    few, more = labelling(named, 12), labelling(named, 13)
    version = played(named, few, config=NAMED).version
    again = Store(named.folder)
    from_disk = again.load_version(version.name)
    restarted = played(again, more, config=NAMED, previous=from_disk).version
    went_on = played(named, more, config=NAMED, previous=version).version
    assert restarted.head is not None and went_on.head is not None
    vectors = vectors_of(named, TASKS)
    probs = went_on.head.probs(vectors)
    np.testing.assert_allclose(restarted.head.probs(vectors), probs, atol=0.02)
    assert restarted.facts.names == pytest.approx(went_on.facts.names, abs=0.05)


@pytest.mark.parametrize("labels", [0, SETTLED_BY - 1, SETTLED_BY])
def test_the_first_versions_pre_annotate_only_what_they_are_sure_of(
    tmp_path: Path, labels: int
) -> None:
    """The others are in the order all the same. Texts say much beside what is asked."""
    store = store_in(tmp_path, np.random.default_rng(4).standard_normal((len(TASKS), 8)))
    store.vectors(2).append(keys_of(names_of(NAMED).values()), np.eye(2, 8, dtype=np.float32))
    outcome = played(store, labelling(store, labels), config=NAMED, size=100)
    head, shown = outcome.version.head, vectors_of(store, outcome.version.shortlist)
    assert head is not None and len(outcome.predictions) == 100
    is_sure = head.probs(shown).max(axis=1) >= FIRST_CONFIDENCE
    assert 0 < is_sure.sum() < 100
    said = [bool(one["result"]) for one in outcome.predictions]
    assert said == (is_sure | (labels >= SETTLED_BY)).tolist()
