"""Lists that each task has of its own: <Choices value="$..."> and <Ranker> over a <List>."""

import numpy as np
import pytest

from backend.errors import UnsupportedConfig
from backend.interface.answers import read_result
from backend.interface.content import list_problem, parts_of
from backend.interface.objects.lists import ListItems, OwnChoices
from backend.interface.objects.text import Text
from backend.interface.parse import parse
from backend.interface.preannotations import results_of
from backend.interface.questions import LabelConfig, Source
from backend.mirror.pool import NothingShown
from backend.project.encoder_spec import is_tunable
from backend.project.unlearnt import sentence_on
from backend.types import Json
from model.heads.head import Head
from model.heads.orders import ORDERS, PLACES
from model.types import in_words, is_of_text

ASKED = '<Text name="t" value="$asked"/>'
CHOICE = parse(f'<View>{ASKED}<Choices name="c" toName="t" value="$options"/></View>')
SEVERAL = parse(
    f'<View>{ASKED}<Choices name="c" toName="t" value="$options" choice="multiple"/></View>'
)


def ranking(buckets: str = "") -> LabelConfig:
    ranker = f'<Ranker name="rank" toName="l">{buckets}</Ranker>'
    return parse(f'<View>{ASKED}<List name="l" value="$items"/>{ranker}</View>')


RANKING = ranking()
BUCKETS = ranking('<Bucket name="good"/><Bucket name="bad"/>')
ITEMS: Json = {
    "asked": "Which?",
    "items": [
        {"id": "a", "title": "One", "body": "First  text"},
        {"id": 7, "html": "<p>second <b>text</b></p>"},
        {"id": "c", "body": "third"},
    ],
}
OPTIONS: Json = {
    "asked": "Which?",
    "options": [
        {"value": "first"},
        {"value": "second", "alias": "b"},
        {"value": "v3", "html": "<i>third</i> one"},
    ],
}


def text_of(config: LabelConfig, data: Json) -> str:
    parts = parts_of(data, config)
    assert parts is not None
    return parts[0] or ""


def answer(config: LabelConfig, data: Json, value: Json) -> tuple[object, tuple[str, ...]]:
    """What is read of a result with this value, and what is not understood."""
    name = config.questions[0].from_name
    found = read_result([{"from_name": name, "value": value}], config, text_of(config, data))
    return found.answer, found.lost


def test_each_candidate_is_read_by_itself_and_so_is_what_is_beside_them() -> None:
    missing = (None,) * 7
    assert parts_of(ITEMS, RANKING) == (
        '[["a", "One\\nFirst text"], ["7", "second text"], ["c", "third"]]',
        *("One\nFirst text", "second text", "third", *missing, "Which?"),
    )
    assert parts_of(OPTIONS, CHOICE) == (
        '[["first", "first"], ["b", "second"], ["v3", "third one"]]',
        *("first", "second", "third one", *missing, "Which?"),
    )
    assert (CHOICE.kind, SEVERAL.kind, RANKING.kind) == ("candidate", "candidates", "ranking")
    assert CHOICE.sources == (
        Source(OwnChoices(), "$options", side="list"),
        Source(Text(), "$asked"),
    )
    assert RANKING.sources[0] == Source(ListItems(), "$items", side="list")
    assert in_words(CHOICE.layout) == "lists of text"
    assert is_of_text(CHOICE.layout)
    assert not is_tunable(CHOICE.layout)


@pytest.mark.parametrize(
    ("items", "problem"),
    [
        ("a", "there is no list"),
        ([], "its list has fewer than two things"),
        ([{"id": "a", "body": "x"}], "its list has fewer than two things"),
        (
            [{"id": place, "body": "x"} for place in range(11)],
            "its list has 11 things, more than 10",
        ),
        (
            [{"id": "a", "body": "x"}, {"id": "a", "body": "y"}],
            "two things of its list have the same name",
        ),
        (
            [{"id": "a", "body": "x"}, {"body": "y"}],
            "thing 2 of its list has no text or no name (pictures in lists are not read)",
        ),
        (
            ["plain", {"id": "a", "body": "x"}],
            "thing 1 of its list has no text or no name (pictures in lists are not read)",
        ),
        (
            [{"id": "a", "html": "<img src='x.png'>"}, {"id": "b", "body": "y"}],
            "thing 1 of its list has no text or no name (pictures in lists are not read)",
        ),
    ],
)
def test_why_a_list_cannot_be_learnt(items: object, problem: str) -> None:
    data = {"items": items, "asked": "Which?"}
    assert parts_of(data, RANKING) is None
    assert list_problem(RANKING, data) == problem
    nothing = NothingShown(2, 9, 4, ("items", "asked"), data)
    assert sentence_on(nothing, RANKING) == (
        "2 of 9 tasks have no list under `items` that can be learnt; the first of them, task 4: "
        f"{problem}"
    )


