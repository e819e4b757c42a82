"""Tasks that people chose are served first, once, and are learnt: on a real Label Studio."""

import numpy as np
import pytest

from backend.types import Json
from model.choosing.audit import in_reserve
from model.storage.store import Version
from tests.studio.bench import Bench, partly_labelled, stories, until

# What is asked for first is in our own files; the database makes no difference to it.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

SHARE, SEED = 0.1, 0


@pytest.fixture(scope="module")
def backend_settings(ordered_settings: dict[str, object]) -> dict[str, object]:
    return ordered_settings


def audits(version: Version) -> set[int]:
    """The audit tasks of the order."""
    return set(version.shortlist[in_reserve(version.shortlist, SHARE, SEED)].tolist())


def chosen(version: Version, count: int) -> list[int]:
    """So many tasks far down the order, in another order than this."""
    last = [task for task in version.shortlist[::-2].tolist() if task not in audits(version)]
    return last[:count]


def pick(bench: Bench, project: int, tasks: list[int]) -> Json:
    answer = bench.press(project, "pick", tasks=",".join(map(str, tasks)))
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def label_next(bench: Bench, project: int) -> int:
    """Label the task that is served, and wait for a version that knows it."""
    task, is_lowest = bench.next_in_order(project)
    assert is_lowest
    bench.submit(task, [task["data"]["topic"]])
    bench.until_learnt(project, task["id"])
    return int(task["id"])


def test_what_people_chose_is_served_first_in_their_order_and_learnt(bench: Bench) -> None:
    project = bench.connected(partly_labelled(stories(60), 20))
    before = bench.followed(project)
    audit = next(iter(audits(before)))
    wanted = chosen(before, 3)
    labelled = int(before.training[0])
    answer = pick(bench, project, [wanted[0], audit, wanted[1], labelled, wanted[2]])
    assert answer["asked"] == wanted
    assert (answer["audit"], answer["labelled"], answer["unknown"]) == (1, 1, 0)
    assert answer["sentence"] == (
        "3 tasks are asked for next. 1 belongs to the audit reserve, which is drawn at random and "
        "never chosen; 1 is labelled already."
    )
    until("the picked ones", lambda: bench.followed(project).facts.picked_first == 3)
    said = bench.state(project)
    assert said["picked"] == {"waiting": 3, "labels": 0}
    assert [one["task"] for one in said["next"][:3]] == wanted
    assert {one["sentence"] for one in said["next"][:3]} == {"somebody asked for it"}

    assert [label_next(bench, project) for _ in wanted] == wanted
    version = bench.followed(project)
    assert set(wanted) <= set(version.training)
    assert not set(wanted) & set(version.validation)
    assert (version.facts.picked_first, version.facts.picked_labels) == (0, 3)
    assert bench.state(project)["picked"] == {"waiting": 0, "labels": 3}
    usual = int(version.shortlist[0])
    assert usual not in wanted
    assert label_next(bench, project) == usual
    assert bench.followed(project).facts.picked_labels == 3


def test_stopping_gives_the_usual_order_back(bench: Bench) -> None:
    project = bench.connected(partly_labelled(stories(60), 20))
    before = bench.followed(project)
    wanted = chosen(before, 2)
    pick(bench, project, wanted)
    until("the picked ones", lambda: bench.followed(project).facts.picked_first == 2)
    assert bench.followed(project).shortlist[:2].tolist() == wanted
    assert bench.press(project, "pick/stop").status_code == 303
    until("the usual order", lambda: bench.followed(project).facts.picked_first == 0)
    np.testing.assert_array_equal(bench.followed(project).shortlist, before.shortlist)
    assert bench.state(project)["picked"] == {"waiting": 0, "labels": 0}
