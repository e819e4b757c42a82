"""The same plugin class under both generations of label-studio-ml."""

from collections.abc import Iterator
from typing import Any

import pytest

from backend.errors import UnknownProject
from backend.interface.parse import EXAMPLE
from backend.project.loop import ProjectLoop
from backend.project.service import Service
from backend.project.status import Status
from backend.settings import Settings
from backend.studio.connection import Connection
from backend.web.plugin import ActiveLearningBackend, bound_to


class NoWork:
    def turn(self, hints: set[Any]) -> Iterator[Status]:
        yield from ()

    def close(self) -> None:
        pass


@pytest.fixture
def loop() -> ProjectLoop:
    return ProjectLoop(7, Connection("", ""), lambda *_: NoWork(), 60.0)


@pytest.fixture
def plugin(loop: ProjectLoop) -> type[ActiveLearningBackend]:
    service = Service(Settings())
    service._loops[7] = loop
    loop._hints.clear()
    return bound_to(service)


def test_second_generation(plugin: type[ActiveLearningBackend], loop: ProjectLoop) -> None:
    made = plugin("7", EXAMPLE)
    tasks = [{"id": 1, "data": {"text": "x"}}]
    assert made.predict(tasks, context={"result": []}, login="", password="") == [
        {"result": [], "score": 0.5, "model_version": "0.0"}
    ]
    assert made.fit("ANNOTATION_CREATED", {"project": {"id": 7}}) == {"model_version": "0.0"}
    assert loop._hints == {"labels"}


def test_first_generation(plugin: type[ActiveLearningBackend], loop: ProjectLoop) -> None:
    """1.0.9 names the project only in the tasks and the event's data."""
    made = plugin(label_config=EXAMPLE, train_output={}, hostname="", access_token="")
    assert made.predict([{"id": 1, "project": 7, "data": {}}]) == [
        {"result": [], "score": 0.5, "model_version": "0.0"}
    ]
    data = {"action": "START_TRAINING", "project": {"id": 7}}
    made.fit((), event="START_TRAINING", data=data, job_id="1", workdir="x")
    assert loop._hints == {"train"}


def test_no_tasks_no_predictions(plugin: type[ActiveLearningBackend]) -> None:
    assert plugin(label_config=EXAMPLE).predict([]) == []


def test_an_unknown_project_is_named(plugin: type[ActiveLearningBackend]) -> None:
    with pytest.raises(UnknownProject, match="Project 9 is not connected"):
        plugin("9", EXAMPLE).fit("ANNOTATION_CREATED", {})
