"""Predictions on demand, from vectors that are there."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.interface.preannotations import demand_score
from backend.project.predictor import Predictor
from backend.project.status import Served
from backend.project.versions import SETTLED_BY
from tests.backend.test_routes import TEXTS, served_in


def sure_of(folder: Path, probability: float, labels: int) -> Served:
    """A version that gives each of TEXTS its answer with this probability, after some labels."""
    served = served_in(folder)
    assert served.version.head is not None
    logit = np.log(probability / (1.0 - probability))
    head = replace(served.version.head, weights=logit * np.eye(2, dtype=np.float32))
    version = replace(served.version, head=head, training=np.arange(labels))
    return replace(served, version=version)


@pytest.mark.parametrize(
    ("probability", "labels", "is_said"),
    [
        (0.79, 0, False),
        (0.81, 0, True),
        (0.79, SETTLED_BY - 1, False),
        (0.79, SETTLED_BY, True),
    ],
)
def test_the_first_versions_answer_only_what_they_are_sure_of(
    tmp_path: Path, probability: float, labels: int, is_said: bool
) -> None:
    """People follow a wrong suggestion. The score says how sure the model is all the same."""
    served = sure_of(tmp_path, probability, labels)
    made = Predictor(4).predict(served, [{"data": {"text": text}} for text in TEXTS])
    assert [bool(one["result"]) for one in made] == [is_said] * len(TEXTS)
    for one in made:
        assert one["score"] == pytest.approx(demand_score(probability))
