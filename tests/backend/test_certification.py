"""When audit labels may be asked for first, and what is refused."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.dataset.record import Record, write_record
from backend.errors import BackendError
from backend.interface.parse import parse
from backend.mirror import certified
from backend.mirror.finished import marked
from backend.mirror.pool import Pool
from backend.project import certification
from backend.settings import Settings
from model.finishing.goal import Goal
from model.heads.head import Head
from model.storage.store import Store, Version
from tests.backend.test_routes import served_in

GOAL = Goal(0.9, 0.8)
CONFIG = parse(
    '<View><Text name="text" value="$text"/><Choices name="topic" toName="text">'
    '<Choice value="Sport"/><Choice value="Tech"/></Choices></View>'
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return served_in(tmp_path / "7").store


@pytest.fixture
def pool(store: Store) -> Pool:
    """Version 0.3 was written into Label Studio."""
    made = Pool(store.folder / "pool.sqlite")
    made.add_published("0.3", 1.0)
    return made


def publish(pool: Pool, store: Store, head: Head | None) -> None:
    before = store.load_version("0.3")
    store.save_version(replace(before, name="0.4", head=head))
    pool.add_published("0.4", 2.0)


def test_it_goes_on_until_it_is_stopped(store: Store, pool: Pool) -> None:
    assert certification.seen(store.folder) == (False, "")
    certification.start(pool, store, GOAL, 30)
    now = certified.current(pool)
    assert now is not None
    assert (now.goal, now.budget) == (GOAL, 30)
    assert certification.seen(store.folder) == (True, "")
    certification.stop(pool)
    assert certification.seen(store.folder) == (False, certification.STOPPED)
    certification.start(pool, store, GOAL, 30)
    assert certification.seen(store.folder) == (True, ""), "how the last one ended is history"


def test_stopping_what_has_ended_does_not_hide_how_it_ended(store: Store, pool: Pool) -> None:
    certified.end(pool, "It is proved.")
    certification.stop(pool)
    assert certification.seen(store.folder) == (False, "It is proved.")


def test_looking_makes_no_mirror(tmp_path: Path) -> None:
    """The server takes up every folder that has one."""
    assert certification.seen(tmp_path) == (False, "")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("budget", [0, -3, 10_001, 10**9])
def test_a_budget_that_cannot_be(store: Store, pool: Pool, budget: int) -> None:
    with pytest.raises(BackendError, match="between 1 and 10000"):
        certification.start(pool, store, GOAL, budget)
    assert certified.current(pool) is None


def test_without_labels_nothing_can_be_proved(store: Store, pool: Pool) -> None:
    publish(pool, store, None)
    with pytest.raises(BackendError, match="no version yet that knows labels"):
        certification.start(pool, store, GOAL, 30)


def test_without_a_version_nothing_can_be_proved(store: Store, tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="no version yet that knows labels"):
        certification.start(Pool(tmp_path / "other.sqlite"), store, GOAL, 30)


def test_spans_cannot_be_proved(store: Store, pool: Pool) -> None:
    nothing = np.zeros(0, np.int64)
    weights = np.eye(2, 3, dtype=np.float32)
    head = Head("spans", ("O", "B-x", "I-x"), weights, np.zeros(3), np.zeros(2))
    spans = Version("0.4", 0, head, nothing, nothing, nothing, store.load_version("0.3").facts)
    store.save_version(spans)
    pool.add_published("0.4", 2.0)
    with pytest.raises(BackendError, match="Spans cannot be certified"):
        certification.start(pool, store, GOAL, 30)


def test_what_was_asked_for_before_counts_again(store: Store, pool: Pool) -> None:
    """Begun anew, its labels were never counted, so that it asked for more than was wanted."""
    certification.start(pool, store, GOAL, 100)
    pool.add_certified(np.arange(1, 101), time.time())
    certification.start(pool, store, GOAL, 50)
    pool.add_certified(np.arange(1, 51), time.time())
    now = certified.current(pool)
    assert now is not None
    assert certified.answered(pool, now, np.arange(31, 101)) == 30


def test_what_the_model_annotates_is_no_label_that_was_asked_for(store: Store, pool: Pool) -> None:
    """Certification said that its labels were given, where the model had annotated the tasks."""
    region = {"from_name": "topic", "to_name": "text", "type": "choices", "score": 0.99}
    regions = marked([{**region, "value": {"choices": ["Sport"]}}], "0.3")
    made = {"id": 1, "result": regions, "was_cancelled": False}
    pool.update([{"id": 1, "data": {"text": "a"}, "annotations": [made]}], CONFIG)
    certification.start(pool, store, GOAL, 1)
    pool.add_certified(np.array([1]), time.time())
    found = certification.look(pool, Settings(), pool.labelling(CONFIG, False))
    assert (found.given, found.left) == (0, 1)


def test_it_ends_where_a_dataset_is_added(store: Store, pool: Pool) -> None:
    """What it would prove is a matter of the dataset from then on, not of the tasks."""
    certification.start(pool, store, GOAL, 30)
    write_record(store.folder, Record("s3://b/news", "id", 10, 1, 0, 1.0))
    instead = certification.said_elsewhere(store.folder)
    found = certification.look(pool, Settings(), pool.labelling(CONFIG, False), instead)
    assert (found.now, found.left) == (None, 0)
    is_going_on, ended = certification.seen(store.folder)
    assert not is_going_on
    assert "the pool is a dataset now" in ended and "finish --project 7 --dry-run" in ended
    with pytest.raises(BackendError, match="cannot be asked for first where the pool is a dataset"):
        certification.start(pool, store, GOAL, 30)


def test_what_is_still_open_at_the_end_is_no_audit_task(store: Store, pool: Pool) -> None:
    """Else the model would never learn from it, however it comes to be labelled."""
    region = {"from_name": "topic", "to_name": "text", "type": "choices"}
    annotation = {"id": 1, "result": [{**region, "value": {"choices": ["Sport"]}}]}
    rows = [{"id": 1, "data": {"text": "a"}, "annotations": [annotation]}]
    pool.update([*rows, {"id": 2, "data": {"text": "b"}}], CONFIG)
    certification.start(pool, store, GOAL, 30)
    pool.add_certified(np.array([1, 2]), 10.0)
    certification.stop(pool)
    assert pool.certified().tolist() == [1]
