from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.interface.answers import RELATED, ReadResult, answer_of, read_result
from backend.interface.controls.labels import OVERLAPPING, Labels
from backend.interface.controls.rating import Rating
from backend.interface.controls.taxonomy import Taxonomy
from backend.interface.objects.text import MarkedText, Text
from backend.interface.parse import parse
from backend.interface.preannotations import (
    Needed,
    confidence_of,
    demand_score,
    regions_of,
    results_of,
    shortlist_score,
)
from backend.interface.questions import Answer, LabelConfig, Question, Source
from backend.mirror.votes import consensus
from backend.types import Json
from model.heads.head import Head
from model.spans.tags import Span
from model.types import Condition, LabelGroup

SINGLE = LabelConfig((Question("c", "t", "single", ("a", "b", "x")),), (Source(Text(), "$text"),))
MULTIPLE = LabelConfig(
    (Question("c", "t", "multiple", ("a", "b", "x")),), (Source(Text(), "$text"),)
)


def region(*choices: object, **changed: object) -> dict[str, object]:
    return {"from_name": "c", "type": "choices", "value": {"choices": list(choices)}, **changed}


@pytest.mark.parametrize(
    ("result", "labels"),
    [
        ([region("b", "a")], ("a", "b")),
        ([region("gone", "a")], ("a",)),
        ([region("gone")], None),
        ([region("a", from_name="other")], None),
        ([region("a", value=None)], None),
        ([], None),
        (None, None),
        ("a", None),
        ([None, 7, region(3, "a")], ("a",)),
    ],
)
def test_labels_of_an_annotation(result: object, labels: Answer | None) -> None:
    assert answer_of(result, MULTIPLE) == labels


OTHERS = replace(SINGLE, others=frozenset({"comment"}))
DEEP: list[object] = []
for _ in range(10_000):
    DEEP = [DEEP]
SHORT = "[[[[[[...]]]]]]"
ODD = "an answer to Choices 'c' has a form that is not understood: "


@pytest.mark.parametrize(
    ("result", "reasons"),
    [
        ([region("a")], []),
        ([], []),
        ([region()], []),  # an answer that was taken back
        ([region("a"), region("p", from_name="comment")], []),
        ([{"type": "relation", "from_id": "1", "to_id": "2"}], [RELATED]),
        ([region("gone", "a")], ["'gone' is not among the answers of Choices 'c'"]),
        # One line in the log, whatever programs write.
        (
            [region("x \ny" + 90 * "z")],
            [f"'x  y{55 * 'z'}…' is not among the answers of Choices 'c'"],
        ),
        ([region("gone"), region("gone")], ["'gone' is not among the answers of Choices 'c'"]),
        ([region("a", from_name="old")], ["it answers 'old', and no control tag has this name"]),
        (
            [region(value={"choices": [["a", "x"]]})],
            [
                "an answer to Choices 'c' has a form that is not understood: "
                "{'choices': [['a', 'x']]}"
            ],
        ),
        (
            [region(value={"text": ["a"]})],
            ["an answer to Choices 'c' has a form that is not understood: {'text': ['a']}"],
        ),
        ([region(value=None)], ["an answer to Choices 'c' has no value"]),
        ([region(value={"choices": DEEP})], [f"{ODD}{{'choices': [[[[[[...]]]]]]}}"]),
        (
            [region("a", from_name=DEEP)],
            [f"it answers '[{SHORT}]', and no control tag has this name"],
        ),
        ([region("a", "b")], ["it gives 2 answers to Choices 'c', which takes one"]),
        ([region("a"), region("b")], ["it gives 2 answers to Choices 'c', which takes one"]),
        ([region("a"), region("a")], []),
        ([7], ["a part of its result is no JSON object"]),
        (None, ["its result is not a list"]),
    ],
)
def test_what_is_not_understood_is_said(result: object, reasons: list[str]) -> None:
    assert list(read_result(result, OTHERS).lost) == reasons


