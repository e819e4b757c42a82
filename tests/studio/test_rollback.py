"""Rolling back: the queue and the predictions of a real Label Studio follow the pinned version."""

import sqlite3
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import requests

from backend.interface.content import key_of, parts_of
from backend.interface.parse import parse
from backend.project.versions import FIRST_CONFIDENCE, least_confidence
from backend.types import Json
from model.storage.store import EncoderMeta, Store, Version, write_encoder_meta
from tests.studio.bench import SINGLE, Bench, partly_labelled, stories, until
from tests.studio.command import command

AUTH = ("studio", "s3cret")

# A pin is in our own files; Label Studio's database makes no difference to it.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture(scope="module")
def backend_settings(one_layer: Path) -> dict[str, object]:
    """An encoder that is tuned in seconds: what it is worth does not matter here."""
    return {
        "encoder": str(one_layer),
        "deep_rounds": "yes",
        "deep_round_first": 15,
        "max_tokens": 32,
        "basic_auth_user": AUTH[0],
        "basic_auth_pass": AUTH[1],
    }


def test_a_pin_waits_for_its_labels_and_nothing_of_it_is_deleted(bench: Bench) -> None:
    """While the labelling interface has other labels, newer encoders serve and old versions are
    cleaned away, but the pinned one must be there when its labels come back."""
    project = bench.connected(stories(30))
    label(bench, project, 3)
    store = Store(bench.models / str(project))
    oldest, pinned = store.version_names()[0], newest_of_first_encoder(bench, project)
    rollback(bench, project, "--to", pinned.name)
    serves_pinned(bench, project, pinned)

    base = str(bench.settings["encoder"])
    for number in (1, 2, 3, 4):
        with store.new_encoder(number) as folder:
            write_encoder_meta(folder, EncoderMeta(base, base, 32, 384))
    a_day_passes(bench, project)
    weather = SINGLE.replace("</Choices>", '<Choice value="weather"/></Choices>')
    bench.studio.of(project).update(label_config=weather)
    until("the newest encoder", lambda: bench.served(project).startswith("4."))
    assert f"the pin does not hold: Version {pinned.name} knows the labels" in log_of(bench)
    until("the clean-up", lambda: list(store.encoders()) == [0, 2, 3, 4])
    until("the clean-up of versions", lambda: oldest not in store.version_names())
    assert pinned.name in store.version_names()

    bench.studio.of(project).update(label_config=SINGLE)
    serves_pinned(bench, project, pinned)


def test_with_nothing_left_to_label_predictions_still_follow(bench: Bench) -> None:
    """No order can be made then, and without one no version was switched."""
    project = bench.connected(stories(4))
    label(bench, project, 3)
    last, before = bench.served(project), newest_of_first_encoder(bench, project, skip=1)
    task = bench.studio.of(project).next_task()
    assert task is not None
    bench.submit(task, [task["data"]["topic"]])
    empty = f"project {project}: no task is left to label"
    until("the last label", lambda: empty in log_of(bench))
    rollback(bench, project, "--to", before.name)
    until("the pinned version", lambda: bench.served(project) == before.name)
    assert predicted(bench, project, task)["model_version"] == before.name
    rollback(bench, project, "--latest")
    until("the last version", lambda: bench.served(project) == last)


# The last one: a deep round still runs at its end, which the next test would have to wait for.
@pytest.mark.every_release
def test_a_pinned_version_serves_until_the_pin_is_removed(bench: Bench) -> None:
    """Back from a fine-tuned encoder to a head on the first one: across labels, a request to train
    and a restart. Without the pin all labels count again, on the newest encoder."""
    project = bench.connected(partly_labelled(stories(60), 9))
    label(bench, project, 6)
    until("the deep round's version", lambda: bench.served(project).startswith("1."), 180)
    pinned = newest_of_first_encoder(bench, project)
    assert "The server applies this now" in rollback(bench, project, "--to", pinned.name)
    serves_pinned(bench, project, pinned)

    label(bench, project, 5)
    serves_pinned(bench, project, pinned)
    answer = requests.post(
        f"{bench.server.url}/webhook",
        json={"action": "START_TRAINING", "project": {"id": project}},
        auth=AUTH,
        timeout=10,
    )
    assert answer.status_code == 201
    until("the refusal", lambda: "no training while a version is pinned" in log_of(bench))
    assert log_of(bench).count(f"project {project}: tune (") == 1, "the one before the pin"

    before = bench.served(project)
    bench.server.stop()
    bench.server.start()
    bench.server.wait_until_up()
    until("the order after the start", lambda: bench.served(project) not in ("0.0", before))
    serves_pinned(bench, project, pinned)

    rollback(bench, project, "--latest")
    until("the newest encoder", lambda: not bench.served(project).startswith("0."))
    version = bench.version(project)
    assert version is not None
    assert version.facts.head_of is None
    assert len(bench.labels_known(project)) == 20, "those of the time under the pin count, too"
    until("the deep round that was due", lambda: "tune (encoder 2) is queued" in log_of(bench))


