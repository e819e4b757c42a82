"""The status page, as JSON, and for Prometheus: what it says, and what it does not let happen."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient

from backend.dataset.broken import Broken
from backend.dataset.disk import Shortage
from backend.interface.objects.image import Image
from backend.mirror.review import write
from backend.project.history import append
from backend.project.loop import ProjectLoop
from backend.project.pin import pinned_name
from backend.project.progress import Activity
from backend.project.service import Service
from backend.project.status import DatasetStatus, NotLearnt, Status, Unreadable
from backend.settings import Settings
from backend.studio.connection import Connection
from backend.types import Json
from backend.web.pages.chart import fit_curves, learning_curve
from backend.web.wire import install
from model.measuring.savings import labels_saved
from model.storage.facts import VersionFacts
from tests.backend.test_routes import NoWork, served_in

ESTIMATE = {"value": 0.9, "low": 0.8, "high": 0.95}
VALIDATION: Json = {
    **{"examples": 12, "accuracy": ESTIMATE},
    "labels": {"Yes": {"precision": ESTIMATE, "recall": None, "f1": None, "support": 5}},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "7"


@pytest.fixture
def loop(folder: Path) -> ProjectLoop:
    made = ProjectLoop(7, Connection("", ""), lambda *_: NoWork(), 60.0)
    served = served_in(folder)
    audits = np.arange(5)
    facts = VersionFacts(labels=42, ranked=50, validation=VALIDATION)
    version = replace(served.version, facts=facts, validation=audits)
    made.status = Status(
        served=replace(served, version=version),
        open_tasks=158,
        title="News & <b>more</b>",
        studio_address="http://studio.example:8080",
    )
    for labels, value in ((20, 0.5), (42, 0.9)):
        measured = {"accuracy": {**ESTIMATE, "value": value, "examples": 12}}
        row = {"version": "0.3", "created_at": 1.0, "labels": labels, "open_tasks": 158}
        known = {"kind": "single", "classes": ["Yes", "No"], "measured": measured}
        append(folder / "history.jsonl", {**row, **known})
    return made


@pytest.fixture
def client(folder: Path, loop: ProjectLoop) -> FlaskClient:
    service = Service(Settings(model_dir=folder.parent))
    service._loops[7] = loop
    app = Flask("backend")
    install(app, service)
    return app.test_client()


def test_the_page_shows_state_score_versions_and_where_to_label(client: FlaskClient) -> None:
    page = client.get("/status/7").text
    for sentence in (
        "Version 0.3 is served. 42 labels, 5 of them audit labels.",
        "<b>42</b>labels",
        '<b>0.90</b><span class="name">accuracy</span>',
        "<b>158</b>tasks not labelled",
        'href="http://studio.example:8080/projects/7/data"',
        "<polyline",
        "News &amp; &lt;b&gt;more&lt;/b&gt;",
    ):
        assert sentence in page
    assert "<b>more</b>" not in page, "what people type is text, not markup"
    assert "http" not in page.replace("http://studio.example:8080", "").replace("http-equiv", "")


def test_the_page_says_what_the_project_took_over(client: FlaskClient, loop: ProjectLoop) -> None:
    assert "Begins with" not in client.get("/status/7").text
    assert client.get("/status/7.json").json["beginning"] is None  # type: ignore[index]
    said = "Begins with project 3&#39;s encoder 7, tuned on 412 labels."
    loop.status = replace(loop.status, beginning=said.replace("&#39;", "'"))
    assert said in client.get("/status/7").text


def test_the_page_says_what_is_not_read_and_not_learnt(
    client: FlaskClient, loop: ProjectLoop
) -> None:
    page = client.get("/status/7").text
    assert "Nothing to read" not in page and "Not learnt" not in page
    nothing = "3 of 10 tasks have nothing under `text`; the first of them, task 4, has no data"
    reasons = (NotLearnt("'<b>' is not among the answers of Choices 'c'", 12, first=31),)
    loop.status = replace(loop.status, nothing_shown=nothing, not_learnt=reasons)
    page = client.get("/status/7").text
    assert f'<p class="words">{nothing}.</p>' in page
    row = '&#39;&lt;b&gt;&#39; is not among the answers of Choices &#39;c&#39;</td><td class="n">12'
    assert row in page and 'data?task=31">31</a>' in page


def test_the_page_does_not_say_that_what_nobody_can_open_is_asked_for(
    client: FlaskClient, loop: ProjectLoop
) -> None:
    unreadable = Unreadable(1, {4: "Label Studio cannot send this task: it answers 500"})
    loop.status = replace(loop.status, unreadable=unreadable)
    page = client.get("/status/7").text
    assert "<p>1 task cannot be read" in page
    assert "what Label Studio cannot send, and nobody can open, is not asked for" in page


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [
        ({"ranked": 1, "open": 25}, "42 labels, 5 of them audit labels."),
        ({"open": 24}, "All 16 encoded tasks are labelled; 24 are not encoded yet and are asked "),
        ({"open": 4, "unreadable": 3}, "; 1 is not encoded yet and is asked at random."),
        (
            {"open": 3, "unreadable": 3},
            "All tasks that can be read are labelled; 3 more cannot ",
        ),
        ({"open": 1, "unreadable": 1}, "labelled; 1 more cannot be read and is asked at random."),
        ({"open": 3, "unreadable": 3, "encoded": 0}, "No task can be read; all 3 are asked at "),
        ({"open": 9, "unreadable": 3, "encoded": 0}, "No task is encoded yet; all 9 are asked at "),
    ],
)
def test_what_is_asked_for_after_all_that_is_encoded(
    client: FlaskClient, loop: ProjectLoop, counts: dict[str, Any], sentence: str
) -> None:
    assert loop.served is not None
    facts = replace(loop.served.version.facts, **{"encoded": 16, "ranked": 0, **counts})
    version = replace(loop.served.version, facts=facts)
    loop.status = replace(loop.status, served=replace(loop.served, version=version))
    said = client.get("/status/7.json").json
    assert said is not None and sentence in said["sentence"]
    assert ("random" in said["sentence"]) == (facts.ranked == 0)


def test_the_page_shows_what_is_worth_a_second_look(client: FlaskClient, folder: Path) -> None:
    doubted = {"task": 31, "doubt": 0.93, "given": ["Yes"], "said": ["No"]}
    people = {
        **{"asked": 4, "agreed": 3, "pairs": [{"labels": ["No", "Yes"], "count": 1}]},
        "tasks": [{"task": 32, "answers": [["Yes"], ["No"]]}],
    }
    confusions = [{"given": "Yes", "said": "No", "count": 6}]
    review = {"encoder": 1, "labels": 42, "tasks": [doubted], "confusions": confusions}
    write(folder, {**review, "people": people})
    page = client.get("/status/7").text
    assert 'data?task=31">31</a></td><td>Yes</td><td>No</td><td class="n">0.93' in page
    assert '<td>Yes</td><td>No</td><td class="n">6' in page
    assert "3 of the 4 tasks" in page and "No and Yes" in page and "Yes | No" in page


def test_labels_saved_are_estimated_from_a_hundred_labels_on(
    client: FlaskClient, loop: ProjectLoop
) -> None:
    assert "labels saved" not in client.get("/status/7").text
    assert loop.served is not None
    facts = replace(loop.served.version.facts, labels=357)
    saved = labels_saved(357)
    assert saved is not None
    loop.status = replace(
        loop.status, served=replace(loop.served, version=replace(loop.served.version, facts=facts))
    )
    assert f"<b>{saved[0]} to {saved[1]}</b>labels saved (estimate)" in client.get("/status/7").text
    assert "1.4 to 3.4 times as many labels" in client.get("/status/7").text
    config = loop.served.config
    pictures = replace(config, sources=(replace(config.sources[0], shown=Image()),))
    loop.status = replace(loop.status, served=replace(loop.served, config=pictures))
    assert "labels saved" not in client.get("/status/7").text, "the public sets are of texts"


def test_with_a_dataset_what_is_not_labelled_is_counted_there(
    client: FlaskClient, loop: ProjectLoop
) -> None:
    """158 tasks were said to be all that is left of a million items."""
    known = DatasetStatus("/data/news", 1_000_000, 300, 120, 0.5, True)
    broken = Broken({"0": 2, "1": 1}, "x7", "it shows nothing")
    loop.status = replace(loop.status, dataset=replace(known, broken=broken, waits="It waits"))
    page = client.get("/status/7").text
    assert "<b>999,820</b>items of the dataset not labelled" in page
    assert "120 of them in Label Studio, with 38 open tasks of other origin" in page
    assert "tasks not labelled" not in page
    assert "3 items of the dataset cannot be encoded, such as &#39;x7&#39;: it shows noth" in page
    assert "<p>It waits.</p>" in page and "Problem" not in page
    assert 'active_learning_open_items{project="7"} 999820.0' in client.get("/metrics").text
    lacks = Shortage("There is no room", "Make some", is_now=True)
    loop.status = replace(loop.status, dataset=replace(known, shortage=lacks))
    page = client.get("/status/7").text
    assert '<h2>Problem</h2><p class="state">There is no room. Make some.</p>' in page
    assert 'active_learning_in_trouble{project="7"} 1.0' in client.get("/metrics").text
    assert "<p>There is no room.</p>" in client.get("/status").text


def test_progress_and_trouble_are_shown(client: FlaskClient, loop: ProjectLoop) -> None:
    loop.progress.activity = Activity("tune", 0.4, began=0.0, from_share=0.4)
    loop.trouble = "Label Studio is away"
    loop.troubles.note("Label Studio is away")
    loop.troubles.note("Label Studio is away")
    state = client.get("/status/7.json").json
    assert state is not None
    assert state["sentence"].endswith("Fine-tuning, 40 %.")
    assert state["trouble"] == "Label Studio is away"
    assert [(one["sentence"], one["times"]) for one in state["troubles"]] == [
        ("Label Studio is away", 2)
    ]
    page = client.get("/status/7").text
    assert '<progress value="0.4" max="1">' in page and "2 times" in page
    assert "Label Studio is away" in client.get("/status").text


@pytest.mark.parametrize(
    ("share", "labels", "ending"),
    [
        (1.0, 0, "audit labels. So far the model knows only the names of the labels."),
        (1.2, 42, "The names of the labels help a lot (weight 1.2)."),
        (0.3, 42, "The names of the labels help a little (weight 0.3)."),
        (0.09, 42, "The names of the labels do not help here."),
        (1.2, 200, "5 of them audit labels."),
        (None, 42, "5 of them audit labels."),
    ],
)
def test_how_much_the_label_names_contribute_is_shown(
    client: FlaskClient, loop: ProjectLoop, share: float | None, labels: int, ending: str
) -> None:
    assert loop.served is not None
    facts = replace(loop.served.version.facts, labels=labels, names=share)
    loop.status = replace(
        loop.status, served=replace(loop.served, version=replace(loop.served.version, facts=facts))
    )
    state = client.get("/status/7.json").json
    assert state is not None
    assert state["sentence"].endswith(ending)


@pytest.mark.parametrize("trained_on", [8, 80])
def test_that_the_first_versions_pre_annotate_little_is_shown(
    client: FlaskClient, loop: ProjectLoop, trained_on: int
) -> None:
    """People would wonder why so few tasks come with an answer."""
    assert loop.served is not None
    version = replace(loop.served.version, training=np.arange(trained_on))
    loop.status = replace(loop.status, served=replace(loop.served, version=version))
    is_shown = "a probability of at least 80 % are pre-annotated" in client.get("/status/7").text
    assert is_shown == (trained_on == 8)


def test_reading_a_large_project_is_shown(client: FlaskClient, loop: ProjectLoop) -> None:
    loop.status = replace(loop.status, reading=0.25)
    loop.progress.activity = Activity("embed", 0.4, began=0.0, from_share=0.4)
    state = client.get("/status/7.json").json
    assert state is not None
    assert state["reading"] == 0.25
    assert "read from Label Studio, 25 %. Tasks are being encoded, 40 %." in state["sentence"]


def test_tasks_that_cannot_be_read_are_listed_with_the_reason(
    client: FlaskClient, loop: ProjectLoop
) -> None:
    unreadable = Unreadable(7, {31: "the picture is damaged or cut off"})
    loop.status = replace(loop.status, unreadable=unreadable)
    page = client.get("/status/7").text
    assert "7 tasks" in page and 'data?task=31">31</a>' in page and "cut off" in page


def test_time_left_comes_from_the_pace_so_far(
    client: FlaskClient, loop: ProjectLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half was done before; a fifth more took 20 seconds, so the rest takes 30."""
    monkeypatch.setattr("time.time", lambda: 120.0)
    loop.progress.activity = Activity("embed", 0.7, began=100.0, from_share=0.5)
    state = client.get("/status/7.json").json
    assert state is not None
    assert state["sentence"].endswith("Tasks are being encoded, 70 %, about 30 s left.")


