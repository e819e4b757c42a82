import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from transformers import (
    AutoConfig,
    AutoModel,
    DistilBertConfig,
    DistilBertModel,
    PreTrainedModel,
    pipeline,
)

from model.encoders.text import BUNDLED, Recipe, TextEncoder
from model.encoders.tokens import TokenEncoder
from model.export import card, export
from model.exported import write_encoder
from model.heads.head import Head
from model.spans.tags import tag_names
from model.storage.earlier import Earlier
from model.types import EncoderSpec, Kind, LabelGroup

TEXTS = (
    "The cat sleeps on the sofa.",
    "x",
    "The central bank raised its interest rates, and the markets fell a little. " * 20,
    " " * 300 + "a beginning, " + " " * 300 + "and an end that is too far away to be read",
    "  in\nlines\t\n",
    "http://example.org/" + "a" * 200 + " and on",
    "\u4f60\u597d\uff0c\u4e16\u754c\u3002\u8fd9\u662f\u4e00\u4e2a\u6d4b\u8bd5\u3002",
    "Un caf\u00e9, \U0001f642 s'il vous pla\u00eet",
)
CHINESE = Path(__file__).parents[3] / "shared" / "models" / "me5-small-zh-en"

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def bundled() -> TextEncoder:
    encoder = TextEncoder(BUNDLED, 32)
    encoder.low_precision = False
    return encoder


@pytest.fixture(scope="module")
def common(one_layer: Path) -> TextEncoder:
    """Where only the tokenizer is needed, or any encoder with 384 dimensions."""
    encoder = TextEncoder(str(one_layer), 32)
    encoder.low_precision = False
    return encoder


@pytest.fixture(scope="module")
def small(common: TextEncoder, tmp_path_factory: pytest.TempPathFactory) -> TextEncoder:
    """Where the bundled one, written and read in most of a second, would prove no more."""
    return small_encoder("bert", tmp_path_factory.mktemp("small"), common)


def head_on(encoder: TextEncoder, kind: Kind, labels: tuple[str, ...] = ("a", "b|c", "d")) -> Head:
    """A head whose probabilities differ much from text to text."""
    rng = np.random.default_rng(0)
    shape = (encoder.dimension, len(labels))
    return Head(
        kind,
        labels,
        rng.normal(0.0, 5.0, shape).astype(np.float32),
        rng.normal(size=len(labels)).astype(np.float32),
        encoder.encode(TEXTS).mean(axis=0),
    )


def assert_same_probabilities(
    encoder: TextEncoder, head: Head, folder: Path, *batch_sizes: int
) -> None:
    """As the folder's pipeline gives them, for batches of 4 if nothing else is asked for."""
    ours = head.probs(encoder.encode(TEXTS))
    assert ours.std(axis=0).min() > 0.1
    export(encoder, head, folder, {})
    classify = pipeline("text-classification", str(folder), truncation=True, top_k=None)
    for size in batch_sizes or (4,):
        answers: Any = classify(list(TEXTS), batch_size=size)
        by_label = [{each["label"]: each["score"] for each in answer} for answer in answers]
        theirs = [[scores[label] for label in head.labels] for scores in by_label]
        np.testing.assert_allclose(theirs, ours, rtol=0, atol=5e-5)


