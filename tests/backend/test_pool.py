"""The mirror, fed with what Label Studio's API sends (recorded shapes)."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.interface.controls.labels import Labels
from backend.interface.objects.paragraphs import Paragraphs
from backend.interface.objects.text import MarkedText, Text
from backend.interface.questions import LabelConfig, Question, Source
from backend.mirror.pool import SPAN_REACH, UNREAD, NothingShown, Pool
from backend.project.unlearnt import sentence_on
from backend.types import UNSENT, Json

CONFIG = LabelConfig((Question("c", "t", "single", ("a", "b")),), (Source(Text(), "$text"),))
MULTIPLE = LabelConfig((Question("c", "t", "multiple", ("a", "b")),), (Source(Text(), "$text"),))


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    made = Pool(tmp_path / "pool.sqlite")
    yield made
    made.close()


def annotation(number: int, *labels: str, was_cancelled: bool = False) -> Json:
    region = {"from_name": "c", "to_name": "t", "type": "choices", "value": {"choices": labels}}
    result = [region] if labels else []
    return {"id": number, "result": result, "was_cancelled": was_cancelled}


def task(number: int, *annotations: Json, text: object = "some text") -> Json:
    return {"id": number, "data": {"text": text}, "annotations": list(annotations)}


def test_tasks_that_show_nothing_are_counted(pool: Pool) -> None:
    assert pool.nothing_shown() is None
    pool.update([task(1), task(2, text=None), task(5, annotation(1, "a"), text=" ")], CONFIG)
    pool.update([{"id": 4, "data": {"Text": "some text", "n": 1}, "annotations": []}], CONFIG)
    assert pool.nothing_shown() == NothingShown(3, 4, first=2, keys=("text",))
    seen = pool.labelling(CONFIG, empty_is_none=False)
    assert seen.reasons == {"the task shows nothing that can be read": [5]}
    pool.keep_only({1, 4})
    found = pool.nothing_shown()
    assert found == NothingShown(1, 2, first=4, keys=("Text", "n"))
    assert sentence_on(found, CONFIG) == (
        "1 of 2 tasks have nothing under `text`; the first of them, task 4, has the keys `Text` "
        "and `n`"
    )
    dialogues = replace(CONFIG, sources=(Source(Paragraphs(), "$text"),))
    pool.update([{"id": 3, "data": {"text": "no list"}, "annotations": []}], dialogues)
    pool.keep_only({1, 3})
    assert sentence_on(pool.nothing_shown(), dialogues) == (
        "1 of 2 tasks have nothing that can be read under `text`; the first of them, task 3, has "
        "the keys `text`"
    )
    pool.keep_only({1})
    pool.update([{"id": 4, "data": {"Text": "some text", "n": 1}, "annotations": []}], CONFIG)
    other = replace(CONFIG, sources=(Source(Text(), "$Text"),))
    pool.rekey(other)
    assert pool.nothing_shown() == NothingShown(1, 2, first=1, keys=("text",))


def test_states_of_a_task(pool: Pool) -> None:
    pool.update(
        [
            task(1),
            task(2, annotation(1, "a")),
            task(3, annotation(2, was_cancelled=True)),
            task(4, annotation(3, "a"), annotation(4, "b")),
            task(5, annotation(5)),
            task(6, annotation(6, "b"), annotation(7, was_cancelled=True)),
            task(7, text=None),
            task(8, annotation(8, "gone")),
        ],
        CONFIG,
    )
    seen = pool.labelling(CONFIG, empty_is_none=False)
    assert seen.ids.tolist() == [1, 2, 3, 4, 5, 6, 8], "a task without text is not in the pool"
    assert seen.open.tolist() == [True] + 6 * [False]
    assert seen.answers == {2: ("a",), 6: ("b",)}
    assert (seen.skipped, seen.undecided, seen.empty, seen.lost) == (1, 1, 1, 1)
    assert seen.reasons == {
        "'gone' is not among the answers of Choices 'c'": [8],
        "the annotators do not agree": [4],
        "the annotation is empty": [5],
    }


def test_what_shows_nothing_or_cannot_be_read_is_open_all_the_same(pool: Pool) -> None:
    """People can label it: it was missing from the order and from the count on the status page."""
    blank = [task(3, text=None), task(4, annotation(2, "a"), text=None), task(5, text=None)]
    pool.update([task(1, text="a"), task(2, annotation(1, "a"), text="b"), *blank], CONFIG)
    pool.add_unreadable(int(pool.keys(CONFIG, 0)[1][1]), 2, "no picture", None)
    pool.remember(UNREAD, 7)
    seen = pool.labelling(CONFIG, empty_is_none=False)
    assert (seen.ids.tolist(), seen.unreadable.tolist()) == ([1, 2], [False, True])
    assert seen.blank.tolist() == [3, 5]
    assert seen.open_tasks == 1 + 2 + 7


def test_what_shows_nothing_is_not_taken_for_labelled(pool: Pool) -> None:
    """While a project of such tasks was read, each turn made a new order: all of the last one
    seemed to be used."""
    pool.update([task(1), task(2, annotation(1, "a")), task(3, text=None)], CONFIG)
    seen = pool.labelling(CONFIG, False)
    assert seen.used(np.array([1, 3])) == 0.0
    assert seen.used(np.array([1, 2, 3, 9])) == 0.5
    assert seen.used(np.array([], dtype=np.int64)) == 0.0


def test_a_skip_of_a_task_that_shows_nothing_is_no_annotation(pool: Pool) -> None:
    """It was counted among the annotations that are not learnt."""
    skip = annotation(1, was_cancelled=True)
    pool.update([task(1, skip, text=None), task(2, annotation(2, "a"), text=None)], CONFIG)
    assert pool.labelling(CONFIG, False).reasons == {"the task shows nothing that can be read": [2]}


def test_what_tasks_show_is_read_again_only_when_it_changes(pool: Pool, tmp_path: Path) -> None:
    """To read a million rows takes seconds, and people wait for each label to change the order."""
    pool.update([task(1, text="a"), task(2, text="b"), task(3, text="c")], CONFIG)
    ids, keys = pool.keys(CONFIG, seed=0)
    pool.update([task(2, annotation(1, "a"), text="b")], CONFIG)
    assert pool.keys(CONFIG, seed=0)[1] is keys, "a label changes nothing that is shown"
    assert pool.labelling(CONFIG, False).open.tolist() == [True, False, True]
    pool.update([task(1, text="other")], CONFIG)
    assert pool.keys(CONFIG, seed=0)[1].tolist()[0] != keys.tolist()[0]
    pool.update([task(4, text="d"), task(5, text=None)], CONFIG)
    assert pool.keys(CONFIG, seed=0)[0].tolist() == [1, 2, 3, 4]
    pool.keep_only({2, 4})
    assert pool.keys(CONFIG, seed=0)[0].tolist() == [2, 4]
    with closing(Pool(tmp_path / "pool.sqlite")) as another:
        another.add_unreadable(int(pool.keys(CONFIG, 0)[1][0]), 2, "no picture", None)
        assert pool.keys(CONFIG, seed=0)[0].tolist() == [4]
        assert pool.labelling(CONFIG, False).ids.tolist() == [2, 4], "it can still be labelled"
        another.update([task(9, text="e")], CONFIG)
        assert pool.keys(CONFIG, seed=0)[0].tolist() == [4, 9]
    assert ids.tolist() == [1, 2, 3]


def test_what_came_before_the_connection_was_lost_is_a_change(pool: Pool) -> None:
    """The next look finds it there already, and would never rank it."""

    def cut_off() -> Iterator[Json]:
        for number in range(1, 1501):
            yield task(number, text=f"text {number}")
        raise ConnectionError("gone")

    assert pool.labelling(CONFIG, False).ids.tolist() == []
    before = pool.revision()
    with pytest.raises(ConnectionError):
        pool.update(cut_off(), CONFIG)
    assert pool.revision() > before
    assert len(pool.keys(CONFIG, seed=0)[0]) == len(pool.labelling(CONFIG, False).ids) == 1000


def test_an_empty_result_may_mean_none_of_these(pool: Pool) -> None:
    """In single choice it never does: it is a pre-ticked choice that its own hotkey unticked."""
    pool.update([task(1, annotation(1)), task(2, annotation(2, "gone"))], CONFIG)
    assert pool.labelling(MULTIPLE, empty_is_none=True).answers == {1: ()}
    assert pool.labelling(MULTIPLE, empty_is_none=False).answers == {}
    assert pool.labelling(CONFIG, empty_is_none=True).answers == {}


def test_a_task_that_cannot_be_sent_is_named_and_nothing_else(pool: Pool) -> None:
    """It counts as a task, or all would be read again at each look; nobody can open it, so it must
    not be ranked."""
    other = LabelConfig(CONFIG.questions, (Source(Text(), "$title"),))
    pool.update([task(1), task(2, annotation(1, "a"))], CONFIG)
    assert pool.update([{"id": 2, UNSENT: "why"}, {"id": 3, UNSENT: "why not"}], CONFIG) == 2
    assert pool.update([{"id": 2, UNSENT: "why"}], CONFIG) == 0
    assert (pool.count(), pool.annotation_count()) == (3, 1)
    assert pool.keys(CONFIG, seed=0)[0].tolist() == [1]
    seen = pool.labelling(CONFIG, False)
    assert (seen.answers, seen.reasons, seen.blank.tolist()) == ({}, {}, [])
    assert pool.nothing_shown() is None
    assert pool.unsent() == [2, 3]
    assert pool.unreadable(1) == (2, {2: "why"})
    pool.rekey(other)
    pool.rekey(CONFIG)
    assert pool.keys(CONFIG, seed=0)[0].tolist() == [1]
    pool.keep_only({1, 2})
    assert pool.unsent() == [2]
    assert pool.update([task(2, annotation(1, "a"))], CONFIG) == 1
    assert pool.unreadable(1) == (0, {})
    assert pool.labelling(CONFIG, False).answers == {2: ("a",)}


def test_a_task_that_shows_nothing_may_also_become_one_that_cannot_be_sent(pool: Pool) -> None:
    """Neither way was noticed as a change: the status page named the task as one with no text."""
    blank = {"id": 1, "data": {}, "annotations": []}
    pool.update([blank], CONFIG)
    assert pool.nothing_shown() == NothingShown(1, 1, first=1, keys=())
    assert pool.update([{"id": 1, UNSENT: "why"}], CONFIG) == 1
    assert pool.nothing_shown() is None
    assert pool.update([blank], CONFIG) == 1
    assert pool.nothing_shown() == NothingShown(1, 1, first=1, keys=())


def test_half_a_character_is_kept(pool: Pool) -> None:
    """An emoji cut in two, as JSON can hold it; SQLite refused it, and all other tasks with it."""
    half = task(1, annotation(1, "\ud83d", "a"), text="half \ud83d")
    assert pool.update([half, task(2, annotation(2, "b"))], CONFIG) == 2
    assert pool.update([half], CONFIG) == 0
    assert pool.parts([1], CONFIG) == [("half \ud83d",)]
    assert pool.labelling(CONFIG, False).answers == {1: ("a",), 2: ("b",)}


def test_only_real_changes_count(pool: Pool) -> None:
    rows = [task(1), task(2, annotation(1, "a"))]
    assert pool.update(rows, CONFIG) == 2
    before = pool.revision()
    assert pool.update(rows, CONFIG) == 0
    assert pool.revision() == before
    assert pool.update([task(2, annotation(1, "b"))], CONFIG) == 1
    assert pool.labelling(CONFIG, False).answers == {2: ("b",)}
    assert pool.revision() > before


def test_labels_that_are_decided_otherwise_make_a_new_order_due(pool: Pool) -> None:
    """Nothing has changed in Label Studio then, and what tasks show stays as it was read."""
    pool.update([task(1, annotation(1, "Yes"))], CONFIG)
    before, shown = pool.revision(), pool.fact("shown")
    pool.learn_again()
    assert (pool.revision(), pool.fact("shown")) == (before + 1, shown)


def test_deleted_tasks_and_annotations_disappear(pool: Pool) -> None:
    pool.update([task(1, annotation(1, "a")), task(2), task(3)], CONFIG)
    pool.update([task(1)], CONFIG)
    assert pool.labelling(CONFIG, False).answers == {}
    assert pool.keep_only({1, 3, 99}) == 1
    assert pool.labelling(CONFIG, False).ids.tolist() == [1, 3]


def test_a_changed_data_key_reads_the_texts_again(pool: Pool) -> None:
    pool.update([{"id": 1, "data": {"text": "one", "title": "two"}, "annotations": []}], CONFIG)
    before = pool.keys(CONFIG, 0)[1].tolist()
    other = LabelConfig((Question("c", "t", "single", ("a", "b")),), (Source(Text(), "$title"),))
    pool.rekey(other)
    assert pool.keys(CONFIG, 0)[1].tolist() != before
    assert pool.parts([1, 2], other) == [("two",), (None,)]


SPANS = LabelConfig(
    (Question("c", "t", "spans", ("a",), Labels()),), (Source(MarkedText(), "$text"),)
)


def test_a_text_without_spans_is_an_answer(pool: Pool) -> None:
    empty = {**annotation(1), "result": []}
    pool.update([task(1, empty), task(2)], SPANS)
    assert pool.labelling(SPANS, empty_is_none=False).answers == {1: ()}
    assert pool.labelling(CONFIG, empty_is_none=False).answers == {}


def test_of_texts_with_spans_only_some_are_encoded(pool: Pool) -> None:
    """Their tokens take a hundred times the room of a vector. What is labelled is among them."""
    rows = [task(number, text=f"text {number}") for number in range(1, SPAN_REACH + 41)]
    rows[6]["annotations"] = [annotation(1)]
    pool.update(rows, SPANS)
    ids, keys = pool.keys(SPANS, 0)
    assert len(ids) == len(keys) == SPAN_REACH + 1
    assert 7 in ids
    assert pool.keys(SPANS, 0)[0].tolist() == ids.tolist(), "the same ones at each look"
    assert pool.keys(SPANS, 1)[0].tolist() != ids.tolist()
    assert len(pool.keys(CONFIG, 0)[0]) == len(rows)


def test_a_text_with_spans_is_kept_as_it_stands(pool: Pool) -> None:
    text = " two  spaces\nand a line "
    pool.update([task(1, text=text)], SPANS)
    assert pool.parts([1], SPANS) == [(text,)]
    assert pool.parts([1], CONFIG) == [("two spaces and a line",)]


def test_what_is_remembered_survives(tmp_path: Path) -> None:
    first = Pool(tmp_path / "pool.sqlite")
    first.update([task(1, annotation(1, "a"), text="你好")], CONFIG)
    first.remember("cursor", "2026-01-01T00:00:00.000000Z")
    first.add_published("0.2", 20.0)
    first.add_published("0.1", 10.0)
    first.close()
    again = Pool(tmp_path / "pool.sqlite")
    assert again.fact("cursor") == "2026-01-01T00:00:00.000000Z"
    assert json.dumps(again.published()) == '{"0.1": 10.0, "0.2": 20.0}', "oldest first"
    assert again.parts([1], CONFIG) == [("你好",)]
    again.close()


def test_a_damaged_file_is_set_aside_and_a_new_one_begun(tmp_path: Path) -> None:
    path = tmp_path / "pool.sqlite"
    path.write_bytes(b"this is no database" * 1000)
    with closing(Pool.repaired(path)) as pool:
        assert pool.count() == 0
    (damaged,) = tmp_path.glob("pool.sqlite.damaged-*")
    assert damaged.read_bytes().startswith(b"this is no database")


def test_a_whole_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "pool.sqlite"
    with closing(Pool.repaired(path)) as pool:
        pool.update([task(1, annotation(1, "a"), annotation(2, was_cancelled=True))], CONFIG)
    with closing(Pool.repaired(path)) as pool:
        assert (pool.count(), pool.annotation_count()) == (1, 2)
