"""What the status page says of what the model can label by itself, and of the budget."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient

from backend.dataset.coverage import Coverage, write_coverage
from backend.dataset.record import Record, write_record
from backend.interface.parse import EXAMPLE, parse
from backend.mirror.pool import Pool
from backend.project.certification import seen
from backend.project.loop import ProjectLoop
from backend.project.service import Service
from backend.project.status import DatasetStatus, Status
from backend.settings import Settings
from backend.studio.connection import Connection
from backend.types import Json
from backend.web.pages.chart import coverage_curve
from backend.web.pages.finishing import needed
from backend.web.wire import install
from backend.words import roughly
from model.finishing.evidence import is_proved
from model.heads.head import Head
from model.storage.facts import VersionFacts
from model.types import LabelGroup
from tests.backend.test_routes import NoWork, served_in

UNPROVED: Json = {
    **{"question": 0, "label": None, "threshold": None},
    **{"sample": 0, "errors": 0, "low": 0.0, "tasks": 0},
}
PROVED: Json = {**UNPROVED, "threshold": 0.83, "sample": 64, "errors": 1, "low": 0.951, "tasks": 71}
CURVE: list[Json] = [
    {"precision": 0.9, "coverage": 0.9, "likely": 0.96},
    {"precision": 0.95, "coverage": 0.71, "likely": 0.88},
    {"precision": 0.99, "coverage": 0.0, "likely": 0.4},
]
TWO = (
    '<View><Text name="text" value="$text"/>'
    '<Choices name="topic" toName="text"><Choice value="a"/><Choice value="b"/></Choices>'
    '<Choices name="mood" toName="text"><Choice value="c"/><Choice value="d"/></Choices></View>'
)


def outlook(coverage: float, *promises: Json, **more: float) -> Json:
    """`more`: the coverage with further audit labels, such as labels_40=.83."""
    return {
        **{"precision": 0.95, "confidence": 0.9, "coverage": coverage},
        "promises": list(promises),
        "curve": CURVE,
        "more": [{"labels": int(name[7:]), "coverage": one} for name, one in more.items()],
    }


SURE = outlook(0.71, PROVED, labels_20=0.72, labels_40=0.83, labels_60=0.9)
UNSURE = outlook(0.0, UNPROVED, labels_40=0.0, labels_60=0.41)


class Page:
    """The status page of project 7, whose version knows 240 labels."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.loop = ProjectLoop(7, Connection("", ""), lambda *_: NoWork(), 60.0)
        self.served = served_in(folder)
        self.settings = Settings(model_dir=folder.parent)
        Pool(folder / "pool.sqlite").add_published("0.3", 1.0)

    def client(self, facts: Json, audits: int = 24, **changed: Any) -> FlaskClient:
        """`changed`: of what is served."""
        known = {"labels": 240, "open": 8400, "ranked": 8400, "outlook": SURE, **facts}
        head = changed.pop("head", self.served.version.head)
        validation = np.arange(audits)
        version = replace(
            self.served.version, facts=VersionFacts(**known), validation=validation, head=head
        )
        served = replace(self.served, version=version, **changed)
        self.loop.status = Status(served=served, open_tasks=8400)
        service = Service(self.settings)
        service._loops[7] = self.loop
        app = Flask("backend")
        install(app, service)
        return app.test_client()

    def said(self, facts: Json, audits: int = 24, **changed: Any) -> str:
        answer = self.client(facts, audits, **changed).get("/status/7.json").json
        assert answer is not None
        return str(answer["finishing"]["sentence"])


@pytest.fixture
def page(tmp_path: Path) -> Page:
    return Page(tmp_path / "7")


def test_what_is_promised_is_said_with_the_next_labels_that_are_worth_it(page: Page) -> None:
    """20 labels more would gain a point, which is nothing; 40 gain twelve."""
    assert page.said({}) == (
        "With these 240 labels the model can label 71 % of the remaining 8,400 tasks at 95 % "
        "precision (90 % confidence); about 40 audit labels more would probably make it 83 %."
    )


