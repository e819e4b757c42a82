"""The first look at a large project: in parts, so that there is an order before all is known."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from backend.loop.reconcile import is_read, reconcile, synchronise
from backend.pool import Pool
from backend.studio.interface import parse
from tests.studio.bench import SINGLE, Bench, until

CONFIG = parse(SINGLE)
NUMBERED = [{"story": f"Story {number}", "topic": "tech"} for number in range(45)]


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    with closing(Pool(tmp_path / "pool.sqlite")) as opened:
        yield opened


@pytest.fixture
def pages_of_ten(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("backend.studio.api", "backend.loop.reconcile"):
        monkeypatch.setattr(f"{module}.PAGE", 10)


def test_it_stops_when_twice_as_much_is_known(bench: Bench, pool: Pool, pages_of_ten: None) -> None:
    project = bench.project(NUMBERED)
    seen = []
    while not is_read(pool):
        synchronise(pool, bench.studio, project, CONFIG)
        seen.append(pool.count())
    assert seen == [10, 20, 40, 45]
    assert synchronise(pool, bench.studio, project, CONFIG) == 0


def test_it_stops_after_so_many_at_once(
    bench: Bench, pool: Pool, pages_of_ten: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.loop.reconcile.MOST_AT_ONCE", 10)
    project = bench.project(NUMBERED)
    seen = []
    while not is_read(pool):
        synchronise(pool, bench.studio, project, CONFIG)
        seen.append(pool.count())
    assert seen == [10, 20, 30, 40, 45]


def test_what_people_do_meanwhile_is_not_missed(
    bench: Bench, pool: Pool, pages_of_ten: None
) -> None:
    """Tasks deleted and labelled that are known already, tasks that come."""
    project = bench.project(NUMBERED)
    first, second, *_ = bench.studio.tasks(project)
    synchronise(pool, bench.studio, project, CONFIG)
    bench.studio.session.call("DELETE", f"/api/tasks/{first['id']}/")
    bench.submit(second, ["tech"])
    bench.studio.import_tasks(project, [{"story": "New", "topic": "tech"}])
    while not is_read(pool):
        synchronise(pool, bench.studio, project, CONFIG)
    described = bench.studio.project(project)
    assert reconcile(pool, bench.studio, described, CONFIG, pool.annotation_count()) > 0
    ids, _ = pool.keys(CONFIG, seed=0)
    assert set(ids.tolist()) == bench.studio.task_ids(project)
    assert len(ids) == 45
    assert pool.labelling(CONFIG, False).answers == {second["id"]: ("tech",)}


def test_a_task_deleted_while_pages_are_read_hides_no_other(
    bench: Bench, pages_of_ten: None
) -> None:
    """By numbers of pages the eleventh task would be missed, and would never be ranked."""
    project = bench.project(NUMBERED)
    known = bench.studio.task_ids(project)
    tasks = bench.studio.tasks(project)
    seen = {next(tasks)["id"]}
    bench.studio.session.call("DELETE", f"/api/tasks/{min(known)}/")
    seen |= {task["id"] for task in tasks}
    assert seen == known


def test_a_project_of_several_pages_comes_in_order_whole(bench: Bench) -> None:
    tasks = [{"story": str(number), "topic": "tech"} for number in range(2500)]
    project = bench.connected(tasks)
    until("all is read", lambda: bench.state(project)["reading"] is None)
    task, is_in_order = bench.next_in_order(project)
    assert is_in_order
    bench.submit(task, ["tech"])
    bench.until_learnt(project, task["id"])