def test_a_choice_is_the_place_of_the_named_option() -> None:
    assert answer(CHOICE, OPTIONS, {"choices": ["b"]}) == (("2",), ())
    assert answer(SEVERAL, OPTIONS, {"choices": ["v3", "first"]}) == (("1", "3"), ())
    shown = "an answer to Choices 'c' names nothing in the task's list: {'choices': ['second']}"
    assert answer(CHOICE, OPTIONS, {"choices": ["second"]}) == (None, (shown,))


def test_an_order_says_of_each_two_which_comes_first() -> None:
    value = {"ranker": {"rank": ["c", "a", "7"]}}
    assert answer(RANKING, ITEMS, value) == (("1>2", "3>1", "3>2"), ())
    control = RANKING.questions[0].control
    assert control.write(("1>2", "3>1", "3>2"), text_of(RANKING, ITEMS)) == value


def test_buckets_say_nothing_of_items_in_the_same_one_or_in_none() -> None:
    value = {"ranker": {"good": ["c"], "bad": ["7"], "_": ["a"]}}
    assert answer(BUCKETS, ITEMS, value) == (("3>2",), ())
    value = {"ranker": {"good": ["c", "a"], "bad": ["7"]}}
    assert answer(BUCKETS, ITEMS, value) == (("1>2", "3>2"), ())


def test_pre_annotations_name_what_the_task_has() -> None:
    probs = np.array([[0.1, 0.7, 0.2, *[0] * 7]])
    head = Head("candidate", PLACES, np.zeros((3, 1)), np.zeros(1), np.zeros(3))
    shown = [parts_of(OPTIONS, CHOICE) or ()]
    region = {"from_name": "c", "to_name": "t", "type": "choices", "score": 0.7}
    found = results_of(probs, head, CHOICE, shown=shown)
    assert found == [[{**region, "value": {"choices": ["b"]}}]]
    assert results_of(probs, head, CHOICE, lambda _: 0.8, shown) == [[]]


def test_an_order_is_pre_annotated_as_a_whole_or_not_at_all() -> None:
    sure = {"1>2": 0.6, "3>1": 0.9, "3>2": 0.9}
    probs = np.array([[sure.get(order, 1 - sure.get(order[::-1], 1.0)) for order in ORDERS]])
    head = Head("ranking", ORDERS, np.zeros((3, 1)), np.zeros(1), np.zeros(3))
    shown = [parts_of(ITEMS, RANKING) or ()]
    (found,) = results_of(probs, head, RANKING, lambda _: 0.79, shown)
    assert [one["value"] for one in found] == [{"ranker": {"rank": ["c", "a", "7"]}}]
    assert results_of(probs, head, RANKING, lambda _: 0.81, shown) == [[]]
    assert results_of(probs, head, BUCKETS, shown=shown) == [[]]


def test_what_is_asked_of_whole_tasks_comes_first() -> None:
    rating = '<Rating name="r" toName="t"/>'
    own = '<Choices name="c" toName="t" value="$options"/>'
    found = parse(f"<View>{ASKED}{own}{rating}</View>")
    assert [one.from_name for one in found.questions] == ["r"]
    assert found.left_out == ("Choices 'c' is about a list that each task has of its own",)


@pytest.mark.parametrize(
    ("tag", "reason"),
    [
        (
            '<Choices name="c" toName="t" value="$o" allownested="true"/>',
            "Choices 'c' has each task's own choices ($o), and some of them may stand below others",
        ),
        (
            '<Choices name="c" toName="t" value="$o"><Choice value="none"/></Choices>',
            "Choices 'c' has each task's own choices ($o) beside some that all tasks have",
        ),
        (
            '<List name="l" value="items"/><Ranker name="c" toName="l"/>',
            "<List> 'l' names no data key",
        ),
    ],
)
def test_what_is_refused(tag: str, reason: str) -> None:
    with pytest.raises(UnsupportedConfig) as refused:
        parse(f"<View>{ASKED}{tag}</View>")
    assert refused.value.reason == reason