def test_a_renamed_label_keeps_its_annotations() -> None:
    aliases = {"old": "b", "a": "b", "older": "nothing", "x / y": "a / x", "someone": "who"}
    xml = """<View><Text name="t" value="$text"/><Choices name="c" toName="t"><Choice value="a"/>
        <Choice value="b"/></Choices></View>"""
    renamed = parse(xml, aliases=aliases)
    assert answer_of([region("old")], renamed) == ("b",)
    assert answer_of([region("a")], renamed) == ("a",), "a label that exists is meant as it stands"
    assert read_result([region("older")], renamed).lost, "an alias of nothing says nothing"

    tree = replace(TREE, questions=(replace(TAXONOMY, aliases={"x / y": "a / x"}),))
    path = {"from_name": "c", "type": "taxonomy", "value": {"taxonomy": [["x", "y"]]}}
    assert answer_of([path], tree) == ("a", "a / x"), "with the nodes above it"

    moved = replace(TREE, questions=(replace(TAXONOMY, aliases={"b / y": "a / x"}),))
    paths = [["b", "y"]]
    path = {"from_name": "c", "type": "taxonomy", "value": {"taxonomy": paths}}
    assert read_result([path], moved) == ReadResult(("a", "a / x")), "no longer below b"
    paths.append(["b", "z"])
    assert answer_of([path], moved) == ("a", "a / x", "b"), "what is still there is meant"

    spans = replace(SPANS, questions=(replace(MARKS, aliases={"someone": "who"}),))
    value = {"start": 4, "end": 7, "labels": ["someone"]}
    assert answer_of([{"from_name": "c", "value": value}], spans) == (Span(4, 7, "who"),)


@pytest.mark.parametrize(
    ("votes", "agreed"),
    [
        ([("a",)], ("a",)),
        ([("a",), ("b",), ("a",)], ("a",)),
        ([("a",), ("b",)], None),
        ([], None),
    ],
)
def test_single_choice_goes_by_majority(votes: list[Answer], agreed: Answer | None) -> None:
    assert consensus(votes, SINGLE) == agreed


@pytest.mark.parametrize(
    ("votes", "agreed"),
    [
        ([("a", "b")], ("a", "b")),
        ([("a", "b"), ("a",), ("a", "x")], ("a",)),
        ([("a",), ("a", "b")], None),
        ([(), ()], ()),
        ([], None),
    ],
)
def test_each_of_several_labels_needs_more_than_half(
    votes: list[Answer], agreed: Answer | None
) -> None:
    assert consensus(votes, MULTIPLE) == agreed


def head(labels: tuple[str, ...], thresholds: list[float] | None = None) -> Head:
    nothing = np.zeros(len(labels), np.float32)
    least = None if thresholds is None else np.array(thresholds)
    return Head("multiple", labels, nothing[None, :], nothing, nothing[:1], least)


def result_of(
    probs: list[float], of: Head, config: LabelConfig, needed: Needed = lambda _: 0.0
) -> list[Json]:
    """The pre-annotation of a single task."""
    (result,) = results_of(np.array([probs]), of, config, needed)
    return result


def test_pre_annotation_is_the_likeliest_label() -> None:
    assert result_of([0.2, 0.7, 0.1], head(SINGLE.labels), SINGLE) == [
        {
            "from_name": "c",
            "to_name": "t",
            "type": "choices",
            "value": {"choices": ["b"]},
            "score": 0.7,
        }
    ]


def test_pre_annotation_of_several_labels_takes_all_from_a_half() -> None:
    result: Any = result_of([0.5, 0.9, 0.49], head(MULTIPLE.labels), MULTIPLE)
    assert (result[0]["value"]["choices"], result[0]["score"]) == (["a", "b"], 0.5)
    assert result_of([0.1, 0.2, 0.3], head(MULTIPLE.labels), MULTIPLE) == []


def test_each_of_several_labels_has_its_own_threshold() -> None:
    """A rare label is hardly ever more likely than not."""
    own = head(MULTIPLE.labels, [0.5, 0.95, 0.2])
    result: Any = result_of([0.5, 0.9, 0.3], own, MULTIPLE)
    assert (result[0]["value"]["choices"], result[0]["score"]) == (["a", "x"], 0.3)


def test_labels_that_the_config_lost_are_not_predicted() -> None:
    """Label Studio silently drops a prediction with a label that it does not know."""
    result: Any = result_of([0.9, 0.1], head(("gone", "a")), SINGLE)
    assert result[0]["value"]["choices"] == ["a"]


