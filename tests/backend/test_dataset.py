"""A project's dataset: what is added, what is refused, and which items count as tasks."""

import datetime
import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.commands.pool import absolute, removed
from backend.dataset.adding import Added, add
from backend.dataset.disk import shortage
from backend.dataset.importing import (
    SENT,
    SETTLED_SECONDS,
    Imported,
    import_items,
    is_waiting,
    last_import,
    refused_items,
)
from backend.dataset.left import items_left, open_among, taken_items
from backend.dataset.record import folder_of, read_record, rows_of
from backend.dataset.rows import MOST_DEPTH, TooDeep, cleaned, with_keys
from backend.dataset.shortlist import Shortlist, ShortlistItem, read_shortlist, write_shortlist
from backend.errors import BackendError, DatasetDamaged, ItemsRefused
from backend.interface.parse import parse
from backend.mirror.items import META
from backend.mirror.pool import Pool
from backend.project.feed import Supply
from backend.studio.api import Studio
from model.dataset.parts import RowParts
from model.dataset.sizes import PART_ITEMS
from model.storage.vectors import content_key
from tests.backend.web import Answer, Web

CONFIG = parse(
    '<View><Text name="t" value="$text"/><Choices name="c" toName="t"><Choice value="a"/>'
    '<Choice value="b"/></Choices></View>'
)


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def texts(numbers: range) -> list[dict[str, Any]]:
    return [{"id": number, "text": f"text {number}"} for number in numbers]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "7"
    folder.mkdir()
    return folder


def added(project: Path, path: Path, id_column: str = "id") -> Added:
    return add(project, str(path), id_column, CONFIG)


def test_rows_become_items_in_parts(project: Path, tmp_path: Path) -> None:
    count = PART_ITEMS + 3
    found = added(project, lines(tmp_path / "a.jsonl", texts(range(count))))
    assert (found.new, found.known, found.blank) == (count, 0, 0)
    assert found.record == read_record(project)
    assert (found.record.items, found.record.parts) == (count, 2)
    (last,) = RowParts(rows_of(project)).take(1, np.array([2]))
    assert (last.id, last.ticket) == (str(count - 1), content_key(str(count - 1)))
    assert last.data == {"id": count - 1, "text": f"text {count - 1}"}


