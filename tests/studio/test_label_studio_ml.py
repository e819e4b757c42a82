"""The example folder under label-studio-ml's own server, beside the real Label Studio."""

import os
import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from backend.dev import local
from backend.errors import StudioError
from backend.queue.webhook import SECRET_HEADER, send_hint
from backend.studio.api import Studio
from tests.backend.test_routes import setup_body
from tests.studio.bench import SINGLE, Bench, stories, until

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "active_learning"
AUTH = ("studio", "s3cret")

# Where Label Studio keeps its rows matters to nothing here.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture(scope="module")
def shared_bench(
    label_studio_ml: Path,
    label_studio: local.LocalProcess,
    studio: Studio,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Bench]:
    folder, port = tmp_path_factory.mktemp("label-studio-ml"), local.free_port()
    command = [
        str(label_studio_ml), "start", str(EXAMPLE), "--host", "127.0.0.1", "--port", str(port),
        "--basic-auth-user", AUTH[0], "--basic-auth-pass", AUTH[1],
    ]  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    environ = settings_of(label_studio_ml, folder / "models", label_studio.url)
    with local.LocalProcess("label-studio-ml", command, environ, url, folder) as server:
        server.wait_until_up()
        known: dict[str, object] = {"basic_auth_user": AUTH[0], "basic_auth_pass": AUTH[1]}
        yield Bench(studio, server, folder / "models", known)


def settings_of(program: Path, models: Path, studio_url: str) -> dict[str, str]:
    """What is not learnt from an event is not learnt within these tests."""
    return {
        "LABEL_STUDIO_URL": studio_url,
        "LABEL_STUDIO_API_KEY": local.TOKEN,
        "MODEL_DIR": str(models),
        "DEEP_ROUNDS": "no",
        "MAX_TOKENS": "32",
        "POLL_SECONDS": "600",
        "PYTHONPATH": str(ROOT),
        # It starts whatever `python` is.
        "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
    }


def answers(bench: Bench) -> Counter[tuple[str, str]]:
    """How often label-studio-ml's server answered what to which requests."""
    log = re.sub(r"\x1b\[[\d;]*m", "", bench.server.log.read_text(errors="replace"))  # colours
    return Counter(re.findall(r'"POST (/\w+) HTTP/1\.1" (\d+)', log))


def test_the_order_follows_the_labels(bench: Bench) -> None:
    """Label Studio said "Connected", and nothing ever happened: no order, and error 500 for each
    webhook and prediction."""
    project = bench.project(stories(24))
    own = bench.studio.of(project)
    body = setup_body(project=f"{project}.1", schema=SINGLE)

    def called(_: int) -> int:
        url = f"{bench.server.url}/setup"
        return requests.post(url, json=body, auth=AUTH, timeout=3).status_code

    # Each of several at once started a service of its own. None makes us work in the project.
    with ThreadPoolExecutor() as pool:
        assert list(pool.map(called, range(3))) == [200] * 3
    assert own.webhooks() == []
    bench.connect(project)
    until("the order", lambda: bench.is_ordered(project) and bench.ranks(project) == 24)
    for _ in range(6):
        task, is_in_order = bench.next_in_order(project)
        assert is_in_order
        annotation = bench.submit(task, [task["data"]["topic"]])
        bench.until_learnt(project, task["id"])
    # Events that label-studio-ml itself would not pass on.
    own.import_tasks(stories(26)[24:])
    until("the new tasks", lambda: bench.ranks(project) == 20)
    bench.studio.session.call("DELETE", f"/api/annotations/{annotation['id']}/")
    bench.until_forgotten(project, task["id"])
    (row,) = own.backends()
    asked = bench.studio.session.json("POST", f"/api/ml/{row['id']}/predict/test?random=true")
    assert [one["model_version"] for one in asked["response"]] == [bench.served(project)]
    seen = answers(bench)
    assert set(seen) == {("/setup", "200"), ("/predict", "200"), ("/webhook", "201")}
    (webhook,) = own.webhooks()
    assert list(webhook["headers"]) == [SECRET_HEADER]
    assert send_hint(bench.server.url, project, AUTH, 10).status_code == 201
    event = {"action": "START_TRAINING", "project": {"id": project, "label_config": SINGLE}}
    hook = f"{bench.server.url}/webhook"
    for headers, status in (({}, 401), ({SECRET_HEADER: "x"}, 401), (webhook["headers"], 201)):
        assert requests.post(hook, json=event, headers=headers, timeout=10).status_code == status


def test_an_unsupported_interface_is_refused_with_its_reason(bench: Bench) -> None:
    config = '<View><Text name="text" value="$story"/><TextArea name="a" toName="text"/></View>'
    project = bench.project(stories(2), config)
    with pytest.raises(StudioError, match="TextArea 'a' over <Text> is not learnt"):
        bench.connect(project)


def test_a_second_process_is_refused(
    bench: Bench, label_studio_ml: Path, label_studio: local.LocalProcess, tmp_path: Path
) -> None:
    """Such as a second worker of gunicorn: the two would fight in one folder."""
    body = setup_body(project="1.1", schema=SINGLE)
    first = requests.post(f"{bench.server.url}/setup", json=body, auth=AUTH, timeout=3)
    assert first.status_code == 200
    port = local.free_port()
    command = [
        str(label_studio_ml.with_name("python")), "-m", "gunicorn", "--chdir", str(EXAMPLE),
        "--threads", "2", "--bind", f"127.0.0.1:{port}", "_wsgi:app",
    ]  # fmt: skip
    environ = settings_of(label_studio_ml, bench.models, label_studio.url)
    url = f"http://127.0.0.1:{port}"
    with local.LocalProcess("gunicorn", command, environ, url, tmp_path) as second:
        second.wait_until_up()
        answer = requests.post(f"{url}/setup", json=body, timeout=3)
    assert answer.status_code == 503
    assert answer.reason.startswith("Another backend works in MODEL_DIR=")
