"""Weak labels in the mirror: predictions of other programs, and fields of the data."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.interface.parse import parse
from backend.interface.questions import LabelConfig
from backend.mirror.labelling import Labelling
from backend.mirror.pool import Pool
from backend.mirror.predictions import Prediction, predictions_in
from backend.mirror.weak_labels import (
    MOST_REASONS,
    MOST_SOURCES,
    WeakSource,
)
from backend.project.unlearnt import not_learnt
from backend.project.weak_sources import labels_given, of_asked, sources_of
from backend.types import Json

TEXT = '<Text name="text" value="$text"/>'
TOPIC = (
    '<Choices name="topic" toName="text"><Choice value="Sport"/><Choice value="Business, economy"/>'
    '<Choice value="tech" alias="t"/><Choice value="2"/></Choices>'
)
TAGS = (
    '<Choices name="tags" toName="text" choice="multiple"><Choice value="Sport"/>'
    '<Choice value="new"/></Choices>'
)
SINGLE = parse(f"<View>{TEXT}{TOPIC}</View>")
BOTH = parse(f"<View>{TEXT}{TOPIC}{TAGS}</View>")
MULTIPLE = parse(f"<View>{TEXT}{TAGS}</View>")
SPANS = parse(f'<View>{TEXT}<Labels name="l" toName="text"><Label value="Person"/></Labels></View>')


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    made = Pool(tmp_path / "pool.sqlite")
    yield made
    made.close()


def tasks_with(field: str, *values: object) -> list[Json]:
    return [
        {"id": number, "data": {"text": "some text", field: value}, "annotations": []}
        for number, value in enumerate(values, start=1)
    ]


def of_field(pool: Pool, config: LabelConfig, *values: object) -> WeakSource:
    pool.update(tasks_with("tags", *values), config)
    (found,) = pool.weak_sources(config, ("tags",), empty_is_none=False)
    return found


def votes(source: WeakSource, config: LabelConfig) -> dict[int, list[str]]:
    return {
        int(task): [config.labels[label] for label in source.labels[start:stop]]
        for task, start, stop in zip(
            source.tasks, source.bounds[:-1], source.bounds[1:], strict=True
        )
    }


def given(name: str, *labels: str) -> list[Json]:
    value = {"choices": list(labels)}
    return [{"id": "x1", "from_name": name, "to_name": "text", "type": "choices", "value": value}]


def prediction(task: int, source: str, *labels: str, at: str = "2026-01-02") -> Prediction:
    said = {"model_version": source, "result": given("topic", *labels), "created_at": at}
    (found,) = predictions_in({"id": task, "predictions": [said]}, {source})
    return found


def test_a_field_holds_names_lists_and_names_with_commas(pool: Pool) -> None:
    """In any case, by what annotators see and what is stored; numbers are names, too."""
    found = of_field(
        pool, SINGLE, "sport", ["Tech"], "Business, economy", "T ", 2.0, None, "", [], " SPORT"
    )
    assert votes(found, SINGLE) == {
        1: ["Sport"],
        2: ["t"],
        3: ["Business, economy"],
        4: ["t"],
        5: ["2"],
        9: ["Sport"],
    }
    assert found.lost == {}
    assert set(found.at) == {None}


def test_a_field_may_hold_several_labels(pool: Pool) -> None:
    found = of_field(pool, MULTIPLE, "new, sport", ["Sport", "new"], "new,old", ["old"])
    assert votes(found, MULTIPLE) == {1: ["Sport", "new"], 2: ["Sport", "new"], 3: ["new"]}
    assert found.lost == {"'old' is not among the labels": [3, 4]}


def test_what_is_not_understood_is_counted_by_reason(pool: Pool) -> None:
    found = of_field(pool, SINGLE, ["Sport", "tech"], {"label": "Sport"}, [["Sport"]], True, "Spor")
    assert votes(found, SINGLE) == {}
    assert found.lost == {
        "it gives 2 answers to Choices 'topic', which takes one": [1],
        '{"label": "Sport"} is neither a label nor a list of labels': [2],
        '["Sport"] is neither a label nor a list of labels': [3],
        "true is neither a label nor a list of labels": [4],
        "'Spor' is not among the labels": [5],
    }
    labelling = replace(pool.labelling(SINGLE, empty_is_none=False), weak=(found,))
    reasons = {one.reason: one.first for one in not_learnt(labelling, {})}
    assert reasons == {
        f"weak labels of 'tags': {why}": tasks[0] for why, tasks in found.lost.items()
    }


def test_half_of_an_emoji_and_data_of_other_forms_end_nothing(pool: Pool) -> None:
    half = "\ud83d"
    others: list[Json] = [
        {"id": number, "data": data, "annotations": []} for number, data in ((8, None), (9, ["a"]))
    ]
    pool.update(others, SINGLE)
    found = of_field(pool, SINGLE, half, "Sport", [f"{half} x", "tech"])
    assert votes(found, SINGLE) == {2: ["Sport"], 3: ["t"]}
    assert list(found.lost.values()) == [[1], [3]]
    for name in ("tags[0]", "a.", "..", "$"):
        assert pool.weak_sources(SINGLE, (name,), empty_is_none=False) == ()


def test_a_name_may_answer_several_questions(pool: Pool) -> None:
    """It is a vote for each that has it, or for the one that is named with it."""
    found = of_field(pool, BOTH, "sport", "tech", "tags: Sport")
    assert votes(found, BOTH) == {
        1: ["topic: Sport", "tags: Sport"],
        2: ["topic: t"],
        3: ["tags: Sport"],
    }


def test_a_field_may_lie_under_a_path(pool: Pool) -> None:
    """As in a tag: the flat key comes first."""
    pool.update(tasks_with("meta", {"kind": "Sport"}, {"kind": "tech"}), SINGLE)
    pool.update([{"id": 2, "data": {"text": "t", "meta.kind": "2"}, "annotations": []}], SINGLE)
    (found,) = pool.weak_sources(SINGLE, ("meta.kind",), empty_is_none=False)
    assert votes(found, SINGLE) == {1: ["Sport"], 2: ["2"]}


def test_a_field_that_no_task_has_is_no_source(pool: Pool) -> None:
    pool.update(tasks_with("text", "some text"), SINGLE)
    assert pool.weak_sources(SINGLE, ("tags",), empty_is_none=False) == ()


def test_predictions_are_read_like_annotations(pool: Pool) -> None:
    pool.update(tasks_with("text", *["some text"] * 3), SINGLE)
    rows = [
        prediction(1, "rules", "Sport"),
        prediction(1, "llm", "t"),
        prediction(2, "rules", "Spor"),
        prediction(3, "rules", "t", at="2026-01-03"),
        prediction(3, "rules", "2", at="2026-01-02"),
    ]
    assert pool.replace_predictions(0, None, rows) == 4
    pool.predictions_are_read()
    llm, rules = pool.weak_sources(SINGLE, (), empty_is_none=False)
    assert (llm.name, votes(llm, SINGLE)) == ("llm", {1: ["t"]})
    assert votes(rules, SINGLE) == {1: ["Sport"], 3: ["t"]}, "the one that was made last counts"
    assert rules.at == ["2026-01-02", "2026-01-03"]
    assert rules.lost == {"'Spor' is not among the answers of Choices 'topic'": [2]}
    assert pool.replace_predictions(0, None, rows) == 0, "nothing has changed"


def test_a_page_of_predictions_replaces_those_of_its_tasks(pool: Pool) -> None:
    pool.update(tasks_with("text", *["some text"] * 4), SINGLE)
    rows = [prediction(task, "rules", "Sport") for task in (1, 2, 3, 4)]
    pool.replace_predictions(0, None, rows)
    pool.replace_predictions(1, 3, [prediction(3, "rules", "t")])
    pool.predictions_are_read()
    (found,) = pool.weak_sources(SINGLE, (), empty_is_none=False)
    assert votes(found, SINGLE) == {1: ["Sport"], 3: ["t"], 4: ["Sport"]}


def test_predictions_of_deleted_tasks_are_forgotten(pool: Pool) -> None:
    pool.update(tasks_with("text", "one", "two"), SINGLE)
    pool.replace_predictions(0, None, [prediction(task, "rules", "Sport") for task in (1, 2)])
    pool.keep_only({2})
    (found,) = pool.weak_sources(SINGLE, (), empty_is_none=False)
    assert votes(found, SINGLE) == {2: ["Sport"]}


def test_weak_labels_are_read_again_when_something_changes_only(pool: Pool) -> None:
    of_field(pool, SINGLE, "Sport")
    before = pool.weak_sources(SINGLE, ("tags",), empty_is_none=False)
    assert pool.weak_sources(SINGLE, ("tags",), empty_is_none=False) is before
    pool.update([{**tasks_with("tags", "tech")[0]}], SINGLE)
    (changed,) = pool.weak_sources(SINGLE, ("tags",), empty_is_none=False)
    assert votes(changed, SINGLE) == {1: ["t"]}
    (other,) = pool.weak_sources(MULTIPLE, ("tags",), empty_is_none=False)
    assert other.lost == {"'tech' is not among the labels": [1]}


def test_an_empty_prediction_is_a_vote_where_none_is_an_answer(pool: Pool) -> None:
    pool.update(tasks_with("text", "one"), MULTIPLE)
    pool.replace_predictions(0, None, [Prediction(1, "llm", "2026", "[]")])
    (found,) = pool.weak_sources(MULTIPLE, (), empty_is_none=True)
    assert votes(found, MULTIPLE) == {1: []}
    assert pool.weak_sources(MULTIPLE, (), empty_is_none=False) == ()


def test_damaged_predictions_are_counted(pool: Pool) -> None:
    pool.update(tasks_with("text", "one", "two"), SINGLE)
    rows = predictions_in(
        {
            "id": 1,
            "predictions": [
                {"model_version": "llm", "result": "Sport", "created_at": "2026"},
                {"model_version": None, "result": []},
                {"model_version": "0.1", "result": given("topic", "Sport")},
            ],
        },
        {"llm"},
    )
    pool.replace_predictions(0, None, rows)
    (found,) = pool.weak_sources(SINGLE, (), empty_is_none=False)
    assert found.lost == {"its result is not a list": [1]}


def test_spans_are_not_learnt_from_weak_labels_and_that_is_said(pool: Pool) -> None:
    pool.update(tasks_with("tags", "Person"), SPANS)
    pool.replace_predictions(0, None, [prediction(1, "llm", "Person")])
    for found in pool.weak_sources(SPANS, ("tags",), empty_is_none=False):
        assert len(found.tasks) == 0
        assert found.lost == {"weak labels are used for whole tasks only, not for spans": [1]}


def test_two_sources_of_one_name_are_told_apart(pool: Pool) -> None:
    pool.update(tasks_with("tags", "Sport"), SINGLE)
    pool.replace_predictions(0, None, [prediction(1, "tags", "t")])
    names = [one.name for one in pool.weak_sources(SINGLE, ("tags",), empty_is_none=False)]
    assert names == ["tags", "tags (field)"]


def labelling_of(pool: Pool, config: LabelConfig) -> Labelling:
    found = pool.labelling(config, empty_is_none=False)
    return replace(found, weak=pool.weak_sources(config, ("tags",), empty_is_none=False))


def test_votes_become_rows_of_the_tasks_that_have_a_vector(pool: Pool) -> None:
    """A vote that is younger than people's label may be copied from it; one in the data is not."""
    tasks = tasks_with("tags", "Sport", "tech", None, "2")
    annotation = {"id": 1, "result": given("topic", "Sport"), "was_cancelled": False}
    tasks[0]["annotations"] = [{**annotation, "created_at": "2026-01-02T10:00:00Z"}]
    tasks[3]["annotations"] = [{**annotation, "created_at": "2026-01-02T10:00:00Z"}]
    pool.update(tasks, SINGLE)
    at = "2026-01-02T{}:00:00Z".format
    rows = [
        prediction(1, "llm", "Sport", at=at("09")),
        prediction(3, "llm", "Sport", at=at("11")),
        prediction(4, "llm", "t", at=at("11")),
    ]
    pool.replace_predictions(0, None, rows)
    labelling = labelling_of(pool, SINGLE)
    assert labelling.began == {1: at("10"), 4: at("10")}
    llm, tags = sources_of(labelling, np.array([1, 3, 4, 9]))
    assert llm.rows.tolist() == [0, 1, 2]
    assert llm.is_blind.tolist() == [True, True, False]
    assert (tags.rows.tolist(), tags.is_blind.tolist()) == ([0, 2], [True, True])
    asked = SINGLE.of_labels(["t", "2"])
    llm, tags = of_asked((llm, tags), SINGLE, asked)
    assert (llm.rows.tolist(), llm.labels.tolist()) == ([2], [0])
    assert (tags.rows.tolist(), tags.labels.tolist()) == ([2], [1])


