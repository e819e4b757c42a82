"""Before the first label: what labels are called gives a model, an order and pre-annotations."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.dev import local
from backend.project.versions import FIRST_CONFIDENCE
from backend.studio.api import Studio
from backend.types import Json
from model.storage.store import Store
from tests.studio.bench import Bench, stories, until

CALLED = {"sports": "sports", "politics": "politics", "tech": "technology"}
"""Topic of the stories -> what the annotators' choice says."""

EACH = 20
INTERFACE = (
    '<View><Text name="text" value="$story"/><Choices name="topic" toName="text" required="true">'
    + "".join(f'<Choice value="{name}"/>' for name in CALLED.values())
    + "</Choices></View>"
)

# Nothing of this depends on where Label Studio keeps its data.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture(scope="module")
def backend_settings() -> dict[str, object]:
    """Stories are read as far as the default reads them: without labels, each word counts."""
    return {"max_tokens": 128}


def short_stories() -> list[Json]:
    """The first stories of each topic, in their order."""
    seen: Counter[str] = Counter()
    found = []
    for story in stories(500):
        topic = story["topic"]
        seen[topic] += 1
        if topic in CALLED and seen[topic] <= EACH:
            found.append(story)
    return found


def test_names_give_an_order_and_pre_annotations_before_any_label(bench: Bench) -> None:
    """The first annotator is already shown the model's choice, and the answer where it is sure."""
    tasks = short_stories()
    project = bench.connected(tasks, INTERFACE)
    store = Store(bench.models / str(project))
    for name in store.version_names():
        version = store.load_version(name)
        assert version.head is not None, f"version {name} knows the names, as the first one must"
        assert version.head.labels == tuple(CALLED.values())
    assert bench.labels_known(project) == set()
    sentence = bench.state(project)["sentence"]
    assert "So far the model knows only the names of the labels." in sentence
    first, is_in_order = bench.next_in_order(project)
    assert is_in_order

    queue = predictions(bench, project)
    assert len(queue) == len(tasks)
    assert first["id"] in queue
    truth = {task["id"]: CALLED[task["data"]["topic"]] for task in bench.studio.of(project).tasks()}
    regions = {task: row["result"][0] for task, row in queue.items() if row["result"]}
    assert regions, "something is sure enough to be shown before any label"
    assert all(region["score"] >= FIRST_CONFIDENCE for region in regions.values())
    shown = {task: region["value"]["choices"][0] for task, region in regions.items()}
    assert set(shown.values()) == set(CALLED.values()), "each label is seen in the pool"
    right = sum(truth[task] == name for task, name in shown.items())
    assert right >= 0.9 * len(shown), "people follow what is shown, so it must be right"


def test_without_names_nothing_is_said_before_the_first_label(nameless: Bench) -> None:
    """The order exists all the same, by the vectors alone."""
    tasks = short_stories()
    project = nameless.connected(tasks, INTERFACE)
    _, is_in_order = nameless.next_in_order(project)
    assert is_in_order
    version = nameless.version(project)
    assert version is not None and version.head is None
    queue = predictions(nameless, project)
    assert len(queue) == len(tasks)
    assert not [row for row in queue.values() if row["result"]]
    assert "the names of the labels" not in nameless.state(project)["sentence"]
    nameless.delete_projects()


@pytest.fixture
def nameless(label_studio: local.LocalProcess, studio: Studio, tmp_path: Path) -> Iterator[Bench]:
    """A second backend, which does not read the names."""
    settings: dict[str, object] = {"label_names": "false", "deep_rounds": "no", "poll_seconds": 5}
    server = local.backend(tmp_path, local.free_port(), label_studio.url, **settings)
    with server:
        server.wait_until_up()
        yield Bench(studio, server, tmp_path / "models", settings)


def predictions(bench: Bench, project: int) -> dict[int, Json]:
    """What Label Studio holds of the version that its queue follows, by task."""
    until(
        "Label Studio to follow",
        lambda: bench.studio.of(project).describe()["model_version"] == bench.served(project),
    )
    version = bench.served(project)
    rows = bench.studio.of(project).predictions()
    return {row["task"]: row for row in rows if row["model_version"] == version}
