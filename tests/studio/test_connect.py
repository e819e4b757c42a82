"""Connecting by hand: what the person in Settings > Model sees, and what follows by itself."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from backend.dev import local
from backend.errors import StudioError
from backend.project.versions import SETTLED_BY
from backend.queue.tabs import ensure_first_tab
from backend.queue.webhook import SECRET_HEADER, ensure_webhook
from backend.studio.api import Studio
from backend.types import Json
from tests.backend.web import Answer, Web
from tests.studio.bench import SINGLE, TOPICS, Bench, choices, partly_labelled, stories, until

MULTIPLE = (
    '<View><View className="wide"><HyperText name="text" value="$page"/></View>'
    '<Choices name="topic" toName="text" choice="multiple">'
    '<Choice value="Business" alias="business"/><Choice value="Sports" alias="sports"/>'
    '<Choice value="Technology" alias="tech"/></Choices></View>'
)

# Queue, reading and locks are tested on each database; where rows are kept matters to nothing here.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture(scope="module")
def backend_settings() -> dict[str, object]:
    return {
        "basic_auth_user": "studio",
        "basic_auth_pass": "s3cret",
        "keep_predictions_hours": 0,
        "poll_seconds": 2,
    }


@pytest.mark.every_release
def test_a_secret_of_its_own_opens_the_webhook_and_not_the_password(bench: Bench) -> None:
    """Label Studio sends the password of Settings > Model with everything but webhooks, and shows
    their headers to all of its users."""
    project = bench.connected(stories(30))
    webhook = bench.studio.of(project).webhooks()[0]
    assert list(webhook["headers"]) == [SECRET_HEADER]
    assert "ANNOTATIONS_DELETED" in webhook["actions"]
    address, body = f"{bench.server.url}/webhook", {"action": "X", "project": {"id": project}}
    for headers in ({}, {SECRET_HEADER: "another"}):
        assert requests.post(address, json=body, headers=headers, timeout=10).status_code == 401
    own = webhook["headers"]
    assert requests.post(address, json=body, headers=own, timeout=10).status_code == 201
    other = {"action": "X", "project": {"id": project + 1}}
    assert requests.post(address, json=other, headers=own, timeout=10).status_code == 400
    elsewhere = requests.get(f"{bench.server.url}/status.json", headers=own, timeout=10)
    assert elsewhere.status_code == 401
    before = bench.requests_seen("/webhook")
    task = bench.studio.of(project).next_task()
    assert task is not None
    bench.submit(task, [task["data"]["topic"]])
    until("the webhook", lambda: bench.requests_seen("/webhook") > before)
    bench.until_learnt(project, task["id"])


def test_a_wrong_password_is_reported_at_once(bench: Bench) -> None:
    project = bench.project(stories(2))
    body = {
        "url": bench.server.url,
        "title": "AL",
        "auth_method": "BASIC_AUTH",
        "basic_auth_user": "studio",
        "basic_auth_pass": "wrong",
    }
    with pytest.raises(
        StudioError, match="authentication parameters were either not provided or are incorrect"
    ):
        bench.studio.of(project).connect_backend(body)


def test_unsupported_config_is_refused_with_its_reason(bench: Bench) -> None:
    """The settings page shows nothing but the HTTP reason phrase."""
    config = '<View><Text name="text" value="$story"/><TextArea name="stars" toName="text"/></View>'
    project = bench.project(stories(2), config)
    with pytest.raises(StudioError, match="TextArea 'stars' over <Text> is not learnt"):
        bench.connect(project)
    assert bench.studio.of(project).backends() == []


def test_several_labels_with_aliases_over_html(bench: Bench) -> None:
    tasks = [
        {"page": f"<div><script>var x;</script><p>{task['story']}</p></div>", **task}
        for task in stories(120)
        if task["topic"] in ("business", "sports", "tech")
    ]

    def true(task: Json) -> list[str]:
        return ["sports"] if task["topic"] == "sports" else ["business", "tech"]

    known = partly_labelled(tasks, 34, lambda task: choices(true(task)))
    project = bench.connected(known, MULTIPLE)
    for _ in range(6):
        task = bench.studio.of(project).next_task()
        assert task is not None
        bench.submit(task, true(task["data"]))
        bench.until_learnt(project, task["id"])
    rows = [
        row
        for row in bench.studio.of(project).predictions()
        if row["model_version"] == bench.served(project)
    ]
    chosen = Counter(tuple(row["result"][0]["value"]["choices"]) for row in rows if row["result"])
    # By alias; a few of the tasks, the least certain of the pool, may read otherwise.
    assert {labels for labels, _ in chosen.most_common(2)} == {("sports",), ("business", "tech")}


def test_task_page_of_an_unscored_project_works(bench: Bench) -> None:
    """Opening a task asks the backend for a prediction; before a version there is none to give."""
    project = bench.project(stories(3))
    bench.connect(project)
    task = next(iter(bench.studio.of(project).tasks()))
    headers = {"Authorization": f"Token {local.TOKEN}"}
    page = requests.get(f"{bench.studio.url}/api/tasks/{task['id']}", headers=headers, timeout=30)
    assert page.status_code == 200


def test_personal_access_token(bench: Bench, label_studio: local.LocalProcess) -> None:
    """New installations have legacy tokens switched off; the other kind buys short-lived ones."""
    headers = {"Authorization": f"Token {local.TOKEN}"}
    requests.post(
        f"{label_studio.url}/api/jwt/settings",
        json={"api_tokens_enabled": True, "legacy_api_tokens_enabled": True},
        headers=headers,
        timeout=30,
    ).raise_for_status()
    made = requests.post(f"{label_studio.url}/api/token/", headers=headers, timeout=30)
    now = [0.0]
    studio = Studio(label_studio.url, made.json()["token"], clock=lambda: now[0])
    project = bench.project(stories(2))
    assert studio.of(project).describe()["title"] == "test"
    first = studio.session._access
    now[0] = 241.0
    assert studio.of(project).describe()["task_number"] == 2
    second = studio.session._access
    assert second != first, "the access token is renewed before its 300 seconds are over"
    studio.session._access = first[:-3] + "abc"
    assert studio.of(project).describe()["task_number"] == 2, "and when Label Studio forgot it"


def test_revoked_token_is_named_and_the_one_that_label_studio_sent_is_used(bench: Bench) -> None:
    project, revoked = bench.project(stories(1)), "0" * 40
    with pytest.raises(StudioError, match="access token is not accepted"):
        Studio(bench.studio.url, revoked).of(project).describe()
    assert Studio(bench.studio.url, revoked, local.TOKEN).of(project).describe()["title"] == "test"


def test_changed_labelling_interface_is_learnt(bench: Bench) -> None:
    """A label that was renamed loses its annotations until it comes back; nothing crashes."""
    project = bench.connected(stories(40))
    tasks = list(bench.studio.of(project).tasks())[:4]
    bench.submit(tasks[0], ["tech"])
    for task in tasks[1:]:  # one may be held back for the audit
        bench.submit(task, ["sports"])
    bench.until_learnt(project, tasks[-1]["id"])
    # Label Studio writes the whole project at each change: of two at once, one is lost.
    until(
        "the switch",
        lambda: bench.studio.of(project).describe()["model_version"] == bench.served(project),
    )
    bench.studio.of(project).update(label_config=SINGLE.replace('"tech"', '"technology"'))
    bench.until_forgotten(project, tasks[0]["id"])
    head = (bench.version(project) or pytest.fail("nothing is served")).head
    assert head is not None and set(head.labels) == {*TOPICS, "technology"} - {"tech"}


def test_old_versions_go_and_those_of_others_stay(bench: Bench) -> None:
    """The served version and the one before it stay: a page may still show one of its tasks."""
    project = bench.connected(stories(30))
    task = next(iter(bench.studio.of(project).tasks()))
    theirs = {"task": task["id"], "result": [], "score": 0.5, "model_version": "7.7 by hand"}
    bench.studio.of(project).import_predictions([theirs])
    for _ in range(4):
        shown = bench.studio.of(project).next_task()
        assert shown is not None
        bench.submit(shown, [shown["data"]["topic"]])
        bench.until_learnt(project, shown["id"])
    served = bench.served(project)
    refit = int(served.removeprefix("0."))
    wanted = {served, f"0.{refit - 1}", "7.7 by hand"}
    until("the clean-up", lambda: set(bench.studio.of(project).model_versions()) == wanted)


def test_lost_folder_never_mixes_two_versions_of_one_name(bench: Bench) -> None:
    """Label Studio may still hold predictions named 0.1 when our own folder is new."""
    project = bench.project(stories(20))
    task = next(iter(bench.studio.of(project).tasks()))
    old = {"task": task["id"], "result": [], "score": 0.0, "model_version": "0.41"}
    bench.studio.of(project).import_predictions([old])
    bench.connect(project)
    until("the order", lambda: bench.is_ordered(project))
    assert int(bench.served(project).removeprefix("0.")) > 41


def test_host_without_a_dot_gets_no_webhook(bench: Bench) -> None:
    """Label Studio silently refuses it; we say so in the log and poll instead."""
    project = bench.project(stories(2))
    own = bench.studio.of(project)
    assert not ensure_webhook(own, own.webhooks(), "http://ml-backend:9090", "secret")
    assert own.webhooks() == []
    assert ensure_webhook(own, own.webhooks(), "http://ml-backend.local:9090", "secret")
    assert ensure_webhook(own, own.webhooks(), "http://ml-backend.local:9090/", "secret")
    assert len(own.webhooks()) == 1


@pytest.fixture
def proxy(bench: Bench) -> Iterator[str]:
    """One that writes another host name into what it passes on, as nginx does by default."""
    web = Web()

    def forward(handler: Any) -> None:
        answer = requests.request(
            handler.command,
            bench.server.url + handler.path,
            data=handler.body,
            headers={**handler.headers, "Host": "inner.example"},
            timeout=30,
        )
        kind = {"Content-Type": answer.headers["Content-Type"]}
        Answer(answer.content, answer.status_code, kind)(handler)

    paths = ("/health", "/setup", "/predict", "/webhook", "/versions")
    web.answers |= dict.fromkeys(paths, forward)
    yield web.url
    web.close()


def test_behind_a_proxy_the_webhook_has_the_address_that_people_typed(
    bench: Bench, proxy: str
) -> None:
    project = bench.project(stories(20))
    bench.connect(project, proxy)

    def urls() -> list[str]:
        return [webhook["url"] for webhook in bench.studio.of(project).webhooks()]

    until("the webhook to the proxy", lambda: urls() == [f"{proxy}/webhook"])
    until("the order", lambda: bench.is_ordered(project))
    before = bench.requests_seen("/webhook")
    task = bench.studio.of(project).next_task()
    assert task is not None
    bench.submit(task, ["tech"])
    until("the webhook", lambda: bench.requests_seen("/webhook") > before)


def test_our_webhook_follows_us_to_another_address(bench: Bench) -> None:
    """Another one's, which carries another secret, stays."""
    project = bench.project(stories(2))
    for url, secret in (("old", "ours"), ("other", "another"), ("new", "ours")):
        own = bench.studio.of(project)
        ensure_webhook(own, own.webhooks(), f"http://{url}.example.com", secret)
    urls = {webhook["url"] for webhook in bench.studio.of(project).webhooks()}
    assert urls == {"http://new.example.com/webhook", "http://other.example.com/webhook"}


