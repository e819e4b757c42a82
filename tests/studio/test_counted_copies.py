"""Where COUNT_COPIES is set, what people said of a task counts for its near copies, and `finish`
writes it: on a real Label Studio."""

import pytest

from backend.dev import local
from tests.soak.annotators import sign_up
from tests.studio.bench import Bench, until
from tests.studio.command import command
from tests.studio.test_copies import COPIES, TEXTS, Copied

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

MODEL = "copies@example.com"


@pytest.fixture(scope="module")
def backend_settings(ordered_settings: dict[str, object]) -> dict[str, object]:
    return {**ordered_settings, "count_copies": True}


def finish(bench: Bench, copied: Copied, *words: str) -> str:
    environ = {
        "MODEL_DIR": str(bench.models),
        "LABEL_STUDIO_URL": bench.studio.url,
        "LABEL_STUDIO_API_KEY": local.TOKEN,
        "COUNT_COPIES": "true",
    }
    done = command("finish", "--project", str(copied.number), *words, environ=environ)
    assert done.status == 0, done.out + done.err
    return done.out


def test_an_answer_counts_for_all_copies_and_is_written_at_the_end(bench: Bench) -> None:
    copied = Copied(bench)
    asked = copied.label_each_text_once()
    rest = {task for task in copied.tasks if task not in asked}
    assert len(asked) <= TEXTS + 1, "a copy that counts is not asked for, not even by lot"
    until("all of them counted", lambda: copied.found()["counted"] == len(rest))
    assert bench.state(copied.number)["open_tasks"] == 0
    assert len(rest) >= TEXTS * COPIES - TEXTS - 1

    said = finish(bench, copied, "--dry-run")
    assert f"{len(rest)} more tasks count as labelled" in said
    assert "0 open tasks" in said
    sign_up(bench.studio.url, MODEL)
    said = finish(bench, copied, "--to", "annotations", "--as", MODEL, "--full-speed")
    assert f"Wrote {len(rest)} annotations" in said
    tasks = {task["id"]: task for task in bench.studio.of(copied.number).tasks()}
    for task in rest:
        (annotation,) = tasks[task]["annotations"]
        (region,) = annotation["result"]
        assert region["value"]["choices"] == [tasks[task]["data"]["topic"]]
    assert bench.labels_known(copied.number) <= set(asked), "nothing is learnt from it"
    finish(bench, copied, "--undo", "--full-speed")
    until("all of them counted again", lambda: copied.found()["counted"] == len(rest))
