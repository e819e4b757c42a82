"""Self-training of the bundled encoder cut to its first layer: real weights, few steps."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from model.encoders.finetune import MIN_VALIDATION, Examples, Report, Step, finetune
from model.encoders.selftraining import (
    LEAST_A_CLASS,
    MOST_A_CLASS,
    NEIGHBOURS,
    POOL_SAMPLE,
    Unlabelled,
    _agreement,
    _beside,
    _is_worse,
    believed_labels,
    deep_round,
    surest,
)
from model.types import Floats, Kind, LabelGroup
from tests.model.conftest import Load
from tests.model.test_finetune import NO_EXAMPLES, TARGETS, TEXTS, UNSEEN, layer_bias

STEPS, CHECK_EVERY = 10, 5

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    train_for(STEPS, monkeypatch)
    monkeypatch.setattr("model.encoders.finetune.CHECK_EVERY", CHECK_EVERY)


def train_for(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Limit each of the two trainings to this many steps."""
    monkeypatch.setattr("model.encoders.finetune.MIN_STEPS", steps)
    monkeypatch.setattr("model.encoders.selftraining.STEPS", steps)


def some(count: int) -> Examples:
    """This many labelled texts, alternating between both labels."""
    rows = np.arange(count) % 2 * 8 + np.arange(count) // 2 % 8
    return Examples([TEXTS[row] for row in rows], TARGETS[rows])


TOO_FEW, TOO_MANY = 2 * LEAST_A_CLASS - 1, 2 * MOST_A_CLASS + 1
UNREAD = Unlabelled(UNSEEN)
GROUPS = (LabelGroup("single", 0, 2),)


@pytest.mark.parametrize(
    ("training", "unlabelled", "asked"),
    [
        (some(TOO_FEW), UNREAD, "single"),
        (some(TOO_MANY), UNREAD, "single"),
        (some(16), UNREAD, "multiple"),
        (some(16), UNREAD, GROUPS),
        (some(16), Unlabelled([], ["animals", "money"]), "single"),
    ],
    ids=["too few labels", "too many", "several labels", "several questions", "nothing to read"],
)
def test_where_it_is_not_due_a_deep_round_is_fine_tuning_alone(
    load: Load,
    monkeypatch: pytest.MonkeyPatch,
    training: Examples,
    unlabelled: Unlabelled,
    asked: Kind | tuple[LabelGroup, ...],
) -> None:
    train_for(3, monkeypatch)
    monkeypatch.setattr("model.encoders.finetune.EPOCHS", 1)
    alone, other, steps = load(), load(), list[Step]()
    expected = finetune(alone, training, NO_EXAMPLES, asked, seed=4)
    found = deep_round(
        other, training, NO_EXAMPLES, unlabelled, asked, seed=4, observe=steps.append
    )
    assert found == expected
    assert found.self_trained == 0
    assert [(step.number, step.total) for step in steps] == [(1, 3), (2, 3), (3, 3)]
    assert torch.equal(layer_bias(other), layer_bias(alone))


