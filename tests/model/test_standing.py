"""What the model claims about tasks, what of it stands, and which tasks need no person."""

import numpy as np

from model.finishing.claims import NOTHING, Claims, claims_of
from model.finishing.goal import Goal
from model.finishing.promise import NEVER, Promise
from model.finishing.standing import standing_of
from model.types import Condition, Floats, LabelGroup
from tests.model.audited import TWO_QUESTIONS, head_of

SINGLE = head_of("single", ("a", "b"))
TAGS = head_of("multiple", ("x", "y", "z"), thresholds=[0.5, 0.4, 0.5])
PROBS = np.array([[0.9, 0.45, 0.2], [0.9, 0.1, 0.1], [0.3, 0.1, 0.1]])


def rights(claims: Claims) -> list[bool]:
    assert claims.right is not None
    return list(claims.right.tolist())


def scores_of(claims: list[Claims]) -> list[list[float]]:
    return [one.scores.tolist() for one in claims]


def test_one_label_is_as_sure_as_its_probability() -> None:
    probs, said = np.array([[0.9, 0.1], [0.3, 0.7]]), np.array([[True, False], [True, False]])
    (claims,) = claims_of(SINGLE, probs, Goal(), said)
    assert claims.scores.tolist() == [0.9, 0.7]
    assert rights(claims) == [True, False]
    assert (claims.question, claims.label) == (0, None)


def test_of_several_labels_the_least_certain_one_counts() -> None:
    """Where none is written, nothing is claimed."""
    (claims,) = claims_of(TAGS, PROBS, Goal())
    assert claims.scores.tolist() == [0.45, 0.9, NOTHING]
    assert claims.right is None


def test_labels_that_are_written_are_right_or_exactly_these() -> None:
    """In the second task people also say y, which only a whole answer must have."""
    said = np.array([[True, True, False], [True, True, False], [False, False, True]])
    (claims,) = claims_of(TAGS, PROBS, Goal(), said)
    assert rights(claims)[:2] == [True, True]
    (whole,) = claims_of(TAGS, PROBS, Goal(whole=True), said)
    assert rights(whole)[:2] == [True, False]
    # As sure as the least certain decision, also of those against a label.
    assert whole.scores.tolist() == [0.45, 0.9, NOTHING]
    (doubtful,) = claims_of(TAGS, np.array([[0.9, 0.3, 0.1]]), Goal(whole=True))
    assert doubtful.scores.tolist() == [0.7]


def test_each_label_has_claims_of_its_own() -> None:
    said = np.array([[True, False, False]] * 3)
    found = claims_of(TAGS, PROBS, Goal(each_label=True), said)
    assert [one.label for one in found] == [0, 1, 2]
    assert scores_of(found) == [[0.9, 0.9, NOTHING], [0.45, NOTHING, NOTHING], [NOTHING] * 3]
    assert [rights(one)[0] for one in found] == [True, False, False]


ASKED = np.array([[0.9, 0.1, 0.8, 0.2], [0.2, 0.8, 0.8, 0.2]])
"""The second question follows from the first answer of the first task, not of the second."""


def test_a_question_that_is_not_asked_is_not_answered() -> None:
    first, second = claims_of(TWO_QUESTIONS, ASKED, Goal())
    assert first.scores.tolist() == [0.9, 0.8]
    assert second.scores.tolist() == [0.8, NOTHING]


def test_a_question_that_people_are_not_asked_should_have_no_answer() -> None:
    """The model says a and x, people say b: the x is wrong, too. Without a condition, a question
    that people left out would say nothing."""
    said = np.array([[False, True, False, False], [False, True, False, False]])
    first, second = claims_of(TWO_QUESTIONS, ASKED, Goal(), said)
    assert rights(first) == [False, True]
    assert rights(second)[0] is False
    assert second.counted is not None
    assert second.counted.tolist() == [True, True]
    left_out = np.array([[False, False, True, False]] * 2)
    first, _ = claims_of(TWO_QUESTIONS, ASKED, Goal(), left_out)
    assert first.counted is not None
    assert first.counted.tolist() == [False, False]


def stands(probs: Floats, *promises: Promise) -> tuple[list[list[bool]], list[bool]]:
    is_each = any(promise.label is not None for promise in promises)
    head = {2: SINGLE, 3: TAGS, 4: TWO_QUESTIONS}[probs.shape[1]]
    found = standing_of(head, probs, Goal(each_label=is_each), promises)
    return found.labels.tolist(), found.tasks.tolist()


def test_answers_from_the_threshold_on_stand() -> None:
    labels, tasks = stands(np.array([[0.9, 0.1], [0.2, 0.8]]), Promise(0, None, 0.9))
    assert labels == [[True, False], [False, False]]
    assert tasks == [True, False]


def test_nothing_stands_without_a_promise() -> None:
    labels, tasks = stands(np.array([[1.0, 0.0]]), Promise(0, None))
    assert (labels, tasks) == ([[False, False]], [False])


def test_of_each_label_that_stands_the_others_need_a_person() -> None:
    """x and y are written in the first task, of which only x stands; nothing in the third."""
    labels, tasks = stands(
        PROBS, Promise(0, 0, 0.8), Promise(0, 1, NEVER), Promise(0, 2, threshold=0.5)
    )
    assert labels == [[True, False, False], [True, False, False], [False] * 3]
    assert tasks == [False, True, False]


def test_a_task_needs_no_person_when_all_questions_that_are_asked_stand() -> None:
    """The second question is asked of the first task only."""
    both = (Promise(0, None, 0.7), Promise(1, None, 0.7))
    labels, tasks = stands(ASKED, *both)
    assert labels == [[True, False, True, False], [False, True, False, False]]
    assert tasks == [True, True]
    labels, tasks = stands(ASKED, both[0], Promise(1, None))
    assert labels == [[True, False, False, False], [False, True, False, False]]
    assert tasks == [False, True]
    _, tasks = stands(ASKED, Promise(0, None), both[1])
    assert tasks == [False, False]


def test_what_an_unasked_question_would_be_answered_decides_nothing() -> None:
    """The third question is asked unless the second is answered by x. Where the second was not
    asked, its x counted all the same, and an unsure answer to the third was given away."""
    unless = LabelGroup("single", 4, 6, (Condition(("x",), is_negated=True),))
    labels = (*TWO_QUESTIONS.labels, "m", "n")
    head = head_of("multiple", labels, (*TWO_QUESTIONS.groups, unless), [0.5] * 6)
    probs = np.array([[0.01, 0.99, 0.9, 0.1, 0.45, 0.55]])
    third = claims_of(head, probs, Goal())[2]
    assert (third.asked.tolist(), third.scores.tolist()) == ([True], [0.55])
    stands = standing_of(head, probs, Goal(), [Promise(place, None, 0.9) for place in range(3)])
    assert stands.tasks.tolist() == [False]
