"""What strangers, and people who change their minds, do to a running backend."""

import json
import re
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from backend.dev import local
from backend.queue.publish import SAMPLING
from backend.queue.webhook import SECRET_HEADER
from backend.studio.api import Studio
from tests.backend.silent import silent_clients
from tests.backend.test_routes import setup_body
from tests.studio.bench import SINGLE, Bench, stories, until
from tests.studio.command import command

PATIENCE = 5.0
"""Seconds. The server was silent for as long as the attack lasted."""
NOT_LISTED = "does not list this backend"

# The same on each database.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture(scope="module")
def backend_settings() -> dict[str, object]:
    return {"poll_seconds": 1}


def test_silent_connections_keep_nobody_waiting(bench: Bench) -> None:
    """Eight of them froze the server for as long as they stayed."""
    project = bench.connected(stories(20))
    url, body = bench.server.url, {"action": "X", "project": {"id": project}}
    with silent_clients(url, 200):
        for _ in range(20):
            assert requests.get(f"{url}/health", timeout=PATIENCE).ok
            assert requests.post(f"{url}/webhook", json=body, timeout=PATIENCE).ok
        task = bench.studio.of(project).next_task()
        assert task is not None
        bench.submit(task, [task["data"]["topic"]])
        bench.until_learnt(project, task["id"])


def test_a_large_request_for_predictions_delays_no_webhook(bench: Bench) -> None:
    """One of 2,500 new texts, with small ones behind it, delayed webhooks by 23 s."""
    project = bench.connected(stories(40))
    for task in list(bench.studio.of(project).tasks())[:5]:
        bench.submit(task, [task["data"]["topic"]])
        bench.until_learnt(project, task["id"])
    body = {"project": f"{project}.1", "label_config": SINGLE}
    new = [{"id": n, "data": {"story": f"{n} is a number in the news"}} for n in range(2500)]
    with ExitStack() as stack:
        for number in range(12):  # more than there are threads
            few = new if number == 0 else new[100 * number : 100 * number + 40]
            sent = json.dumps({**body, "tasks": few}).encode()
            stack.enter_context(_posted(bench.server.url, "/predict", sent))
        for _ in range(20):
            event = {"action": "X", "project": {"id": project}}
            assert requests.post(f"{bench.server.url}/webhook", json=event, timeout=PATIENCE).ok


def test_setup_for_a_project_that_was_never_connected_changes_nothing(bench: Bench) -> None:
    """Anybody who reached the backend took over whatever its token could edit."""
    project = bench.project(stories(3))
    before = bench.studio.of(project).describe()
    body = setup_body(project=f"{project}.1", schema=SINGLE, hostname="http://evil.example")
    assert requests.post(f"{bench.server.url}/setup", json=body, timeout=10).ok
    until("the refusal", lambda: NOT_LISTED in str(bench.state(project)["trouble"]))
    after = bench.studio.of(project).describe()
    for name in ("sampling", "model_version"):
        assert after[name] == before[name]
    assert bench.studio.of(project).webhooks() == []
    assert not (bench.models / str(project)).exists()
    # And when it is connected, all goes on by itself.
    bench.connect(project)
    until("the order", lambda: bench.is_ordered(project))
    assert bench.state(project)["trouble"] is None
    page = requests.get(f"{bench.server.url}/status/{project}", timeout=10).text
    assert "evil.example" not in page


def test_a_deleted_connection_is_let_go_and_can_be_made_again(bench: Bench) -> None:
    """Fourteen seconds later the webhook and the sampling mode were back."""
    project = bench.connected(stories(30))
    own = bench.studio.of(project)
    for row in own.backends():
        own.disconnect_backend(row["id"])
    own.update(sampling="Sequential sampling")
    until("the end", lambda: NOT_LISTED in str(bench.state(project)["trouble"]))
    for webhook in own.webhooks():
        own.delete_webhook(webhook["id"])
    named = own.describe()["model_version"]
    task = own.next_task()
    assert task is not None
    bench.submit(task, [task["data"]["topic"]])
    times = _times_told(bench, project)
    until("two more looks", lambda: _times_told(bench, project) > times + 1)
    described = own.describe()
    assert (described["sampling"], described["model_version"]) == ("Sequential sampling", named)
    assert own.webhooks() == []
    bench.connect(project)
    until("the order", lambda: bench.is_ordered(project))
    bench.until_learnt(project, task["id"])


def test_disconnect_takes_back_what_was_made(bench: Bench) -> None:
    project = bench.connected(stories(30))
    own = bench.studio.of(project)
    task = own.next_task()
    assert task is not None
    bench.submit(task, [task["data"]["topic"]])
    bench.until_learnt(project, task["id"])
    said = _command(bench, "disconnect", "--project", str(project), "--predictions")
    assert f"Project {project} is disconnected" in said
    described = own.describe()
    assert described["sampling"] == "Sequential sampling"
    assert not described["model_version"]
    assert (own.backends(), own.webhooks(), own.predictions()) == ([], [], [])
    assert [tab["data"]["title"] for tab in own.tabs()] == ["Default"]
    assert own.tabs()[0]["data"]["ordering"] == ["tasks:id"]
    assert own.tabs()[0]["data"]["filters"]["items"] == []
    assert len([one for one in own.tasks() if one["annotations"]]) == 1