def test_a_tab_that_somebody_made_is_left_alone(bench: Bench) -> None:
    project = bench.project(stories(2))
    mine = {"title": "Mine", "ordering": ["-tasks:id"]}
    bench.studio.of(project).create_tab(mine)
    assert not ensure_first_tab(bench.studio.of(project))
    assert bench.studio.of(project).tabs()[0]["data"]["ordering"] == ["-tasks:id"]


def test_huge_and_odd_tasks_are_predicted_or_left_without_result(bench: Bench) -> None:
    odd = [{"story": "word " * 200_000}, {"story": ""}]
    tasks = [*stories(40), *odd]
    project = bench.project(partly_labelled(tasks, SETTLED_BY))
    bench.connect(project)
    until("the order", lambda: bench.ranks(project) == 41 - SETTLED_BY)
    assert len(bench.labels_known(project)) == SETTLED_BY
    texts = ["new " * 250_000, "", None, ["a list"], 7, "<b>plain</b>"]
    asked = [{"id": n, "data": {"story": text}} for n, text in enumerate(texts)]
    answer = requests.post(
        f"{bench.server.url}/predict",
        json={"tasks": asked, "project": f"{project}.1"},
        auth=("studio", "s3cret"),
        timeout=100,
    )
    assert [bool(row["result"]) for row in answer.json()["results"]] == [1, 0, 0, 1, 1, 1]


def test_secrets_are_never_logged(bench: Bench) -> None:
    """Everything that this module made the backend do is in its log, at the level DEBUG."""
    project = bench.connected(stories(5))
    assert f"project {project}: connected, as {bench.server.url}" in bench.server.log.read_text()
    (webhook,) = bench.studio.of(project).webhooks()
    sent = webhook["headers"][SECRET_HEADER]
    for secret in (local.TOKEN, str(bench.settings["basic_auth_pass"]), sent):
        assert secret not in bench.server.log.read_text(errors="replace")
