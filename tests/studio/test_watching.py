"""What other programs can watch: readiness, metrics, and logs that they can read."""

import json
import re
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from backend.dev import local
from tests.studio.bench import Bench, stories, until

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

PUBLISHED = "active_learning_publish_seconds"


@pytest.fixture(scope="module")
def backend_settings() -> dict[str, object]:
    return {"log_format": "json"}


def test_readiness_is_more_than_health(
    bench: Bench, label_studio: local.LocalProcess, tmp_path: Path
) -> None:
    bench.connected(stories(5))
    answer = requests.get(f"{bench.server.url}/ready", timeout=10)
    everything = {"ready": True, "trainer": True, "label_studio": True, "orders": True}
    assert (answer.status_code, answer.json()) == (200, everything)
    alone = local.backend(tmp_path, local.free_port(), f"http://127.0.0.1:{local.free_port()}")
    with alone:
        alone.wait_until_up()
        answer = requests.get(f"{alone.url}/ready", timeout=10)
        assert answer.status_code == 503
        assert answer.json()["label_studio"] is False


def test_a_submit_is_counted_and_tied_to_the_version_that_first_knows_it(bench: Bench) -> None:
    project = bench.connected(stories(30))
    until("the first order", lambda: _samples(bench, project)[f"{PUBLISHED}_count"] == 1)
    before = _samples(bench, project)
    task = bench.studio.of(project).next_task()
    assert task is not None
    bench.submit(task, [task["data"]["topic"]])
    bench.until_learnt(project, task["id"])
    until(
        "the figures",
        lambda: _samples(bench, project)["active_learning_refresh_seconds_count"] == 1,
    )
    after = _samples(bench, project)
    assert after["active_learning_submits_total"] == 1
    assert after["active_learning_failures_total"] == 0
    assert 0 < after["active_learning_refresh_seconds_sum"] < 60
    for name in ("round", "publish"):
        count = f"active_learning_{name}_seconds_count"
        assert after[count] == before[count] + 1
    success = "active_learning_last_success_timestamp_seconds"
    assert after[success] > before[success]
    rows = [json.loads(line) for line in bench.server.log.read_text().splitlines()]
    said = [row["message"] for row in rows]
    version = bench.served(project)
    tied = rf"project {project}: version {version} is the first to know the label of task "
    assert [line for line in said if re.match(rf"{tied}{task['id']}, \d+\.\d\d s after", line)]


def test_what_the_board_shows_is_there(bench: Bench) -> None:
    """A name that is misspelt, or was changed, leaves a panel empty."""
    project = bench.connected(stories(5))
    board = (Path(__file__).parents[2] / "docs" / "grafana.json").read_text()
    shown = set(re.findall(r"active_learning_\w+", board))
    assert len(shown) > 8
    assert shown - _samples(bench, project).keys() - _all_names(bench) == set()


def _families(bench: Bench) -> list[tuple[str, dict[str, str], float]]:
    text = requests.get(f"{bench.server.url}/metrics", timeout=10).text
    return [
        (sample.name, sample.labels, sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]


def _all_names(bench: Bench) -> set[str]:
    text = requests.get(f"{bench.server.url}/metrics", timeout=10).text
    families = list(text_string_to_metric_families(text))
    return {one.name for one in families} | {name for name, _, _ in _families(bench)}


def _samples(bench: Bench, project: int) -> dict[str, float]:
    """The project's own figures by name."""
    return {
        name: value
        for name, labels, value in _families(bench)
        if labels.get("project") == str(project)
    }
