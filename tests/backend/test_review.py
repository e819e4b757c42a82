"""What is reported about annotators who differ, and about labels that the model doubts."""

from pathlib import Path

import numpy as np

from backend.interface.controls.audio_labels import AudioLabels
from backend.interface.controls.labels import Labels
from backend.interface.objects.media import MarkedAudio
from backend.interface.objects.text import MarkedText, Text
from backend.interface.questions import LabelConfig, Question, Source
from backend.mirror.review import read, write
from backend.trainer.disagreement import disagreement
from backend.trainer.spans import doubted_spans
from backend.trainer.told import told_about
from backend.trainer.unit import unit_of
from backend.trainer.whole_tasks import doubted
from model.spans.tags import Span, Tokens

CONFIG = LabelConfig((Question("c", "t", "single", ("a", "b")),), (Source(Text(), "$text"),))


def test_annotators_who_differ_are_reported_with_labels_and_tasks() -> None:
    votes: dict[int, list[tuple[str, ...]]] = {
        1: [("a",), ("a",)],
        2: [("a",), ("b",)],
        3: [("b",)],
        4: [("a", "c"), ("b", "c"), ("b", "c")],
        5: [(), ("c",)],
    }
    assert disagreement(votes, unit_of(CONFIG)) == {
        "asked": 4,
        "agreed": 1,
        "pairs": [{"labels": ["a", "b"], "count": 2}, {"labels": ["", "c"], "count": 1}],
        "tasks": [
            {"task": 2, "answers": [["a"], ["b"]]},
            {"task": 4, "answers": [["a", "c"], ["b", "c"], ["b", "c"]]},
            {"task": 5, "answers": [[], ["c"]]},
        ],
    }


def test_a_wrong_label_is_reported_with_the_prediction() -> None:
    side = np.repeat([0, 1], 15)
    vectors = np.eye(2, dtype=np.float32)[side]
    given = side.copy()
    given[4] = 1
    targets = np.eye(2, dtype=np.float32)[given]
    found = doubted(told_about(list(range(100, 130)), vectors, targets, CONFIG, 0), 30)
    assert [(one["task"], one["given"], one["said"]) for one in found["tasks"]] == [
        (104, ["b"], ["a"])
    ]
    assert found["confusions"] == [{"given": "b", "said": "a", "count": 1}]


BOTH = LabelConfig(
    (
        Question("one", "t", "single", ("a", "b"), prefix="one: "),
        Question("two", "t", "single", ("a", "b"), prefix="two: "),
    ),
    (Source(Text(), "$text"),),
)


def test_each_of_several_questions_is_reviewed_for_itself() -> None:
    """A task without an answer to a question is not doubted for it."""
    side = np.repeat([0, 1], 15)
    vectors = np.eye(2, dtype=np.float32)[side]
    given = side.copy()
    given[4] = 1
    targets = np.hstack([np.eye(2)[given], np.eye(2)[side]]).astype(np.float32)
    targets[25:, 2:] = 0.0
    found = doubted(told_about(list(range(100, 130)), vectors, targets, BOTH, 0), 30)
    assert [(one["task"], one["given"], one["said"]) for one in found["tasks"]] == [
        (104, ["one: b"], ["one: a"])
    ]
    assert found["confusions"] == [{"given": "one: b", "said": "one: a", "count": 1}]


def test_people_differ_about_one_question_at_a_time() -> None:
    votes = {7: [("one: a", "two: a"), ("one: b", "two: a"), ("two: b",)]}
    pairs = disagreement(votes, unit_of(BOTH))["pairs"]
    assert [(one["labels"], one["count"]) for one in pairs] == [
        (["one: a", "one: b"], 1),
        (["two: a", "two: b"], 1),
    ]


def test_a_few_labels_tell_nothing() -> None:
    vectors, targets = np.eye(8, dtype=np.float32), np.eye(8, dtype=np.float32)[:, :2]
    found = doubted(told_about([1] * 8, vectors, targets, CONFIG, 0), 8)
    assert found == {"tasks": [], "hard": [], "confusions": []}


def test_a_review_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read(tmp_path) == {}
    write(tmp_path, {"encoder": 3, "tasks": []})
    assert read(tmp_path) == {"encoder": 3, "tasks": []}


def marking(*labels: str) -> LabelConfig:
    question = Question("e", "t", "spans", labels, Labels())
    return LabelConfig((question,), (Source(MarkedText(), "$text"),))