def test_labels_that_gain_little_are_not_asked_for(page: Page) -> None:
    little = outlook(0.71, PROVED, labels_40=0.72, labels_400=0.75)
    said = page.said({"outlook": little})
    assert said.endswith("; further audit labels would hardly change this.")


@pytest.mark.parametrize(
    ("facts", "audits", "sentence"),
    [
        (
            {"outlook": UNSURE},
            24,
            "The model cannot promise 95 % precision for any task yet; that takes at least 59 "
            "audit labels without an error among the tasks that it labels, and 24 are there; about "
            "60 audit labels more would probably let it label 41 % of the tasks.",
        ),
        ({"outlook": outlook(0.0, UNPROVED)}, 1, ", and 1 is there."),
        ({"outlook": outlook(0.0, UNPROVED)}, 90, "There are 90, with errors among the surest."),
        (
            {"outlook": UNSURE, "ranked": 20},
            3,
            "the 20 tasks that are left are too few to prove it",
        ),
        ({"open": 0}, 24, "No task is left to label."),
        ({"ranked": 0}, 24, "No task that the model can read is left to label."),
        ({"ranked": 8399}, 24, " One further task is not encoded or cannot be read, so it stays"),
        (
            {"ranked": 400},
            24,
            "make it 83 %. 8,000 further tasks are not encoded or cannot be read,",
        ),
        ({"outlook": {}}, 24, "made by an earlier release, or while the pool was a dataset; the "),
    ],
)
def test_where_nothing_can_be_promised_the_page_says_why(
    page: Page, facts: Json, audits: int, sentence: str
) -> None:
    assert sentence in page.said(facts, audits)


def test_without_audit_labels_by_setting_the_setting_is_named(page: Page) -> None:
    page.settings = replace(page.settings, audit_share=0.0)
    said = page.said({"outlook": UNSURE}, audits=0)
    assert "because no audit labels are drawn (AUDIT_SHARE=0)" in said


def test_with_a_dataset_the_page_names_the_command_in_place_of_the_tasks(page: Page) -> None:
    """The tasks are the items of which the model was unsure: 71 % of them would be a promise about
    nothing that anybody asked for."""
    page.settings = replace(page.settings, goal_coverage=0.8)
    client = page.client({})
    write_record(page.folder, Record("s3://b/news", "id", 1_000_000, 123, 0, 1.0))
    page.loop.status = replace(
        page.loop.status, dataset=DatasetStatus("s3://b/news", 1_000_000, 2_000, 400, 1.0, True)
    )
    answer = client.get("/status/7.json").json
    assert answer is not None
    assert answer["finishing"]["sentence"].endswith(
        "at any time by a command: python -m backend finish --project 7 --dry-run."
    )
    assert (answer["finishing"]["curve"], answer["coverage"]) == ([], None)
    shown = client.get("/status/7").text
    assert "Prove it" not in shown and "71\u00a0%" not in shown
    assert (
        "80\u00a0% of the dataset by itself at 95\u00a0% precision; nothing is known yet" in shown
    )


def test_with_a_dataset_the_page_says_what_the_model_can_label_of_it(page: Page) -> None:
    page.settings = replace(page.settings, goal_coverage=0.7)
    client = page.client({})
    write_record(page.folder, Record("s3://b/news", "id", 1_000_000, 123, 0, 1.0))
    known = {**SURE, "promises": [{**PROVED, "question": "topic"}]}
    covered = Coverage("2.3", 240, 60, 999_000, 760, known, 1.0)
    write_coverage(page.folder, covered)
    dataset = DatasetStatus("s3://b/news", 1_000_000, 2_000, 400, 1.0, True, coverage=covered)
    page.loop.status = replace(page.loop.status, dataset=dataset)
    answer = client.get("/status/7.json").json
    assert answer is not None
    said = answer["finishing"]["sentence"]
    assert said.startswith(
        "With these 240 labels the model can label 71 % of the remaining 999,000 items at 95 % "
    )
    assert said.endswith(
        " 760 further items are not encoded or cannot be read, so they stay with people."
    )
    assert answer["coverage"] == 0.71
    shown = client.get("/status/7").text
    assert "The share of the open items that the model can label" in shown
    assert "Prove it" not in shown, "most items that would prove something are no tasks"
    refused = client.post("/status/7/certify", data={"budget": "40"})
    assert (refused.status_code, seen(page.folder)) == (400, (False, ""))
    assert refused.json is not None and "the pool is a dataset" in refused.json["error"]