def small_encoder(model_type: str, folder: Path, tokenizer_of: TextEncoder) -> TextEncoder:
    """An encoder with random weights and small states, in which RoBERTa's epsilon of layer
    normalisation counts."""
    tokenizer = tokenizer_of.tokenizer
    config = AutoConfig.for_model(
        model_type,
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=64,
        type_vocab_size=2,
        layer_norm_eps=1e-5,
        initializer_range=0.5,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = AutoModel.from_config(config)  # type: ignore[no-untyped-call]
    nn.init.constant_(network.encoder.layer[-1].output.LayerNorm.weight, 0.02)
    return saved(network, folder, tokenizer_of)


def saved(network: PreTrainedModel, folder: Path, tokenizer_of: TextEncoder) -> TextEncoder:
    network.save_pretrained(folder)
    tokenizer_of.tokenizer.save_pretrained(folder)
    encoder = TextEncoder(str(folder), 32)
    encoder.low_precision = False
    return encoder


def test_the_pipeline_gives_our_probabilities(bundled: TextEncoder, tmp_path: Path) -> None:
    """Those of several labels are compared with small encoders, below."""
    assert_same_probabilities(bundled, head_on(bundled, "single"), tmp_path, 1, len(TEXTS))


@pytest.mark.parametrize("model_type", ["bert", "camembert", "roberta", "xlm-roberta"])
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_every_supported_type_and_pooling_gives_our_probabilities(
    common: TextEncoder, tmp_path: Path, model_type: str, pooling: str
) -> None:
    encoder = small_encoder(model_type, tmp_path / "encoder", common)
    encoder.recipe = Recipe(pooling)
    assert_same_probabilities(encoder, head_on(encoder, "multiple"), tmp_path / "out")


@pytest.mark.parametrize(
    ("model_type", "pooling"),
    [("bert", "mean"), ("camembert", "cls"), ("roberta", "cls"), ("xlm-roberta", "mean")],
)
def test_the_encoder_comes_back_exactly_out_of_the_folder(
    common: TextEncoder, tmp_path: Path, model_type: str, pooling: str
) -> None:
    """With its prefix, which an export's own tokenizer has swallowed."""
    encoder = small_encoder(model_type, tmp_path / "encoder", common)
    encoder.recipe = Recipe(pooling, "query: ")
    head, spec = head_on(encoder, "multiple"), EncoderSpec(("text",), "base", "", 32)
    export(encoder, head, tmp_path / "out", {}, Earlier("project 3", spec, 7, 412, head))
    write_encoder(tmp_path / "out", tmp_path / "back")
    back = TextEncoder(str(tmp_path / "back"), 32)
    back.low_precision = False
    assert back.recipe == encoder.recipe
    np.testing.assert_array_equal(back.encode(TEXTS), encoder.encode(TEXTS))


def test_an_encoder_of_spans_comes_back_exactly(small: TextEncoder, tmp_path: Path) -> None:
    head = replace(head_on(small, "single", tag_names(("a",))), kind="spans")
    spec = EncoderSpec(("tokens",), "base", "", 32)
    export(small, head, tmp_path / "out", {}, Earlier("project 3", spec, 7, 412, head))
    write_encoder(tmp_path / "out", tmp_path / "back")
    back = TextEncoder(str(tmp_path / "back"), 32)
    back.low_precision = False
    np.testing.assert_array_equal(back.encode(TEXTS), small.encode(TEXTS))


def test_the_prefix_comes_along(common: TextEncoder, tmp_path: Path) -> None:
    """Users of the folder need not know the prefix, so the tokenizer must add it."""
    encoder = small_encoder("bert", tmp_path / "encoder", common)
    encoder.recipe = Recipe("mean", "query: ")
    assert_same_probabilities(encoder, head_on(encoder, "single"), tmp_path / "out")


@pytest.mark.slow
def test_a_multilingual_encoder_with_its_prefix(tmp_path: Path) -> None:
    if not CHINESE.is_dir():
        pytest.skip(f"there is no {CHINESE.name} beside the checkout, in shared/models")
    encoder = TextEncoder(str(CHINESE), 32)
    encoder.low_precision = False
    assert encoder.recipe.prefix == "query: "
    assert_same_probabilities(encoder, head_on(encoder, "single"), tmp_path)


def test_without_more_arguments_the_likeliest_label_is_named(
    small: TextEncoder, tmp_path: Path
) -> None:
    head = head_on(small, "single", ("\u662f", "non", "vielleicht"))
    export(small, head, tmp_path, {})
    answers = pipeline("text-classification", str(tmp_path))(list(TEXTS[:2]))
    likeliest = head.probs(small.encode(TEXTS[:2])).argmax(axis=1)
    assert [answer["label"] for answer in answers] == [head.labels[place] for place in likeliest]


def test_one_label_of_several_kind_keeps_its_own_probability(
    small: TextEncoder, tmp_path: Path
) -> None:
    """transformers takes a single output for a regression, unless configured otherwise."""
    assert_same_probabilities(small, head_on(small, "multiple", ("spam",)), tmp_path)


def test_an_only_label_of_single_kind_is_refused(common: TextEncoder, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="spam is the only label"):
        export(common, head_on(common, "single", ("spam",)), tmp_path / "out", {})
    assert not (tmp_path / "out").exists()


def test_several_questions_are_refused(common: TextEncoder, tmp_path: Path) -> None:
    groups = (LabelGroup("single", 0, 2), LabelGroup("single", 2, 4))
    several = replace(head_on(common, "multiple", ("a", "b", "c", "d")), groups=groups)
    with pytest.raises(ValueError, match="several questions"):
        export(common, several, tmp_path, {})


def test_a_network_of_another_form_is_refused_by_name(common: TextEncoder, tmp_path: Path) -> None:
    config = DistilBertConfig(vocab_size=len(common.tokenizer), dim=8, n_heads=2, n_layers=1)
    encoder = saved(DistilBertModel(config), tmp_path / "encoder", common)
    with pytest.raises(ValueError, match=r"distilbert .* supported are bert, camembert"):
        export(encoder, head_on(encoder, "single"), tmp_path / "out", {})


def test_exporting_changes_neither_the_encoder_nor_the_random_state(
    small: TextEncoder, tmp_path: Path
) -> None:
    head = head_on(small, "single")
    before, state = small.encode(TEXTS), torch.get_rng_state()
    export(small, head, tmp_path, {})
    np.testing.assert_array_equal(small.encode(TEXTS), before)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_tokenizer_is_of_a_class_that_transformers_4_knows(
    common: TextEncoder, tmp_path: Path
) -> None:
    """It refused the whole folder for the name that transformers 5 writes."""
    export(common, head_on(common, "single"), tmp_path, {})
    stated = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert stated["tokenizer_class"] == "PreTrainedTokenizerFast"


def test_the_weights_are_float32(small: TextEncoder, tmp_path: Path) -> None:
    export(small, head_on(small, "single"), tmp_path, {})
    weights = load_file(tmp_path / "model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.float32}


def test_the_card_tells_labels_thresholds_and_numbers(common: TextEncoder) -> None:
    head = replace(head_on(common, "multiple"), thresholds=np.array([0.5, 0.3125, 0.5]))
    text = card(head, 32, 1, {"version": "2.13", "training labels": 54})
    assert 'pipeline("text-classification", "this/folder", truncation=True, top_k=None)' in text
    assert "32 tokens" in text
    assert "| a | 0.5 |\n| b\\|c | 0.312 |\n| d | 0.5 |" in text
    assert "| version | 2.13 |\n| training labels | 54 |" in text


def test_one_label_a_text_needs_no_thresholds(common: TextEncoder) -> None:
    text = card(head_on(common, "single"), 32, 1, {})
    assert "truncation=True)" in text
    assert "threshold" not in text


MARKED = (
    "Angela Merkel visited Paris in 2015.",
    "x",
    "The central bank raised its interest rates, and the markets fell a little. " * 20,
    "  in\nlines\t\n",
    "http://example.org/" + "a" * 200 + " and on",
    "\u5317\u4eac\u5927\u5b66\u5728\u4e2d\u56fd\u3002",
)


def head_of_spans(encoder: TokenEncoder) -> Head:
    rng = np.random.default_rng(0)
    tags = tag_names(("Person", "Place"))
    weights = rng.normal(0.0, 5.0, (encoder.dimension, len(tags))).astype(np.float32)
    centre = encoder.encode(MARKED).states.astype(np.float32).mean(axis=0)
    bias = rng.normal(size=len(tags)).astype(np.float32)
    return Head("spans", tags, weights, bias, centre)


@pytest.mark.parametrize(
    "name",
    [
        BUNDLED,
        pytest.param(
            str(CHINESE),
            marks=[
                pytest.mark.slow,
                pytest.mark.skipif(not CHINESE.is_dir(), reason=f"{CHINESE} is not there"),
            ],
        ),
    ],
    ids=["bundled", "with a prefix"],
)
def test_spans_are_marked_by_the_pipeline_as_by_us(name: str, tmp_path: Path) -> None:
    """Each token has the same tag with the same probability at the same place; the prefix is read
    and never marked."""
    ours = TokenEncoder(name, 32)
    ours._encoder.low_precision = False
    head = head_of_spans(ours)
    tokens = ours.encode(MARKED)
    probs = head.probs(tokens.states)
    export(ours._encoder, head, tmp_path, {})
    mark = pipeline("token-classification", str(tmp_path), ignore_labels=[])
    for row, text in enumerate(MARKED):
        mine = slice(tokens.bounds[row], tokens.bounds[row + 1])
        found: Any = mark(text)
        said = [head.labels[tag] for tag in probs[mine].argmax(axis=1)]
        # A piece that is nothing but a space is no token of ours; before the text it stands for a
        # part of the first one. None of 215 Chinese texts had it marked by a head of 120 others.
        found = [one for one in found if text[one["start"] : one["end"]].strip()]
        if len(found) > 1 and found[1]["start"] == 0:
            found = found[1:]
        assert [one["entity"] for one in found] == said
        scores = [one["score"] for one in found]
        np.testing.assert_allclose(scores, probs[mine].max(axis=1), atol=5e-3)
        assert [one["end"] for one in found] == tokens.places[mine, 1].tolist()


def test_the_card_of_spans_says_how_to_mark_them(one_layer: Path) -> None:
    head = head_of_spans(TokenEncoder(str(one_layer), 32))
    text = card(head, 32, 1, {})
    assert 'pipeline("token-classification", "this/folder", aggregation_strategy="simple")' in text
    assert "| Person |" in text and "B-Person" not in text
