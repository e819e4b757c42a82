"""Texts that are longer than what the encoder reads at once: one sentence of them decides."""

from pathlib import Path

import numpy as np
import pytest

from backend.types import Json
from model.storage.store import Store
from tests.studio.bench import Bench, choices, partly_labelled

INTERFACE = (
    '<View><Text name="text" value="$text"/><Choices name="topic" toName="text">'
    '<Choice value="land"/><Choice value="sea"/></Choices></View>'
)
WORDS = ["stone", "paper", "table", "window", "garden", "street", "letter", "summer"]
AT_SEA = "ship sea boat sea water sail sea ship wave sea"


@pytest.fixture(scope="module")
def backend_settings(one_layer: Path) -> dict[str, object]:
    tuned = {"deep_rounds": "yes", "deep_round_first": 40, "audit_share": 0.1}
    return {**tuned, "encoder": str(one_layer), "max_tokens": 12, "max_windows": 8}


def documents(count: int) -> list[Json]:
    """Each as long as eight windows."""
    rng, found = np.random.default_rng(0), []
    for number in range(count):
        pieces = [" ".join(rng.choice(WORDS, 10)) for _ in range(8)]
        if number % 2:
            pieces[int(rng.integers(1, 8))] = AT_SEA
        found.append({"text": f"{' '.join(pieces)} {number}", "is": ["land", "sea"][number % 2]})
    return found


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_one_sentence_in_a_long_text_is_learnt(bench: Bench) -> None:
    known = partly_labelled(documents(64), 48, lambda task: choices([task["is"]]))
    project = bench.connected(known, INTERFACE)
    version = bench.until_tuned(project)
    encoders = Store(bench.models / str(project)).encoders()
    plain, tuned = encoders[0], encoders[version.encoder]
    assert (plain.windows, tuned.windows) == (8, 8)
    assert tuned.dimension == plain.dimension + 2, "a number for each label"
    is_known = {task["id"]: task["data"]["is"] for task in bench.studio.of(project).tasks()}
    said = {
        row["task"]: [one for region in row["result"] for one in region["value"]["choices"]]
        for row in bench.studio.of(project).predictions()
        if row["model_version"] == version.name
    }
    assert len(said) == 16
    assert sum(said[task] == [is_known[task]] for task in said) >= 14