def test_adding_again_takes_over_what_has_come_since(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    lines(folder / "a.jsonl", texts(range(5)))
    added(project, folder)
    lines(folder / "b.jsonl", texts(range(3, 9)))
    found = added(project, folder)
    assert (found.new, found.known) == (4, 7)
    assert (found.record.items, found.record.parts) == (9, 2)
    ids = [item.id for part in (0, 1) for item in RowParts(rows_of(project)).items(part)]
    assert ids == [str(number) for number in range(9)]


def test_rows_that_show_nothing_are_counted_and_left_out(project: Path, tmp_path: Path) -> None:
    shown = [("x1", " "), ("x2", None), ("x3", "a")]
    rows: list[dict[str, Any]] = [{"id": name, "text": text} for name, text in shown]
    found = added(project, lines(tmp_path / "a.jsonl", rows))
    assert (found.new, found.blank, found.first_blank) == (1, 2, "x1")


REFUSED: dict[str, tuple[list[dict[str, Any]], str]] = {
    "another column": ([{"name": 1, "text": "a"}], "have no column 'id'.* they have name, text"),
    "no id": ([{"id": None, "text": "a"}], "A row of .* has no id: its 'id' is None"),
    "a half": ([{"id": 1.5, "text": "a"}], "has no id: its 'id' is 1.5"),
    "yes": ([{"id": True, "text": "a"}], "has no id: its 'id' is True"),
    "twice": ([*texts(range(9)), {"id": "4", "text": "b"}], "1 ids stand in more .* such as '4'"),
    "nothing shown": ([{"id": 1, "body": "a"}], r"shows \$text, and the rows have id, body"),
    "no rows": ([], "has no rows"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_a_dataset_leaves_nothing_behind(
    project: Path, tmp_path: Path, name: str
) -> None:
    rows, sentence = REFUSED[name]
    with pytest.raises(BackendError, match=sentence):
        added(project, lines(tmp_path / "a.jsonl", rows))
    assert read_record(project) is None
    assert RowParts(rows_of(project)).numbers() == []


def test_a_refused_addition_leaves_the_dataset_as_it_was(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    lines(folder / "a.jsonl", texts(range(5)))
    before = added(project, folder).record
    lines(folder / "b.jsonl", [*texts(range(7, 8)), {"id": 7, "text": "b"}])
    with pytest.raises(BackendError, match="such as '7'"):
        added(project, folder)
    assert read_record(project) == before
    assert RowParts(rows_of(project)).numbers() == [0]


def test_what_a_killed_addition_left_is_written_again(project: Path, tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", texts(range(5)))
    rows = RowParts(rows_of(project))
    rows.write(0, [])
    rows.write(1, [])
    assert added(project, path).record.parts == 1
    assert rows.numbers() == [0]
    assert len(rows.items(0)) == 5


def test_a_project_has_one_dataset(project: Path, tmp_path: Path) -> None:
    added(project, lines(tmp_path / "a.jsonl", texts(range(5))))
    with pytest.raises(BackendError, match=r"has a dataset already: .*a\.jsonl"):
        added(project, lines(tmp_path / "b.jsonl", texts(range(5))))


def test_whole_numbers_that_came_as_fractions_are_ids(project: Path, tmp_path: Path) -> None:
    """A column of numbers in which some are missing comes so from a data frame."""
    added(project, lines(tmp_path / "a.jsonl", [{"id": 3.0, "text": "a"}]))
    assert RowParts(rows_of(project)).items(0)[0].id == "3"


def test_a_shortlist_is_read_as_it_was_written(project: Path) -> None:
    assert read_shortlist(project) is None
    written = Shortlist((ShortlistItem("a", {"text": "x"}),), "0.3", 12, 1.5)
    write_shortlist(project, written)
    assert read_shortlist(project) == written


@pytest.fixture
def pool(tmp_path: Path) -> Any:
    with closing(Pool(tmp_path / "pool.sqlite")) as made:
        yield made


def task(number: int, item: str | None, *annotations: dict[str, Any]) -> dict[str, Any]:
    meta = None if item is None else {META: item}
    return {"id": number, "data": {"text": "x"}, "meta": meta, "annotations": list(annotations)}


def test_the_mirror_knows_which_tasks_are_items(pool: Pool) -> None:
    pool.update([task(1, "a"), task(2, None), task(3, "b")], CONFIG)
    ids = np.array([1, 2, 3])
    assert pool.items.tickets(ids).tolist() == [content_key("a"), 2, content_key("b")]
    assert pool.labelling(CONFIG, True).drawn_by.tolist() == pool.items.tickets(ids).tolist()
    assert pool.items.missing(["a", "c"]) == ["c"]
    pool.keep_only({1, 2})
    assert pool.items.missing(["a", "b"]) == [], "people did not want the task that they deleted"
    assert pool.items.count() == 2


def test_tasks_of_a_dataset_before_are_no_items_of_the_new_one(
    project: Path, tmp_path: Path, pool: Pool
) -> None:
    """All of a new dataset was said to be in Label Studio already."""
    assert items_left(project, pool) is None
    added(project, lines(tmp_path / "a.jsonl", texts(range(3))))
    given = {"id": 1, "result": [], "was_cancelled": False}
    tasks = [task(1, "0", given), task(2, "1"), task(3, "of another dataset"), task(4, None)]
    pool.update(tasks, CONFIG)
    taken = taken_items(project, pool)
    assert sorted(taken.tolist()) == sorted(map(content_key, "01"))
    assert items_left(project, pool) == 1
    assert open_among(taken, pool, pool.labelling(CONFIG, True)) == 1


def test_a_dataset_whose_record_is_damaged_can_be_taken_away(project: Path, tmp_path: Path) -> None:
    added(project, lines(tmp_path / "a.jsonl", texts(range(3))))
    (folder_of(project) / "dataset.json").write_text('{"addr')
    with pytest.raises(DatasetDamaged, match="pool remove, then add"):
        read_record(project)
    assert "has no dataset any more" in removed(project, is_forced=True)
    assert read_record(project) is None


def test_a_path_is_kept_as_it_is_the_same_in_every_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same files, given from another folder, were taken for another dataset."""
    monkeypatch.chdir(tmp_path)
    assert absolute("news") == str(tmp_path / "news")
    assert absolute("s3://b/news?region=x") == "s3://b/news?region=x"


MILLION = 1_000_000, 384


@pytest.mark.parametrize(
    ("encoded", "free", "is_tuned", "said"),
    [
        (0.0, 800e6, False, ""),
        (0.0, 760e6, False, "still to come take 768 MB, and the disk of MODEL_DIR has 760 MB left"),
        (0.5, 400e6, False, ""),
        (1.0, 0, False, ""),
        (1.0, 760e6, True, "After the next deep round .* takes 768 MB beside"),
        (0.5, 1.2e9, True, ""),
    ],
)
def test_a_disk_without_room_for_the_vectors_is_named_before_it_is_full(
    encoded: float, free: float, is_tuned: bool, said: str
) -> None:
    found = shortage(*MILLION, encoded, int(free), is_tuned=is_tuned)
    assert (found is None) == (not said)
    if found is not None:
        assert re.search(said, found.sentence)
        assert found.is_now == (encoded < 1.0)


def test_the_younger_of_two_tasks_of_an_item_is_a_second_copy(pool: Pool) -> None:
    """Unless somebody has labelled it. An item whose task was deleted has none."""
    given = {"id": 1, "result": [], "was_cancelled": False}
    pool.update([task(1, "a"), task(2, "a"), task(3, "b"), task(4, "b", given)], CONFIG)
    assert pool.items.second_copies() == [2]
    pool.keep_only({2, 3, 4})
    assert pool.items.second_copies() == []


def test_what_was_sent_is_waited_for(pool: Pool) -> None:
    """Label Studio goes on with an import of which nobody heard that it succeeded."""
    assert not is_waiting(pool, 0.0)
    pool.remember(SENT, {"ids": ["a", "b"], "at": 1000.0})
    pool.update([task(1, "a")], CONFIG)
    assert is_waiting(pool, 1000.0 + SETTLED_SECONDS - 1)
    pool.update([task(2, "b")], CONFIG)
    assert not is_waiting(pool, 1001.0), "all have come"
    pool.remember(SENT, {"ids": ["c"], "at": 1000.0})
    assert not is_waiting(pool, 1000.0 + SETTLED_SECONDS), "it was not imported"
    assert not is_waiting(pool, 0.0)


def picky(web: Web, unwanted: set[str]) -> Callable[[Any], None]:
    """Label Studio's import: one task that it does not want keeps all others out."""

    def answer(handler: Any) -> None:
        tasks = json.loads(web.seen[-1].body)
        bad = [one for one in tasks if one["meta"][META] in unwanted]
        status, body = (400, b'{"detail": "a key is expected"}') if bad else (201, b"{}")
        Answer(body, status)(handler)

    return answer


def test_an_item_that_is_refused_keeps_no_other_out(pool: Pool, web: Web) -> None:
    studio = Studio(web.url, "token").of(7)
    items = [ShortlistItem(f"i{number}", {"text": "a"}) for number in range(20)]
    web.answers["/api/projects/7/import"] = picky(web, {"i3", "i16"})
    refused = import_items(studio, pool, items, Imported(labels=5))
    assert refused is not None
    assert refused.ids == ("i3", "i16") and "a key is expected" in refused.why
    assert refused_items(pool) == ["i3", "i16"]
    sent: Any = pool.fact(SENT)
    assert len(sent["ids"]) == 18 and last_import(pool).labels == 5

    web.answers["/api/projects/7/import"] = picky(web, {item.id for item in items})
    before = len(web.seen)
    with pytest.raises(ItemsRefused, match="refuses to import items"):
        import_items(studio, pool, items, Imported())
    assert len(web.seen) - before < 60, "what is no item's own fault is not looked for in each"
    with pytest.raises(ItemsRefused):
        import_items(studio, pool, items[:1], Imported())
    assert refused_items(pool) == ["i3", "i16"], "nor remembered of an item that came alone"


def test_what_the_interface_shows_is_there_if_only_empty() -> None:
    row = {"id": 1, "text": None, "more": 2}
    assert with_keys(row, ["text", "title"]) == {**row, "text": "", "title": ""}
    assert with_keys(row, ["more"]) is row


def test_a_mirror_of_an_earlier_release_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "pool.sqlite"
    Pool(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE item")
    with closing(Pool(path)) as pool:
        assert pool.items.count() == 0


@pytest.mark.parametrize(
    ("open_tasks", "runs_out"), [(0, True), (9, True), (10, False), (40, False)]
)
def test_people_never_run_out_of_tasks(open_tasks: int, runs_out: bool) -> None:
    state = Supply(labels=0, open_tasks=open_tasks, room=40 - open_tasks, batch=20)
    assert state.runs_out() == runs_out


@pytest.mark.parametrize(("others", "is_blocked"), [(0, False), (20, False), (21, True)])
def test_tasks_that_are_no_items_can_leave_no_room(others: int, is_blocked: bool) -> None:
    """Nothing of a dataset was imported, and nothing said so."""
    for open_tasks in (others, others + 5):
        state = Supply(labels=0, open_tasks=open_tasks, room=40 - open_tasks, batch=20)
        assert state.is_blocked_by(others) == is_blocked


@pytest.mark.parametrize(
    ("before", "due_at"), [(0, 25), (100, 125), (1000, 1100)], ids=["first", "few", "many"]
)
def test_the_dataset_is_asked_again_once_enough_was_learnt(before: int, due_at: int) -> None:
    def is_due(labels: int) -> bool:
        return Supply(labels, open_tasks=0, room=0, batch=20).is_due(before)

    assert not is_due(due_at - 1)
    assert is_due(due_at)


def test_values_become_what_a_task_can_hold() -> None:
    """Label Studio answers 400 to NaN, can never send half of an emoji, and PostgreSQL refuses a
    zero byte: one such row stopped all imports."""
    row = {"text": "half \ud83d\0!", "score": float("nan"), "list": [1, {"b": True}], "none": None}
    day = datetime.date(2026, 1, 2)
    expected = {"text": "half ?!", "score": None, "list": [1, {"b": True}], "none": None}
    assert cleaned({**row, "day": day}) == {**expected, "day": "2026-01-02"}
    deep: Any = "a"
    for _ in range(MOST_DEPTH + 1):
        deep = [deep]
    with pytest.raises(TooDeep, match="more than 50 levels"):
        cleaned(deep)
