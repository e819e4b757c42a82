"""The trainer process of a running backend: what it is given, and what happens when it dies, hangs
or has much to do."""

import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import requests

from backend.dev import local
from backend.dev.demo import articles
from backend.studio.api import Studio
from backend.types import Json
from tests.studio.bench import Bench, stories, until
from tests.studio.test_deep_round import label, log_of, trainer_of

PASSWORD = "s3cret-of-the-backend"

# Where Label Studio keeps its data makes no difference to the trainer.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture(scope="module")
def backend_settings(one_layer: Path) -> dict[str, object]:
    password = {"basic_auth_user": "me", "basic_auth_pass": PASSWORD}
    timeout = {"trainer_timeout_minutes": 0.2}
    return {"encoder": str(one_layer), "max_tokens": 32, **timeout, **password}


def test_the_trainer_is_not_given_the_backends_secrets(bench: Bench) -> None:
    """It decodes files that nobody has checked, and all secrets stood in its environment."""
    bench.connected(stories(12))
    environ = Path(f"/proc/{trainer_of(bench)}/environ").read_text()
    assert "PATH=" in environ and "LABEL_STUDIO_URL=" in environ
    assert local.TOKEN not in environ
    assert PASSWORD not in environ


def train(bench: Bench, project: int) -> None:
    """What Start Training sends."""
    body = {"action": "START_TRAINING", "project": {"id": project}}
    url = f"{bench.server.url}/webhook"
    requests.post(url, json=body, auth=bench._auth(), timeout=10).raise_for_status()


def is_tuning(bench: Bench, project: int) -> bool:
    activity = bench.state(project)["activity"]
    return activity is not None and activity["job"] == "tune"


def has_order(bench: Bench, project: int) -> bool:
    return bench.served(project) != "0.0"


def sentences(bench: Bench, project: int) -> list[str]:
    return [trouble["sentence"] for trouble in bench.state(project)["troubles"]]


def test_a_trainer_that_hangs_is_ended_and_all_goes_on(bench: Bench) -> None:
    """The page showed `Fine-tuning, 7 %` for ever."""
    project = bench.connected(stories(60))
    label(bench, project, 8)  # enough for two different topics
    hung = trainer_of(bench)
    train(bench, project)
    until("the deep round's start", lambda: is_tuning(bench, project))
    os.kill(hung, signal.SIGSTOP)
    until("the trouble", lambda: "no progress" in str(bench.state(project)["training_trouble"]))
    assert bench.until_tuned(project).encoder == 1
    until("an end of the trouble", lambda: bench.state(project)["training_trouble"] is None)
    assert "made no progress for 0.2 minutes and was ended" in sentences(bench, project)[0]
    assert trainer_of(bench) != hung


def labelled(count: int) -> list[Json]:
    """Whole articles with the label of somebody who knows: deep rounds over them take long."""
    return [
        {
            "data": {"story": text, "topic": topic},
            "annotations": [
                {
                    "result": [
                        {
                            "from_name": "topic",
                            "to_name": "text",
                            "type": "choices",
                            "value": {"choices": [topic]},
                        }
                    ]
                }
            ],
        }
        for text, topic in articles()[:count]
    ]


@pytest.fixture
def busy(label_studio: local.LocalProcess, studio: Studio, tmp_path: Path) -> Iterator[Bench]:
    """A backend whose deep rounds take long, with the whole encoder."""
    settings: dict[str, object] = {"deep_rounds": "no", "poll_seconds": 5}
    server = local.backend(tmp_path, local.free_port(), label_studio.url, **settings)
    bench = Bench(studio, server, tmp_path / "models", settings)
    with server:
        server.wait_until_up()
        yield bench
    bench.delete_projects()


def test_a_new_project_does_not_wait_for_the_deep_rounds_of_others(busy: Bench) -> None:
    """It waited for all that stood in the queue before it: an hour behind thirty deep rounds."""
    tasks = labelled(16) + stories(4)
    others = [busy.project(tasks) for _ in range(8)]
    for project in others:
        busy.connect(project)
    for project in others:
        until("an order of its own", partial(has_order, busy, project), 300)
        train(busy, project)
    until("eight deep rounds", lambda: log_of(busy).count("tune (encoder 1) is queued") == 8)
    until("the first of them", lambda: any(is_tuning(busy, project) for project in others))
    new = busy.project(stories(12))
    busy.connect(new)
    until("the new project's order", lambda: busy.ranks(new) == 12, 300)
    assert log_of(busy).count("tune is done") < 2
