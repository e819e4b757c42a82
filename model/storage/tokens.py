"""Token states on disk by content hash: each text is encoded once per encoder.

Three flat files that only grow: `tokens.bin` (float16 rows), `places.bin` (two int32 a token) and
`texts.bin` (key, first token, number of tokens: int64). A text counts when all of its tokens are
there, so a crash in the middle of writing costs at most the texts that were just written.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.spans.tags import Tokens
from model.storage.vectors import locked, size_of, write_at
from model.types import Ints

TEXT_BYTES, PLACE_BYTES = 24, 8


class TokenStore:
    """The tokens of one encoder, of `dimension`, found by the key of their text."""

    def __init__(self, folder: Path, dimension: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.dimension = dimension
        self._texts: Ints = np.zeros((0, 3), np.int64)
        self._order: Ints = np.zeros(0, np.int64)

    def rows(self, keys: Ints) -> Ints:
        """For each key the row of its text, or -1 where there is none yet."""
        self._refresh()
        if len(self._texts) == 0:
            return np.full(len(keys), -1, dtype=np.int64)
        known = self._texts[self._order, 0]
        places = np.searchsorted(known, keys).clip(max=len(known) - 1)
        return np.where(known[places] == keys, self._order[places], -1)

    def take(self, rows: Ints) -> Tokens:
        """The tokens of these texts, in this order. Rows come from `rows`, none of them -1."""
        firsts, counts = self._texts[rows, 1], self._texts[rows, 2]
        bounds = np.concatenate([[0], np.cumsum(counts)])
        wanted = np.repeat(firsts - bounds[:-1], counts) + np.arange(bounds[-1])
        count = self._whole_tokens()
        states = self._mapped("tokens.bin", np.float16, (count, self.dimension))
        places = self._mapped("places.bin", np.int32, (count, 2))
        return Tokens(states[wanted], places[wanted].astype(np.int64), bounds)

    def append(self, keys: Ints, tokens: Tokens) -> None:
        """Add the texts of these keys; those that are there already are left out."""
        with locked(self._folder / "lock"):
            self._refresh()
            new = self.rows(keys) < 0
            _, first = np.unique(keys, return_index=True)
            rows = np.flatnonzero(new & np.isin(np.arange(len(keys)), first))
            counts = np.diff(tokens.bounds)[rows]
            wanted = np.concatenate(
                [np.zeros(0, np.int64)]
                + [np.arange(tokens.bounds[row], tokens.bounds[row + 1]) for row in rows]
            )
            begin = int((self._texts[:, 1] + self._texts[:, 2]).max(initial=0))
            # Tokens first: a text without its tokens must never be seen.
            states = tokens.states[wanted].astype(np.float16)
            write_at(self._folder / "tokens.bin", begin * 2 * self.dimension, states)
            places = tokens.places[wanted].astype(np.int32)
            write_at(self._folder / "places.bin", begin * PLACE_BYTES, places)
            starts = begin + np.concatenate([[0], np.cumsum(counts)[:-1]]) if len(rows) else counts
            texts = np.stack([keys[rows], starts, counts], axis=1).astype(np.int64)
            write_at(self._folder / "texts.bin", len(self._texts) * TEXT_BYTES, texts)

    def _refresh(self) -> None:
        whole = size_of(self._folder / "texts.bin") // TEXT_BYTES
        if whole == len(self._texts):
            return
        texts = np.fromfile(self._folder / "texts.bin", dtype=np.int64, count=3 * whole)
        texts = texts.reshape(-1, 3)
        # Of a text whose tokens were lost (the power failed) and of all after it nothing is kept.
        is_whole = texts[:, 1] + texts[:, 2] <= self._whole_tokens()
        self._texts = texts[: int(np.logical_and.accumulate(is_whole).sum())]
        self._order = np.argsort(self._texts[:, 0], kind="stable").astype(np.int64)

    def _whole_tokens(self) -> int:
        states = size_of(self._folder / "tokens.bin") // (2 * self.dimension)
        return min(states, size_of(self._folder / "places.bin") // PLACE_BYTES)

    def _mapped(self, name: str, kind: type, shape: tuple[int, int]) -> NDArray[Any]:
        if shape[0] == 0:
            return np.zeros(shape, kind)
        return np.memmap(self._folder / name, dtype=kind, mode="r", shape=shape)
