"""The vectors of what a project's labels are called."""

from typing import Any

import numpy as np

from backend.interface.names import keys_of, names_of
from backend.interface.questions import LabelConfig
from model.spans.tags import Tokens
from model.spans.whole import whole_vectors
from model.storage.store import Store
from model.types import Floats


def rows_of(store: Store, encoder: int, config: LabelConfig) -> dict[str, int]:
    """The labels whose name this encoder has read, and the row of its vector in the store."""
    names = names_of(config)
    if not names:
        return {}
    rows = store.encoded(encoder).rows(keys_of(names.values())).tolist()
    return {label: row for label, row in zip(names, rows, strict=True) if row >= 0}


def name_vectors(store: Store, encoder: int, config: LabelConfig) -> Floats | None:
    """The vectors (c, d) of what the labels are called, zeros where there is none; None where there
    is none at all."""
    rows = rows_of(store, encoder, config)
    if not rows:
        return None
    vectors: Any = store.encoded(encoder)  # boxes have no names
    read = vectors.take(np.array(list(rows.values())))
    found = np.zeros((len(config.labels), vectors.dimension), np.float32)
    found[[config.places[label] for label in rows]] = (
        whole_vectors(read) if isinstance(read, Tokens) else read
    )
    return found
