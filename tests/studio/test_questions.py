"""What an interface may ask: several questions, learnt together; a taxonomy, whose nodes are learnt
once people gave them or by what they are called; a number."""

import pytest

from backend.project.versions import SETTLED_BY
from backend.types import Json
from tests.studio.bench import TOPICS, Bench, partly_labelled, stories, until

SERIOUS = ("business", "politics", "tech")
INTERFACE = (
    '<View><Text name="text" value="$story"/>'
    '<Choices name="topic" toName="text" required="true">'
    + "".join(f'<Choice value="{topic}"/>' for topic in TOPICS)
    + '</Choices><Taxonomy name="tree" toName="text" required="true">'
    + '<Choice value="serious">'
    + "".join(f'<Choice value="{topic}"/>' for topic in SERIOUS)
    + '</Choice><Choice value="light"/></Taxonomy>'
    + '<Rating name="weight" toName="text" maxRating="3"/>'
    + '<Choices name="why" toName="text" visibleWhen="choice-selected" whenTagName="topic" '
    + 'whenChoiceValue="tech"><Choice value="gadget"/><Choice value="web"/></Choices></View>'
)


@pytest.fixture(scope="module")
def backend_settings(tuned_settings: dict[str, object]) -> dict[str, object]:
    return tuned_settings


def answer(task: Json) -> list[Json]:
    """Every second person leaves the weight out."""
    topic = task["topic"]
    path = ["serious", topic] if topic in SERIOUS else ["light"]
    given: list[Json] = [
        {"from_name": "topic", "type": "choices", "value": {"choices": [topic]}},
        {"from_name": "tree", "type": "taxonomy", "value": {"taxonomy": [path]}},
    ]
    if len(task["story"].split()) % 2:
        stars = 3 if topic in SERIOUS else 1
        given.append({"from_name": "weight", "type": "rating", "value": {"rating": stars}})
    if topic == "tech":  # asked only then
        why = "gadget" if "phone" in task["story"] else "web"
        given.append({"from_name": "why", "type": "choices", "value": {"choices": [why]}})
    return [{**region, "to_name": "text"} for region in given]


# Where Label Studio keeps the labels makes no difference here.
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_all_questions_are_learnt_and_pre_annotated(bench: Bench) -> None:
    project = bench.connected(partly_labelled(stories(100), 42, answer), INTERFACE)
    for _ in range(4):
        task, is_in_order = bench.next_in_order(project)
        assert is_in_order, "one order for all questions"
        bench.studio.annotate(task["id"], answer(task["data"]))
        bench.until_learnt(project, task["id"])
    version = bench.until_tuned(project)
    assert version.head is not None
    kinds = [group.kind for group in version.head.groups]
    assert kinds == ["single", "multiple", "ordered", "single"]
    topics = {f"topic: {topic}" for topic in TOPICS}
    assert topics < set(version.head.labels)
    truth = {task["id"]: task["data"]["topic"] for task in bench.studio.of(project).tasks()}
    right = seen = asked_why = 0
    for prediction in bench.studio.of(project).predictions():
        if prediction["model_version"] != version.name or not prediction["result"]:
            continue
        regions = {region["from_name"]: region for region in prediction["result"]}
        assert {"topic", "weight"} <= set(regions) <= {"topic", "tree", "weight", "why"}
        assert regions["weight"]["value"]["rating"] in (1, 2, 3)
        is_tech = regions["topic"]["value"]["choices"] == ["tech"]
        assert ("why" in regions) == is_tech, "asked after this answer alone"
        seen += 1
        asked_why += is_tech
        right += regions["topic"]["value"]["choices"] == [truth[prediction["task"]]]
    assert right > seen / 2 > 10
    assert asked_why > 0
    state = bench.state(project)
    assert {"topic: tech", "weight: 3"} <= set(state["by_label"])


PATHS = {
    "business": ["News", "Money"],
    "politics": ["News", "State"],
    "tech": ["News", "Machines"],
    "sports": ["Free time", "Sports"],
    "entertainment": ["Free time", "Shows"],
}
TREE = (
    '<View><Text name="text" value="$story"/><Taxonomy name="topic" toName="text" required="true">'
    + "".join(
        f'<Choice value="{root}">'
        + "".join(f'<Choice value="{leaf}"/>' for top, leaf in PATHS.values() if top == root)
        + "".join(f'<Choice value="{root} {number}"/>' for number in range(100))
        + "".join(f'<Choice value="{number}"/>' for number in range(100))
        + "</Choice>"
        for root in ("News", "Free time")
    )
    + "</Taxonomy></View>"
)


