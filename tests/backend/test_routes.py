"""The wire contract over real HTTP: what Label Studio sends, and what only an attacker would."""

import json
import re
import threading
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.serving import make_server

from backend.interface.parse import EXAMPLE, NOTHING_ASKED, parse
from backend.project.loop import ProjectLoop
from backend.project.service import Service
from backend.project.status import Served, Status
from backend.queue.webhook import SECRET_HEADER
from backend.settings import Settings
from backend.studio.connection import Connection
from backend.web.guard import allowed_hosts, is_allowed
from backend.web.wire import MAX_VALUES, install
from model.heads.head import Head
from model.storage.facts import VersionFacts
from model.storage.store import EncoderMeta, Store, Version, write_encoder_meta
from model.storage.vectors import content_key
from tests.backend.fuzzing import many

JSON_TYPE = {"Content-Type": "application/json"}
TEXTS = ("yes please", "no thanks")


class NoWork:
    def turn(self, hints: set[Any]) -> Iterator[Status]:
        yield from ()

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def loop() -> ProjectLoop:
    return ProjectLoop(7, Connection("", ""), lambda *_: NoWork(), 60.0)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, loop: ProjectLoop) -> Iterator[str]:
    """The application, with project 7 serving version 0.3: a head on two stored vectors."""
    folder = tmp_path_factory.mktemp("models")
    served = served_in(folder / "7")
    loop.status = replace(loop.status, served=served, config=served.config)
    service = Service(Settings(model_dir=folder, label_studio_url="http://127.0.0.1:9"))
    service._loops[7] = loop
    app = Flask("backend")
    install(app, service)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def served_in(folder: Path, dimension: int = 2) -> Served:
    store = Store(folder)
    with store.new_encoder(0) as aside:
        meta = EncoderMeta("all-MiniLM-L6-v2", "all-MiniLM-L6-v2", 16, dimension)
        write_encoder_meta(aside, meta)
    keys = np.array([content_key(text) for text in TEXTS], dtype=np.int64)
    store.vectors(0).append(keys, np.eye(2, dimension, dtype=np.float32))
    weights = 5 * np.eye(dimension, 2, dtype=np.float32)
    head = Head("single", ("Yes", "No"), weights, np.zeros(2), np.zeros(dimension))
    nothing = np.zeros(0, dtype=np.int64)
    version = Version("0.3", 0, head, nothing, nothing, nothing, VersionFacts(labels=2))
    store.save_version(version)
    return Served(version, parse(EXAMPLE), EXAMPLE, store)


def setup_body(**changed: object) -> dict[str, object]:
    return {
        "project": "7.1795306715",
        "schema": EXAMPLE,
        "hostname": "http://localhost:8080",
        "access_token": "t",
        "extra_params": None,
        **changed,
    }


def task(text: object, number: int = 1) -> dict[str, object]:
    return {"id": number, "data": {"text": text}, "annotations": [], "predictions": []}


def test_health(url: str) -> None:
    assert requests.get(f"{url}/health", timeout=5).json()["status"] == "UP"


def test_setup_answers_the_served_version_as_text(url: str) -> None:
    """An int makes Label Studio answer its annotators with error 500."""
    answer = requests.post(f"{url}/setup", json=setup_body(), timeout=5)
    assert (answer.status_code, answer.json()) == (200, {"model_version": "0.3"})


def test_setup_does_without_an_address_that_is_none(url: str) -> None:
    """Half an IPv6 address made the server fail."""
    answer = requests.post(f"{url}/setup", json=setup_body(hostname="http://["), timeout=5)
    assert (answer.status_code, answer.json()) == (200, {"model_version": "0.3"})


def test_setup_refuses_in_the_reason_phrase(url: str) -> None:
    answer = requests.post(f"{url}/setup", json=setup_body(schema="<View/>"), timeout=5)
    assert answer.status_code == 400
    assert answer.reason == NOTHING_ASKED
    assert "for example <View>" in answer.json()["error"]


def test_reason_phrase_survives_any_script(url: str) -> None:
    choices = "<Choice value='a'/><Choice value='b'/>"
    xml = f"<View><Choices name='题目' toName='不存在'>{choices}</Choices></View>"
    answer = requests.post(f"{url}/setup", json=setup_body(schema=xml), timeout=5)
    assert answer.status_code == 400
    assert "points at no tag" in answer.reason
    assert "不存在" in answer.json()["error"]