def test_confidence_is_that_of_the_least_certain_decision() -> None:
    single, multiple = head(SINGLE.labels), head(MULTIPLE.labels)
    of_single = confidence_of(np.array([[0.2, 0.7, 0.1], [0.4, 0.3, 0.3]]), single, SINGLE)
    assert of_single.tolist() == [0.7, 0.4]
    assert confidence_of(np.array([[0.05, 0.9, 0.4]]), multiple, MULTIPLE).tolist() == [0.6]
    assert confidence_of(np.zeros((2, 0)), head(()), SINGLE).tolist() == [0.0, 0.0]


def test_a_label_given_at_a_low_threshold_is_a_weak_decision() -> None:
    """Given at .3, it counted as sure as one refused at .3: .7."""
    own = head(MULTIPLE.labels, [0.5, 0.5, 0.2])
    assert confidence_of(np.array([[0.05, 0.9, 0.3]]), own, MULTIPLE).tolist() == [0.3]


@given(rank=st.integers(0, 999), size=st.integers(1000, 5000), sure=st.floats(0, 1))
def test_a_prediction_on_demand_never_jumps_the_queue(rank: int, size: int, sure: float) -> None:
    assert 0.0 <= shortlist_score(rank, size) < shortlist_score(rank + 1, size) <= 0.5
    assert shortlist_score(rank, size) < demand_score(sure) <= 1.0


RATING = Question("c", "t", "ordered", ("1", "2", "3"), Rating())
STARS = replace(SINGLE, questions=(RATING,))


@pytest.mark.parametrize(
    ("value", "labels"),
    [
        ({"rating": 2}, ("2",)),
        ({"rating": 2.0}, ("2",)),  # as pandas writes it
        ({"rating": "2"}, ("2",)),
        ({"rating": 2.5}, None),
        ({"rating": 9}, None),
        ({"rating": True}, None),
        ({}, None),
    ],
)
def test_each_number_of_stars_is_a_label(value: dict[str, object], labels: Answer | None) -> None:
    assert answer_of([{"from_name": "c", "type": "rating", "value": value}], STARS) == labels


def test_stars_are_pre_annotated_as_a_number() -> None:
    (region,) = result_of([0.1, 0.2, 0.7], head(STARS.labels), STARS)
    assert (region["type"], region["value"]) == ("rating", {"rating": 3})
    (region,) = result_of([0.4, 0.25, 0.35], head(STARS.labels), STARS)
    assert region["value"] == {"rating": 2}, "the fewest stars off, not the likeliest"
    assert region["score"] == 0.25


NODES = {"a": ("a",), "a / x": ("a", "x"), "a / x / y": ("a", "x", "y"), "b": ("b",)}
TAXONOMY = Question("c", "t", "multiple", tuple(NODES), Taxonomy(NODES))
TREE = replace(SINGLE, questions=(TAXONOMY,))


@pytest.mark.parametrize(
    ("value", "labels"),
    [
        ({"taxonomy": [["a", "x", "y"]]}, ("a", "a / x", "a / x / y")),
        ({"taxonomy": [["b"], ["a", "x"]]}, ("a", "a / x", "b")),
        ({"taxonomy": [["a", "gone"], ["nothing"]]}, ("a",)),
        ({"taxonomy": ["a", 7, [7]]}, None),
        ({"taxonomy": "a"}, None),
        ({"choices": ["a"]}, None),
    ],
)
def test_a_node_of_a_taxonomy_implies_those_above_it(
    value: dict[str, object], labels: Answer | None
) -> None:
    assert answer_of([{"from_name": "c", "type": "taxonomy", "value": value}], TREE) == labels


@pytest.mark.parametrize(
    ("probs", "is_leaf_only", "paths"),
    [
        ([0.9, 0.8, 0.7, 0.1], False, [["a", "x", "y"]]),
        ([0.9, 0.8, 0.2, 0.6], False, [["a", "x"], ["b"]]),
        ([0.9, 0.8, 0.2, 0.6], True, [["b"]]),
        ([0.9, 0.8, 0.2, 0.1], True, None),
    ],
)
def test_the_lowest_nodes_that_are_sure_enough_are_pre_annotated(
    probs: list[float], is_leaf_only: bool, paths: list[list[str]] | None
) -> None:
    asked = replace(TREE, questions=(replace(TAXONOMY, control=Taxonomy(NODES, is_leaf_only)),))
    made = result_of(probs, head(TREE.labels), asked)
    found = [region["value"]["taxonomy"] for region in made]
    assert found == ([] if paths is None else [paths])
    assert all(region["type"] == "taxonomy" for region in made)


