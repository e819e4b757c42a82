"""What votes weigh, and what weighed votes decide, from annotations as the mirror keeps them."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from backend.interface.objects.text import Text
from backend.interface.questions import LabelConfig, Question, Source
from backend.mirror.labelling import UNDECIDED
from backend.mirror.pool import Pool
from backend.mirror.votes import Votes, consensus
from backend.mirror.weighing import EQUAL, FACT, Voted, Weights, decisions_on, weights_from
from backend.types import Json

TEXT = (Source(Text(), "$text"),)
SINGLE = LabelConfig((Question("c", "t", "single", ("a", "b", "x")),), TEXT)
MULTIPLE = LabelConfig((Question("c", "t", "multiple", ("a", "b", "x")),), TEXT)
BOTH = LabelConfig(
    (
        Question("one", "t", "single", ("a", "b"), prefix="one: "),
        Question("two", "t", "multiple", ("a", "b"), prefix="two: "),
    ),
    TEXT,
)
GOOD, FAIR, POOR = 1, 2, 3


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    with closing(Pool(tmp_path / "pool.sqlite")) as opened:
        yield opened


def annotation(person: object, *labels: str) -> Json:
    region = {"from_name": "c", "type": "choices", "value": {"choices": list(labels)}}
    return {"id": 1, "was_cancelled": False, "completed_by": person, "result": [region]}


def task(number: int, *annotations: Json) -> Json:
    return {"id": number, "data": {"text": f"text {number}"}, "annotations": list(annotations)}


def sixty_tasks(poor_is_wrong: int = 30, good_is_wrong: int = 0) -> list[Json]:
    """All three annotated them; the poor one took b for a this often, the fair one x ten times, and
    the good one b, where the others do not."""
    return [
        task(
            number,
            annotation(GOOD, "b" if 40 <= number < 40 + good_is_wrong else "a"),
            annotation(FAIR, "x" if number >= 50 else "a"),
            annotation(POOR, "b" if number < poor_is_wrong else "a"),
        )
        for number in range(60)
    ]


def tie() -> Json:
    return task(100, annotation(GOOD, "a"), annotation(POOR, "b"))


def test_the_better_annotator_decides_what_the_majority_left(pool: Pool) -> None:
    pool.update([*sixty_tasks(), tie()], SINGLE)
    found = pool.labelling(SINGLE, empty_is_none=False)
    assert found.answers[100] == ("a",)
    assert found.undecided == 0


@pytest.mark.parametrize("config", [SINGLE, MULTIPLE], ids=["single", "multiple"])
def test_between_equally_good_annotators_it_stays_undecided(
    pool: Pool, config: LabelConfig
) -> None:
    pool.update([*sixty_tasks(poor_is_wrong=9, good_is_wrong=9), tie()], config)
    found = pool.labelling(config, empty_is_none=False)
    assert 100 not in found.answers
    assert found.undecided == 1
    assert found.reasons[UNDECIDED] == [100]


def test_of_several_labels_the_better_annotator_decides_each(pool: Pool) -> None:
    three = task(100, annotation(GOOD, "a", "x"), annotation(POOR, "b", "x"))
    pool.update([*sixty_tasks(), three], MULTIPLE)
    found = pool.labelling(MULTIPLE, empty_is_none=False)
    assert found.answers[100] == ("a", "x")


def test_one_annotation_counts_whoever_gave_it(pool: Pool) -> None:
    pool.update([*sixty_tasks(), task(101, annotation(POOR, "b"))], SINGLE)
    assert pool.labelling(SINGLE, empty_is_none=False).answers[101] == ("b",)


def test_annotations_without_a_user_weigh_as_much_as_usual_ones(pool: Pool) -> None:
    """They were imported, or their user was deleted. They say nothing of anybody."""
    others = [
        task(102, annotation(None, "b"), annotation(GOOD, "a"), annotation(None, "b")),
        task(103, annotation(None, "b"), annotation(POOR, "a")),
        task(104, annotation(None, "a"), annotation(None, "b")),
    ]
    pool.update([*sixty_tasks(), *others], SINGLE)
    found = pool.labelling(SINGLE, empty_is_none=False).answers
    assert found[102] == ("b",)
    assert found[103] == ("b",)
    assert 104 not in found


def test_a_mirror_without_users_is_decided_by_the_majority(pool: Pool) -> None:
    """As earlier releases left it."""
    rows = [*sixty_tasks(), tie()]
    for row in rows:
        for one in row["annotations"]:
            del one["completed_by"]
    pool.update(rows, SINGLE)
    found = pool.labelling(SINGLE, empty_is_none=False)
    assert 100 not in found.answers
    assert found.answers[1] == ("a",)


def test_a_person_has_one_vote_however_often_they_give_it(pool: Pool) -> None:
    twice = task(105, annotation(POOR, "b"), annotation(POOR, "b"), annotation(GOOD, "a"))
    pool.update([*sixty_tasks(), twice], SINGLE)
    assert pool.labelling(SINGLE, empty_is_none=False).answers[105] == ("a",)


def test_the_answers_keep_the_order_of_the_tasks(pool: Pool) -> None:
    pool.update([*sixty_tasks(), task(7, annotation(GOOD, "a")), tie()], SINGLE)
    answers = list(pool.labelling(SINGLE, empty_is_none=False).answers)
    assert answers == sorted(answers)


def test_what_the_model_says_of_two_people_weighs_their_votes(pool: Pool) -> None:
    """Nobody else was there to say who is right; the last review compared both with the model."""
    pool.update([tie()], SINGLE)
    assert pool.labelling(SINGLE, empty_is_none=False).undecided == 1
    pool.remember(FACT, {"c": {str(GOOD): [95.0, 100.0], str(POOR): [50.0, 100.0]}})
    assert pool.labelling(SINGLE, empty_is_none=False).answers == {100: ("a",)}
    pool.remember(FACT, {"another question": {str(GOOD): [95.0, 100.0]}})
    assert pool.labelling(SINGLE, empty_is_none=False).undecided == 1


def test_a_user_may_be_sent_as_a_number_or_whole() -> None:
    rows = [annotation({"id": 5, "email": "a@example.org"}, "a"), annotation(6, "b")]
    rows += [annotation("x", "a"), annotation(True, "a"), annotation({}, "a")]
    assert Votes.read(rows, SINGLE, empty_is_none=False).people == [5, 6, None, None, None]


def test_weights_are_of_each_question_for_itself() -> None:
    """Both are good at the second question, where the poor one of the first adds nothing wrong."""
    votes = [
        Voted(number, person, (f"one: {'b' if person == POOR and number < 30 else 'a'}", "two: a"))
        for number in range(60)
        for person in (GOOD, FAIR, POOR)
    ]
    found = weights_from(votes, BOTH, {})
    assert set(found.of) == {"one"}
    answers = [("one: a", "two: a"), ("one: b", "two: a", "two: b")]
    assert consensus(answers, BOTH, [GOOD, POOR], found) == ("one: a",)
    assert consensus(answers, BOTH, [GOOD, POOR], EQUAL) is None


def test_of_several_questions_only_those_who_answered_are_weighed() -> None:
    weights = Weights({"one": {None: 1.0, GOOD: 3.0, POOR: 0.5}})
    answers = [("two: a",), ("one: a", "two: a"), ("one: b", "two: a")]
    people = [POOR, POOR, GOOD]
    assert consensus(answers, BOTH, people, weights) == ("one: b", "two: a")


def test_several_labels_are_a_decision_each_where_somebody_gave_them() -> None:
    votes = [Voted(1, GOOD, ("a",)), Voted(1, POOR, ()), Voted(2, None, ("b",))]
    found = decisions_on(MULTIPLE.questions[0], votes, is_alone=True)
    assert found.of == [(1, "a")]
    assert found.people == [GOOD, POOR]
    assert found.opinions.option.tolist() == [1, 0]
    assert decisions_on(MULTIPLE.questions[0], votes, is_alone=False).people == [GOOD]
