"""A version as a plain transformers folder: `pipeline("text-classification", FOLDER)` loads it, or
of a version that marks spans `pipeline("token-classification", FOLDER)`.

A BERT classifier reads the state of its first token. We pool all tokens, scale to unit length,
subtract the pool's centre and scale again. One more ordinary transformer layer does just that:
attention with equal weights is a mean, layer normalisation of vectors with mean 0 is a scaling to
one length, and its bias subtracts the centre. So the folder needs no code of ours, and gives our
probabilities up to float32 rounding. For spans each token's own state is treated the same way.
"""

import json
import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, normalizers, processors
from torch import nn
from transformers import (
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    PreTrainedTokenizerFast,
)

from model.encoders.text import CHARACTERS_PER_TOKEN, RECIPE_FILE, TextEncoder
from model.exported import GAIN, ORIGIN, gain_of
from model.heads.head import Head
from model.storage.earlier import Earlier, write_facts
from model.types import EXCLUSIVE, OF_LISTS, Floats, Kind

MODEL_TYPES = ("bert", "camembert", "roberta", "xlm-roberta")
"""Networks whose layers and classifier are of the form that we write."""

PROBLEM_TYPES: dict[Kind, str | None] = {
    "single": "single_label_classification",
    "ordered": "single_label_classification",
    "multiple": "multi_label_classification",
    "spans": None,
    "pair": "regression",
}
"""The setting by which the pipeline applies softmax or sigmoid."""

# Powers of two, as GAIN.
SPREAD = 2.0**8
"""What is normalised is made this wide: the epsilon of layer normalisation then does not count."""
SLOPE = 2.0**-12
"""What passes the classifier's tanh is made this small: tanh(x) is x there."""

ANSWERS: dict[Kind, str] = {
    "single": "Gives each text one label, with its probability.",
    "ordered": "Gives each text one of labels in an order, with their probabilities. The median is "
    "the fewest steps off on average; the likeliest one is most often right.",
    "multiple": "Gives each text any number of labels. Each has a probability of its own; those "
    "that reach their threshold are the answer.",
    "spans": "Marks spans of each text: where they begin and end, and their label.",
    "pair": "Gives each text a score. Of two texts the one with the higher score is the better, "
    "with the probability 1 / (1 + exp(lower - higher)).",
}
OPTIONS: dict[Kind, str] = {
    "single": ", truncation=True",
    "ordered": ", truncation=True, top_k=None",
    "multiple": ", truncation=True, top_k=None",
    "spans": ', aggregation_strategy="simple"',
    "pair": ', truncation=True, function_to_apply="none"',
}
"""The pipeline's options, after the folder."""

TITLES: dict[Kind, str] = {"spans": "Named spans", "pair": "Which of two texts is better"}

CARD = """\
---
library_name: transformers
pipeline_tag: {task}
---

# {title}

{answer}

```python
from transformers import pipeline

read = pipeline("{task}", "this/folder"{options})
read(["one text", "another"])
```

Texts are cut to {max_tokens} tokens, {as_in_training}.

## Labels

{labels}

## Training

{numbers}
"""


def export(
    encoder: TextEncoder,
    head: Head,
    folder: Path,
    facts: Mapping[str, Any],
    origin: Earlier | None = None,
) -> None:
    """Write encoder and head as one classifier: float32 weights, tokenizer and README.

    The tokenizer puts the encoder's prefix before each text (for classifiers not before an empty
    one).
    facts: for the README, name -> value. origin: what both are, so that another project can begin
    with them, see `model.exported`; None: none can.
    Raises ValueError for a network of another type than MODEL_TYPES, and for a `single` head with
    one label, which leaves nothing to decide.
    """
    check(encoder, head)
    folder.mkdir(parents=True, exist_ok=True)
    classifier(encoder, head).save_pretrained(folder)
    _save_tokenizer(tokenizer(encoder, of_spans=head.kind == "spans"), folder)
    about = card(head, encoder.max_tokens, encoder.windows, facts)
    (folder / "README.md").write_text(about, "utf-8")
    if origin is not None:
        _write_origin(encoder, origin, folder / ORIGIN)


def _write_origin(encoder: TextEncoder, origin: Earlier, folder: Path) -> None:
    folder.mkdir()
    encoder.network.config.save_pretrained(folder)
    encoder.tokenizer.save_pretrained(folder)
    (folder / RECIPE_FILE).write_text(json.dumps(asdict(encoder.recipe)))
    write_facts(folder, origin)