def test_no_more_nodes_are_pre_annotated_than_the_page_accepts() -> None:
    xml = (
        '<View><Text name="t" value="$text"/><Taxonomy name="c" toName="t" maxUsages="1">'
        '<Choice value="a"><Choice value="x"/></Choice><Choice value="b"/></Taxonomy></View>'
    )
    config = parse(xml)
    made = [result_of(probs, head(config.labels), config) for probs in ([0.9, 0.6, 0.8], [0.2] * 3)]
    assert [[one["value"]["taxonomy"] for one in result] for result in made] == [[[["b"]]], []]
    two = parse(xml.replace('"1"', '"2"'))
    (region,) = result_of([0.9, 0.6, 0.8], head(two.labels), two)
    assert region["value"]["taxonomy"] == [["a", "x"], ["b"]]


SORT = Question("sort", "t", "single", ("a", "b"), prefix="sort: ")
TAGS = Question("tags", "t", "multiple", ("a", "b"), prefix="tags: ")
BOTH = replace(SINGLE, questions=(SORT, TAGS))


def test_each_region_answers_its_own_question() -> None:
    result = [
        region("a", from_name="sort"),
        region("b", "a", from_name="tags"),
        region("a", from_name="why"),
    ]
    assert answer_of(result, BOTH) == ("sort: a", "tags: a", "tags: b")
    assert answer_of(result[2:], BOTH) is None


@pytest.mark.parametrize(
    ("votes", "agreed"),
    [
        ([("sort: a", "tags: a"), ("sort: b", "tags: a")], ("tags: a",)),
        ([("sort: a", "tags: a"), ("tags: b",), ("tags: b",)], ("sort: a", "tags: b")),
        ([("sort: a",), ("sort: b",)], None),
        ([], None),
    ],
)
def test_each_question_is_decided_by_those_who_answered_it(
    votes: list[Answer], agreed: Answer | None
) -> None:
    assert consensus(votes, BOTH) == agreed


def test_each_question_is_pre_annotated_for_itself() -> None:
    of_both = head(BOTH.labels, [0.5, 0.5, 0.2, 0.2])
    made = result_of([0.3, 0.7, 0.25, 0.1], of_both, BOTH)
    assert [(one["from_name"], one["value"]["choices"], one["score"]) for one in made] == [
        ("sort", ["b"], 0.7),
        ("tags", ["a"], 0.25),
    ]
    assert confidence_of(np.array([[0.3, 0.7, 0.25, 0.1]]), of_both, BOTH).tolist() == [0.25]
    of_one = head(("tags: a", "tags: b"))
    made = result_of([0.1, 0.9], of_one, BOTH)
    assert [one["from_name"] for one in made] == ["tags"], "nobody has answered the other yet"


BELOW = replace(TAGS, conditions=(Condition(("sort: b",)),))
UNLESS = replace(TAGS, conditions=(Condition(("sort: b",), True),))


@pytest.mark.parametrize(
    ("below", "asked"), [(BELOW, [[], ["a"], [], []]), (UNLESS, [["a"], [], ["a"], ["a"]])]
)
def test_a_question_is_pre_annotated_where_its_condition_holds(
    below: Question, asked: list[list[str]]
) -> None:
    """Whichever comes first in the labelling interface. An answer that is not sure enough to be
    pre-annotated is not given."""
    probs = np.array(
        [[0.7, 0.3, 0.9, 0.2], [0.2, 0.8, 0.9, 0.2], [0.9, 0.1, 0.9, 0.2], [0.45, 0.55, 0.9, 0.2]]
    )
    needed = {"sort": 0.6, "tags": 0.0}
    for questions in ((SORT, below), (below, SORT)):
        both = replace(SINGLE, questions=questions)
        made = results_of(probs, head(BOTH.labels), both, needed.__getitem__)
        tags = [
            [one["value"]["choices"] for one in row if one["from_name"] == "tags"] for row in made
        ]
        assert tags == [[one] if one else [] for one in asked]


