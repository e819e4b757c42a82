"""What a review says of annotators: how far they agree, what they confuse, whom to believe."""

from collections.abc import Sequence

import numpy as np
import pytest

from backend.interface.controls.labels import Labels
from backend.interface.objects.text import MarkedText, Text
from backend.interface.questions import Answer, LabelConfig, Question, Source
from backend.mirror.votes import Votes
from backend.mirror.weighing import Person
from backend.trainer.annotators import SHOWN_PEOPLE, about_annotators, known_of, panels, voted
from backend.trainer.second import is_comparable, second_opinions
from backend.trainer.told import Told
from model.measuring.review import REPEATS

TEXT = (Source(Text(), "$text"),)
SINGLE = LabelConfig((Question("c", "t", "single", ("a", "b", "x")),), TEXT)
MULTIPLE = LabelConfig((Question("c", "t", "multiple", ("a", "b")),), TEXT)
GOOD, FAIR, POOR = 1, 2, 3


def votes(*given: tuple[Person, str]) -> Votes:
    return Votes([(label,) for _, label in given], (), [person for person, _ in given])


def told(config: LabelConfig, labels: dict[int, str], said: dict[int, str]) -> Told:
    """A model that is quite sure of what it says of these labelled tasks."""
    question, ids = config.questions[0], np.array(sorted(labels), dtype=np.int64)
    place = {label: number for number, label in enumerate(question.labels)}
    eye = np.eye(len(place), dtype=np.float32)
    targets = eye[[place[labels[task]] for task in ids.tolist()]]
    probs = 0.1 / len(place) + 0.9 * eye[[place[said[task]] for task in ids.tolist()]]
    return Told(question, ids, targets, np.stack([probs] * REPEATS), probs[:2])


def together() -> dict[int, Votes]:
    """Of twenty tasks, all a, the poor one calls ten b; the other two are always right."""
    return {
        task: votes((GOOD, "a"), (FAIR, "a"), (POOR, "b" if task < 10 else "a"))
        for task in range(20)
    }


def row_of(found: dict[str, object], person: int) -> dict[str, object]:
    rows: Sequence[dict[str, object]] = found["people"]  # type: ignore[assignment]
    (row,) = [row for row in rows if row["person"] == person]
    return row


def test_each_person_is_compared_with_the_others_and_with_the_model() -> None:
    everybody = together()
    model = told(SINGLE, dict.fromkeys(range(20), "a"), dict.fromkeys(range(20), "a"))
    found = about_annotators(everybody, panels(voted(everybody), [model], SINGLE), SINGLE)
    assert found["differ"] == ["c"]
    assert found["unknown"] == 0
    good, poor = row_of(found, GOOD), row_of(found, POOR)
    assert (good["annotations"], poor["annotations"]) == (20, 20)
    # One of the two others agrees in the first ten tasks, both do in the last ten.
    assert good["others"] == pytest.approx(
        {"value": 0.75, "low": 0.531, "high": 0.888, "compared": 20}, abs=0.001
    )
    assert poor["model"] == pytest.approx(
        {"value": 0.5, "low": 0.299, "high": 0.701, "compared": 20}, abs=0.001
    )
    assert poor["confused"] == [{"given": "b", "true": "a", "count": 10}]
    assert good["confused"] == []
    labels = good["labels"]
    assert isinstance(labels, dict)
    assert labels["a"]["right"] > 0.9


def test_of_several_labels_each_has_a_sensitivity_and_a_specificity() -> None:
    everybody = together()
    found = about_annotators(everybody, panels(voted(everybody), [], MULTIPLE), MULTIPLE)
    poor = row_of(found, POOR)
    labels = poor["labels"]
    assert isinstance(labels, dict)
    assert labels["a"]["sensitivity"] == pytest.approx(0.5, abs=0.08)
    assert labels["b"]["specificity"] < 0.2
    assert poor["confused"] == [
        {"given": "", "true": "a", "count": 10},
        {"given": "b", "true": "", "count": 10},
    ]
    assert poor["model"] is None


def test_one_person_alone_is_not_compared_with_anybody() -> None:
    alone = {task: votes((GOOD, "a")) for task in range(5)} | {9: votes((None, "b"))}
    found = about_annotators(alone, panels(voted(alone), [], SINGLE), SINGLE)
    assert found == {"people": [], "more": 0, "unknown": 1, "differ": []}
    nobody = {1: votes((None, "a"), (None, "b"))}
    found = about_annotators(nobody, panels(voted(nobody), [], SINGLE), SINGLE)
    assert found == {"people": [], "more": 0, "unknown": 2, "differ": []}


