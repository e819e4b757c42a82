"""What a webhook is believed, and what it wakes."""

from pathlib import Path
from typing import Any

import pytest

from backend.interface.parse import EXAMPLE
from backend.project.loop import ProjectLoop
from backend.project.service import Service
from backend.project.status import Status
from backend.queue.publish import SAMPLING
from backend.settings import Settings
from backend.studio.connection import Connection
from tests.backend.test_routes import NoWork, served_in

OURS = {"model_version": "0.3", "sampling": SAMPLING, "label_config": EXAMPLE}


@pytest.fixture
def loop(tmp_path: Path) -> ProjectLoop:
    made = ProjectLoop(7, Connection("", ""), lambda *_: NoWork(), 60.0)
    made.status = Status(served_in(tmp_path / "7"))
    made._hints.clear()
    return made


@pytest.fixture
def service(tmp_path: Path, loop: ProjectLoop) -> Service:
    made = Service(Settings(model_dir=tmp_path))
    made._loops[7] = loop
    return made


@pytest.mark.parametrize(
    ("described", "wakes", "is_reported"),
    [
        (OURS, False, True),
        ({**OURS, "label_config": "<new/>"}, True, True),
        ({**OURS, "label_config": "<new/>", "model_version": "0.2"}, True, True),
        ("no project", True, False),
    ],
    ids=["our switch", "saved after it", "saved before it", "nonsense"],
)
def test_a_change_of_the_project_is_reported_and_wakes_unless_it_is_ours(
    service: Service, loop: ProjectLoop, described: Any, wakes: bool, is_reported: bool
) -> None:
    """Ours, too: one more of them than we made reveals a save that was lost to it."""
    service.notify(7, "PROJECT_UPDATED", {"project": described}, loop.inbox.secret)
    assert loop._hints == ({"project"} if wakes else set())
    assert [state.project for state in loop.inbox.changes()] == [described] * is_reported


@pytest.mark.parametrize("secret", [None, "", "guessed", 7, "é"])
def test_without_the_secret_of_our_webhook_nothing_is_believed(
    service: Service, loop: ProjectLoop, secret: object
) -> None:
    """Anybody who reaches us may send an event; it is a hint to look, and no more."""
    service.notify(7, "PROJECT_UPDATED", {"project": {**OURS, "model_version": "0.2"}}, secret)
    assert loop._hints == {"project"}
    assert not loop.inbox.changes()
