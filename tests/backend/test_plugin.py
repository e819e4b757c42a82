"""The plugin class as label-studio-ml calls it, and our own routes, which do the same without."""

import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from backend.errors import BadRequest, UnknownProject
from backend.project.service import Service
from backend.queue.webhook import SECRET_HEADER
from backend.settings import Settings
from backend.web.plugin import ActiveLearningBackend
from backend.web.wire import install
from tests.backend.test_routes import setup_body, task

ROOT = Path(__file__).parents[2]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """Nobody answers at its Label Studio's address."""
    settings = Settings(
        label_studio_url="http://127.0.0.1:9", label_studio_api_key="t", model_dir=tmp_path
    )
    service = Service(settings)
    yield service
    service.stop()


@pytest.fixture
def client(service: Service) -> FlaskClient:
    app = Flask("backend")
    install(app, service)
    return app.test_client()


def test_the_class_predicts_and_notices_events(client: FlaskClient, service: Service) -> None:
    class Plugin(ActiveLearningBackend):
        def _service(self) -> Service:
            return service

    client.post("/setup", json=setup_body())
    plugin = Plugin(project_id="7.1795306715")
    nothing_yet = {"result": [], "score": 0.5, "model_version": "0.0"}
    assert plugin.predict([task("yes please")]) == [nothing_yet]
    assert plugin.fit("ANNOTATION_CREATED", {}) == {"model_version": "0.0"}
    assert service.loop(7).metrics.submits._value.get() == 1.0
    with pytest.raises(UnknownProject, match="Project 9 is not connected"):
        Plugin(project_id="9").fit("ANNOTATION_CREATED", {})
    other = {SECRET_HEADER: service.loop(7).inbox.secret}
    with pytest.raises(BadRequest, match="The secret is that of project 7, not of project 8"):
        Plugin(project_id="8").fit("ANNOTATION_CREATED", other)


def test_our_own_server_does_the_same(client: FlaskClient, service: Service) -> None:
    assert client.post("/setup", json=setup_body()).get_json() == {"model_version": "0.0"}
    body = {"tasks": [task("yes please")], "project": "7.1795306715", "params": {}}
    assert client.post("/predict", json=body).get_json() == {
        "results": [{"result": [], "score": 0.5, "model_version": "0.0"}]
    }
    event = {"action": "ANNOTATION_CREATED", "project": {"id": 7}}
    assert client.post("/webhook", json=event).status_code == 201
    assert service.loop(7).metrics.submits._value.get() == 1.0


def test_an_unknown_project_is_named(client: FlaskClient) -> None:
    body = {"action": "ANNOTATION_CREATED", "project": {"id": 9}}
    assert client.post("/webhook", json=body).status.startswith("404 Project 9 is not connected")


def test_a_secret_is_good_for_its_own_project_only(client: FlaskClient, service: Service) -> None:
    client.post("/setup", json=setup_body())
    event = {"action": "ANNOTATION_CREATED", "project": {"id": 8}}
    headers = {"X-Active-Learning": service.loop(7).inbox.secret}
    answer = client.post("/webhook", json=event, headers=headers)
    assert answer.status == "400 The secret is that of project 7, not of project 8"


def test_the_server_of_label_studio_ml_1_is_refused() -> None:
    """Label Studio said "Connected", and nothing ever happened."""
    with pytest.raises(ImportError, match=r"label-studio-ml 1\.0\.9's own server is not supported"):
        importlib.import_module("backend.web.hosted")


@pytest.mark.parametrize(
    "program",
    [
        pytest.param("from model import NAME; import model.types", id="the server"),
        pytest.param("import backend.errors, model.types", id="the trainer"),
    ],
)
def test_a_file_called_model_hides_nothing_of_ours(program: str, tmp_path: Path) -> None:
    """Each folder of label-studio-ml has one, and python looks there first."""
    (tmp_path / "model.py").write_text("from backend.errors import BackendError as NAME\n")
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environ, check=True)


@pytest.mark.slow
@pytest.mark.parametrize("password", ["pässword", "password "])
def test_a_password_that_label_studio_ml_never_accepts_ends_its_server(
    label_studio_ml: Path, tmp_path: Path, password: str
) -> None:
    """It answered 500 or 401 to each request of Label Studio."""
    access = {"BASIC_AUTH_USER": "us", "BASIC_AUTH_PASS": password}
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "MODEL_DIR": str(tmp_path), **access}
    command = [str(label_studio_ml.with_name("python")), "-c", "import backend.web.hosted"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Choose BASIC_AUTH_USER and BASIC_AUTH_PASS of ASCII letters" in done.stderr


@pytest.mark.slow
def test_the_example_passes_its_own_tests(label_studio_ml: Path, tmp_path: Path) -> None:
    """In a process of its own, where label-studio-ml is 2.x: fit, predict, three /setup at once."""
    folder = shutil.copytree(ROOT / "examples" / "active_learning", tmp_path / "active_learning")
    command = [
        str(label_studio_ml.with_name("python")),
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
    ]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    assert "3 passed" in done.stdout, done.stdout + done.stderr