def test_the_second_backend_of_a_project_stops_and_names_the_first(
    bench: Bench, label_studio: local.LocalProcess, tmp_path: Path
) -> None:
    """They overwrote each other 97 times a minute, for ever and silently."""
    project = bench.connected(stories(30))
    settings: dict[str, object] = {"poll_seconds": 1, "deep_rounds": "no", "log_level": "DEBUG"}
    server = local.backend(tmp_path, local.free_port(), label_studio.url, **settings)
    with server:
        server.wait_until_up()
        second = Bench(bench.studio, server, tmp_path / "models", {})
        second.connect(project)
        until("the refusal", lambda: bench.server.url in str(second.state(project)["trouble"]))
        task = bench.studio.of(project).next_task()
        assert task is not None
        bench.submit(task, [task["data"]["topic"]])
        bench.until_learnt(project, task["id"])
        until("the order", lambda: bench.is_ordered(project))
        assert second.served(project) == "0.0"
        for row in bench.studio.of(project).backends():
            if row["url"] == bench.server.url:
                bench.studio.of(project).disconnect_backend(row["id"])
        until("the second one's order", lambda: second.served(project) != "0.0")
        until("its end", lambda: NOT_LISTED in str(bench.state(project)["trouble"]))


def test_what_is_changed_again_and_again_is_reported(bench: Bench) -> None:
    project = bench.connected(stories(30))
    own = bench.studio.of(project)

    def changed() -> bool:
        if own.describe()["sampling"] == SAMPLING:
            own.update(sampling="Sequential sampling")
        return any("keeps changing" in one["sentence"] for one in bench.state(project)["troubles"])

    until("a word on it", changed)


def test_projects_that_do_not_exist_take_no_place(
    label_studio: local.LocalProcess, studio: Studio, tmp_path: Path
) -> None:
    """A thousand of them took every place, and a real project was refused."""
    port = local.free_port()
    plain = local.backend(tmp_path, port, label_studio.url, poll_seconds=1, deep_rounds="no")
    few_files = ["prlimit", "--nofile=320", *plain._command]  # enough for six projects
    server = local.LocalProcess("backend", few_files, plain._environ, plain.url, tmp_path)
    with server:
        server.wait_until_up()
        for number in range(10**6, 10**6 + 30):
            body = setup_body(project=f"{number}.1", schema=SINGLE)
            assert requests.post(f"{server.url}/setup", json=body, timeout=10).ok
        here = Bench(studio, server, tmp_path / "models", {})
        here.connected(stories(5))
        known = requests.get(f"{server.url}/status.json", timeout=10).json()["projects"]
        assert len(known) <= 6
        here.delete_projects()


def test_large_bodies_cost_no_memory(bench: Bench) -> None:
    """Sixty megabytes of small values raised the server from 685 to 2,139 MB."""
    before = _megabytes(bench.server.pid())
    headers = {"Content-Type": "application/json"}
    for path in ("/webhook", "/predict", "/setup"):
        for size in (60, 30):
            sent = b"[" + b"{}," * (size * 1_000_000 // 3) + b"{}]"
            address = bench.server.url + path
            try:
                answer = requests.post(address, data=sent, headers=headers, timeout=60)
            except requests.ConnectionError:
                continue  # it hangs up on what says that it is too long
            assert answer.status_code in (400, 413)
    assert _megabytes(bench.server.pid()) < before + 200


def test_a_large_event_is_a_hint_all_the_same(bench: Bench) -> None:
    """With ten thousand choices each event brings more than a megabyte."""
    project = bench.connected(stories(30))
    own = bench.studio.of(project)
    (webhook,) = own.webhooks()
    headers = {SECRET_HEADER: webhook["headers"][SECRET_HEADER]}
    body = {"action": "ANNOTATION_CREATED", "project": {"id": project}, "rest": "x" * 2_000_000}
    address = f"{bench.server.url}/webhook"
    assert requests.post(address, json=body, headers=headers, timeout=10).status_code == 201
    assert requests.post(address, json=body, timeout=10).status_code == 413


def _posted(url: str, path: str, body: bytes) -> socket.socket:
    """A connection over which this request was sent, and whose answer nobody reads yet."""
    host, port = re.fullmatch(r"http://([^:]+):(\d+)", url).groups()  # type: ignore[union-attr]
    client = socket.create_connection((host, int(port)))
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    client.sendall(head.encode() + body)
    return client


def _times_told(bench: Bench, project: int) -> int:
    troubles = bench.state(project)["troubles"]
    return sum(one["times"] for one in troubles if NOT_LISTED in one["sentence"])


def _command(bench: Bench, *arguments: str) -> str:
    environ = {
        "LABEL_STUDIO_URL": bench.studio.url,
        "LABEL_STUDIO_API_KEY": local.TOKEN,
        "MODEL_DIR": str(bench.models),
    }
    done = command(*arguments, environ=environ)
    assert done.status == 0, done.err
    return done.out


def _megabytes(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1024