def test_figures_for_prometheus(client: FlaskClient, loop: ProjectLoop) -> None:
    loop.progress.trouble = "No room"
    lines = client.get("/metrics").text.splitlines()
    values = [line for line in lines if not line.startswith("#")]
    assert values[:7] == [
        'active_learning_labels{project="7"} 42.0',
        'active_learning_audit_labels{project="7"} 5.0',
        'active_learning_open_tasks{project="7"} 158.0',
        'active_learning_score{project="7"} 0.9',
        'active_learning_in_trouble{project="7"} 1.0',
        "active_learning_trainer_up 0.0",
        "active_learning_trainer_jobs_waiting 0.0",
    ]
    assert "# TYPE active_learning_score gauge" in lines


def test_one_can_go_back_and_on_again(client: FlaskClient, folder: Path, loop: ProjectLoop) -> None:
    """The served version needs no button; a pinned one has the way on."""
    answer = client.post("/status/7/rollback/0.3")
    assert (answer.status_code, answer.location) == (303, "../../7")
    assert pinned_name(folder) == "0.3"
    assert "Resume learning" in client.get("/status/7").text
    assert client.post("/status/7/latest").status_code == 303
    assert pinned_name(folder) is None


def test_other_sites_cannot_press_our_buttons(client: FlaskClient, folder: Path) -> None:
    answer = client.post("/status/7/rollback/0.3", headers={"Origin": "http://evil.example"})
    assert answer.status_code == 403
    assert pinned_name(folder) is None
    own = client.post("/status/7/rollback/0.3", headers={"Origin": "http://localhost"})
    assert own.status_code == 303
    behind_a_proxy = {"Origin": "https://al.example.com", "Sec-Fetch-Site": "same-origin"}
    assert client.post("/status/7/rollback/0.3", headers=behind_a_proxy).status_code == 303
    behind_a_proxy["Sec-Fetch-Site"] = "same-site"
    assert client.post("/status/7/rollback/0.3", headers=behind_a_proxy).status_code == 403


