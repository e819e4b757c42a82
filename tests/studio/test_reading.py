"""The first look at a large project: in parts, so that there is an order before all is known."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from backend.interface.parse import parse
from backend.mirror.pool import Pool
from backend.project import reread
from backend.project.reconcile import is_read, reconcile, synchronise
from tests.studio.bench import SINGLE, Bench, until

CONFIG = parse(SINGLE)
NUMBERED = [{"story": f"Story {number}", "topic": "tech"} for number in range(45)]


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    with closing(Pool(tmp_path / "pool.sqlite")) as opened:
        yield opened


@pytest.fixture
def pages_of_ten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.studio.tasks.PAGE", 10)


@pytest.mark.parametrize(
    ("most", "parts"),
    [(50_000, [10, 20, 40, 45]), (10, [10, 20, 30, 40, 45])],
    ids=["twice as many", "so many more"],
)
def test_it_stops_when_enough_more_is_known(
    bench: Bench,
    pool: Pool,
    pages_of_ten: None,
    monkeypatch: pytest.MonkeyPatch,
    most: int,
    parts: list[int],
) -> None:
    monkeypatch.setattr("backend.project.reconcile.MOST_AT_ONCE", most)
    project = bench.project(NUMBERED)
    seen = []
    while not is_read(pool):
        synchronise(pool, bench.studio.of(project), CONFIG)
        seen.append(pool.count())
    assert seen == parts
    assert synchronise(pool, bench.studio.of(project), CONFIG) == 0


def test_what_people_do_meanwhile_is_not_missed(
    bench: Bench, pool: Pool, pages_of_ten: None, caplog: pytest.LogCaptureFixture
) -> None:
    """Tasks deleted and labelled that are known already, tasks that come. Nor is it a reason to
    read all once more. All that are open are counted, also those that are not known yet."""
    project = bench.project(NUMBERED)
    first, second, third, *_, last = bench.studio.of(project).tasks()
    synchronise(pool, bench.studio.of(project), CONFIG)
    bench.studio.session.call("DELETE", f"/api/tasks/{first['id']}/")
    bench.submit(second, ["tech"])
    bench.submit(last, ["tech"])
    bench.studio.of(project).import_tasks([{"story": "New", "topic": "tech"}])
    reconciled(pool, bench, project)
    assert not is_read(pool)
    assert pool.labelling(CONFIG, False).answers == {second["id"]: ("tech",)}
    assert pool.labelling(CONFIG, False).open_tasks == 43
    while not is_read(pool):
        bench.submit(third, ["tech"])
        reconciled(pool, bench, project)
    reconciled(pool, bench, project)
    assert pool.ids() == bench.studio.of(project).task_ids()
    assert len(pool.ids()) == 45
    known = pool.labelling(CONFIG, False)
    assert known.answers == {task["id"]: ("tech",) for task in (second, third, last)}
    assert (known.open_tasks, known.unread) == (42, 0)
    assert "read again" not in caplog.text


def test_tasks_that_no_look_at_changes_shows_are_found_by_counting(
    bench: Bench, pool: Pool, pages_of_ten: None
) -> None:
    """Put back from a backup, or imported in a transaction that took longer than we look back."""
    project = bench.project(NUMBERED)
    while not is_read(pool):
        synchronise(pool, bench.studio.of(project), CONFIG)
    ids = pool.ids()
    pool.remember("cursor", "2100-01-01T00:00:00.000000Z")
    pool.keep_only(set(sorted(ids)[:30]))
    reconciled(pool, bench, project)
    assert pool.ids() == ids


def test_what_is_annotated_is_read_again_in_parts(
    bench: Bench, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the mirror holds, afterwards it holds what Label Studio does: labels that differ,
    skips, and labels of tasks that have none there. That was never looked at again."""
    monkeypatch.setattr("backend.project.reread.AT_ONCE", 2)
    project = bench.project(NUMBERED)
    studio = bench.studio.of(project)
    tasks = list(studio.tasks())
    for task in (*tasks[:5], tasks[20]):
        bench.submit(task, ["tech"])
    path = f"/api/tasks/{tasks[3]['id']}/annotations/"
    skip = {"result": [], "was_cancelled": True}
    bench.studio.session.call("POST", path, json=skip)
    bench.studio.session.call(
        "POST", path.replace(str(tasks[3]["id"]), str(tasks[9]["id"])), json=skip
    )
    truth = list(studio.tasks())
    wrong = [{**task, "annotations": []} for task in truth]
    for bare in (8, 30, 44):
        wrong[bare] = {**wrong[bare], "annotations": truth[0]["annotations"]}
    pool.update(wrong, CONFIG)
    reread.begin(pool, 0.0)
    parts = 0
    while reread.is_going_on(pool):
        reread.read_on(pool, studio, CONFIG)
        parts += 1
    assert parts == 3
    assert pool.update(truth, CONFIG) == 0, "nothing is left to change"


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # PostgreSQL refuses to keep them
def test_what_label_studio_cannot_send_is_named_and_all_else_is_read(
    bench: Bench, pool: Pool, pages_of_ten: None, caplog: pytest.LogCaptureFixture
) -> None:
    """Half of an emoji in one task, and Label Studio answered 500 for its whole page: in the first
    look, in that at changes and when all is read again."""
    halves = (3, 11)
    rows = [{"story": "half \ud83d" if row in halves else f"Story {row}"} for row in range(12)]
    project = bench.project(rows)
    studio = bench.studio.of(project)
    ids = sorted(studio.task_ids())
    for row in (2, 3, 10):
        bench.submit({"id": ids[row]}, ["tech"])
    while not is_read(pool):
        synchronise(pool, studio, CONFIG)
    assert pool.unsent() == [ids[row] for row in halves]
    assert pool.ids() == set(ids)
    reread.begin(pool, 0.0)
    while reread.is_going_on(pool):
        reread.read_on(pool, studio, CONFIG)
    pool.remember("cursor", "2000-01-01T00:00:00.000000Z")
    reconciled(pool, bench, project)
    reconciled(pool, bench, project)
    assert pool.labelling(CONFIG, False).answers == {ids[2]: ("tech",), ids[10]: ("tech",)}
    assert pool.unsent() == [ids[row] for row in halves]
    assert caplog.text.count("read again") == 1, "the counts differ by one label, and go on to"


def reconciled(pool: Pool, bench: Bench, project: int) -> None:
    before, described = pool.annotation_count(), bench.studio.of(project).describe()
    reconcile(pool, bench.studio.of(project), described, CONFIG, before)


def test_a_task_deleted_while_pages_are_read_hides_no_other(
    bench: Bench, pages_of_ten: None
) -> None:
    """By numbers of pages the eleventh task would be missed, and would never be ranked."""
    project = bench.project(NUMBERED)
    known = bench.studio.of(project).task_ids()
    tasks = bench.studio.of(project).tasks()
    seen = {next(tasks)["id"]}
    bench.studio.session.call("DELETE", f"/api/tasks/{min(known)}/")
    seen |= {task["id"] for task in tasks}
    assert seen == known


def test_a_project_of_several_pages_comes_in_order_whole(bench: Bench) -> None:
    tasks = [{"story": str(number), "topic": "tech"} for number in range(1100)]
    project = bench.connected(tasks)
    until("all is read", lambda: bench.state(project)["reading"] is None)
    task, is_in_order = bench.next_in_order(project)
    assert is_in_order
    bench.submit(task, ["tech"])
    bench.until_learnt(project, task["id"])
