"""The trainer process of a running backend: what it is given, and what happens when it dies, hangs
or has much to do."""

import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import requests

from backend.dev import local
from backend.dev.demo import articles
from backend.studio.api import Studio
from backend.types import Json
from tests.backend.web import Answer, Web
from tests.model.test_image_encoder import res_net
from tests.studio.bench import Bench, stories, until
from tests.studio.test_deep_round import label, log_of, trainer_of
from tests.studio.test_shown_media import PICTURES, picture

PASSWORD = "s3cret-of-the-backend"

# Where Label Studio keeps its data makes no difference to the trainer.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture(scope="module")
def backend_settings(
    one_layer: Path, files: Web, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, object]:
    images = res_net(tmp_path_factory.mktemp("images") / "encoder")
    password = {"basic_auth_user": "me", "basic_auth_pass": PASSWORD}
    timeout = {"trainer_timeout_minutes": 0.2}
    pictures = {"image_encoder": str(images), "media_hosts": files.host}
    return {"encoder": str(one_layer), "max_tokens": 32, **timeout, **password, **pictures}


def test_the_trainer_is_not_given_the_backends_secrets(bench: Bench) -> None:
    """It decodes files that nobody has checked, and all secrets stood in its environment."""
    bench.connected(stories(12))
    environ = Path(f"/proc/{trainer_of(bench)}/environ").read_text()
    assert "PATH=" in environ and "MODEL_DIR=" in environ
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


def test_a_task_that_ends_the_trainer_is_set_aside_and_the_others_are_ranked(
    bench: Bench, files: Web
) -> None:
    """A picture of 194 KB ended the trainer whenever it was read, and its project got no order any
    more. Here the process ends at the very moment at which it fetches one of the pictures."""
    deaths: list[int] = []

    def deadly(_: object) -> None:
        deaths.append(trainer_of(bench))
        os.kill(deaths[-1], signal.SIGKILL)

    for number in range(6):
        files.answers[f"/{number}.png"] = Answer(picture("red", np.random.default_rng(number)))
    files.answers["/3.png"] = deadly
    project = bench.project([{"image": f"{files.url}/{n}.png"} for n in range(6)], PICTURES)
    bench.connect(project)
    other = bench.connected(stories(12))
    until("an order of the others", lambda: bench.ranks(project) == 5)
    until("the one that is set aside", lambda: bench.state(project)["unreadable"] == 1)
    (found,) = bench.state(project)["unreadable_tasks"]
    (task,) = [one["id"] for one in bench.studio.of(project).tasks() if "/3.png" in str(one)]
    assert found["task"] == task
    assert "ended the trainer process twice" in found["reason"]
    assert len(set(deaths)) == 2, "two processes, and no third"
    assert f"while it read task {task}" in str(sentences(bench, project))
    assert bench.ranks(other) == 12

    files.answers["/3.png"] = files.answers["/2.png"]  # it is repaired
    train(bench, project)
    until("an order of all", lambda: bench.ranks(project) == 6)
    assert bench.state(project)["unreadable"] == 0


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
    settings: dict[str, object] = {"deep_rounds": "no", "poll_seconds": 5, "max_tokens": 64}
    server = local.backend(tmp_path, local.free_port(), label_studio.url, **settings)
    bench = Bench(studio, server, tmp_path / "models", settings)
    with server:
        server.wait_until_up()
        yield bench
    bench.delete_projects()


def test_a_new_project_does_not_wait_for_the_deep_rounds_of_others(busy: Bench) -> None:
    """It waited for all that stood in the queue before it: an hour behind thirty deep rounds."""
    tasks = labelled(16) + stories(4)
    others = [busy.project(tasks) for _ in range(4)]
    for project in others:
        busy.connect(project)
    for project in others:
        until("an order of its own", partial(has_order, busy, project), 300)
        train(busy, project)
    until("four deep rounds", lambda: log_of(busy).count("tune (encoder 1) is queued") == 4)
    until("the first of them", lambda: any(is_tuning(busy, project) for project in others))
    new = busy.project(stories(12))
    busy.connect(new)
    until("the new project's order", lambda: busy.ranks(new) == 12, 300)
    assert log_of(busy).count("tune is done") < 2

    busy.delete_projects()  # and the trainer drops what nobody wants any more
    gone = [*others, new]
    told = [partial(is_told_gone, busy, project) for project in gone]
    until("a word on each", lambda: all(is_gone() for is_gone in told))
    until("an idle trainer", lambda: is_idle(busy))
    assert log_of(busy).count("tune is done") < 3


def is_told_gone(bench: Bench, project: int) -> bool:
    return "no project" in str(bench.state(project)["trouble"])


def is_idle(bench: Bench) -> bool:
    text = requests.get(f"{bench.server.url}/metrics", timeout=10).text
    working = any(one["activity"] for one in states(bench))
    return "active_learning_trainer_jobs_waiting 0.0" in text and not working


def states(bench: Bench) -> list[Json]:
    answer = requests.get(f"{bench.server.url}/status.json", timeout=10).json()
    projects: list[Json] = answer["projects"]
    return projects
