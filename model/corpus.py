"""A labelled file: JSON lines of {"text": ..., "label": ...} or {"text": ..., "labels": [...]}."""

import gzip
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.types import Floats, Ints, Kind


class BadCorpus(ValueError):
    """A labelled file cannot be used; the message names the file, the line and the remedy."""


@dataclass(frozen=True)
class Corpus:
    """Texts (n) and their targets (n, c) of 0 and 1, in the order of `labels` (c)."""

    texts: Sequence[str]
    targets: Floats
    labels: tuple[str, ...]
    kind: Kind

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: Ints) -> "Corpus":
        """These rows, in this order."""
        return Corpus([self.texts[row] for row in rows], self.targets[rows], self.labels, self.kind)

    def sample(self, size: int | None, seed: int) -> "Corpus":
        """`size` random rows; all rows in random order if there are fewer, or for None."""
        return self.take(np.random.default_rng(seed).permutation(len(self))[:size])


def fingerprint(path: Path) -> str:
    """Name and checksum of a file: the same in any folder, different when its content changes.

    Raises BadCorpus when it cannot be read.
    """
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise BadCorpus(f"{path} cannot be read: {error.strerror}") from error
    return f"{path.name} {digest[:16]}"


def read_pair(train: Path, test: Path) -> tuple[Corpus, Corpus]:
    """Both files, with the labels of the first. Raises BadCorpus."""
    pool = read(train)
    return pool, read(test, pool.labels, pool.kind)


def read(path: Path, labels: tuple[str, ...] | None = None, kind: Kind | None = None) -> Corpus:
    """Read a .jsonl or .jsonl.gz file. Without `labels` they are those of the file, sorted.

    Labels that are not in `labels` are dropped for `multiple` and refused for `single`.
    Raises BadCorpus.
    """
    rows = _rows(path)
    kind = kind or ("multiple" if "labels" in rows[0] else "single")
    answers = [_answer(path, number, row, kind) for number, row in enumerate(rows, start=1)]
    known = labels or tuple(sorted({label for answer in answers for label in answer}))
    column = {label: place for place, label in enumerate(known)}
    targets = np.zeros((len(rows), len(known)), dtype=np.float32)
    for row, answer in enumerate(answers):
        if kind == "single" and answer[0] not in column:
            raise BadCorpus(f"{path}, line {row + 1}: the label {answer[0]!r} is not in TRAIN")
        targets[row, [column[label] for label in answer if label in column]] = 1.0
    return Corpus([row["text"] for row in rows], targets, known, kind)


def _rows(path: Path) -> list[dict[str, Any]]:
    opened = gzip.open if path.suffix == ".gz" else open
    rows: list[dict[str, Any]] = []
    try:
        with opened(path, "rt", encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                row = json.loads(line)
                if not isinstance(row, dict) or not isinstance(row.get("text"), str):
                    raise BadCorpus(f'{path}, line {number}: no object with a "text"')
                rows.append(row)
    except (OSError, UnicodeDecodeError) as error:
        raise BadCorpus(f"{path} cannot be read: {error}") from error
    except json.JSONDecodeError as error:
        raise BadCorpus(f"{path}, line {len(rows) + 1} is not JSON: {error}") from error
    if not rows:
        raise BadCorpus(f"{path} is empty; it needs one JSON object a line")
    return rows


def _answer(path: Path, number: int, row: dict[str, Any], kind: Kind) -> list[str]:
    answer = row.get("labels") if kind == "multiple" else [row.get("label")]
    if not isinstance(answer, list) or not all(isinstance(label, str) for label in answer):
        wanted = '"labels": [names]' if kind == "multiple" else '"label": a name'
        raise BadCorpus(f"{path}, line {number}: expected {wanted}, as in line 1 of TRAIN")
    return answer