def test_spans_marked_only_by_people_or_only_by_the_model_are_reported() -> None:
    """Each text is a person, a place and nothing, in this order; in one of them they are mixed up,
    in another the person was overlooked."""
    text, n = "Ann Rome eats", 40
    places = np.array([[0, 3], [4, 8], [9, 13]])
    states = np.tile(np.eye(3, dtype=np.float16), (n, 1))
    tokens = Tokens(states, np.tile(places, (n, 1)), 3 * np.arange(n + 1))
    right = [Span(0, 3, "Person"), Span(4, 8, "Place")]
    spans = [right] * n
    spans[5] = [Span(0, 3, "Place"), Span(4, 8, "Place")]
    spans[9] = [Span(4, 8, "Place")]
    ids = list(range(100, 100 + n))
    found = doubted_spans(ids, [text] * n, tokens, spans, marking("Person", "Place"), seed=0)
    found_by_task = {one["task"]: (one["given"], one["said"]) for one in found["tasks"]}
    assert found_by_task == {105: (["Place: Ann"], ["Person: Ann"]), 109: ([], ["Person: Ann"])}
    assert found["confusions"] == [
        {"given": "Place", "said": "Person", "count": 1},
        {"given": "", "said": "Person", "count": 1},
    ]
    few = doubted_spans(
        ids[:5], [text] * 5, tokens.take(np.arange(5)), spans[:5], marking("Person"), 0
    )
    assert few == {"tasks": [], "confusions": []}


def test_annotators_who_mark_differently_are_reported_with_labels_only() -> None:
    question = Question("e", "t", "spans", ("Person", "Place"), Labels())
    config = LabelConfig((question,), (Source(MarkedText(), "$text"),))
    votes: dict[int, list[tuple[Span, ...]]] = {
        1: [
            (Span(0, 3, "Person"), Span(4, 8, "Place")),
            (Span(0, 3, "Place"), Span(4, 7, "Place")),
        ],
        2: [(Span(0, 3, "Person"),), ()],
        3: [(Span(0, 3, "Person"),), (Span(0, 3, "Person"),)],
    }
    found = disagreement(votes, unit_of(config))
    assert (found["asked"], found["agreed"]) == (3, 1)
    assert found["pairs"] == [
        {"labels": ["Person", "Place"], "count": 1},
        {"labels": ["", "Person"], "count": 1},
    ]
    assert found["tasks"][1] == {"task": 2, "answers": [["Person 0-3"], []]}


def heard(*labels: str) -> LabelConfig:
    question = Question("e", "a", "spans", labels, AudioLabels())
    return LabelConfig((question,), (Source(MarkedAudio(), "$audio"),))


def test_pieces_of_sounds_that_only_people_or_only_the_model_marked_are_reported() -> None:
    """Borders that differ a little are no difference. In one sound the piece was overlooked, in
    another it has the other label."""
    n, steps = 40, 20
    label = np.zeros(steps, np.int64)
    label[3:8], label[11:17] = 1, 2
    states = np.tile(np.eye(3, dtype=np.float16)[label], (n, 1))
    begin = 100 * np.arange(steps)
    places = np.tile(np.stack([begin, begin + 100], axis=1), (n, 1))
    tokens = Tokens(states, places, steps * np.arange(n + 1))
    spans = [[Span(330, 790, "Speech"), Span(1080, 1720, "Noise")] for _ in range(n)]
    spans[5] = [Span(330, 790, "Noise"), Span(1080, 1720, "Noise")]
    spans[9] = [Span(1080, 1720, "Noise")]
    ids = list(range(100, 100 + n))
    found = doubted_spans(ids, [""] * n, tokens, spans, heard("Speech", "Noise"), seed=0)
    assert {one["task"]: (one["given"], one["said"]) for one in found["tasks"]} == {
        105: (["Noise: 0.3 to 0.8 s"], ["Speech: 0.3 to 0.8 s"]),
        109: ([], ["Speech: 0.3 to 0.8 s"]),
    }


def test_people_who_mark_nearly_the_same_piece_do_not_differ() -> None:
    unit = unit_of(heard("Speech", "Noise"))
    first = (Span(1000, 2000, "Speech"), Span(3000, 4000, "Noise"))
    second = (Span(1050, 2100, "Speech"), Span(3000, 4000, "Speech"))
    assert unit.differences([first, second]) == [("Noise", "Speech")]
    assert unit.differences([first, first[:1]]) == [("", "Noise")]
    assert unit.readable(first) == ["Speech: 1.0 to 2.0 s", "Noise: 3.0 to 4.0 s"]