def label(bench: Bench, project: int, count: int) -> None:
    """Label the next tasks, each from an order that knows of those before: the same ones each time,
    so that the head is sure of the same tasks, too."""
    for _ in range(count):
        task = bench.studio.of(project).next_task()
        assert task is not None
        bench.submit(task, [task["data"]["topic"]])
        until("the label", lambda: task["id"] not in shortlist(bench, project))  # noqa: B023
        # The backend serves a version before Label Studio follows it.
        until("the switch", lambda: bench.is_switched(project))


def shortlist(bench: Bench, project: int) -> list[int]:
    version = bench.version(project)
    assert version is not None
    tasks: list[int] = version.shortlist.tolist()
    return tasks


def newest_of_first_encoder(bench: Bench, project: int, skip: int = 0) -> Version:
    """A version to go back to: the newest one of encoder 0 after leaving out `skip`."""
    store = Store(bench.models / str(project))
    names = [name for name in store.version_names() if name.startswith("0.")]
    version = store.load_version(names[-1 - skip])
    assert version.head is not None
    return version


def rollback(bench: Bench, project: int, *arguments: str) -> str:
    """Run the command as a person does beside the server."""
    environ = {
        "MODEL_DIR": str(bench.models),
        "PORT": str(urlsplit(bench.server.url).port),
        "BASIC_AUTH_USER": AUTH[0],
        "BASIC_AUTH_PASS": AUTH[1],
    }
    done = command("rollback", "--project", str(project), *arguments, environ=environ)
    assert done.status == 0, done.err
    return done.out


def serves_pinned(bench: Bench, project: int, pinned: Version) -> None:
    """The queue, the predictions in it and those on demand are those of the pinned head: with so
    few labels, those that it is sure of."""

    def under_pin() -> Version | None:
        version = bench.version(project)
        follows = version and version.facts.head_of == pinned.name
        switched = bench.studio.of(project).describe()["model_version"] == bench.served(project)
        return version if follows and switched else None

    version = until("a version of the pinned head", under_pin)
    assert version.encoder == pinned.encoder
    assert version.head is not None and pinned.head is not None
    np.testing.assert_array_equal(version.head.weights, pinned.head.weights)
    task = bench.studio.of(project).next_task()
    assert task is not None
    assert task["id"] == version.shortlist[0]
    assert task["predictions"][0]["model_version"] == version.name
    assert least_confidence(version) == FIRST_CONFIDENCE
    shown = {
        row["task"]: row
        for row in bench.studio.of(project).predictions()
        if row["model_version"] == version.name
    }
    wanted = said_by(pinned, bench, project)
    sure = [one for one in shown if wanted[one]]
    assert sure, "the pinned head is sure of something in the queue"
    for one, row in shown.items():
        assert regions_of(row) == wanted[one]
    asked = next(one for one in bench.studio.of(project).tasks() if one["id"] == sure[0])
    on_demand = predicted(bench, project, asked)
    assert on_demand["model_version"] == version.name
    assert regions_of(on_demand) == wanted[sure[0]]


def said_by(pinned: Version, bench: Bench, project: int) -> dict[int, list[tuple[str, object]]]:
    """Of each task the label that the pinned head is sure of, with its probability."""
    assert pinned.head is not None
    vectors = Store(bench.models / str(project)).vectors(pinned.encoder)
    said: dict[int, list[tuple[str, object]]] = {}
    for task in bench.studio.of(project).tasks():
        parts = parts_of(task["data"], parse(SINGLE))
        assert parts is not None
        row = vectors.rows(np.array([key_of(parts)]))
        probs = pinned.head.probs(vectors.take(row))[0]
        likeliest = pinned.head.labels[int(probs.argmax())], pytest.approx(probs.max(), abs=1e-3)
        said[task["id"]] = [likeliest] if probs.max() >= FIRST_CONFIDENCE else []
    return said


def regions_of(prediction: Json) -> list[tuple[str, float]]:
    """The labels of a prediction, and their probabilities."""
    return [
        (label, region["score"])
        for region in prediction["result"]
        for label in region["value"]["choices"]
    ]


def predicted(bench: Bench, project: int, task: Json) -> Json:
    """What Label Studio gets when it asks for a prediction of one task."""
    body = {"tasks": [{"id": task["id"], "data": task["data"]}], "project": f"{project}.1"}
    answer = requests.post(f"{bench.server.url}/predict", json=body, auth=AUTH, timeout=60)
    prediction: Json = answer.json()["results"][0]
    return prediction


def a_day_passes(bench: Bench, project: int) -> None:
    """All that was published so far becomes old enough to be cleaned away."""
    with sqlite3.connect(bench.models / str(project) / "pool.sqlite") as db:
        db.execute("UPDATE published SET at = at - 86400")


def log_of(bench: Bench) -> str:
    path: Path = bench.server.log
    return path.read_text(errors="replace")
