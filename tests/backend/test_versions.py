"""What is said of a version by itself."""

import numpy as np
import pytest

from backend.project.versions import CALIBRATED_BY, FIRST_CONFIDENCE, SETTLED_BY, least_confidence
from model.storage.facts import VersionFacts
from model.storage.store import Version


@pytest.mark.parametrize(
    ("training", "audits", "is_first"),
    [
        (0, 0, True),
        (SETTLED_BY - CALIBRATED_BY, CALIBRATED_BY - 1, True),
        (SETTLED_BY - CALIBRATED_BY - 1, CALIBRATED_BY, False),
        (SETTLED_BY - 1, 0, True),
        (SETTLED_BY, 0, False),
    ],
    ids=["no label", "29 labels", "10 audit labels", "29, none to audit", "30, none to audit"],
)
def test_the_first_versions_say_only_what_they_are_sure_of(
    training: int, audits: int, is_first: bool
) -> None:
    """With AUDIT_SHARE=0 there are no audit labels, and tasks are to carry answers all the same."""
    ids = np.arange(training + audits)
    version = Version("0.1", 0, None, ids[:training], ids[training:], ids[:0], VersionFacts())
    assert least_confidence(version) == (FIRST_CONFIDENCE if is_first else 0.0)


def test_a_question_that_nobody_has_answered_stays_at_what_is_sure() -> None:
    """It was pre-annotated on every task, by its names alone, and people submit what they see."""
    ids = np.arange(100)
    version = Version("0.9", 0, None, ids, ids[:0], ids[:0], VersionFacts(unanswered=("mood",)))
    assert least_confidence(version, "mood") == FIRST_CONFIDENCE
    assert least_confidence(version, "topic") == 0.0