def test_a_question_that_is_not_asked_makes_no_answer_unsure() -> None:
    probs = np.array([[0.7, 0.3, 0.55, 0.2], [0.2, 0.8, 0.55, 0.2]])
    both = replace(SINGLE, questions=(SORT, BELOW))
    assert confidence_of(probs, head(BOTH.labels), both).tolist() == [0.7, 0.55]


FOLLOWS = replace(SINGLE, questions=(SORT, BELOW))


@pytest.mark.parametrize(
    ("votes", "agreed"),
    [
        ([("sort: b", "tags: a")], ("sort: b", "tags: a")),
        ([("sort: b", "tags: a"), ("sort: b", "tags: a")], ("sort: b", "tags: a")),
        ([("sort: b", "tags: a"), ("sort: a",), ("sort: a",)], ("sort: a",)),
        ([("sort: b", "tags: a"), ("sort: a",)], None),
        ([("tags: a",)], ("tags: a",)),  # imported without the answer that it follows from
    ],
)
def test_an_answer_that_follows_from_an_overruled_one_is_not_learnt(
    votes: list[Answer], agreed: Answer | None
) -> None:
    for questions in ((SORT, BELOW), (BELOW, SORT)):
        found = consensus(votes, replace(FOLLOWS, questions=questions))
        assert (None if found is None else set(found)) == (None if agreed is None else set(agreed))


@pytest.mark.parametrize(("node", "asked"), [("a", [False, True]), ("a / x", [True, False])])
def test_a_node_is_not_chosen_where_one_below_it_is(node: str, asked: list[bool]) -> None:
    """A page looks at the end of each chosen path only."""
    tree = replace(TAXONOMY, from_name="tree", prefix="tree: ")
    below = replace(TAGS, conditions=(Condition((f"tree: {node}",)),))
    both = replace(SINGLE, questions=(tree, below))
    probs = np.array([[0.9, 0.8, 0.1, 0.1, 0.9, 0.1], [0.9, 0.1, 0.1, 0.1, 0.9, 0.1]])
    made = results_of(probs, head(both.labels), both)
    assert [any(one["from_name"] == "tags" for one in row) for row in made] == asked
    sure = confidence_of(probs, head(both.labels), both).tolist()
    assert sure == pytest.approx([0.8, 0.9])


STARRED = Question("stars", "t", "ordered", ("1", "2", "3"), Rating(), prefix="stars: ")
ALL = replace(SINGLE, questions=(SORT, TAGS, STARRED))
GROUPS = (LabelGroup("single", 0, 2), LabelGroup("multiple", 2, 4), LabelGroup("ordered", 4, 7))


def test_what_is_measured_is_what_is_pre_annotated() -> None:
    """Each had a rule of its own once. Ties, thresholds and medians are where two would differ."""
    of_all = replace(head(ALL.labels, [0.5, 0.5, 0.2, 0.5, 0.5, 0.5, 0.5]), groups=GROUPS)
    probs = np.array(
        [
            [0.5, 0.5, 0.2, 0.49, 0.4, 0.25, 0.35],
            [0.3, 0.7, 0.1, 0.5, 0.5, 0.0, 0.5],
            [0.9, 0.1, 0.1, 0.1, 0.0, 0.1, 0.9],
        ],
        np.float32,
    )
    measured = of_all.answers(probs)
    said = [answer_of(result, ALL) for result in results_of(probs, of_all, ALL)]
    assert said == [
        ("sort: a", "tags: a", "stars: 2"),
        ("sort: b", "tags: b", "stars: 1"),
        ("sort: a", "stars: 3"),
    ]
    assert [tuple(np.array(ALL.labels)[row].tolist()) for row in measured] == said


def test_labels_that_the_config_lost_have_no_part_in_the_median() -> None:
    """They are left out before anything is decided: of 3 and 4 stars alone, 3 is the median."""
    before = head(("1", "2", "3", "4"))
    now = replace(STARS, questions=(replace(RATING, answers=("3", "4")),))
    (region,) = result_of([0.3, 0.3, 0.25, 0.15], before, now)
    assert (region["value"], region["score"]) == ({"rating": 3}, 0.25)


def sure(question: str) -> float:
    """All questions need as much."""
    return 0.8


def test_a_question_may_need_more_than_another() -> None:
    """One that nobody had answered was pre-annotated on every task, by its names alone."""
    needed = {"sort": 0.6, "tags": 0.95}
    made = result_of([0.3, 0.7, 0.9, 0.1], head(BOTH.labels), BOTH, needed.__getitem__)
    assert [one["from_name"] for one in made] == ["sort"]


