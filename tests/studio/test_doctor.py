"""The doctor on a real Label Studio: things are broken one by one, and it names and fixes them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from backend.dev import local
from backend.queue.webhook import SECRET_HEADER
from backend.studio.api import IMPORT_FLAG
from tests.studio.bench import SINGLE, Bench, stories, until
from tests.studio.command import command
from tests.studio.copies import copy_data

# What the doctor reads and writes does not depend on what is beneath Label Studio.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

NUMBER = '<View><Text name="text" value="$story"/><Number name="stars" toName="text"/></View>'
HEADERS = {"Authorization": f"Token {local.TOKEN}"}


@pytest.fixture(scope="module")
def backend_settings() -> dict[str, object]:
    """A backend that polls so rarely that it does not fix what the tests break."""
    return {"poll_seconds": 3600, "basic_auth_user": "studio", "basic_auth_pass": "s3cret"}


class Doctor:
    """What the command prints and how it ends; names of what is wrong, in the order printed."""

    def __init__(self, bench: Bench, *options: str, key: str = local.TOKEN) -> None:
        words = ["doctor", "--url", bench.studio.url, "--key", key, *options]
        settings = {name.upper(): str(value) for name, value in bench.settings.items()}
        done = command(*words, environ=settings)
        assert done.status in (0, 1), done.err
        self.code = done.status
        self.before, _, self.after = done.out.rpartition("\n\n")
        self.wrong = _named("wrong", self.after)


def _named(verdict: str, printed: str) -> list[str]:
    """The checks of the lines with this verdict."""
    return [line[6:22].strip() for line in printed.splitlines() if line.startswith(verdict)]


def healthy_project(bench: Bench) -> int:
    """A connected project in which the backend has nothing left to do."""
    project = bench.connected(stories(8))
    until("the trainer's end", lambda: bench.state(project)["activity"] is None)
    # A look that is due would put right what the test breaks. The first of these may end one that
    # has begun before; the second takes all that was due.
    for _ in range(2):
        look(bench, project)
    until("a healthy project", lambda: Doctor(bench, "--project", str(project)).code == 0)
    return project


def look(bench: Bench, project: int) -> None:
    """Have the backend look at a project, and wait until a look has ended."""
    before = last_look(bench, project)
    body = {"action": "PROJECT_UPDATED", "project": {"id": project}}
    address = f"{bench.server.url}/webhook"
    requests.post(address, json=body, auth=bench._auth(), timeout=10).raise_for_status()
    until("the end of a look", lambda: last_look(bench, project) > before)


def last_look(bench: Bench, project: int) -> float:
    """When the last one ended, in Unix time."""
    text = requests.get(f"{bench.server.url}/metrics", auth=bench._auth(), timeout=10).text
    name = f'active_learning_last_success_timestamp_seconds{{project="{project}"}} '
    return float(text.partition(name)[2].partition("\n")[0])


@pytest.mark.every_release
def test_what_is_broken_is_named_and_fixed(bench: Bench, label_studio: local.LocalProcess) -> None:
    project = healthy_project(bench)
    number, own = ["--project", str(project)], bench.studio.of(project)
    before = label_studio.log.read_text(errors="replace").count("Traceback")
    assert Doctor(bench, *number).code == 0
    after = label_studio.log.read_text(errors="replace").count("Traceback")
    assert after == before, "the doctor's own questions leave none in Label Studio's log"

    own.delete_webhook(own.webhooks()[0]["id"])  # and the backend receives no events
    own.update(sampling="Sequential sampling", model_version="AL")
    (tab, *_) = own.tabs()
    own.update_tab(tab["id"], {**tab["data"], "ordering": ["-tasks:id"]})
    nobody = f"http://127.0.0.1:{local.free_port()}/webhook"
    own.create_webhook({"url": nobody, "headers": {SECRET_HEADER: ""}})
    optional = SINGLE.replace(' required="true"', "")
    own.update(label_config=optional)

    repaired = Doctor(bench, *number, "--fix")
    broken = ["webhook", "left webhooks", "sampling", "model_version", "first tab"]
    assert _named("wrong", repaired.before) == broken
    assert _named("fixed", repaired.before) == [*broken, "required"]
    assert (repaired.wrong, repaired.code) == ([], 0)
    written = optional.replace('showInline="true"', 'showInline="true" required="true"')
    assert own.describe()["label_config"] == written
    (webhook,) = own.webhooks()
    assert "Authorization" not in webhook["headers"]
    assert own.describe()["model_version"] == bench.served(project)
    until("a healthy project", lambda: Doctor(bench, *number).code == 0)


def test_a_password_in_the_webhook_is_named_and_the_secret_replaced(bench: Bench) -> None:
    """All users of Label Studio can read the headers of webhooks, and the password stood there."""
    project = healthy_project(bench)
    (webhook,) = bench.studio.of(project).webhooks()
    secret = webhook["headers"][SECRET_HEADER]
    headers = {**webhook["headers"], "Authorization": "Basic c3R1ZGlvOnMzY3JldA=="}
    changed = {"url": webhook["url"], "is_active": False, "headers": headers}
    bench.studio.of(project).update_webhook(webhook["id"], changed)
    assert Doctor(bench, "--project", str(project)).wrong == ["webhook"]
    assert Doctor(bench, "--project", str(project), "--fix").code == 0

    def new_secret() -> str | None:
        (fixed,) = bench.studio.of(project).webhooks()
        return str(fixed["headers"].get(SECRET_HEADER) or "") or None

    assert until("a new secret", new_secret) != secret
    (fixed,) = bench.studio.of(project).webhooks()
    assert list(fixed["headers"]) == [SECRET_HEADER]


def test_interface_that_cannot_be_learnt_and_a_second_backend(bench: Bench) -> None:
    project = healthy_project(bench)
    for webhook in bench.studio.of(project).webhooks():
        bench.studio.of(project).delete_webhook(webhook["id"])
    bench.studio.of(project).update(label_config=NUMBER)
    # Label Studio itself notices, because the backend refuses this interface at /setup.
    named = Doctor(bench, "--project", str(project)).wrong
    assert {"interface", "connection"} <= set(named)
    bench.studio.of(project).update(label_config=SINGLE)
    port = bench.server.url.rpartition(":")[2]
    second = {"url": f"http://localhost:{port}", "title": "second"}
    password = {"basic_auth_user": "studio", "basic_auth_pass": "s3cret"}
    bench.studio.of(project).connect_backend({**second, **password, "auth_method": "BASIC_AUTH"})
    assert "only backend" in Doctor(bench, "--project", str(project)).wrong


def test_projects_without_a_backend_and_backends_without_a_dot(bench: Bench) -> None:
    project = bench.project(stories(1))
    alone = Doctor(bench, "--project", str(project), "--backend-url", bench.server.url)
    assert {"connection", "loop", "sampling", "first tab"} <= set(alone.wrong)
    named = Doctor(bench, "--project", str(project), "--backend-url", "http://ml-backend:9090")
    assert {"host name", "backend", "connection"} <= set(named.wrong)


def test_token_and_address_that_do_not_work(bench: Bench) -> None:
    assert Doctor(bench, key="0" * 40).wrong == ["token"]
    assert Doctor(bench, "--url", f"http://127.0.0.1:{local.free_port()}").wrong == ["server"]


def test_without_a_project_those_connected_are_listed(bench: Bench) -> None:
    project = bench.project(stories(1))
    bench.connect(project)
    found = Doctor(bench, "--backend-url", bench.server.url)
    assert found.code == 0
    assert f"project {project} (test): {bench.server.url}" in found.after.splitlines()


@pytest.fixture
def locked(
    label_studio: local.LocalProcess, label_studio_program: str, tmp_path: Path
) -> Iterator[local.LocalProcess]:
    """A copy of the Label Studio with the settings that a new installation has."""
    copy_data(label_studio, tmp_path)
    defaults = {
        "ML_BLOCK_LOCAL_IP": "true",
        "SSRF_PROTECTION_ENABLED": "true",
        IMPORT_FLAG: "false",
        "DJANGO_DB": "sqlite",
    }
    with local.label_studio(tmp_path, local.free_port(), label_studio_program, defaults) as server:
        server.wait_until_up()
        yield server


def test_settings_of_a_new_installation_are_named(bench: Bench, locked: local.LocalProcess) -> None:
    options = ["--url", locked.url, "--backend-url", bench.server.url]
    refused = ["local backends", "local webhooks"]
    assert Doctor(bench, *options).wrong == refused
    found = Doctor(bench, *options, key=_personal_access_token(locked.url))
    assert found.wrong == [*refused, "import flag"]


def _personal_access_token(url: str) -> str:
    """A new one; Label Studio has one a user, and shows it only once."""
    allowed = {"api_tokens_enabled": True, "legacy_api_tokens_enabled": True}
    requests.post(f"{url}/api/jwt/settings", json=allowed, headers=HEADERS, timeout=30)
    for old in requests.get(f"{url}/api/token/", headers=HEADERS, timeout=30).json():
        body = {"refresh": old["token"]}
        requests.post(f"{url}/api/token/blacklist/", json=body, headers=HEADERS, timeout=30)
    made = requests.post(f"{url}/api/token/", headers=HEADERS, timeout=30)
    return str(made.json()["token"])


def test_backend_that_is_down_is_named(bench: Bench) -> None:
    project = healthy_project(bench)
    bench.server.kill()
    try:
        assert Doctor(bench, "--project", str(project)).wrong == ["backend", "connection"]
    finally:
        bench.server.start()
        bench.server.wait_until_up()
