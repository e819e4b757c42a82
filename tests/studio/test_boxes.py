"""Boxes in pictures: drawn beforehand by a detector, learnt from what people draw, and tuned."""

from pathlib import Path

import numpy as np
import pytest

from backend.types import Json
from model.boxes.geometry import Box
from model.boxes.measures import is_right
from model.storage.store import Store
from tests.backend.web import Web
from tests.model.shapes import SIDE
from tests.studio.bench import Bench, until
from tests.studio.drawn import CONFIG, LABELS, boxes_in, drawn, shown

PICTURES, LABELLED = 60, 36


@pytest.fixture(scope="module")
def backend_settings(shape_detector: Path, files: Web) -> dict[str, object]:
    """A detector that knows circles, and has never seen the other shapes."""
    return {
        "detector": str(shape_detector),
        "media_hosts": files.host,
        "deep_rounds": "yes",
        "deep_round_first": LABELLED,
        "audit_share": 0.2,
        "shortlist": 100,
        "deep_shortlist": 100,
    }


# Where Label Studio keeps the labels makes no difference here.
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_boxes_are_drawn_beforehand_learnt_and_tuned(bench: Bench, files: Web) -> None:
    truth = shown(files, PICTURES)
    project = bench.connected([{"image": address} for address in truth], CONFIG)
    first = bench.followed(project)
    assert first.head is not None
    assert first.head.labels == ("", *LABELS)
    found = predictions(bench, project, first.name)
    labels = {region["value"]["rectanglelabels"][0] for one in found.values() for region in one}
    assert labels == {"Circle"}, "before any label, what the detector knows by name"
    region = next(region for one in found.values() for region in one)
    assert (region["original_width"], region["original_height"]) == (SIDE, SIDE)
    assert region["type"] == "rectanglelabels"
    assert region["value"]["rotation"] == region["image_rotation"] == 0
    before = f1(bench, project, found, truth)
    for number in range(LABELLED - 1):
        task, is_in_order = bench.next_in_order(project)
        assert is_in_order or number >= 3, "the order is the model's"
        bench.studio.annotate(task["id"], drawn(truth[task["data"]["image"]]))
        if number < 3 or number == LABELLED - 2:
            bench.until_learnt(project, task["id"])
    learnt = bench.followed(project)
    found = predictions(bench, project, learnt.name)
    after = f1(bench, project, found, truth)
    assert after > before
    assert set(bench.state(project)["by_label"]) == set(LABELS)
    task, _ = bench.next_in_order(project)
    bench.studio.annotate(task["id"], drawn(truth[task["data"]["image"]]))
    # The tuned detector is used if it finds held-out boxes at least as well as the one before.
    store = Store(bench.models / str(project))
    until("a deep round", lambda: store.encoders()[max(store.encoders())].labels == LABELLED)
    until("all pictures in order", lambda: bench.ranks(project) == PICTURES - LABELLED)
    found = predictions(bench, project, bench.followed(project).name)
    assert f1(bench, project, found, truth) > before
    assert bench.state(project)["trouble"] is None


def predictions(bench: Bench, project: int, version: str) -> dict[int, list[Json]]:
    """The pre-annotations of a version by task."""
    every = bench.studio.of(project).predictions()
    return {one["task"]: one["result"] for one in every if one["model_version"] == version}


def f1(
    bench: Bench, project: int, found: dict[int, list[Json]], truth: dict[str, list[Box]]
) -> float:
    """Of the boxes in these pre-annotations."""
    address = {task["id"]: task["data"]["image"] for task in bench.studio.of(project).tasks()}
    hits = both = 0
    for task, result in found.items():
        boxes, right = boxes_in(result), truth[address[task]]
        hits += int(np.sum(is_right([(box, 1.0) for box in boxes], right)))
        both += len(boxes) + len(right)
    return 2 * hits / both