def test_what_is_less_probable_than_asked_is_left_to_people() -> None:
    """Of each label for itself; a node that is not sure enough leaves the surer one above it."""
    said = result_of([0.2, 0.8, 0.0], head(SINGLE.labels), SINGLE, sure)
    assert [one["value"]["choices"] for one in said] == [["b"]]
    assert result_of([0.21, 0.79, 0.0], head(SINGLE.labels), SINGLE, sure) == []
    several: Any = result_of([0.7, 0.9, 0.3], head(MULTIPLE.labels), MULTIPLE, sure)
    assert (several[0]["value"]["choices"], several[0]["score"]) == (["b"], 0.9)
    assert result_of([0.1, 0.75, 0.15], head(STARS.labels), STARS, sure) == []
    (node,) = result_of([0.95, 0.9, 0.7, 0.1], head(TREE.labels), TREE, sure)
    assert node["value"] == {"taxonomy": [["a", "x"]]}
    both = result_of([0.3, 0.7, 0.9, 0.1], head(BOTH.labels), BOTH, sure)
    assert [one["from_name"] for one in both] == ["tags"]


MARKS = Question("c", "t", "spans", ("who", "where"), Labels())
SPANS = LabelConfig((MARKS,), (Source(MarkedText(), "$text"),))


@pytest.mark.parametrize(
    ("value", "labels"),
    [
        (
            {"start": 4, "end": 7, "labels": ["who", "where"]},
            (Span(4, 7, "where"), Span(4, 7, "who")),
        ),
        ({"start": 4.0, "end": 7.0, "labels": ["who"]}, (Span(4, 7, "who"),)),
        ({"start": 4, "end": 7, "labels": ["gone"]}, None),
        ({"start": 4, "end": 4, "labels": ["who"]}, None),
        ({"start": -1, "end": 4, "labels": ["who"]}, None),
        ({"start": False, "end": True, "labels": ["who"]}, None),
        ({"start": "/p[1]", "end": "/p[1]", "labels": ["who"]}, None),
        ({"start": 4, "end": 7, "labels": "who"}, None),
        ({"labels": ["who"]}, None),
    ],
)
def test_a_span_is_an_answer(value: dict[str, object], labels: Answer | None) -> None:
    assert answer_of([{"from_name": "c", "type": "labels", "value": value}], SPANS) == labels


def test_spans_that_overlap_are_said() -> None:
    def marked(*spans: tuple[int, int, str]) -> ReadResult:
        values = [{"start": start, "end": end, "labels": [who]} for start, end, who in spans]
        return read_result([{"from_name": "c", "value": value} for value in values], SPANS)

    assert marked((0, 3, "who"), (3, 7, "where")).lost == ()
    nested = marked((4, 6, "where"), (0, 9, "who"), (20, 21, "who"))
    assert nested.lost == (OVERLAPPING,)
    assert nested.answer is not None and len(nested.answer) == 3
    assert marked((4, 6, "where"), (4, 6, "who")).lost == (OVERLAPPING,)


def test_relations_are_said() -> None:
    """The page also saves them where the interface has no <Relations>."""
    span = {"id": "a", "from_name": "c", "value": {"start": 0, "end": 3, "labels": ["who"]}}
    relation = {"type": "relation", "from_id": "a", "to_id": "b", "direction": "right"}
    found = read_result([span, relation, relation], SPANS)
    assert found == ReadResult((Span(0, 3, "who"),), (RELATED,))


def test_people_agree_span_by_span() -> None:
    first, second = Span(0, 3, "who"), Span(9, 12, "where")
    assert consensus([(second, first), (first,), (first,)], SPANS) == (first,)
    assert consensus([(), ()], SPANS) == ()
    assert consensus([(first,), ()], SPANS) is None


def test_spans_are_pre_annotated_with_their_text() -> None:
    (region,) = regions_of([(Span(4, 7, "who"), 0.81234)], "Met Bob.", SPANS)
    assert region == {
        "from_name": "c",
        "to_name": "t",
        "type": "labels",
        "value": {"start": 4, "end": 7, "text": "Bob", "labels": ["who"]},
        "score": 0.8123,
    }