def test_labels_that_only_a_source_gives_are_learnt(pool: Pool) -> None:
    """Of a question that nobody has answered, too; but not what was given by chance."""
    pool.update(tasks_with("tags", *["Sport"] * 5, *["new"] * 4), BOTH)
    sources = sources_of(labelling_of(pool, BOTH), np.arange(1, 10))
    assert labels_given(sources, BOTH) == {"topic: Sport", "tags: Sport"}


def test_numbers_of_any_size_are_names(pool: Pool) -> None:
    ids = '<Choice value="1234567"/><Choice value="0.25"/>'
    config = parse(f'<View>{TEXT}<Choices name="id" toName="text">{ids}</Choices></View>')
    found = of_field(pool, config, 1234567, 0.25, 10**20, 1234567.0)
    assert votes(found, config) == {1: ["1234567"], 2: ["0.25"], 4: ["1234567"]}


def test_a_number_without_end_is_counted(pool: Pool) -> None:
    """SQLite makes infinity of it, which is no JSON."""
    found = of_field(pool, SINGLE, 10**400)
    assert votes(found, SINGLE) == {}
    assert found.lost == {"a value in a form that is not understood": [1]}


def test_a_tag_of_its_own_for_each_task_does_not_crowd_out_people(pool: Pool) -> None:
    tasks = tasks_with("tags", *[f"tag {number}" for number in range(200)])
    annotation = {"id": 1, "result": [], "was_cancelled": False}
    tasks[7]["annotations"] = [annotation]
    pool.update(tasks, SINGLE)
    found = not_learnt(labelling_of(pool, SINGLE), {})
    assert (found[0].reason, found[0].first) == ("the annotation is empty", 8)
    assert len(found) == 1 + MOST_REASONS + 1
    assert found[1].reason == "weak labels of 'tags': other values are not understood either"
    assert sum(one.tasks for one in found) == 201


def test_only_the_sources_with_the_most_votes_are_used_and_that_is_said(pool: Pool) -> None:
    pool.update(tasks_with("text", *["some text"] * 2), SINGLE)
    rows = [prediction(1, f"model {number}", "Sport") for number in range(MOST_SOURCES + 2)]
    pool.replace_predictions(0, None, [*rows, prediction(2, "model 21", "Sport")])
    found = pool.weak_sources(SINGLE, (), empty_is_none=False)
    assert len(found) == MOST_SOURCES + 1
    assert "model 21" in {one.name for one in found}
    assert found[-1].lost == {"only the 20 sources with the most votes are used": [1, 1]}
    assert found[-1].name == "model 8 and 1 more"


def test_only_what_an_answer_is_read_from_is_kept() -> None:
    """So that the same answers are the same text, and are read once."""
    packed = prediction(1, "llm", "Sport").result
    assert json.loads(packed) == [
        {"from_name": "topic", "type": "choices", "value": {"choices": ["Sport"]}}
    ]