def test_before_the_first_label_nothing_is_promised_or_to_prove(page: Page) -> None:
    assert "before the first labels" in page.said({"outlook": {}}, head=None)
    assert "Prove it" not in page.client({"outlook": {}}, head=None).get("/status/7").text


def test_spans_are_not_given_away(page: Page) -> None:
    xml = EXAMPLE.replace("Choices", "Labels").replace("Choice ", "Label ")
    config = parse(re.sub(r' choice="\w+"', "", xml))
    assert config.kind == "spans"
    assert "Of spans nothing is promised" in page.said({}, config=config)
    shown = page.client({}, config=config).get("/status/7").text
    assert "Prove it" not in shown and "What the model can label by itself" in shown


def test_each_question_has_a_line_and_the_unproved_ones_are_named(page: Page) -> None:
    config = parse(TWO)
    groups = (LabelGroup("single", 0, 2), LabelGroup("single", 2, 4))
    weights = np.zeros((2, 4), np.float32)
    head = Head("single", config.labels, weights, np.zeros(4), np.zeros(2), groups=groups)
    facts = {"outlook": outlook(0.0, PROVED, {**UNPROVED, "question": 1})}
    said = page.said(facts, head=head, config=config)
    assert "95 % precision is not proved for mood" in said
    shown = page.client(facts, head=head, config=config).get("/status/7").text
    assert '<td class="words">topic</td><td class="n">71</td><td class="n">64</td>' in shown
    assert '<td class="words">mood</td><td class="words" colspan="5">not proved yet</td>' in shown


def test_the_picture_says_in_words_and_numbers_what_it_shows(page: Page) -> None:
    shown = page.client({}).get("/status/7").text
    assert 'aria-labelledby="by-itself by-itself-is"' in shown
    assert '<desc id="by-itself-is">With these 240 labels' in shown
    assert '<td>95 %</td><td class="n">71 %</td><td class="n">88 %</td>' in shown
    assert "<script>" not in shown and " style=" not in shown, "the policy of the page"


def test_the_picture_marks_the_goal_and_holds_the_promise_below_the_likely() -> None:
    drawn = coverage_curve(CURVE, 0.95, "a < b")
    assert "71 %</text>" in drawn
    assert "a &lt; b" in drawn
    (line,) = re.findall(r'<polyline class="curve" points="([^"]+)"', drawn)
    (band,) = re.findall(r'<polygon class="band" points="([^"]+)"', drawn)
    promised, both = line.split(), band.split()
    assert len(both) == 2 * len(promised) == 6
    heights = [float(place.split(",")[1]) for place in both]
    assert all(up <= low for up, low in zip(heights[:3], heights[:2:-1], strict=True))
    assert coverage_curve([], 0.95, "") == ""


@pytest.mark.parametrize(
    ("precision", "confidence", "tasks"), [(0.95, 0.9, 8400), (0.7, 0.9, 100), (0.99, 0.9, 5000)]
)
def test_so_many_labels_prove_it_and_one_less_does_not(
    precision: float, confidence: float, tasks: int
) -> None:
    least = needed(precision, confidence, tasks)
    assert least is not None
    none, samples = np.zeros(2), np.array([least - 1, least])
    proved = is_proved(none, samples, np.array([tasks, tasks]), precision, confidence)
    assert proved.tolist() == [False, True]


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0 %"),
        (0.001, "less than 1 %"),
        (0.714, "71 %"),
        (0.999, "more than 99 %"),
        (1, "100 %"),
    ],
)
def test_only_none_is_nothing_and_only_all_is_all(share: float, text: str) -> None:
    assert roughly(share) == text