def check(encoder: TextEncoder, head: Head) -> None:
    """Raises ValueError, with the reason, when this encoder and head cannot be exported."""
    model_type = encoder.network.config.model_type
    if model_type not in MODEL_TYPES:
        raise ValueError(
            f"an encoder of type {model_type} cannot be written as a plain transformers "
            f"classifier; supported are {', '.join(MODEL_TYPES)}"
        )
    if encoder.dimension > encoder.state_dimension:
        raise ValueError(
            "it reads long texts in windows, and what single windows say is part of its answers, "
            "which a transformers classifier cannot repeat; set MAX_WINDOWS=1 and export a version "
            "of the next deep round"
        )
    if head.whole is not None or head.attributes is not None:
        raise ValueError(
            "it marks spans and answers questions beside them; a transformers classifier does one "
            "of the two"
        )
    if head.kind in OF_LISTS:
        raise ValueError(
            "it compares the things of a list that each task has of its own; a transformers "
            "classifier reads one text"
        )
    if head.groups:
        raise ValueError("it answers several questions; a transformers classifier answers one")
    if head.kind in EXCLUSIVE and len(head.labels) == 1:
        raise ValueError(f"there is nothing to decide: {head.labels[0]} is the only label")


@torch.no_grad()
def classifier(encoder: TextEncoder, head: Head) -> Any:
    """Encoder, pooling and head as one transformers model, in float32."""
    head = _scoring(head) if head.kind == "pair" else head
    of_spans = head.kind == "spans"
    kind = AutoModelForTokenClassification if of_spans else AutoModelForSequenceClassification
    with torch.random.fork_rng(devices=[]):  # the random weights are all overwritten
        model: Any = kind.from_config(_config(encoder, head))  # type: ignore[no-untyped-call]
    model.base_model.load_state_dict(encoder.network.state_dict(), strict=False)
    last, added = model.base_model.encoder.layer[-2:]
    pooling = "cls" if of_spans else encoder.recipe.pooling
    _write_pooling(last, added, pooling, gain_of(of_spans=of_spans, pooling=pooling))
    _write_centring(added, head.centre)
    if of_spans:
        _write_output(model.classifier, head, 1.0)
    elif encoder.network.config.model_type == "bert":
        _write_head(model.base_model.pooler.dense, model.classifier, head)
    else:
        _write_head(model.classifier.dense, model.classifier.out_proj, head)
    return model.eval()


def _scoring(head: Head) -> Head:
    """The head of a pair as one of single texts, whose only label is their score."""
    first, second = head.weights.T
    weights = (first - second)[:, None]
    return Head("pair", ("score",), weights, np.zeros(1, np.float32), head.centre)


def _config(encoder: TextEncoder, head: Head) -> Any:
    config = deepcopy(encoder.network.config)
    config.num_hidden_layers += 1
    config.id2label = dict(enumerate(head.labels))
    config.label2id = {label: number for number, label in enumerate(head.labels)}
    config.problem_type = PROBLEM_TYPES[head.kind]
    return config


def _write_pooling(last: Any, added: Any, pooling: str, gain: float) -> None:
    """Make layer `added` pool the states of the encoder's `last` layer, scaled by `gain`.

    What it normalises is its attention plus the token's own state. For `mean` the state must not
    count against the attention; for `cls`, and for spans, only the state counts: attention is 0.
    """
    for weights in added.parameters():
        weights.zero_()  # query and key, too, so that all tokens weigh the same
    last.output.LayerNorm.weight.mul_(gain)
    last.output.LayerNorm.bias.mul_(gain)
    if pooling == "mean":
        for linear in (added.attention.self.value, added.attention.output.dense):
            nn.init.eye_(linear.weight).mul_(GAIN)


def _write_centring(added: Any, centre: Floats) -> None:
    """From a vector u (d,) of unit length the layer's first normalisation makes
    SPREAD * sqrt(d) * (u - centre), its second scales that to the length sqrt(d)."""
    first, second = added.attention.output.LayerNorm, added.output.LayerNorm
    first.weight.fill_(SPREAD)
    first.bias.copy_(torch.as_tensor(centre) * (-SPREAD * math.sqrt(len(centre))))
    second.weight.fill_(1.0)


