"""Texts to the states of their tokens, for named spans."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from model.encoders.errors import NotAnEncoder
from model.encoders.text import (
    BATCH_TOKENS,
    CHUNK,
    TextEncoder,
    Windows,
    batches_of_similar_length,
)
from model.encoders.vectors import standardised
from model.spans.tags import Tokens
from model.types import Floats, Ints

Marked = str | tuple[str, str | None]
"""A text; with another one that is read before each window of it, where texts have one, or None."""


@dataclass(frozen=True)
class _Read:
    """A chunk of texts as the network reads them: of each window the positions of the text's own
    tokens in it; of each text the places of its tokens."""

    windows: Windows
    positions: list[Ints]
    places: list[Ints]


class TokenEncoder:
    """Texts to Tokens whose states have `dimension`, mean 0 over the dimensions, and unit length.
    Not safe for use by several threads at once.

    A text is read in its first `windows` windows of `max_tokens`; the rest has no tokens. Special
    tokens and those of the encoder's prefix are left out, and tokens do not include spaces. A text
    that is read before each window has no tokens itself; a quarter of `max_tokens` is read of it.
    """

    def __init__(self, name: str, max_tokens: int, windows: int = 1) -> None:
        """Load from a folder or hub name. Raises NotAnEncoder, also if there is no fast tokenizer:
        only these know the places of tokens in the text."""
        self._encoder = TextEncoder(name, max_tokens, windows)
        if not self._encoder.tokenizer.is_fast:
            raise NotAnEncoder(
                name,
                "tokens",
                "it has no fast tokenizer, which finding spans needs; choose another",
            )
        self.network = self._encoder.network
        self.device = self._encoder.device
        self.dimension = self._encoder.dimension

    def forget_copy(self) -> None:
        """See TrainableNetwork."""
        self._encoder.forget_copy()

    def encode(self, texts: Sequence[Marked]) -> Tokens:
        """The tokens of the texts, states in float16."""
        states, places = [np.zeros((0, self.dimension), np.float16)], [np.zeros((0, 2), np.int64)]
        counts = [0]
        for start in range(0, len(texts), CHUNK):
            read = self._read(texts[start : start + CHUNK])
            states += [standardised(mine).astype(np.float16) for mine in self._states(read)]
            places += read.places
            counts += [len(places) for places in read.places]
        return Tokens(np.concatenate(states), np.concatenate(places), np.cumsum(counts))

    def pool(self, texts: Sequence[Marked]) -> Floats:
        """The states (t, dimension) of all tokens, one text after the other, float32, as the
        network gives them."""
        chunks = (texts[start : start + CHUNK] for start in range(0, len(texts), CHUNK))
        states = [mine for chunk in chunks for mine in self._states(self._read(chunk))]
        return np.concatenate([np.zeros((0, self.dimension), np.float32), *states])

    def forward(self, texts: Sequence[Marked]) -> Tensor:
        """The same for one batch, with gradients unless they are switched off."""
        read = self._read(texts)
        states, _ = self._encoder.states(self._encoder.network, read.windows.tokens)
        return torch.cat([states[row, where] for row, where in enumerate(read.positions)])

    def places(self, texts: Sequence[Marked]) -> list[Ints]:
        """The places of each text's tokens, (m, 2) each, without computing their states."""
        return self._read(texts).places

    def save(self, folder: Path) -> None:
        """Write a plain transformers folder (safetensors) and the recipe beside it."""
        self._encoder.save(folder)

    def _states(self, read: _Read) -> list[Floats]:
        """The states (m, dimension) of the texts' own tokens in each window, float32."""
        found: list[Floats] = [np.zeros(0)] * len(read.positions)
        tokens = read.windows.tokens
        lengths = [len(ids) for ids in tokens["input_ids"]]
        with torch.inference_mode():
            for rows in batches_of_similar_length(lengths, BATCH_TOKENS):
                batch = {name: [ids[row] for row in rows] for name, ids in tokens.items()}
                states, _ = self._encoder.states(self._encoder.reader(), batch)
                for place, row in enumerate(rows.tolist()):
                    mine = states[place, read.positions[row]]
                    found[row] = mine.cpu().numpy()
        return found

    def _read(self, marked: Sequence[Marked]) -> _Read:
        texts = [one if isinstance(one, str) else one[0] for one in marked]
        beside = [one[1] or "" for one in marked if not isinstance(one, str)]
        windows = self._encoder.read_in_windows(
            texts, in_a_row=True, beside=beside, return_offsets_mapping=True
        )
        offsets = windows.tokens.pop("offset_mapping")
        # With a text beside it, the prefix stands before that one.
        prefix = 0 if beside else len(self._encoder.recipe.prefix)
        positions: list[Ints] = []
        places: list[Ints] = []
        ends = np.cumsum(windows.lengths).tolist()
        for text, end, length in zip(texts, ends, windows.lengths.tolist(), strict=True):
            of_text = [
                _own_tokens(text, np.array(pairs, dtype=np.int64).reshape(-1, 2) - prefix)
                for pairs in offsets[end - length : end]
            ]
            if not any(len(mine) for mine, _ in of_text):
                # One that spans all of it, with the state of the first special token.
                of_text[0] = (np.zeros(1, np.int64), np.array([[0, len(text)]]))
            positions += [mine for mine, _ in of_text]
            places.append(np.concatenate([where for _, where in of_text]))
        return _Read(windows, positions, places)


def _own_tokens(text: str, offsets: Ints) -> tuple[Ints, Ints]:
    """The positions of the text's own tokens among all tokens of a window, and their places."""
    places = np.array([_without_spaces(text, *pair) for pair in offsets.tolist()], dtype=np.int64)
    positions = np.flatnonzero(places[:, 1] > places[:, 0])
    return positions, places[positions]


def _without_spaces(text: str, start: int, end: int) -> tuple[int, int]:
    """The place without spaces at its ends; empty for tokens of a prefix or without a place."""
    start = max(start, 0)
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end
