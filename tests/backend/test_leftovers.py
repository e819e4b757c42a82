"""What grew for ever is bounded, and what people may still want stays."""

import os
from pathlib import Path

import pytest

from backend.folder.leftovers import KEPT, KEPT_LOGS, delete_leftovers, outdated

NOW = 1_800_000_000.0
DAY = 24 * 3600.0


def aside(folder: Path, name: str, days: float) -> Path:
    path = folder / f"{name}-{NOW - days * DAY:.0f}"
    path.mkdir(parents=True)
    (path / "file").touch()
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "7"
    made.mkdir()
    return made


def test_the_newest_of_what_was_set_aside_stay_for_a_month(folder: Path) -> None:
    kept = [aside(folder / "encoders", "1.damaged", days) for days in (0, 1, 2)]
    kept += [aside(folder / "vectors", "1.damaged", 3), aside(folder, "pool.sqlite.damaged", 29)]
    gone = [aside(folder / "versions", "2.17.damaged", 29.5), aside(folder, "x.damaged", 31)]
    other = aside(folder.parent, "70.replaced", 400)
    mine = [aside(folder.parent, "7.replaced", days) for days in (5, 40)]
    delete_leftovers(folder, NOW)
    assert [path.exists() for path in [*kept, *gone]] == [True] * KEPT + [False] * 2
    assert [path.exists() for path in [*mine, other]] == [True, False, True]


def test_what_has_another_name_is_not_touched(tmp_path: Path) -> None:
    assert outdated([tmp_path / "my.damaged-copy", tmp_path / "1.damaged-old-17"], NOW) == []


def test_the_newest_logs_stay(folder: Path) -> None:
    """Each start and each deep round left a log for good."""
    for number in range(KEPT_LOGS + 3):
        log = folder / "tensorboard" / f"encoder-{number}"
        log.mkdir(parents=True)
        events = folder / "tensorboard" / "rounds" / f"events.{number}"
        events.parent.mkdir(exist_ok=True)
        events.touch()
        for path in (log, events):
            os.utime(path, (number, number))
    delete_leftovers(folder, NOW)
    left = {path.name for path in (folder / "tensorboard").glob("encoder-*")}
    assert left == {f"encoder-{number}" for number in range(3, KEPT_LOGS + 3)}
    assert len(list((folder / "tensorboard" / "rounds").iterdir())) == KEPT_LOGS


def test_what_cannot_be_deleted_is_said_once_and_keeps_nothing_else(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each thorough look at the project failed at it. Python refuses to follow such a link."""
    elsewhere = folder.parent / "elsewhere"
    elsewhere.mkdir()
    link = folder / f"0.damaged-{NOW - 40 * DAY:.0f}"
    link.symlink_to(elsewhere)
    gone = aside(folder, "1.damaged", 50)
    for _ in range(2):
        delete_leftovers(folder, NOW)
    assert link.exists() and not gone.exists()
    assert caplog.text.count(f"{link} cannot be deleted") == 1
