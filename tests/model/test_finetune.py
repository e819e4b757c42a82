"""Training runs on the bundled encoder cut to its first layer: real weights, in seconds."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from model.encoders.finetune import (
    CHECK_EVERY,
    MIN_STEPS,
    MIN_VALIDATION,
    Examples,
    Step,
    _Best,
    contrastive_loss,
    finetune,
    steps_for,
)
from model.encoders.images import ImageEncoder
from model.encoders.text import TextEncoder
from model.heads.head import fit_head
from model.types import Floats, Kind
from tests.model.conftest import Load
from tests.model.test_image_encoder import efficient_net

ANIMALS = [
    "the cat sleeps",
    "a dog barks",
    "my horse runs",
    "the cow eats grass",
    "a bird sings",
    "the fish swims",
    "a mouse hides",
    "the sheep grazes",
]
MONEY = [
    "stocks fell today",
    "the bank raised rates",
    "inflation is high",
    "shares gained value",
    "the market crashed",
    "bonds were sold",
    "profits doubled",
    "the tax went up",
]
TEXTS = ANIMALS + MONEY
TARGETS = np.repeat(np.eye(2, dtype=np.float32), 8, axis=0)
UNSEEN = ["a goat climbs", "the wolf howls", "wages rose again", "the debt was paid"]
NO_EXAMPLES = Examples([], TARGETS[:0])


pytestmark = pytest.mark.usefixtures("one_thread")


def gap(encoder: TextEncoder) -> float:
    """How much nearer texts of one class are than texts of two: mean cosine within - between."""
    vectors = encoder.encode(TEXTS)
    cosines, same = vectors @ vectors.T, TARGETS @ TARGETS.T > 0
    return float(cosines[same].mean() - cosines[~same].mean())


def layer_bias(encoder: TextEncoder) -> Tensor:
    bias: Tensor = encoder.network.encoder.layer[0].output.dense.bias
    return bias.detach().clone()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["single", "multiple"])
def test_training_lowers_the_loss_and_pulls_the_classes_apart(load: Load, kind: Kind) -> None:
    encoder = load()
    before, steps = gap(encoder), list[Step]()
    training = Examples(TEXTS, TARGETS)
    report = finetune(encoder, training, NO_EXAMPLES, kind, seed=0, observe=steps.append)

    # What remains is the least that contrast allows: seven equals to choose from.
    assert report.train_loss == pytest.approx(math.log(7), abs=0.02)
    assert steps[0].training["loss"] > report.train_loss + 1
    assert steps[0].training["micro_f1"] < steps[-1].training["micro_f1"] == 1.0
    assert report.validation_loss is None
    assert report.steps == report.best_step == MIN_STEPS
    assert [step.number for step in steps] == list(range(1, MIN_STEPS + 1))
    assert {(step.total, step.validation is None) for step in steps} == {(MIN_STEPS, True)}
    assert before < 0.3
    assert gap(encoder) > 0.9

    vectors: Floats = encoder.encode(TEXTS)
    centre = vectors.mean(axis=0)
    head = fit_head(vectors, TARGETS, kind, ("animals", "money"), centre)
    assert head.probs(encoder.encode(UNSEEN)).argmax(axis=1).tolist() == [0, 0, 1, 1]


@pytest.mark.slow
def test_training_stops_early_and_restores_the_best_weights(load: Load) -> None:
    """Every validation label is wrong: the better the training, the worse the validation."""
    encoder = load()
    after_step: list[Tensor] = []
    report = finetune(
        encoder,
        Examples(TEXTS * 14, np.tile(TARGETS, (14, 1))),
        Examples(TEXTS, 1 - TARGETS),
        "single",
        seed=0,
        observe=lambda _: after_step.append(layer_bias(encoder)),
    )
    assert report.best_step == CHECK_EVERY
    assert report.steps == 4 * CHECK_EVERY < math.ceil(6 * 14 * 16 / 16)
    assert report.validation_loss is not None
    assert report.validation_loss > math.log(2)
    assert torch.equal(layer_bias(encoder), after_step[report.best_step - 1])
    assert not torch.equal(layer_bias(encoder), after_step[-1])


@pytest.mark.slow
def test_what_encodes_is_the_restored_network(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where 16 bits are faster, a copy encodes, which had the weights of the last validation."""
    monkeypatch.setattr("model.encoders.finetune.CHECK_EVERY", 5)
    encoder = load()
    encoder.low_precision = True
    training = Examples(TEXTS, TARGETS)
    report = finetune(encoder, training, Examples(TEXTS, 1 - TARGETS), "single", seed=0)
    assert report.best_step < report.steps
    vectors = encoder.encode(UNSEEN)
    encoder.forget_copy()
    np.testing.assert_array_equal(encoder.encode(UNSEEN), vectors)


