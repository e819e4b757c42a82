"""<Number>: steps from a min to a max."""

import numpy as np
import pytest

from backend.errors import UnsupportedConfig
from backend.interface.answers import answer_of
from backend.interface.controls.number import Number
from backend.interface.objects.text import Text
from backend.interface.parse import parse
from backend.interface.preannotations import results_of
from backend.interface.questions import Answer, LabelConfig, Question, Source
from model.heads.head import Head


def asking(attributes: str) -> str:
    number = f'<Number name="grade" toName="text" {attributes}/>'
    return f'<View><Text name="text" value="$text"/>{number}</View>'


GRADE = parse(asking('min="1" max="5"'))
HALVES = parse(asking('min="-0.5" max="1" step="0.5"'))


def test_the_steps_are_labels_in_an_order() -> None:
    answers = ("1", "2", "3", "4", "5")
    assert (
        LabelConfig(
            (Question("grade", "text", "ordered", answers, Number()),), (Source(Text(), "$text"),)
        )
        == GRADE
    )
    assert HALVES.labels == ("-0.5", "0", "0.5", "1")
    assert parse(asking('min="8" max="12" step="2"')).labels == ("8", "10", "12")
    assert parse(asking('min="0" max="5" step="2"')).labels == ("0", "2", "4")
    assert len(parse(asking('min="0" max="100"')).labels) == 101


@pytest.mark.parametrize(
    ("attributes", "reason", "fix"),
    [
        ("", "has no steps from a min to a max", 'such as min="1" max="5"'),
        ('min="1"', "has no steps from a min to a max", "Write both"),
        ('max="5"', "has no steps from a min to a max", "Write both"),
        ('min="5" max="5"', "has no steps from a min to a max", "Write both"),
        ('min="1" max="5" step="0"', "has no steps from a min to a max", "Write both"),
        ('min="one" max="NaN"', "has no steps from a min to a max", "Write both"),
        ('min="1" max="1e999999"', "has no steps from a min to a max", "Write both"),
        ('min="0" max="101"', "has more than 101 steps", "or a larger step"),
        ('min="0" max="1" step="0.001"', "has more than 101 steps", "or a larger step"),
    ],
)
def test_without_ends_it_is_refused(attributes: str, reason: str, fix: str) -> None:
    with pytest.raises(UnsupportedConfig) as refused:
        parse(asking(attributes))
    assert refused.value.reason == f"Number 'grade' {reason}"
    assert fix in str(refused.value)


@pytest.mark.parametrize(
    ("number", "answer"),
    [
        (5, ("5",)),
        (5.0, ("5",)),
        (7, None),
        (2.5, None),
        (True, None),
        ("5", ("5",)),
        ("five", None),
        (float("nan"), None),
        (float("inf"), None),
        (10**400, None),
    ],
)
def test_a_step_is_read_whole_or_as_a_float(number: object, answer: Answer | None) -> None:
    region = {"from_name": "grade", "type": "number", "value": {"number": number}}
    assert answer_of([region], GRADE) == answer


def test_seven_is_seven() -> None:
    assert list(Number().read({"number": 7})) == list(Number().read({"number": 7.0})) == ["7"]
    assert list(Number().read({"number": -0.0})) == ["0"]


def test_the_median_is_written_as_a_number() -> None:
    nothing = np.zeros(4, np.float32)
    head = Head("ordered", HALVES.labels, nothing[None, :], nothing, nothing[:1])
    probs = np.array([[0.4, 0.05, 0.3, 0.25], [0.1, 0.0, 0.1, 0.8], [0.9, 0.1, 0.0, 0.0]])
    results = results_of(probs, head, HALVES)
    assert results[0] == [
        {
            "from_name": "grade",
            "to_name": "text",
            "type": "number",
            "value": {"number": 0.5},
            "score": 0.3,
        }
    ]
    assert [result[0]["value"]["number"] for result in results] == [0.5, 1, -0.5]
    assert isinstance(results[1][0]["value"]["number"], int)
    assert [answer_of(result, HALVES) for result in results] == [("0.5",), ("1",), ("-0.5",)]