@pytest.mark.slow
@pytest.mark.parametrize("count", [2 * LEAST_A_CLASS, 2 * MOST_A_CLASS])
def test_from_three_labels_a_class_to_twenty_it_learns_from_unlabelled_texts(
    load: Load, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr("model.encoders.finetune.EPOCHS", 1)
    unlabelled = Unlabelled(UNSEEN, ["animals", None])
    encoder, steps = load(), list[Step]()
    report = deep_round(
        encoder, some(count), NO_EXAMPLES, unlabelled, "single", seed=0, observe=steps.append
    )
    # Three tenths of the texts of each label, at least one: however four are divided, two.
    assert report.self_trained == 2
    assert report.steps == report.best_step == 2 * STEPS
    assert [step.number for step in steps] == list(range(1, 2 * STEPS + 1))
    assert {step.total for step in steps} == {2 * STEPS}
    alone = load()
    finetune(alone, some(count), NO_EXAMPLES, "single", seed=0)
    assert not torch.equal(layer_bias(encoder), layer_bias(alone))


@pytest.mark.slow
def test_what_validation_labels_find_worse_is_thrown_away(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every validation label is wrong: the more is learnt, the worse, so the first look at the
    first training is the best of both, which stop early."""
    train_for(5 * CHECK_EVERY, monkeypatch)
    encoder, steps = load(), list[Step]()
    after_step: list[Tensor] = []

    def observe(step: Step) -> None:
        steps.append(step)
        after_step.append(layer_bias(encoder))

    wrong = Examples(TEXTS, 1 - TARGETS)
    report = deep_round(encoder, some(16), wrong, UNREAD, "single", seed=0, observe=observe)
    assert (report.self_trained, report.best_step) == (0, CHECK_EVERY)
    assert report.steps == len(steps) == 2 * 4 * CHECK_EVERY
    assert [step.number for step in steps] == list(range(1, len(steps) + 1))
    assert all(step.number <= step.total for step in steps)
    losses = [step.validation["loss"] for step in steps if step.validation is not None]
    assert report.validation_loss == min(losses) == losses[0]
    assert torch.equal(layer_bias(encoder), after_step[CHECK_EVERY - 1])


@pytest.mark.slow
def test_what_validation_labels_find_better_is_kept(load: Load) -> None:
    encoder, steps = load(), list[Step]()
    right = Examples(TEXTS, TARGETS)
    report = deep_round(encoder, some(16), right, UNREAD, "single", seed=0, observe=steps.append)
    measured = {step.number: step.validation["loss"] for step in steps if step.validation}
    assert report.self_trained == 2
    assert report.best_step > STEPS
    assert report.validation_loss == measured[report.best_step] == min(measured.values())
    assert (report.steps, {step.total for step in steps}) == (len(steps), {2 * STEPS})


def test_nothing_to_learn_from_is_refused(load: Load) -> None:
    with pytest.raises(ValueError, match="at least one labelled example"):
        deep_round(load(), NO_EXAMPLES, NO_EXAMPLES, UNREAD, "single", seed=0)


@pytest.mark.parametrize(
    ("before", "after", "labels", "worse"),
    [
        (0.5, 0.6, MIN_VALIDATION, True),
        (0.5, 0.5, MIN_VALIDATION, False),
        (0.5, 0.4, MIN_VALIDATION, False),
        (0.5, 0.6, MIN_VALIDATION - 1, False),
        (None, 0.6, MIN_VALIDATION, False),
        (0.5, None, MIN_VALIDATION, False),
    ],
)
def test_worse_is_what_enough_labels_say(
    before: float | None, after: float | None, labels: int, worse: bool
) -> None:
    first, second = Report(60, 60, 1.0, before), Report(60, 60, 1.0, after)
    assert _is_worse(first, second, some(labels)) is worse


def test_of_each_label_the_surest_three_in_ten_are_taken() -> None:
    """So that a frequent label stays as frequent, and a rare one is not left out."""
    likeliest = np.array([0, 0, 0, 0, 0, 0, 0, 2, 2])
    sure = np.array([0.1, 0.9, 0.2, 0.8, 0.3, 0.7, 0.4, 0.5, 0.6])
    assert surest(likeliest, sure).tolist() == [1, 3, 5, 8]
    assert surest(likeliest[:0], sure[:0]).tolist() == []


class OnCircle:
    """Reads angles in degrees, as points of the unit circle, and learns nothing."""

    def __init__(self) -> None:
        self.network, self.device, self.dimension = nn.Module(), torch.device("cpu"), 2

    def forward(self, items: Sequence[float]) -> Tensor:
        return torch.as_tensor(self.pool(items))

    def pool(self, items: Sequence[float]) -> Floats:
        angles = np.radians(np.array(items))
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)

    def forget_copy(self) -> None:
        pass


EAST_AND_WEST = Examples([0.0, 10.0, 180.0, 190.0], np.repeat(np.eye(2, dtype=np.float32), 2, 0))


def test_what_lies_deep_among_its_like_is_believed_and_what_lies_between_is_not() -> None:
    """Three tenths of the ten in the east and the ten in the west; those between are none."""
    east, west = [float(angle) for angle in range(-8, 12, 2)], [180.0 + 2 * n for n in range(10)]
    between = [70.0, 95.0, 110.0, -85.0]
    believed = believed_labels(
        OnCircle(), EAST_AND_WEST, Unlabelled(east + west + between), "single"
    )
    taken = dict(zip(believed.items, believed.targets.argmax(axis=1).tolist(), strict=True))
    assert len(taken) == len(believed) == 8
    assert {angle for angle, label in taken.items() if label == 0} <= set(east)
    assert {angle for angle, label in taken.items() if label == 1} <= set(west)
    assert believed.targets.sum(axis=1).tolist() == [1.0] * 8


def test_neighbours_agree_as_far_as_they_give_an_item_its_label() -> None:
    """The first of eleven in the east is predicted west, and its neighbours are not."""
    vectors = np.repeat(OnCircle().pool([0.0, 180.0]), NEIGHBOURS + 1, axis=0)
    probs = np.repeat([[0.9, 0.1], [0.1, 0.9]], NEIGHBOURS + 1, axis=0)
    probs[0] = 0.2, 0.8
    found = _agreement(vectors, probs, probs.argmax(axis=1))
    others = (0.2 + 0.9 * (NEIGHBOURS - 1)) / NEIGHBOURS
    expected = [0.1] + [others] * NEIGHBOURS + [0.9] * (NEIGHBOURS + 1)
    assert found.tolist() == pytest.approx(expected)


def test_names_tell_labels_that_have_no_example_yet() -> None:
    """Two labels have examples. Two more are called north and south, and texts are there."""
    training = Examples(EAST_AND_WEST.items, np.pad(EAST_AND_WEST.targets, ((0, 0), (0, 2))))
    places = (0, 180, 90, 270)
    texts = [float(place + angle) for place in places for angle in range(-5, 5)]
    named = Unlabelled(texts, [float(place) for place in places])
    believed = believed_labels(OnCircle(), training, named, "single")
    assert believed.targets.sum(axis=0).tolist() == [3.0] * 4
    nearest = [places[label] for label in believed.targets.argmax(axis=1)]
    assert np.abs(np.array(believed.items) - nearest).max() <= 5
    nameless = believed_labels(OnCircle(), training, Unlabelled(texts, [None] * 4), "single")
    assert (nameless.targets.sum(axis=0)[2:] == 0.0).any()


def test_one_text_without_a_label_has_no_neighbours() -> None:
    believed = believed_labels(OnCircle(), EAST_AND_WEST, Unlabelled([5.0]), "single")
    assert (list(believed.items), believed.targets.sum()) == ([5.0], 1.0)


def test_of_a_large_pool_the_first_are_looked_at() -> None:
    """They are in random order already."""
    items = [float(n % 360) for n in range(POOL_SAMPLE)] + [1000.0] * 50
    believed = believed_labels(OnCircle(), EAST_AND_WEST, Unlabelled(items), "single")
    assert max(believed.items) < 1000


def test_labelled_texts_are_repeated_until_they_are_as_many() -> None:
    believed = Examples([1.0, 2.0, 3.0, 4.0, 5.0], np.eye(2, dtype=np.float32)[[0] * 5])
    training = Examples([7.0, 8.0], np.eye(2, dtype=np.float32))
    both = _beside(training, believed)
    assert list(both.items) == [7.0, 8.0, 7.0, 8.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert both.targets.argmax(axis=1).tolist() == [0, 1, 0, 1, 0, 0, 0, 0, 0]
    few = _beside(training, Examples([1.0], np.eye(2, dtype=np.float32)[:1]))
    assert list(few.items) == [7.0, 8.0, 1.0]
