"""Several questions in one labelling interface: learnt together, answered one by one."""

import pytest

from backend.project.versions import SETTLED_BY
from backend.types import Json
from tests.studio.bench import TOPICS, Bench, stories, until

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
def backend_settings() -> dict[str, object]:
    return {"deep_rounds": "yes", "deep_round_first": 40, "max_tokens": 32}


def answer(topic: str, *, with_weight: bool) -> list[Json]:
    path = ["serious", topic] if topic in SERIOUS else ["light"]
    given: list[Json] = [
        {"from_name": "topic", "type": "choices", "value": {"choices": [topic]}},
        {"from_name": "tree", "type": "taxonomy", "value": {"taxonomy": [path]}},
    ]
    if with_weight:
        stars = 3 if topic in SERIOUS else 1
        given.append({"from_name": "weight", "type": "rating", "value": {"rating": stars}})
    return [{**region, "to_name": "text"} for region in given]


# Where Label Studio keeps the labels makes no difference here.
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_all_questions_are_learnt_and_pre_annotated(bench: Bench) -> None:
    project = bench.connected(stories(150), INTERFACE)
    for number in range(40):
        task, is_in_order = bench.next_in_order(project)
        assert is_in_order, "one order for all questions"
        given = answer(task["data"]["topic"], with_weight=number % 2 == 0)
        bench.studio.annotate(task["id"], given)
    bench.until_learnt(project, task["id"])
    version = bench.until_tuned(project)
    assert version.head is not None
    assert [group.kind for group in version.head.groups] == ["single", "multiple", "ordered"]
    topics = {f"topic: {topic}" for topic in TOPICS}
    assert topics < set(version.head.labels)
    assert not [label for label in version.head.labels if label.startswith("why")]
    truth = {task["id"]: task["data"]["topic"] for task in bench.studio.of(project).tasks()}
    right = seen = 0
    for prediction in bench.studio.of(project).predictions():
        if prediction["model_version"] != version.name or not prediction["result"]:
            continue
        regions = {region["from_name"]: region for region in prediction["result"]}
        assert {"topic", "weight"} <= set(regions) <= {"topic", "tree", "weight"}
        assert regions["weight"]["value"]["rating"] in (1, 2, 3)
        seen += 1
        right += regions["topic"]["value"]["choices"] == [truth[prediction["task"]]]
    assert right > seen / 2 > 10
    state = bench.state(project)
    assert {"topic: tech", "weight: 3"} <= set(state["by_label"])


GRADED = (
    '<View><Text name="text" value="$story"/>'
    '<Number name="grade" toName="text" min="1" max="5"/></View>'
)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_number_is_learnt_and_pre_annotated(bench: Bench) -> None:
    project = bench.connected(stories(60), GRADED)
    grades = dict(zip(TOPICS, range(1, 6), strict=True))
    for _ in range(SETTLED_BY):  # until then only what is very sure is pre-annotated
        task, is_in_order = bench.next_in_order(project)
        assert is_in_order
        value = {"number": grades[task["data"]["topic"]]}
        region = {"from_name": "grade", "to_name": "text", "type": "number", "value": value}
        bench.studio.annotate(task["id"], [region])
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
