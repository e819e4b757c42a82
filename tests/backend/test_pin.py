"""Whether a pin holds: the version, its encoder and its labels must all be there."""

import logging
from pathlib import Path

import numpy as np
import pytest

from backend.interface.objects.text import Text
from backend.interface.questions import LabelConfig, Question, Source
from backend.mirror.pool import PINNED, Pool
from backend.project.pin import pinned_name, pinned_version
from model.heads.head import Head
from model.storage.facts import VersionFacts
from model.storage.store import EncoderMeta, Store, Version, write_encoder_meta
from model.types import Kind


def asking(kind: Kind, *answers: str) -> LabelConfig:
    return LabelConfig((Question("c", "t", kind, answers),), (Source(Text(), "$text"),))


CONFIG = asking("single", "cats", "dogs")
NOTHING = np.zeros(0, np.int64)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Project 7 with version 2.13."""
    store = Store(tmp_path / "7")
    with store.new_encoder(2) as folder:
        write_encoder_meta(folder, EncoderMeta("tuned", "base", 16, 4, labels=20))
    head = Head("single", CONFIG.labels, np.ones((4, 2), np.float32), np.zeros(2), np.zeros(4))
    store.save_version(Version("2.13", 2, head, NOTHING, NOTHING, NOTHING, VersionFacts()))
    return store


@pytest.fixture
def pool(store: Store) -> Pool:
    return Pool(store.folder / "pool.sqlite")


def test_a_pin_holds_until_it_is_removed(store: Store, pool: Pool) -> None:
    assert pinned_version(pool, store, CONFIG) is None
    pool.remember(PINNED, "2.13")
    assert pinned_name(store.folder) == "2.13"
    pinned = pinned_version(pool, store, CONFIG)
    assert pinned is not None
    assert (pinned.name, pinned.encoder) == ("2.13", 2)
    pool.remember(PINNED, None)
    assert pinned_name(store.folder) is None
    assert pinned_version(pool, store, CONFIG) is None


@pytest.mark.parametrize(
    "changed",
    [
        asking("single", "cats", "dogs", "birds"),
        asking("single", "dogs", "cats"),
        asking("multiple", "cats", "dogs"),
    ],
)
def test_with_other_labels_a_pin_does_not_hold_until_they_are_back(
    store: Store, pool: Pool, changed: LabelConfig, caplog: pytest.LogCaptureFixture
) -> None:
    pool.remember(PINNED, "2.13")
    with caplog.at_level(logging.WARNING):
        assert pinned_version(pool, store, changed) is None
    assert "project 7: the pin does not hold: Version 2.13 knows the labels cats, dogs" in (
        caplog.text
    )
    assert pinned_version(pool, store, CONFIG) is not None


def test_a_pin_to_what_is_gone_does_not_hold(
    store: Store, pool: Pool, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody emptied folders: the loop goes on without the pin, it does not fail at each turn."""
    pool.remember(PINNED, "2.13")
    store.delete_encoder(2)
    assert pinned_version(pool, store, CONFIG) is None
    assert "Encoder 2 of version 2.13 has been deleted" in caplog.text
    store.delete_version("2.13")
    assert pinned_version(pool, store, CONFIG) is None
    assert "project 7: the pin does not hold: Version 2.13 has been deleted" in caplog.text


def test_asking_for_the_pin_makes_no_project(tmp_path: Path) -> None:
    """The server takes up every folder that has a pool.sqlite."""
    assert pinned_name(tmp_path) is None
    assert list(tmp_path.iterdir()) == []