def test_a_version_that_does_not_exist_is_named(client: FlaskClient) -> None:
    answer = client.post("/status/7/rollback/9.9")
    assert answer.status_code == 404
    assert "There is no version 9.9" in json.loads(answer.text)["error"]


def test_pages_want_the_password(folder: Path) -> None:
    settings = Settings(model_dir=folder.parent, basic_auth_user="u", basic_auth_pass="p")
    app = Flask("backend")
    install(app, Service(settings))
    for path in ("/status", "/status/7", "/status.json", "/metrics"):
        assert app.test_client().get(path).status_code == 401


def test_curve_is_drawn_to_scale() -> None:
    points = [
        {"labels": 50, "value": 0.5, "low": 0.25, "high": 0.75},
        {"labels": 100, "value": 1.0, "low": 0.5, "high": 1.0},
    ]
    drawn = learning_curve(points)
    assert '<polyline class="curve" points="342.0,120.0 624.0,14.0"/>' in drawn
    assert 'points="342.0,67.0 624.0,14.0 624.0,120.0 342.0,173.0"' in drawn
    assert learning_curve([]) == ""


def test_the_fit_is_drawn_to_scale() -> None:
    points: list[Json] = [
        {"labels": 50, "train": {"log_loss": 1.0}},
        {"labels": 100, "train": {"log_loss": 0.5}, "validation": {"log_loss": 1.5}},
        {"labels": 200, "validation": {"log_loss": 1.0}},
    ]
    drawn = fit_curves(points, "log_loss", "Log-loss")
    # From 0 to 2, the next round number.
    assert '<polyline class="curve" points="201.0,120.0 342.0,173.0"/>' in drawn
    assert '<polyline class="curve validation" points="342.0,67.0 624.0,120.0"/>' in drawn
    assert ">2</text>" in drawn and ">1.5</text>" in drawn
    assert fit_curves(points[:1], "log_loss", "") == "", "a point is no line"
    assert fit_curves([], "log_loss", "") == ""