def test_predict_answers_one_prediction_a_task_in_their_order(url: str) -> None:
    tasks = [task("no thanks", 1), task(None, 2), task("yes please", 3), {"id": 4}]
    body = {"tasks": tasks, "project": "7.1795306715", "label_config": EXAMPLE, "params": {}}
    results = requests.post(f"{url}/predict", json=body, timeout=60).json()["results"]
    chosen = [row["result"][0]["value"]["choices"] if row["result"] else None for row in results]
    assert chosen == [["No"], None, ["Yes"], None]
    assert {row["model_version"] for row in results} == {"0.3"}
    assert all(0.5 <= row["score"] <= 1.0 for row in results)


def test_predict_of_no_tasks_is_empty(url: str) -> None:
    body = {"tasks": [], "project": "7.1"}
    assert requests.post(f"{url}/predict", json=body, timeout=60).json() == {"results": []}


def test_webhook_leaves_a_hint(url: str, loop: ProjectLoop) -> None:
    for event, hint in [
        ("ANNOTATION_CREATED", "labels"),
        ("ANNOTATIONS_DELETED", "labels"),
        ("TASKS_DELETED", "tasks"),
        ("PROJECT_UPDATED", "project"),
        ("START_TRAINING", "train"),
    ]:
        loop._hints.clear()
        body = {"action": event, "project": {"id": 7}}
        assert requests.post(f"{url}/webhook", json=body, timeout=60).status_code == 201
        assert loop._hints == {hint}


def test_our_own_switch_is_not_an_event(url: str, loop: ProjectLoop) -> None:
    """PATCH model_version comes back as PROJECT_UPDATED: reacting would never end."""
    loop._hints.clear()
    described = {
        "id": 7,
        "model_version": "0.3",
        "sampling": "Uncertainty sampling",
        "label_config": EXAMPLE,
    }
    body = {"action": "PROJECT_UPDATED", "project": described}
    requests.post(f"{url}/webhook", json=body, timeout=60)
    assert loop._hints == set()
    described["sampling"] = "Sequential sampling"
    requests.post(f"{url}/webhook", json=body, timeout=60)
    assert loop._hints == {"project"}


def test_versions(url: str) -> None:
    for answer in (
        requests.get(f"{url}/versions", params={"project": 7}, timeout=5),
        requests.post(f"{url}/versions", json={"project": "7.1"}, timeout=5),
    ):
        assert answer.json() == {"versions": ["0.3"], "served": "0.3"}
    (name,) = requests.get(f"{url}/versions", timeout=5).json()["versions"]
    assert len(name) > 20, "who we are, for Label Studio to pass on"


def test_train_says_where_to_go(url: str) -> None:
    answer = requests.post(f"{url}/train", json={}, timeout=5)
    assert (answer.status_code, "START_TRAINING" in answer.json()["error"]) == (410, True)


