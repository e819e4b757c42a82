import numpy as np
import pytest

from model.heads.asked import asked_share
from model.heads.head import Head
from model.types import Condition, LabelGroup

NOTHING = np.zeros(1, np.float32)
LABELS = ("a", "b", "c", "x", "y", "below")
GROUPS = (LabelGroup("single", 0, 3), LabelGroup("multiple", 3, 5), LabelGroup("single", 5, 6))
HEAD = Head("multiple", LABELS, np.zeros((1, 6), np.float32), np.zeros(6), NOTHING, groups=GROUPS)
PROBS = np.array([[0.5, 0.3, 0.2, 0.5, 0.4, 1.0], [0.0, 0.1, 0.9, 0.0, 1.0, 1.0]])


@pytest.mark.parametrize(
    ("conditions", "share"),
    [
        ((), [1.0, 1.0]),
        ((Condition(("a",)),), [0.5, 0.0]),
        ((Condition(("a", "b")),), [0.8, 0.1]),  # only one of them can be true
        ((Condition(("x", "y")),), [0.7, 1.0]),  # 1 - 0.5 x 0.6
        ((Condition(("a",), True),), [0.5, 1.0]),
        ((Condition(("a",)), Condition(("x",))), [0.25, 0.0]),
        ((Condition(("a", "x")),), [0.75, 0.0]),
        ((Condition(("gone",)),), [0.0, 0.0]),
    ],
)
def test_how_probably_a_question_is_asked(
    conditions: tuple[Condition, ...], share: list[float]
) -> None:
    assert asked_share(conditions, HEAD, PROBS) == pytest.approx(np.array(share))