def test_asking_first_begins_and_ends_by_a_button(page: Page) -> None:
    client = page.client({})
    assert "Prove it: ask for audit labels first" in client.get("/status/7").text
    answer = client.post("/status/7/certify", data={"budget": "40"})
    assert (answer.status_code, answer.location) == (303, "../7")
    assert seen(page.folder) == (True, "")
    assert "project" in page.loop._hints, "its loop is woken"
    shown = client.get("/status/7").text
    assert "asked for first, from the next order on" in shown
    assert "Stop asking" in shown and "Prove it" not in shown
    stopped = client.post("/status/7/certify/stop")
    assert (stopped.status_code, stopped.location) == (303, "../../7")
    assert "Asking for audit labels was stopped" in client.get("/status/7").text


@pytest.mark.parametrize("budget", ["", "ten", "1e9", "-1", "0", "10001", "9" * 400, "²", "1.5"])
def test_a_budget_that_cannot_be_is_refused_with_a_sentence(page: Page, budget: str) -> None:
    answer = page.client({}).post("/status/7/certify", data={"budget": budget})
    assert answer.status_code == 400
    assert answer.json is not None and "such as 100" in answer.json["error"]
    assert seen(page.folder) == (False, "")


def test_other_sites_cannot_ask_for_labels(page: Page) -> None:
    client = page.client({})
    for path in ("/status/7/certify", "/status/7/certify/stop"):
        headers = {"Origin": "http://evil.example"}
        assert client.post(path, data={"budget": "40"}, headers=headers).status_code == 403
    assert seen(page.folder) == (False, "")


EFFORT: Json = {
    **{"seconds": 7440.0, "annotations": 250, "worked": 240, "timed": 241},
    **{"cut": 0, "guessed": 0, "timeless": 0},
}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"goal_hours": 8.0, "goal_labels": 500},
            "2.1 of 8 hours, 240 of 500 labels; at this pace (31 s a label) the budget lasts for "
            "about 260 more labels.",
        ),
        (
            {"goal_hours": 3.0, "goal_labels": 500},
            "lasts for about 108 more labels.",
        ),
        ({"goal_hours": 2.0}, "2.1 of 2 hours; the budget is used."),
        (
            {"goal_cost": 30.0, "label_price": 0.1},
            "25.00 of 30 for labels at 0.1; at this pace (31 s a label) the budget lasts for about "
            "50 more labels.",
        ),
        ({}, "2.1 hours of labelling; 31 s a label."),
    ],
)
def test_the_budget_and_how_long_it_lasts(page: Page, settings: Json, sentence: str) -> None:
    page.settings = replace(page.settings, **settings)
    client = page.client({"effort": EFFORT})
    answer = client.get("/status/7.json").json
    assert answer is not None
    assert sentence in answer["budget"]["sentence"]
    assert answer["budget"]["sentence"] in client.get("/status/7").text


def test_what_is_not_exact_in_the_hours_is_said(page: Page) -> None:
    effort = {**EFFORT, "cut": 2, "guessed": 3, "timeless": 40}
    shown = page.client({"effort": effort}).get("/status/7").text
    assert "2 annotations were open for so long" in shown
    assert "Of 3 annotations the time is not read yet" in shown
    assert "40 annotations came without a time" in shown


def test_without_any_time_the_page_says_so_where_hours_are_a_goal(page: Page) -> None:
    page.settings = replace(page.settings, goal_hours=8.0)
    effort = {**EFFORT, "seconds": 0.0, "timed": 0, "timeless": 250}
    shown = page.client({"effort": effort}).get("/status/7").text
    assert "An unknown number of 8 hours." in shown
    assert "250 annotations came without a time" in shown


def test_a_version_of_an_earlier_release_has_no_budget_to_show(page: Page) -> None:
    assert page.client({}).get("/status/7").status_code == 200


def test_the_goal_of_coverage_stands_beside_the_others(page: Page) -> None:
    page.settings = replace(page.settings, goal_coverage=0.8, goal_score=0.9)
    shown = page.client({}).get("/status/7").text
    assert "Goal: accuracy of 0.9; not measured yet" in shown
    assert "80\u00a0% of the open tasks by itself at 95\u00a0% precision; 71\u00a0% now" in shown


def test_prometheus_gets_the_coverage(page: Page) -> None:
    assert 'active_learning_coverage{project="7"} 0.71' in page.client({}).get("/metrics").text
    without = page.client({"outlook": {}}).get("/metrics").text
    assert "active_learning_coverage{" not in without
