"""Two people annotate a project: the status page compares them, and the better one decides."""

from contextlib import closing

import pytest
import requests

from backend.dev import local
from backend.interface.parse import parse
from backend.mirror.pool import Pool
from backend.studio.api import Studio
from backend.studio.users import users
from backend.types import Json
from tests.soak.annotators import sign_up
from tests.studio.bench import SINGLE, TOPICS, Bench, choices, stories, topic_of, until

# Where Label Studio keeps the annotations makes no difference here.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

FIRST, SECOND, TIES, OPEN = 90, 45, 4, 20
"""Tasks that each of the two annotates alone, that both do, and that nobody does."""
LABELLED = FIRST + SECOND + TIES


@pytest.fixture(scope="module")
def backend_settings(tuned_settings: dict[str, object]) -> dict[str, object]:
    """The labels are reviewed after a deep round."""
    return tuned_settings


def wrong(story: Json, number: int) -> list[Json]:
    """One of the other topics."""
    steps = 1 + number % (len(TOPICS) - 1)
    return choices([TOPICS[(TOPICS.index(story["topic"]) + steps) % len(TOPICS)]])


def annotated(first: int, second: int) -> list[Json]:
    """The first user is always right. The second is wrong in four of five tasks that nobody else
    has, and in all that both have: each of these is a tie."""
    tasks: list[Json] = []
    for number, story in enumerate(stories(FIRST + SECOND + TIES + OPEN)):
        by_first = {"completed_by": first, "result": topic_of(story)}
        is_wrong = number % 5 or number >= FIRST + SECOND
        said = wrong(story, number) if is_wrong else topic_of(story)
        by_second = {"completed_by": second, "result": said}
        given = [by_first, by_second]
        if number < FIRST + SECOND:
            given = [by_first] if number < FIRST else [by_second]
        tasks.append({"data": story, "annotations": given if number < LABELLED else []})
    return tasks


def test_two_people_are_compared_and_the_better_one_decides(bench: Bench) -> None:
    url = bench.studio.url
    second = Studio(url, sign_up(url, "berta@example.com"))
    by_email = {user["email"]: user["id"] for user in users(bench.studio.session)}
    theirs = by_email.pop("berta@example.com")
    (mine,) = [user for email, user in by_email.items() if email == local.EMAIL]
    name = {"first_name": "Berta", "last_name": "Benz"}
    second.session.json("PATCH", f"/api/users/{theirs}/", json=name)
    second.close()

    project = bench.connected(annotated(mine, theirs))
    topics = {task["id"]: task["data"]["topic"] for task in bench.studio.of(project).tasks()}
    ties = sorted(topics)[LABELLED - TIES : LABELLED]
    people = until("who annotates", lambda: people_of(bench, project))
    assert {row["name"]: row["annotations"] for row in people} == {
        local.EMAIL: FIRST + TIES,
        "Berta Benz": SECOND + TIES,
    }
    first, other = sorted(people, key=lambda row: -row["model"]["value"])
    assert (first["person"], other["person"]) == (mine, theirs)
    assert first["model"]["low"] > other["model"]["high"], "the model tells them apart"
    assert first["others"]["value"] == other["others"]["value"] == 0.0
    page = requests.get(f"{bench.server.url}/status/{project}", timeout=10).text
    assert "Berta Benz" in page and local.EMAIL in page

    for task in ties:  # learnt in a further round, without another label
        bench.until_learnt(project, task)
    with closing(Pool(bench.mirror_path(project))) as pool:
        learnt = pool.labelling(parse(SINGLE), empty_is_none=False).answers
    assert {task: learnt[task] for task in ties} == {task: (topics[task],) for task in ties}

    review = bench.state(project)["review"]
    suspected = {one["task"] for one in review["tasks"]}
    (tab,) = [one for one in bench.studio.of(project).tabs() if is_for_review(one)]
    assert suspected and tab["data"]["filters"]["items"]
    said = [
        requests.get(f"{bench.server.url}/{path}", timeout=10).text
        for path in ("metrics", "health")
    ]
    said.append(bench.server.log.read_text(errors="replace"))
    assert not [text for text in said if "Berta" in text or local.EMAIL in text]


def people_of(bench: Bench, project: int) -> list[Json]:
    """The annotators on the status page, once their names are known."""
    review = bench.state(project)["review"]
    people: list[Json] = review.get("annotators", {}).get("people", [])
    return people if "Berta Benz" in {row["name"] for row in people} else []


def is_for_review(tab: Json) -> bool:
    return bool(tab["data"].get("title") == "Review labels")