@pytest.mark.parametrize(
    ("path", "body", "status", "sentence"),
    [
        ("/setup", "not json", 400, "must be a JSON object"),
        ("/setup", "[1]", 400, "must be a JSON object"),
        ("/setup", "[" * 100_000, 400, "nested too deeply"),
        ("/setup", "{}", 400, "'project' must be a project id"),
        ("/setup", '{"project": "7"}', 400, "'schema' must be a string"),
        ("/setup", '{"project": "../7", "schema": ""}', 400, "'project' must be a project id"),
        ("/predict", '{"project": "7"}', 400, "'tasks' must be a list"),
        ("/predict", '{"project": "7", "tasks": [1]}', 400, "'tasks' must be a list"),
        ("/predict", '{"project": "8", "tasks": [{}]}', 404, "Project 8 is not connected"),
        ("/webhook", '{"project": {"id": 7}}', 400, "'action' must be a string"),
        ("/webhook", '{"action": "X", "project": {"id": 99}}', 404, "Settings > Model"),
        ("/pool/8/items", '[{"id": 1}]', 404, "Project 8 is not connected"),
        ("/pool/7/items", "[]", 400, "no items in the list"),
        ("/pool/7/items", "[" * 100_000, 400, "nested too deeply"),
        ("/nowhere", "{}", 404, "not found"),
    ],
)
def test_bad_input_gets_one_sentence(
    url: str, path: str, body: str, status: int, sentence: str
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = requests.post(url + path, data=body, headers=headers, timeout=60)
    assert answer.status_code == status
    assert sentence in answer.json()["error"]


def test_setup_without_an_address_in_the_settings_says_so_in_the_reason_phrase(
    tmp_path: Path,
) -> None:
    """The address in the request chose whom the server called, and the page showed the answer."""
    app = Flask("backend")
    service = Service(Settings(model_dir=tmp_path))
    install(app, service)
    answer = app.test_client().post("/setup", json=setup_body(hostname="http://127.0.0.1:9"))
    assert answer.status.startswith("503 LABEL_STUDIO_URL is not set")
    assert service.loops() == []


def test_what_other_sites_can_send_is_refused(url: str, loop: ProjectLoop) -> None:
    """A form on any page took a project over, and one whose name led to us rolled it back."""
    body = json.dumps(setup_body())
    forms = {"Content-Type": "text/plain"}
    answer = requests.post(f"{url}/setup", data=body, headers=forms, timeout=5)
    assert (answer.status_code, "Content-Type" in answer.json()["error"]) == (415, True)
    for path in ("/setup", "/webhook", "/predict", "/status/7/latest", "/status/7/rollback/0.3"):
        for headers in (
            {"Origin": "http://evil.example"},
            {"Origin": "null"},
            {"Sec-Fetch-Site": "cross-site"},
        ):
            answer = requests.post(url + path, json=setup_body(), headers=headers, timeout=5)
            assert (answer.status_code, "only allowed" in answer.text) == (403, True), path
    rebound = {"Host": "evil.example:9090", "Origin": "http://evil.example:9090"}
    for path in ("/setup", "/status/7/latest"):
        answer = requests.post(url + path, json=setup_body(), headers=rebound, timeout=5)
        assert answer.status_code == 403
        assert answer.reason.startswith("Set ALLOWED_HOSTS=evil.example on the backend")
    for host in ("evil.example:9090", "a_b.evil.example", "EVIL.example", "x@evil.example"):
        answer = requests.get(f"{url}/status.json", headers={"Host": host}, timeout=5)
        assert answer.status_code == 403, host


@pytest.mark.parametrize(
    ("changes", "allowed", "refused"),
    [
        pytest.param(
            {"label_studio_url": "http://studio.example:8080"},
            ["localhost:9090", "127.0.0.1", "[::1]:9090", "10.0.0.5:9090", "ml-backend",
             "ml-backend.local:9090", "host.docker.internal", "studio.example:9090", "ml_backend",
             "al.team.svc:9090", "LOCALHOST.", "foo.local."],
            ["evil.example", "", "a_b.evil.example", "localhost@evil.example",
             "local.evil.example", "10.0.0.5.evil.example", "evil.example:9090"],
            id="default",
        ),
        pytest.param(
            {"allowed_hosts": "al.example.org, *.corp.example"},
            ["al.example.org", "ml.corp.example:9090", "localhost", "127.0.0.1:9090"],
            ["evil.example", "al.example.org.evil.example", "x.al.example.org"],
            id="named",
        ),
        pytest.param({"allowed_hosts": "*"}, ["any.example"], [], id="any"),
        pytest.param(
            {"basic_auth_user": "u", "basic_auth_pass": "p"}, ["any.example"], [], id="password"
        ),
    ],
)  # fmt: skip
def test_hosts(changes: dict[str, Any], allowed: list[str], refused: list[str]) -> None:
    known = allowed_hosts(Settings(**changes))
    assert [host for host in allowed + refused if is_allowed(host, known)] == allowed


def test_a_page_behind_a_proxy_that_changes_the_host_works_if_its_name_is_known(
    tmp_path: Path,
) -> None:
    app = Flask("backend")
    install(app, Service(Settings(model_dir=tmp_path, allowed_hosts="al.example.org")))
    for origin, status in (("http://al.example.org", 404), ("http://evil.example", 403)):
        headers = {"Origin": origin, "Host": "inner:9090"}
        assert app.test_client().post("/status/7/latest", headers=headers).status_code == status


def test_a_body_of_many_small_values_is_not_read(url: str) -> None:
    """Sixty megabytes of `{},` took 1.4 GB of memory."""
    many = b'{"project": 7, "tasks": [' + b"{}," * MAX_VALUES + b"{}]}"
    for path, status in (("/predict", 400), ("/webhook", 413)):
        headers = {"Content-Type": "application/json"}
        answer = requests.post(url + path, data=many, headers=headers, timeout=60)
        assert answer.status_code == status, path


def test_an_event_too_large_to_be_read_is_a_hint_if_it_brings_our_secret(
    url: str, loop: ProjectLoop
) -> None:
    """With ten thousand choices each event is, and labels were noticed at the next poll."""
    body = {"action": "ANNOTATION_CREATED", "project": {"id": 7}, "rest": "x" * 2_000_000}
    for secret, status, hints in (("guessed", 413, set()), (loop.inbox.secret, 201, {"labels"})):
        loop._hints.clear()
        headers = {SECRET_HEADER: secret}
        answer = requests.post(f"{url}/webhook", json=body, headers=headers, timeout=10)
        assert (answer.status_code, loop._hints) == (status, hints)


def test_browsers_are_told_what_pages_may_do(url: str) -> None:
    answer = requests.get(f"{url}/status/7", timeout=5)
    policy = answer.headers["Content-Security-Policy"]
    (mark,) = set(re.findall(r'nonce="([^"]+)"', answer.text))
    assert f"script-src 'nonce-{mark}'" in policy and "frame-ancestors 'none'" in policy
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    other = requests.get(f"{url}/status/7", timeout=5).headers["Content-Security-Policy"]
    assert other != policy


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
BODIES = st.fixed_dictionaries(
    {},
    optional={
        "project": JSON | st.just("7.1") | st.just({"id": 7}),
        "schema": JSON | st.just(EXAMPLE),
        "tasks": JSON | st.lists(st.fixed_dictionaries({"data": JSON}), max_size=3),
        "action": JSON | st.sampled_from(["ANNOTATION_CREATED", "START_TRAINING"]),
        "hostname": JSON,
        "access_token": JSON,
    },
)


def test_items_are_kept_until_they_are_added_and_refused_ones_named(
    url: str, loop: ProjectLoop
) -> None:
    loop._hints.clear()
    rows = [{"id": 1, "text": "a"}, {"id": 2}, {"id": "3", "text": "b", "more": [None]}]
    answer = requests.post(f"{url}/pool/7/items", json=rows, timeout=5)
    assert (answer.status_code, answer.json()["accepted"], loop._hints) == (201, 2, {"tasks"})
    (refused,) = answer.json()["refused"]
    assert (refused["place"], "It shows nothing" in refused["why"]) == (1, True)
    alone = requests.post(f"{url}/pool/7/items", json=rows[1], timeout=5)
    assert (alone.status_code, alone.json()["accepted"]) == (400, 0)
    large = requests.post(
        f"{url}/pool/7/items", data=b" " * 9_000_000, timeout=60, headers=JSON_TYPE
    )
    assert large.status_code == 413
    form = requests.post(f"{url}/pool/7/items", data="[]", timeout=5)
    assert (form.status_code, "Content-Type" in form.json()["error"]) == (415, True)


ITEMS = "/pool/7/items"
PATHS = st.sampled_from(["/predict", "/webhook", "/versions", ITEMS])


@many(300)
@given(path=PATHS, body=JSON | BODIES)
def test_no_input_breaks_the_server(url: str, path: str, body: object) -> None:
    answer = requests.post(url + path, json=body, timeout=60)
    assert answer.status_code < 500, answer.text
    assert "Traceback" not in answer.text


def test_password_guards_every_route(tmp_path: Path) -> None:
    service = Service(Settings(model_dir=tmp_path, basic_auth_user="u", basic_auth_pass="p"))
    app = Flask("backend")
    install(app, service)
    client = app.test_client()
    for rule in app.url_map.iter_rules():
        for method in (rule.methods or set()) & {"GET", "POST"}:
            if rule.endpoint != "static":
                assert client.open(rule.rule, method=method).status_code == 401, rule.rule
    assert client.get("/health", auth=("u", "wrong")).status_code == 401
    assert client.get("/health", auth=("u", "p")).status_code == 200


def basic(credentials: bytes) -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(credentials).decode()}"}


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(basic(" ü: pässword ".encode()), 200, id="browsers, curl"),
        pytest.param(basic(" ü: pässword ".encode("latin-1")), 200, id="requests"),
        pytest.param(basic(" ü:pässword".encode("latin-1")), 200, id="Label Studio"),
        pytest.param(basic(" ü: passward ".encode()), 401, id="wrong"),
        pytest.param(basic(" ü: pässword".encode()), 401, id="half of the spaces"),
        pytest.param(basic("ü: pässword ".encode()), 401, id="another user"),
        pytest.param(basic(b"\xff\xfe"), 401, id="no text"),
        pytest.param({"Authorization": "Basic ä"}, 401, id="no base64"),
        pytest.param({"Authorization": "Bearer x"}, 401, id="no password"),
        pytest.param({}, 401, id="nothing"),
    ],
)
def test_a_password_outside_of_ascii_opens_in_both_encodings(
    tmp_path: Path, sent: dict[str, str], status: int
) -> None:
    """Label Studio sends Latin-1, and was refused with the right password."""
    password = " pässword "
    service = Service(Settings(model_dir=tmp_path, basic_auth_user=" ü", basic_auth_pass=password))
    app = Flask("backend")
    install(app, service)
    assert app.test_client().get("/health", headers=sent).status_code == status
