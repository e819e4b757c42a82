"""Audit labels that prove what the model may label are asked for first: on a real Label Studio."""

from collections.abc import Iterable

import numpy as np
import pytest

from model.choosing.audit import draw
from model.storage.store import Version
from tests.studio.bench import Bench, partly_labelled, stories, until

# What is asked for first is in our own files; the database makes no difference to it.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

SHARE, SEED = 0.1, 0
BUDGET = 60


@pytest.fixture(scope="module")
def backend_settings(ordered_settings: dict[str, object]) -> dict[str, object]:
    return ordered_settings


def lots(tasks: Iterable[int]) -> list[float]:
    found: list[float] = draw(np.array(list(tasks), dtype=np.int64), SEED).tolist()
    return found


def label_next(bench: Bench, project: int) -> int:
    """Label the task that is served, and wait for a version that knows it."""
    task = bench.studio.of(project).next_task()
    assert task is not None
    bench.submit(task, [task["data"]["topic"]])
    bench.until_learnt(project, task["id"])
    return int(task["id"])


def test_audit_labels_are_asked_for_in_the_order_of_their_lot_until_it_is_proved(
    bench: Bench,
) -> None:
    """They only measure, and the figures stay those of a random sample."""
    project = bench.connected(partly_labelled(stories(240), 40))
    assert bench.followed(project).facts.certifying == 0
    assert bench.state(project)["finishing"]["coverage"] == 0.0, "four audit labels prove nothing"

    assert bench.press(project, "certify", budget=BUDGET).status_code == 303
    until("the first audit tasks", lambda: bench.followed(project).facts.certifying > 0)
    asked: list[int] = []
    while bench.state(project)["asks_first"] and len(asked) < BUDGET:
        assert "are asked for first" in bench.state(project)["certifying"]
        version = bench.followed(project)
        first = version.shortlist[: version.facts.certifying]
        assert lots(first) == sorted(lots(first))
        asked.append(label_next(bench, project))
        assert asked[-1] == first[0]

    state, version = bench.state(project), bench.followed(project)
    assert len(asked) >= 5, "nine labels without an error prove .7, and four were there"
    assert state["finishing"]["coverage"] > 0.0
    assert state["certified"].startswith(f"Certification ended after {len(asked)} labels")
    spent = state["budget"]["spent"]
    assert (spent["paid"], spent["seconds_a_label"]) == (40 + len(asked), 1.0), "as Bench submits"
    assert spent["hours"] == pytest.approx(len(asked) / 3600, rel=0.05)
    assert version.facts.certifying == 0
    assert set(asked) <= set(version.validation)
    assert not set(asked) & set(version.training)
    assert version.facts.validation["examples"] == random_sample(version, project, bench)

    for _ in range(3):
        label_next(bench, project)
    assert bench.followed(project).facts.certifying == 0, "the usual order goes on"
    assert not set(asked) & set(bench.followed(project).training)


def random_sample(version: Version, project: int, bench: Bench) -> int:
    """How many of the audit labels were drawn at random: those of the reserve, and what was asked
    for up to the first of the reserve that is still open."""
    known = bench.labels_known(project)
    open_tasks = [
        task["id"] for task in bench.studio.of(project).tasks() if task["id"] not in known
    ]
    reached = min([lot for lot in lots(open_tasks) if lot < SHARE], default=SHARE)
    asked = {int(row[0]) for row in bench.mirror(project, "SELECT task FROM certified")}  # type: ignore[call-overload]
    return sum(
        task not in asked or lot < reached
        for task, lot in zip(version.validation.tolist(), lots(version.validation), strict=True)
    )


def test_asking_can_be_stopped(bench: Bench) -> None:
    project = bench.connected(partly_labelled(stories(240), 40))
    assert bench.press(project, "certify", budget=50).status_code == 303
    until("the first audit tasks", lambda: bench.followed(project).facts.certifying > 0)
    assert bench.press(project, "certify/stop").status_code == 303
    until("the usual order", lambda: bench.followed(project).facts.certifying == 0)
    state = bench.state(project)
    assert not state["asks_first"]
    assert "was stopped" in state["certified"]


def test_a_budget_that_cannot_be(bench: Bench) -> None:
    project = bench.connected(stories(8))
    for form, words in (
        ({}, "'' is no number"),
        ({"budget": "ten"}, "'ten' is no number"),
        ({"budget": "0"}, "between 1 and 10000"),
        ({"budget": "1000000000"}, "between 1 and 10000"),
        ({"budget": "-5"}, "'-5' is no number"),
    ):
        answer = bench.press(project, "certify", **form)
        assert (answer.status_code, words in answer.json()["error"]) == (400, True), form
        assert not bench.state(project)["asks_first"]