def node_of(task: Json) -> list[Json]:
    region = {"from_name": "topic", "to_name": "text", "type": "taxonomy"}
    return [{**region, "value": {"taxonomy": [PATHS[task["topic"]]]}}]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_nodes_are_learnt_as_they_are_given_and_come_back_as_paths(bench: Bench) -> None:
    assert set(PATHS) == set(TOPICS)
    project = bench.connected(partly_labelled(stories(150), 24, node_of), TREE)
    for _ in range(6):
        task = bench.studio.of(project).next_task()
        assert task is not None
        bench.studio.annotate(task["id"], node_of(task["data"]))
        last = task["id"]
    bench.until_learnt(project, last)
    version = bench.until_tuned(project)
    assert version.head is not None
    nodes = {"News", "Free time", *(" / ".join(path) for path in PATHS.values())}
    known = set(version.head.labels)
    assert nodes <= known
    assert len(known) == 207, "of 407 nodes those that somebody gave, and those with a name"
    right = stray = 0
    for prediction in bench.studio.of(project).predictions():
        if prediction["model_version"] == version.name and prediction["result"]:
            assert prediction["result"][0]["type"] == "taxonomy"
            paths = prediction["result"][0]["value"]["taxonomy"]
            stray += not all(" / ".join(path) in nodes for path in paths)
            right += len(paths[0]) == 2
    assert right > 10, "leaves are pre-annotated"
    assert stray < right / 10, "what nobody gave is hardly ever pre-annotated for its name alone"


GRADED = (
    '<View><Text name="text" value="$story"/>'
    '<Number name="grade" toName="text" min="1" max="5"/></View>'
)


def graded(task: Json) -> list[Json]:
    value = {"number": 1 + TOPICS.index(task["topic"])}
    return [{"from_name": "grade", "to_name": "text", "type": "number", "value": value}]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_number_is_learnt_and_pre_annotated(bench: Bench) -> None:
    known = SETTLED_BY - 3  # until all are there, only what is very sure is pre-annotated
    project = bench.connected(partly_labelled(stories(60), known, graded), GRADED)
    for _ in range(3):
        task, is_in_order = bench.next_in_order(project)
        assert is_in_order
        bench.studio.annotate(task["id"], graded(task["data"]))
        bench.until_learnt(project, task["id"])
    assert set(bench.state(project)["by_label"]) <= {"1", "2", "3", "4", "5"}

    def regions() -> list[Json]:
        """What Label Studio kept of the served version's predictions."""
        served = bench.served(project)
        rows = bench.studio.of(project).predictions()
        return [one for row in rows if row["model_version"] == served for one in row["result"]]

    kept = until("pre-annotated numbers", regions)
    assert {region["type"] for region in kept} == {"number"}
    assert {region["value"]["number"] for region in kept} <= {1, 2, 3, 4, 5}


PREFERRED = (
    '<View><Pairwise name="pw" toName="one,two"/>'
    '<Text name="one" value="$one"/><Text name="two" value="$two"/></View>'
)


def pairs_of_stories(count: int) -> list[Json]:
    """A story about sports and another one, by turns."""
    told = stories(8 * count)
    sports = [one["story"] for one in told if one["topic"] == "sports"][:count]
    others = [one["story"] for one in told if one["topic"] != "sports"][:count]
    return [
        {"one": a, "two": b, "sports": "left"}
        if number % 2
        else {"one": b, "two": a, "sports": "right"}
        for number, (a, b) in enumerate(zip(sports, others, strict=True))
    ]


def sporty(task: Json) -> list[Json]:
    """As Label Studio's page saves it: to_name is the tag's own name."""
    value = {"selected": task["sports"]}
    return [{"from_name": "pw", "to_name": "pw", "type": "pairwise", "value": value}]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_which_of_two_is_learnt_and_pre_annotated(bench: Bench) -> None:
    project = bench.connected(partly_labelled(pairs_of_stories(150), 57, sporty), PREFERRED)
    for _ in range(4):
        task, is_in_order = bench.next_in_order(project)
        assert is_in_order
        bench.studio.annotate(task["id"], sporty(task["data"]))
        bench.until_learnt(project, task["id"])
    version = bench.until_tuned(project)
    assert version.head is not None
    assert version.head.kind == "pair"
    assert set(bench.state(project)["by_label"]) == {"left", "right"}
    data = {task["id"]: task["data"] for task in bench.studio.of(project).tasks()}
    regions = [
        (row["task"], region)
        for row in bench.studio.of(project).predictions()
        if row["model_version"] == version.name
        for region in row["result"]
    ]
    assert len(regions) > 40
    assert {region["to_name"] for _, region in regions} == {"one"}
    right = [region["value"] == sporty(data[task])[0]["value"] for task, region in regions]
    assert sum(right) / len(right) > 0.75
