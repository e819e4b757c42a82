import json
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from backend.mirror.finished import FACT as FINISHED
from backend.mirror.pool import Pool
from backend.queue import cleanup
from backend.queue.cleanup import OPEN_SECONDS, clean_up, delete_old_files, obsolete
from backend.studio.api import Studio
from model.storage.facts import VersionFacts
from model.storage.store import EncoderMeta, Store, Version, write_encoder_meta
from tests.backend.web import Answer, Web


def test_what_can_be_rolled_back_to_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleanup, "KEPT_VERSIONS", 2)
    store, nothing = Store(tmp_path), np.zeros(0, np.int64)
    for number in range(5):
        with store.new_encoder(number) as folder:
            write_encoder_meta(folder, EncoderMeta("base", "base", 16, 4))
        for refit in (1, 2, 3):
            name = f"{number}.{refit}"
            store.save_version(
                Version(name, number, None, nothing, nothing, nothing, VersionFacts())
            )
    published = ["3.1", "3.3", "4.1", "4.2", "4.3"]
    delete_old_files(store, store.load_version("4.3"), published, ["0.2"])
    assert list(store.encoders()) == [0, 2, 3, 4], "the pinned one and the newest three"
    assert store.version_names() == ["0.2", "0.3", "2.3", "3.3", "4.2", "4.3"]


def test_predictions_that_finish_wrote_stay_until_they_are_taken_back(
    tmp_path: Path, web: Web
) -> None:
    """People asked for them; half a day later they were gone, and their version with them."""
    store, nothing = Store(tmp_path), np.zeros(0, np.int64)
    with store.new_encoder(0) as folder:
        write_encoder_meta(folder, EncoderMeta("base", "base", 16, 4))
    names = ["0.1", "0.2", "0.3", "0.4"]
    for name in names:
        store.save_version(Version(name, 0, None, nothing, nothing, nothing, VersionFacts()))
    web.answers["/api/projects/7/model-versions/"] = Answer(b"{}")
    studio = Studio(web.url, "token").of(7)
    with closing(Pool(tmp_path / "pool.sqlite")) as pool:
        for place, name in enumerate(names):
            pool.add_published(name, float(place))
        pool.remember(FINISHED, ["0.1"])
        clean_up(studio, pool, store, store.load_version("0.4"), 1.0, 50)
        assert [json.loads(seen.body)["model_version"] for seen in web.seen] == ["0.2"]
        assert store.version_names() == ["0.1", "0.3", "0.4"]
        pool.remember(FINISHED, [])
        clean_up(studio, pool, store, store.load_version("0.4"), 1.0, 50)
        assert json.loads(web.seen[-1].body)["model_version"] == "0.1"


HOUR = 3600.0


def published(count: int, every: float) -> dict[str, float]:
    """Versions at these intervals, the newest at 0 s."""
    return {f"0.{n}": (n - count) * every for n in range(1, count + 1)}


def test_versions_are_deleted_hours_after_they_were_replaced() -> None:
    names = obsolete(published(6, HOUR), "0.6", 2.5 * HOUR, 100, 0.0)
    assert names == ["0.1", "0.2"], "0.3 was replaced two hours ago"
    assert obsolete(published(6, HOUR), "0.6", 0.0, 100, 0.5) == ["0.1", "0.2", "0.3", "0.4"]


def test_of_many_versions_the_newest_stay_and_what_open_pages_show() -> None:
    """Fifty rows a label stayed for half a day, however many people labelled."""
    ten_a_minute = published(6000, 6.0)
    names = obsolete(ten_a_minute, "0.6000", 12 * HOUR, 100, 0.0)
    assert names[0] == "0.1"
    left = [name for name in ten_a_minute if name not in set(names)]
    assert len(left) == OPEN_SECONDS / 6.0 + 2, "and the one that is served, and that before it"
    slow = published(300, 120.0)  # ten hours
    names = obsolete(slow, "0.300", 12 * HOUR, 100, 0.0)
    assert len(slow) - len(names) == 100


def test_the_served_version_and_the_one_before_it_are_never_deleted() -> None:
    names = obsolete(published(5, HOUR), "0.2", 0.0, 0, 100 * HOUR)
    assert names == ["0.1", "0.3"], "0.4 is before the newest"
