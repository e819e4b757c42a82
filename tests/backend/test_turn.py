"""What others see of a project while a turn goes on."""

import json
from pathlib import Path

from backend.interface.parse import EXAMPLE
from backend.mirror.pool import Pool
from backend.project.context import context_of
from backend.project.loop import ProjectLoop
from backend.project.turn import Turns
from backend.queue.upkeep import OWN_ADDRESS
from backend.settings import Settings
from backend.studio.connection import Connection
from backend.trainer.process import TrainerProcess
from backend.types import Json
from tests.backend.test_routes import NoWork, served_in
from tests.backend.web import Answer, Web

PROJECT: Json = {
    **{"id": 7, "title": "News", "created_at": "2026-01-01", "label_config": EXAMPLE},
    **{"task_number": 2, "total_annotations_number": 0, "skipped_annotations_number": 0},
    **{"model_version": "0.3", "sampling": "Uncertainty sampling"},
}


def test_after_a_start_the_last_version_is_served_before_the_tasks_are_read(
    tmp_path: Path, web: Web
) -> None:
    """To read a million tasks takes a quarter of an hour, and predictions are asked for meanwhile:
    they came without results, and our own switch of the version looked like somebody else's."""
    served_in(tmp_path / "7")
    pool = Pool(tmp_path / "7" / "pool.sqlite")
    pool.add_published("0.3", 1.0)
    pool.remember(OWN_ADDRESS, "http://backend.example:9090")
    pool.close()
    web.answers["/api/ml/"] = Answer(b'[{"id": 1, "url": "http://backend.example:9090"}]')
    web.answers["/api/webhooks/"] = Answer(b"[]")
    web.answers["/api/projects/7/"] = Answer(json.dumps(PROJECT).encode())
    web.answers["/api/dm/views/"] = Answer(b'[{"id": 1, "data": {"ordering": ["tasks:id"]}}]')
    connection = Connection(web.url, "token")
    loop = ProjectLoop(7, connection, lambda *_: NoWork(), 60.0)
    work = Turns(context_of(loop, connection, Settings(model_dir=tmp_path), TrainerProcess()))
    turn = work.turn({"start"})
    assert next(turn).title == "News"
    served = next(turn).served
    assert served is not None and served.version.name == "0.3"
    assert "/api/tasks/" not in web.paths()
    work.close()