def test_the_page_shows_how_well_the_model_fits(client: FlaskClient, folder: Path) -> None:
    assert "Training and validation" not in client.get("/status/7").text
    for labels, examples in ((60, 4), (70, 12), (80, 13)):
        measured = {"accuracy": {**ESTIMATE, "examples": examples}}
        side = {"micro_f1": 0.75, "log_loss": 0.5}
        row = {"version": "0.3", "created_at": 1.0, "labels": labels, "open_tasks": 158}
        known = {"kind": "single", "classes": ["Yes", "No"], "measured": measured}
        fit = {"fit": {"train": side, "validation": side}}
        append(folder / "history.jsonl", {**row, **known, **fit})
    page = client.get("/status/7").text
    assert "Training and validation" in page and 'aria-label="Log-loss"' in page
    found = client.get("/status/7.json").get_json()["fit"]
    assert [(one["labels"], "validation" in one) for one in found] == [
        (60, False),
        (70, True),
        (80, True),
    ], "a few audit labels say nothing yet"


def annotator(person: int, **changed: object) -> Json:
    return {
        **{"person": person, "question": "topic", "annotations": 40, "right": 0.93},
        "others": {**ESTIMATE, "compared": 12},
        "model": None,
        "confused": [{"given": "Yes", "true": "No", "count": 3}],
        "labels": {"Yes": {"right": 0.97}, "No": {"sensitivity": 0.81, "specificity": 0.99}},
        **changed,
    }


