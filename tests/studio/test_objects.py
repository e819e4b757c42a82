"""Label Studio's own templates with dialogues, tables, conversations and PDF files, each with tasks
like the example that Label Studio makes for it: imported, labelled, learnt and pre-annotated."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from backend.interface.parse import parse
from backend.interface.questions import Question
from backend.project.versions import SETTLED_BY
from backend.types import Json
from tests.model.pdf_files import pdf
from tests.studio.bench import TOPICS, Bench, stories, until
from tests.studio.templates import configs_of

# Where Label Studio keeps its rows makes no difference to what tasks show.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

OPEN = 12


def said_in(key: str, name: str, text: str) -> Callable[[Json, str], None]:
    """Somebody says something more."""

    def add(task: Json, story: str) -> None:
        task[key] = [*task[key], {name: "Ann", text: story}]

    return add


def noted(task: Json, story: str) -> None:
    task["item"] = {**task["item"], "Note": story}


def as_text(task: Json, story: str) -> None:
    task |= {"chat": [], "text": story}


TEMPLATES: dict[str, Callable[[Json, str], None]] = {
    "Intent Classification and Slot Filling": said_in("humanMachineDialogue", "author", "text"),
    "Response Selection": said_in("humanMachineDialogue", "author", "text"),
    "Chatbot Model Assessment": said_in("messages", "role", "content"),
    "Evaluate Production Conversations for RLHF": said_in("chat", "role", "content"),
    "Fine-Tune an Agent with an LLM": as_text,
    "Tabular Data": noted,
}
"""Title -> how the example becomes a task of its own, with a story in it."""


def example(bench: Bench, xml: str) -> Json:
    """The task that Label Studio makes up for an interface."""
    project = bench.empty_project(xml)
    path = f"/api/projects/{project}/sample-task/"
    made = bench.studio.session.json("POST", path, json={"label_config": xml})
    task: Json = made["sample_task"]
    return task


def regions(xml: str, topic: str) -> list[Json]:
    """What a page saves where each question that is learnt is answered by the topic."""

    def answered(question: Question) -> Json:
        answer = question.answers[TOPICS.index(topic) % len(question.answers)]
        stars = {"rating": int(answer)} if question.kind == "ordered" else {}
        return {
            "from_name": question.from_name,
            "to_name": question.to_name,
            "type": question.control.type_name,
            "value": stars or {"choices": [answer]},
        }

    return [answered(question) for question in parse(xml).questions]


def pre_annotated(bench: Bench, project: int) -> list[Json]:
    """The regions of the served version, as Label Studio keeps them."""
    served = bench.served(project)
    rows = bench.studio.of(project).predictions()
    return [one for row in rows if row["model_version"] == served for one in row["result"]]


@pytest.mark.parametrize("title", TEMPLATES)
def test_a_template_is_learnt_and_pre_annotated(
    bench: Bench, label_studio_program: str, title: str
) -> None:
    xml = configs_of(label_studio_program)[title]
    sample, tasks = example(bench, xml), []
    for number, story in enumerate(stories(SETTLED_BY + OPEN)):
        task = dict(sample)
        TEMPLATES[title](task, story["story"])
        result = regions(xml, story["topic"])
        annotations = [{"result": result}] if number < SETTLED_BY - 1 else []
        tasks.append({"data": task, "annotations": annotations})
    project = bench.connected(tasks, xml)
    next_task, is_in_order = bench.next_in_order(project)
    assert is_in_order
    bench.studio.annotate(next_task["id"], regions(xml, TOPICS[0]))
    bench.until_learnt(project, next_task["id"])
    found = until("pre-annotations", lambda: pre_annotated(bench, project))
    asked = {question.from_name: question for question in parse(xml).questions}
    assert {region["from_name"] for region in found} <= set(asked)
    assert all(region["to_name"] == asked[region["from_name"]].to_name for region in found)
    state = bench.state(project)
    assert not state["nothing_shown"] and not state["unreadable_tasks"]


@pytest.mark.skipif(find_spec("pypdf") is None, reason="pypdf is not installed")
def test_pdf_files_are_fetched_and_read(
    bench: Bench, label_studio_program: str, tmp_path: Path
) -> None:
    """The examples of Label Studio, and uploads, one of which is damaged."""
    xml = configs_of(label_studio_program)["PDF Classification"]
    project = bench.empty_project(xml)
    studio = bench.studio.of(project)
    examples = [example(bench, xml), {"pdf": "/static/samples/opossum-cuteness.pdf"}]
    studio.import_tasks(examples)
    path = f"/api/projects/{project}/import"
    topics = {}
    for number, story in enumerate(stories(SETTLED_BY + OPEN)):
        words = story["story"].replace("(", "").replace(")", "").replace("\\", "")
        name = f"story {number}.pdf"
        file = (name, pdf([words.encode("ascii", "ignore").decode()]), "application/pdf")
        bench.studio.session.json("POST", path, files={"file": file})
        topics[name.replace(" ", "_")] = story["topic"]
    broken = ("broken.pdf", pdf(["One"])[:200], "application/pdf")
    bench.studio.session.json("POST", path, files={"file": broken})
    known = 0
    for task in studio.tasks():
        topic = topics.get(task["data"]["pdf"].partition("-")[2])
        if topic is not None and known < SETTLED_BY:
            bench.studio.annotate(task["id"], regions(xml, topic))
            known += 1
    bench.connect(project)
    until("pre-annotations", lambda: pre_annotated(bench, project), 240)
    state = bench.state(project)
    (unread,) = state["unreadable_tasks"]
    assert "not a PDF, or one that is damaged or cut off" in unread["reason"]
    assert bench.ranks(project) == len(examples) + OPEN, "all but the damaged one"