def _write_head(dense: nn.Linear, output: nn.Linear, head: Head) -> None:
    """The network ends in output(tanh(dense(x))): a tanh that changes nothing, then the head."""
    nn.init.eye_(dense.weight).mul_(SLOPE)
    dense.bias.zero_()
    _write_output(output, head, SLOPE)


def _write_output(output: nn.Linear, head: Head, slope: float) -> None:
    """The head, on vectors of length sqrt(d) times `slope`."""
    length = math.sqrt(len(head.centre))
    output.weight.copy_(torch.as_tensor(head.weights.T / (slope * length)))
    output.bias.copy_(torch.as_tensor(head.bias))


def tokenizer(encoder: TextEncoder, *, of_spans: bool) -> PreTrainedTokenizerFast:
    """The encoder's tokenizer with the steps that `TextEncoder` applies to a text first."""
    own = encoder.tokenizer
    backend = Tokenizer.from_str(own.backend_tokenizer.to_str())
    backend.no_truncation()
    backend.no_padding()
    limit = encoder.max_tokens * CHARACTERS_PER_TOKEN
    cut: normalizers.Normalizer = normalizers.Replace(Regex(rf"(?m)(?<=\A.{{{limit}}}).+"), "")
    prefix = encoder.recipe.prefix
    if of_spans and prefix:
        # As special tokens: no span is found in it, and the text's places stay the same.
        backend.post_processor = _after_prefix(backend, prefix)
        prefix = ""
    steps = [cut, normalizers.Prepend(prefix) if prefix else None, backend.normalizer]
    backend.normalizer = normalizers.Sequence([step for step in steps if step is not None])
    # A class of its own, such as BertTokenizer, would build a normaliser without these steps.
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=backend,
        model_max_length=encoder.max_tokens,
        model_input_names=own.model_input_names,
        **own.special_tokens_map,
    )


def _after_prefix(backend: Tokenizer, prefix: str) -> processors.TemplateProcessing:
    """Puts the tokens around a text that the tokenizer puts there, and those of the prefix."""
    prefix = prefix.rstrip()  # the tokenizer begins each text as one after a space
    whole, inner = backend.encode(prefix), backend.encode(prefix, add_special_tokens=False)
    begin = whole.ids.index(inner.ids[0])
    parts = {
        "BEGIN": whole.ids[:begin] + inner.ids,
        "END": whole.ids[begin + len(inner.ids) :],
    }
    special = [
        {"id": name, "ids": ids, "tokens": [str(backend.id_to_token(one)) for one in ids]}
        for name, ids in parts.items()
    ]
    return processors.TemplateProcessing(single="BEGIN $A END", special_tokens=special)


def _save_tokenizer(made: PreTrainedTokenizerFast, folder: Path) -> None:
    made.save_pretrained(folder)
    # transformers 5 names a class here that transformers 4 does not know; this one both know.
    config = folder / "tokenizer_config.json"
    stated = json.loads(config.read_text())
    config.write_text(json.dumps({**stated, "tokenizer_class": "PreTrainedTokenizerFast"}))


def card(head: Head, max_tokens: int, windows: int, facts: Mapping[str, Any]) -> str:
    """The folder's README: how to load it, what it answers, what it was trained on."""
    of_spans = head.kind == "spans"
    return CARD.format(
        task="token-classification" if of_spans else "text-classification",
        title=TITLES.get(head.kind, "Text classifier"),
        answer=ANSWERS[head.kind],
        options=OPTIONS[head.kind],
        max_tokens=max_tokens,
        as_in_training=_as_in_training(windows),
        labels=_labels(head),
        numbers=_table(("", ""), list(facts.items())),
    )


def _as_in_training(windows: int) -> str:
    """How what is read of a long text differs from what was read in training."""
    if windows == 1:
        return "as in training"
    return f"while longer ones were read in up to {windows} windows of as many in training"


def _labels(head: Head) -> str:
    if head.kind == "pair":
        return _table(("label", "meaning"), [("score", "the higher, the better")])
    if head.kind in EXCLUSIVE:
        return _table(("label",), [(label,) for label in head.labels])
    if head.kind == "spans":
        return _table(("label",), [(tag[2:],) for tag in head.labels if tag.startswith("B-")])
    least = [0.5] * len(head.labels) if head.thresholds is None else head.thresholds.tolist()
    rows = [(label, f"{least:.3g}") for label, least in zip(head.labels, least, strict=True)]
    return _table(("label", "threshold"), rows)


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    cells = [[str(cell).replace("|", r"\|") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)