REVIEW: Json = {
    **{"encoder": 1, "labels": 42, "confusions": []},
    "people": {"asked": 4, "agreed": 3, "pairs": [], "tasks": []},
    "tasks": [{"task": 31, "doubt": 0.93, "given": ["Yes"], "said": ["No"]}],
    "hard": [{"task": 33, "doubt": 0.55, "given": ["No"], "said": ["Yes"]}],
    "annotators": {
        "people": [annotator(4), annotator(5)],
        **{"more": 7, "unknown": 3, "differ": ["topic"]},
    },
    "again": {"next": 50, "tasks": [{"task": 36, "given": ["Yes"]}]},
}


def test_the_page_shows_annotators_by_name_and_how_far_they_agree(
    client: FlaskClient, folder: Path, loop: ProjectLoop
) -> None:
    """Of a user whose name is not known, the number. Nothing else of ours names anybody."""
    write(folder, REVIEW)
    loop.status = replace(loop.status, people={4: "Ada <Lovelace>"})
    page = client.get("/status/7").text
    assert '<td class="words who">Ada &lt;Lovelace&gt;</td><td class="n">40</td><td>0.90' in page
    assert '<td class="words who">user 5</td>' in page
    assert "Yes for No (3)" in page
    assert "Yes 0.97, No 0.81" in page
    assert "votes of those who are more often right weigh more" in page
    assert "3 annotations have no user" in page
    assert "7 more, with fewer tasks, are not listed" in page
    answer = client.get("/status/7.json").json
    assert answer is not None
    assert answer["review"]["annotators"]["people"][0]["name"] == "Ada <Lovelace>"
    others = [client.get(path).text for path in ("/metrics", "/health", "/status", "/status.json")]
    assert not [text for text in others if "Lovelace" in text]
    assert "Lovelace" not in repr(loop.status)


def test_each_question_has_annotators_of_its_own(client: FlaskClient, folder: Path) -> None:
    people = [annotator(4), annotator(4, question="tone")]
    annotators = {"people": people, "unknown": 0, "differ": []}
    write(folder, {**REVIEW, "annotators": annotators})
    page = client.get("/status/7").text
    assert "<td>topic</td>" in page and "<td>tone</td>" in page
    assert "each vote counts the same" in page
    assert "have no user" not in page


def test_mistakes_come_before_hard_tasks(client: FlaskClient, folder: Path) -> None:
    write(folder, REVIEW)
    page = client.get("/status/7").text
    assert "Worth a second look" not in page
    mistakes, hard = page.index("<h2>Probable mistakes"), page.index("<h2>Hard tasks")
    assert mistakes < page.index('data?task=31">31') < hard < page.index('data?task=33">33')


@pytest.mark.parametrize(
    ("tasks", "sentence"),
    [
        ([36, 37], "Of the next 50 annotations, 2 are worth more as second opinions on labelled"),
        (
            [36],
            "Of the next 50 annotations, 1 is worth more as a second opinion on a labelled task",
        ),
        ([], "The next 50 annotations are worth more on new tasks than as second opinions"),
    ],
)
def test_the_page_says_what_the_next_labels_are_worth_more_on(
    client: FlaskClient, folder: Path, tasks: list[int], sentence: str
) -> None:
    again = {"next": 50, "tasks": [{"task": task, "given": ["Yes"]} for task in tasks]}
    write(folder, {**REVIEW, "again": again})
    page = client.get("/status/7").text
    assert sentence in page
    assert ('data?task=36">36</a></td><td>Yes</td>' in page) == bool(tasks)


@pytest.mark.parametrize(
    "missing", [{"annotators": {"people": [], "unknown": 0, "differ": []}, "again": None}, None]
)
def test_without_anybody_to_compare_nothing_is_said_of_annotators(
    client: FlaskClient, folder: Path, missing: Json | None
) -> None:
    """One person alone; and reviews of earlier releases, which know nothing of it."""
    old = {name: REVIEW[name] for name in ("encoder", "labels", "confusions", "people", "tasks")}
    write(folder, old if missing is None else {**REVIEW, **missing})
    page = client.get("/status/7").text
    assert "<h2>Annotators" not in page and "second opinion" not in page
    assert ("<h2>Worth a second look" in page) == (missing is None)
