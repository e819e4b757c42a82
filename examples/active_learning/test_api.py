"""Runs fit() and checks what predict() answers, through label-studio-ml's routes and without a
network: a web server in this process stands in for Label Studio. Execute `pytest` in this folder.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask

CONFIG = """
<View>
  <Text name="text" value="$text"/>
  <Choices name="topic" toName="text" choice="single" required="true">
    <Choice value="sports"/>
    <Choice value="cooking"/>
  </Choices>
</View>
"""
SPORTS = ["The striker scored a late goal", "She won the tennis final", "He ran the marathon"]
COOKING = ["Fry the onions in butter", "Bake the cake for an hour", "Add salt to the soup"]


class LabelStudio(ThreadingHTTPServer):
    """As much of Label Studio's API as one project with a few tasks needs."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.tasks = [
            {"id": number, "data": {"text": text}, "annotations": []}
            for number, text in enumerate(SPORTS + COOKING, 1)
        ]
        self.project = {
            "id": 1,
            "title": "Topics",
            "created_at": "2026-01-01T00:00:00Z",
            "label_config": CONFIG,
            "sampling": "Sequential sampling",
            "model_version": "",
            "show_collab_predictions": True,
        }
        self.predictions: list[dict] = []
        self.app: Flask
        """The backend."""

    def described(self) -> dict:
        annotations = sum(len(task["annotations"]) for task in self.tasks)
        counts = {
            "task_number": len(self.tasks),
            "total_annotations_number": annotations,
            "skipped_annotations_number": 0,
        }
        return {**self.project, **counts}

    def annotate(self, task: int, choice: str) -> dict:
        """A submit. Returns what the webhook says."""
        value = {"choices": [choice]}
        region = {"from_name": "topic", "to_name": "text", "type": "choices", "value": value}
        annotation = {"id": task, "result": [region], "was_cancelled": False}
        self.tasks[task - 1]["annotations"].append(annotation)
        project = {"id": 1, "label_config": CONFIG}
        return {"action": "ANNOTATION_CREATED", "project": project, "task": {"id": task}}


class Handler(BaseHTTPRequestHandler):
    server: LabelStudio

    def do_GET(self) -> None:
        studio, address = self.server, urlsplit(self.path)
        answers: dict[str, Callable[[], object]] = {
            "/api/projects/1": studio.described,
            "/api/projects/1/model-versions": dict,
            "/api/tasks": lambda: self._tasks(parse_qs(address.query)["query"][0]),
            "/api/ml": lambda: [{"id": 1, "url": "http://backend.local:9090"}],
            "/api/ml/1/versions": lambda: studio.app.test_client().get("/versions").json,
            "/api/webhooks": list,
            "/api/dm/views": list,
            "/health": lambda: {"status": "UP"},
        }
        self._answer(answers[address.path.rstrip("/")]())

    def do_POST(self) -> None:
        body = self._body()
        if self.path.rstrip("/").endswith("/import/predictions"):
            self.server.predictions = body
            self._answer({"created": len(body)})
        else:
            self._answer({"id": 1})

    def do_PATCH(self) -> None:
        self.server.project.update(self._body())
        self._answer(self.server.described())

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _tasks(self, query: str) -> dict:
        after = 0
        for item in json.loads(query)["filters"]["items"]:
            if item["filter"] == "filter:tasks:id" and item["operator"] == "greater":
                after = item["value"]
        tasks = [task for task in self.server.tasks if task["id"] > after]
        return {"tasks": tasks, "total": len(tasks)}

    def _body(self):
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, value: object) -> None:
        sent = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabelStudio]:
    server = LabelStudio()
    folder: Path = tmp_path_factory.mktemp("models")
    os.environ |= {
        "LABEL_STUDIO_URL": server.url,
        "LABEL_STUDIO_API_KEY": "0" * 40,
        "MODEL_DIR": str(folder),
        "DEEP_ROUNDS": "no",
    }
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def app(studio: LabelStudio) -> Flask:
    # label-studio-ml opens a file in MODEL_DIR when it is imported.
    from _wsgi import app  # noqa: PLC0415

    studio.app = app
    return app


def predictions(app: Flask) -> list[dict]:
    tasks = [{"id": 8, "data": {"text": "The keeper saved the penalty in the football match"}}]
    body = {"tasks": tasks, "project": "1.1767225600", "label_config": CONFIG, "params": {}}
    response = app.test_client().post("/predict", json=body)
    assert response.status_code == 200, response.text
    return response.json["results"]


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


def setup(app: Flask, config: str = CONFIG, project: int = 1) -> tuple[int, dict]:
    body = {
        "schema": config,
        "project": f"{project}.1767225600",
        "hostname": "",
        "access_token": "",
    }
    response = app.test_client().post("/setup", json=body)
    return response.status_code, response.json


def test_requests_at_once_start_one_backend(app: Flask) -> None:
    """Each started its own, and they fought over MODEL_DIR."""
    with ThreadPoolExecutor() as pool:
        assert list(pool.map(setup, [app] * 3)) == [(200, {"model_version": "0.0"})] * 3


def test_it_orders_the_tasks_and_learns_from_fit(app: Flask, studio: LabelStudio) -> None:
    assert setup(app)[0] == 200
    # The names of the choices make the first order.
    until(lambda: studio.project["sampling"] == "Uncertainty sampling")
    assert sorted(row["task"] for row in studio.predictions) == [1, 2, 3, 4, 5, 6]
    first = studio.project["model_version"]

    for task, topic in ((1, "sports"), (2, "sports"), (4, "cooking"), (5, "cooking")):
        response = app.test_client().post("/webhook", json=studio.annotate(task, topic))
        assert response.status_code == 201, response.text
    until(lambda: sorted(row["task"] for row in studio.predictions) == [3, 6])
    until(lambda: predictions(app)[0]["model_version"] == studio.project["model_version"])
    (prediction,) = predictions(app)
    assert prediction["model_version"] != first
    assert 0.5 <= prediction["score"] <= 1.0
    assert prediction["result"][0]["value"] == {"choices": ["sports"]}


def test_an_unsupported_interface_is_refused_with_its_reason(app: Flask) -> None:
    config = '<View><Text name="text" value="$text"/><TextArea name="a" toName="text"/></View>'
    status, answer = setup(app, config, project=2)
    assert status == 400
    assert "TextArea 'a' over <Text> is not learnt" in answer["error"]