def test_people_who_never_met_are_compared_with_the_model_alone() -> None:
    apart = {task: votes((GOOD if task < 10 else POOR, "a")) for task in range(20)}
    labels = dict.fromkeys(range(20), "a")
    said = {task: "b" if task >= 15 else "a" for task in range(20)}
    found = panels(voted(apart), [told(SINGLE, labels, said)], SINGLE)
    rows = about_annotators(apart, found, SINGLE)
    assert row_of(rows, GOOD)["others"] is None
    poor = row_of(rows, POOR)["model"]
    assert isinstance(poor, dict)
    assert (poor["value"], poor["compared"]) == (0.5, 10)


def test_a_model_that_gives_no_label_of_a_question_is_no_annotator_of_it() -> None:
    """Of several labels, each of them rare, the model gave none, and the review failed."""
    questions = (
        Question("c", "t", "single", ("a", "b"), prefix="c: "),
        Question("tags", "t", "multiple", ("x", "y"), prefix="tags: "),
    )
    config, tasks = LabelConfig(questions, TEXT), np.arange(20)
    everybody = {
        task: Votes([("c: a", "tags: x"), ("c: a", "tags: x")], (), [GOOD, FAIR])
        for task in tasks.tolist()
    }
    nothing = np.zeros((20, 2), np.float32)
    silent = Told(questions[1], tasks, nothing, np.stack([nothing] * REPEATS), nothing)
    found = panels(voted(everybody), [silent], config)
    assert [panel.model for panel in found] == [None, None]
    rows = about_annotators(everybody, found, config)["people"]
    assert [(row["question"], row["model"]) for row in rows] == [
        ("c", None), ("c", None), ("tags", None), ("tags", None)
    ]  # fmt: skip


def test_what_the_model_says_is_kept_of_tasks_that_one_person_answered() -> None:
    """Where people meet they are compared with each other at each submit."""
    everybody = together() | {task: votes((POOR, "b")) for task in range(20, 60)}
    labels = dict.fromkeys(range(20), "a") | dict.fromkeys(range(20, 60), "b")
    model = told(SINGLE, labels, dict.fromkeys(range(60), "a"))
    known = known_of(panels(voted(everybody), [model], SINGLE))
    assert set(known) == {"c"}
    assert set(known["c"]) == {str(POOR)}
    right, trials = known["c"][str(POOR)]
    assert right == 0.0, "in none of these the model agrees, less than by chance"
    assert 0.0 < trials < 40.0, "the model is not always right"
    assert known_of(panels(voted(everybody), [], SINGLE)) == {}


def test_a_doubtful_label_of_a_poor_annotator_is_worth_a_second_opinion() -> None:
    """More than new tasks of which the model is sure; and no label of the good one is."""
    everybody = together() | {30: votes((POOR, "b")), 31: votes((GOOD, "a"))}
    labels = dict.fromkeys(range(20), "a") | {30: "b", 31: "a"}
    one = told(SINGLE, labels, dict.fromkeys(labels, "a"))
    found = second_opinions([one], panels(voted(everybody), [one], SINGLE), open_tasks=1000)
    assert found == {"next": 50, "tasks": [{"task": 30, "given": ["b"]}]}


def test_new_tasks_are_compared_only_where_one_label_is_all_that_is_asked() -> None:
    everybody: dict[int, Votes] = together()
    assert second_opinions([], panels(voted(everybody), [], SINGLE), 10) is None
    both = LabelConfig((SINGLE.questions[0], MULTIPLE.questions[0]), TEXT)
    assert [is_comparable(config) for config in (SINGLE, MULTIPLE, both)] == [True, False, False]


def test_spans_are_left_out() -> None:
    """Who differs about them is listed all the same; see backend.trainer.disagreement."""
    spans = LabelConfig(
        (Question("e", "t", "spans", ("P",), Labels()),), (Source(MarkedText(), "$t"),)
    )
    nothing: list[Answer] = [(), ()]
    some = {1: Votes(nothing, (), [GOOD, POOR])}
    assert panels(voted(some), [], spans) == []


def test_of_very_many_people_the_most_frequent_are_listed_and_the_others_counted() -> None:
    """Sixty people with three tasks each, of which they all say the same."""
    many = {task: votes(*((3 * task + place, "a") for place in range(60))) for task in range(3)}
    found = about_annotators(many, panels(voted(many), [], SINGLE), SINGLE)
    assert len(found["people"]) == SHOWN_PEOPLE
    assert found["more"] == 66 - SHOWN_PEOPLE
    assert found["differ"] == []
    assert found["people"][0]["annotations"] == 3
