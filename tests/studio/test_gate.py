"""Label Studio behind a proxy with a password, and what else an environment puts in the way."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import requests

from backend.dev import local
from backend.media.media import Media
from backend.studio.api import Studio
from backend.studio.session import Session
from tests.conftest import QUICK
from tests.studio.bench import Bench, stories, until
from tests.studio.gate import Gate

# What stands between the two does not depend on what is beneath Label Studio.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

PASSWORD = " pä ss "
HIDDEN = ("p%40ss", "p@ss", "open sesame", local.TOKEN, PASSWORD.strip())


@pytest.fixture(scope="module")
def gate(label_studio: local.LocalProcess) -> Iterator[Gate]:
    gate = Gate(label_studio.url, "us:p@ss", {"X-Gate": "open sesame"})
    yield gate
    gate.close()


@pytest.fixture(scope="module")
def shared_bench(
    label_studio: local.LocalProcess,
    studio: Studio,
    gate: Gate,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Bench]:
    """A backend that reaches Label Studio through the gate only, with passwords in ~/.netrc, and
    listens on all addresses of both kinds. Its own password is outside of ASCII."""
    folder: Path = tmp_path_factory.mktemp("backend-behind-a-gate")
    netrc = folder / "netrc"
    netrc.write_text("default login somebody password wrong\n")
    settings = {
        **QUICK,
        "netrc": netrc,
        "label_studio_headers": '{"X-Gate": "open sesame"}',
        "host": "::",
        "basic_auth_user": "ü",
        "basic_auth_pass": PASSWORD,
    }
    url = f"http://us:p%40ss@{gate.host}"
    server = local.backend(folder, local.free_port(), url, **settings)
    with server:
        server.wait_until_up()
        yield Bench(studio, server, folder / "models", settings)


def test_all_works_behind_a_proxy_with_a_password(bench: Bench, gate: Gate) -> None:
    """The password of the address, or one of ~/.netrc, took the place of the token. And Label
    Studio sends Latin-1, which did not count as the right password."""
    project = bench.connected(stories(12))
    task = bench.studio.of(project).next_task()
    assert task is not None
    bench.submit(task, ["tech"])
    bench.until_learnt(project, task["id"])
    assert bench.state(project)["trouble"] is None
    area = {"from_name": "a", "to_name": "text", "type": "textarea"}
    large = [{**area, "value": {"text": ["x" * 600_000]}}]
    rows = [
        {"task": number, "result": large, "score": 0.1, "model_version": "large"}
        for number in sorted(bench.studio.of(project).task_ids())[:2]
    ]
    behind = Studio(f"http://{gate.host}", local.TOKEN, headers=tuple(gate.wanted.items()))
    assert behind.of(project).import_predictions(rows) == 2, "the gate lets 1 MB through"
    assert gate.refused == []
    until("the webhook", lambda: bench.requests_seen("/webhook") > 0)
    for address in (bench.server.url, bench.server.url.replace("127.0.0.1", "[::1]")):
        page = requests.get(f"{address}/status/{project}", auth=("ü", PASSWORD), timeout=10)
        assert page.status_code == 200
        assert not [secret for secret in HIDDEN if secret in page.text]
    log = bench.server.log.read_text()
    assert not [secret for secret in HIDDEN if secret in log]


def test_examples_of_label_studio_come_through_the_gate(gate: Gate, tmp_path: Path) -> None:
    """What Label Studio serves to anybody was asked for without the password of its proxy."""
    with closing(Session(f"http://{gate.host}", "", headers=tuple(gate.wanted.items()))) as session:
        media = Media(tmp_path, session)
        picture = media.fetch("/static/samples/sample.jpg", "tasks/1")
        media.close()
    assert picture.read_bytes().startswith(b"\xff\xd8")


def test_the_doctor_goes_the_same_way_and_says_who_refuses(bench: Bench, gate: Gate) -> None:
    """It blamed the token for what a proxy refused."""
    url = f"http://us:p%40ss@{gate.host}"
    right = {"LABEL_STUDIO_HEADERS": '{"X-Gate": "open sesame"}'}
    wrong = {"LABEL_STUDIO_HEADERS": '{"X-Gate": "closed"}'}
    assert "ok    token           The legacy token is accepted" in doctor(bench, url, right)
    (line,) = doctor(bench, url, wrong)
    assert line.startswith(
        "wrong server          GET /api/version/: Label Studio, or a proxy before it, answered "
        "401: Refused by the gate. If that is the login of a proxy before Label Studio, write its "
    )
    assert not [secret for secret in HIDDEN if secret in line]
    proxy = {"http_proxy": "http://me:p%40ss@127.0.0.1:1", "no_proxy": "", "NO_PROXY": ""}
    (line,) = doctor(bench, url, {**right, **proxy})
    assert "(HTTP_PROXY) sends this through the proxy http://127.0.0.1:1; if 127.0.0.1" in line
    assert "add 127.0.0.1 to NO_PROXY" in line
    assert not [secret for secret in HIDDEN if secret in line]


def doctor(bench: Bench, url: str, variables: dict[str, str]) -> list[str]:
    """The lines that the command prints."""
    own = {name.upper(): str(value) for name, value in bench.settings.items()}
    environ = {"LABEL_STUDIO_URL": url, "LABEL_STUDIO_API_KEY": local.TOKEN, **own, **variables}
    done = subprocess.run(
        [sys.executable, "-m", "backend", "doctor"],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return done.stdout.splitlines()