def test_a_handful_of_validation_labels_decides_nothing(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.encoders.finetune.CHECK_EVERY", 2)
    few = MIN_VALIDATION - 1
    wrong = Examples(TEXTS[:few], 1 - TARGETS[:few])
    report = finetune(load(), Examples(TEXTS, TARGETS), wrong, "single", seed=0, steps=12)
    assert report.steps == report.best_step == 12
    assert report.validation_loss is None


@pytest.mark.slow
def test_the_same_seed_gives_the_same_encoder(load: Load) -> None:
    training = Examples(TEXTS[4:12], TARGETS[4:12])
    vectors: list[Floats] = []
    for seed in (1, 1, 2):
        encoder = load()
        finetune(encoder, training, NO_EXAMPLES, "single", seed=seed)
        vectors.append(encoder.encode(UNSEEN))
    np.testing.assert_allclose(vectors[1], vectors[0], atol=1e-3)
    assert np.abs(vectors[2] - vectors[0]).max() > 1e-2


def test_contrast_is_low_when_only_examples_of_one_label_are_alike() -> None:
    """Each example has a twin at cosine 1, and two others at cosine 0: -log(e^10 / (e^10 + 2))."""
    states = torch.eye(2).repeat_interleave(2, dim=0)
    targets = torch.eye(2).repeat_interleave(2, dim=0)
    apart = contrastive_loss(states, targets).item()
    assert apart == pytest.approx(math.log1p(2 * math.exp(-10)), abs=1e-6)
    # The twins now have different labels: the pull is to examples at cosine 0.
    mixed = contrastive_loss(states, targets[[0, 2, 1, 3]]).item()
    assert mixed == pytest.approx(math.log(math.exp(10) + 2), abs=1e-4)


def test_contrast_pulls_by_the_share_of_common_labels() -> None:
    """To {a, b} the set {a} is half alike and {a, b} wholly: weights 1/3 and 2/3."""
    states = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    targets = torch.tensor([[1.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    partition = math.log(math.exp(10) + 1)
    first = (1 / 3) * partition + (2 / 3) * (partition - 10)
    second = math.log(2)
    expected = (2 * first + second) / 3
    assert contrastive_loss(states, targets).item() == pytest.approx(expected, abs=1e-5)


def test_examples_that_resemble_nobody_have_no_contrast() -> None:
    assert contrastive_loss(torch.eye(3), torch.eye(3)).item() == 0.0


def test_examples_without_any_label_are_alike() -> None:
    loss = contrastive_loss(torch.ones(2, 2), torch.zeros(2, 3))
    assert loss.item() == pytest.approx(0.0, abs=1e-6)


def test_word_embeddings_stay_as_they_were_and_the_rest_is_tuned(load: Load) -> None:
    encoder = load()
    words = encoder.network.get_input_embeddings().weight
    words_before, layer_before = words.detach().clone(), layer_bias(encoder)
    training = Examples(TEXTS[4:12], TARGETS[4:12])
    finetune(encoder, training, NO_EXAMPLES, "single", seed=0, steps=5)
    assert torch.equal(words, words_before)
    assert not torch.equal(layer_bias(encoder), layer_before)


def test_a_trained_encoder_is_ready_to_encode(load: Load) -> None:
    """With dropout left on, a text would have a different vector each time."""
    encoder = load()
    training = Examples(TEXTS[4:12], TARGETS[4:12])
    finetune(encoder, training, NO_EXAMPLES, "single", seed=0, steps=5)
    np.testing.assert_array_equal(encoder.encode(UNSEEN), encoder.encode(UNSEEN))


def test_one_example_of_one_label_is_enough(load: Load) -> None:
    encoder = load()
    report = finetune(encoder, Examples(TEXTS[:1], TARGETS[:1]), NO_EXAMPLES, "single", seed=0)
    assert report.train_loss < math.log(2)
    assert np.isfinite(encoder.encode(TEXTS)).all()


@pytest.mark.parametrize(
    ("examples", "steps"), [(1, 60), (160, 60), (161, 61), (1600, 600), (10_000, 1500)]
)
def test_six_epochs_are_made_within_bounds(examples: int, steps: int) -> None:
    assert steps_for(examples) == steps


def test_a_number_of_steps_that_is_given_is_made(load: Load) -> None:
    steps = list[Step]()
    training = Examples(TEXTS, TARGETS)
    report = finetune(
        load(), training, NO_EXAMPLES, "single", seed=0, steps=3, observe=steps.append
    )
    assert (report.steps, report.self_trained) == (3, 0)
    assert [(step.number, step.total) for step in steps] == [(1, 3), (2, 3), (3, 3)]


def test_training_without_examples_is_refused(load: Load) -> None:
    with pytest.raises(ValueError, match="at least one labelled example"):
        finetune(load(), NO_EXAMPLES, Examples(TEXTS, TARGETS), "single", seed=0)


def test_a_diverged_checkpoint_is_never_the_best(load: Load) -> None:
    best, encoder = _Best(), load()
    best.offer(20, 0.5, encoder)
    best.offer(40, float("nan"), encoder)
    assert (best.loss, best.step) == (0.5, 20)


@pytest.fixture
def image_encoder(tmp_path: Path) -> ImageEncoder:
    return ImageEncoder(str(efficient_net(tmp_path)))


def pictures(number: int) -> list[Image.Image]:
    """Noise, alternately reddish and bluish."""
    noise = np.random.default_rng(0).integers(0, 120, (number, 32, 32, 3), dtype=np.uint8)
    noise[::2, :, :, 0] += 100
    noise[1::2, :, :, 2] += 100
    return [Image.fromarray(picture) for picture in noise]


@pytest.mark.slow
def test_pictures_are_learnt_and_batch_statistics_stay(image_encoder: ImageEncoder) -> None:
    """Sixteen pictures are too few to estimate means and variances from."""
    network = image_encoder.network
    statistics = {name: value.clone() for name, value in network.named_buffers()}
    weights = {name: value.detach().clone() for name, value in network.named_parameters()}
    targets = np.tile(np.eye(2, dtype=np.float32), (MIN_VALIDATION, 1))
    items = pictures(len(targets))
    steps: list[Step] = []
    examples = Examples(items, targets)
    finetune(image_encoder, examples, examples, "single", seed=0, observe=steps.append)

    measured = [step.validation["loss"] for step in steps if step.validation is not None]
    assert measured[-1] < 0.5 * math.log(2)
    assert all(torch.equal(value, statistics[name]) for name, value in network.named_buffers())
    moved = {name for name, value in network.named_parameters() if (value != weights[name]).any()}
    blocks = len(network.encoder.blocks)
    assert {int(name.split(".")[2]) for name in moved if "blocks" in name} == set(
        range(blocks // 3, blocks)
    )


class OfParts:
    """Reads items of one part each, as an encoder of texts and pictures does."""

    def __init__(self, inner: TextEncoder) -> None:
        self.network, self.device, self.dimension = inner.network, inner.device, inner.dimension
        self._inner = inner

    def forward(self, items: Sequence[tuple[str]]) -> Tensor:
        return self._inner.forward([text for (text,) in items])

    def pool(self, items: Sequence[tuple[str]]) -> Floats:
        return self._inner.pool([text for (text,) in items])

    def forget_copy(self) -> None:
        self._inner.forget_copy()


@pytest.mark.slow
def test_a_text_as_the_only_part_is_learnt_as_the_text_is(load: Load) -> None:
    """Batches go by length: of the text, not of the tuple around it."""
    losses: list[list[float]] = [[], []]
    alone, part = load(), load()
    for encoder, items, found in (
        (alone, TEXTS, losses[0]),
        (OfParts(part), [(text,) for text in TEXTS], losses[1]),
    ):

        def observe(step: Step, found: list[float] = found) -> None:
            found.append(step.training["loss"])

        finetune(encoder, Examples(items, TARGETS), NO_EXAMPLES, "single", seed=0, observe=observe)
    assert losses[0] == losses[1]
