"""What real projects hold: data under paths, tasks without a text, annotations of other forms."""

import pytest

from backend.types import Json
from tests.studio.bench import TOPICS, Bench, stories, until

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

CHOICES = "".join(f'<Choice value="{topic}"/>' for topic in TOPICS)
MAIL = (
    '<View><Header value="From: $meta.author"/><Text name="text" value="$items[0].body"/>'
    f'<Choices name="topic" toName="text" required="true">{CHOICES}</Choices></View>'
)


def mail(story: Json, number: int) -> Json:
    return {"meta": {"author": f"author {number}"}, "items": [{"body": story["story"]}], **story}


def test_paths_are_read_and_tasks_without_anything_are_counted(bench: Bench) -> None:
    tasks = [mail(story, number) for number, story in enumerate(stories(20))]
    for task in tasks[:5]:
        task["items"], task["meta"] = [], {"nobody": ""}
    project = bench.project(tasks, MAIL)
    bench.connect(project)
    until("all others in the order", lambda: bench.ranks(project) == 15)
    first = min(bench.studio.of(project).task_ids())
    assert bench.state(project)["nothing_shown"] == (
        "5 of 20 tasks have nothing under `items[0].body` or `meta.author`; the first of them, "
        f"task {first}, has the keys `meta`, `items`, `story` and `topic`"
    )
    shown = bench.mirror(project, "SELECT count(*) FROM task WHERE key IS NOT NULL")
    assert shown == [(15,)]


def test_a_key_that_no_task_has_is_told_before_anything_else(bench: Bench) -> None:
    project = bench.empty_project("<View></View>")
    studio = bench.studio.of(project)
    studio.import_tasks([{"Text": story["story"]} for story in stories(4)])
    studio.update(
        label_config='<View><Text name="text" value="$text"/><Choices name="topic" toName="text">'
        f"{CHOICES}</Choices></View>"
    )
    bench.connect(project)
    told = until("a word", lambda: bench.state(project)["nothing_shown"])
    assert told.startswith("4 of 4 tasks have nothing under `text`; the first of them, task ")
    assert told.endswith(", has the keys `Text`")


NESTED = (
    '<View><Text name="text" value="$story"/>'
    '<Choices name="topic" toName="text" allowNested="true" required="true"><Choice value="hard">'
    '<Choice value="business"/><Choice value="politics"/><Choice value="tech"/></Choice>'
    '<Choice value="sports"/><Choice value="entertainment"/></Choices>'
    '<Rating name="stars" toName="text"/><TextArea name="why" toName="text"/>'
    '<Choices name="where" toName="text" visiblewhen="choice-selected" whenTagName="topic" '
    'whenChoiceValue="sports"><Choice value="1"/><Choice value="2"/></Choices></View>'
)


def nested(topic: str) -> list[str]:
    return ["hard", topic] if topic in ("business", "politics", "tech") else [topic]


def given(name: str, kind: str, value: object) -> Json:
    return {"from_name": name, "to_name": "text", "type": kind, "value": {kind: value}}


def test_annotations_are_understood_or_counted(bench: Bench) -> None:
    """Nested choices are learnt; stars count as pandas writes them; a former name counts by its
    alias; what is left is told by its reason, with the first task. What only the minority was
    asked is not learnt."""
    told = stories(40)
    tasks: list[Json] = [
        {
            "data": one,
            "annotations": [{"result": [given("topic", "choices", [nested(one["topic"])])]}],
        }
        for one in told[:30]
    ]
    first = tasks[0]["annotations"][0]["result"]
    first += [given("stars", "rating", 2.0), given("why", "textarea", ["because"])]
    ball = [given("topic", "choices", [["sports"]]), given("where", "choices", ["1"])]
    news = next(one for one in tasks[1:] if one["data"]["topic"] != "sports")
    news["annotations"] += [{"result": ball}, news["annotations"][0]]
    odd = [
        [given("topic", "choices", [["hard", "finance"]])],
        [given("topic", "choices", [["hard", "money"]])],
        [given("subject", "choices", ["sports"])],
        [given("topic", "choices", "sports")],
        [],
        [given("topic", "choices", [["sports"], ["entertainment"]])],
    ]
    others = [
        {"data": one, "annotations": [{"result": result}]}
        for one, result in zip(told[30:], odd, strict=False)
    ]
    project = bench.project([*tasks, *others, *({"data": one} for one in told[36:])], NESTED)
    bench.connect(project)
    until("the rest in the order", lambda: bench.ranks(project) == 4)
    ids = sorted(bench.studio.of(project).task_ids())
    version = bench.version(project)
    assert version is not None and version.head is not None
    assert version.facts.labels == 31, "30 nested choices, and one by its former name"
    assert "topic: hard / business" in version.head.labels
    assert "where: 1" not in version.head.labels, "no majority was asked"
    assert bench.state(project)["not_learnt"] == [
        {"reason": reason, "tasks": 1, "first": ids[30 + place]}
        for reason, place in (
            ("'hard / money' is not among the answers of Choices 'topic'", 1),
            (
                "an answer to Choices 'topic' has a form that is not understood: "
                "{'choices': 'sports'}",
                3,
            ),
            ("it answers 'subject', and no control tag has this name", 2),
            ("it gives 2 answers to Choices 'topic', which takes one", 5),
            ("the annotation is empty", 4),
        )
    ]

    def kept() -> list[list[str]]:
        rows = bench.studio.of(project).predictions()
        served = bench.served(project)
        found = [one for row in rows if row["model_version"] == served for one in row["result"]]
        return [one["value"]["choices"][0] for one in found if one["from_name"] == "topic"]

    paths = until("pre-annotations", kept)
    assert all(nested(path[-1]) == path for path in paths), "leaves, with the way down to them"
